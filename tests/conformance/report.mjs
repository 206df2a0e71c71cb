// Collects what a conformance script found, and prints it as one JSON document: [{level, id, name, ok, reason}].
const SECONDS = 15;

export const rows = [];

/** Runs one check; it fails by throwing, or by taking longer than anybody would wait. */
export async function check(id, name, run, level = 'MUST') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${SECONDS} s`)), SECONDS * 1000);
  });
  try {
    await Promise.race([run(), late]);
    rows.push({ level, id, name, ok: true, reason: '' });
  } catch (error) {
    const said = error?.message ?? error?.reason ?? JSON.stringify(error);
    rows.push({ level, id, name, ok: false, reason: String(said).replace(/\s+/g, ' ').slice(0, 400) });
  } finally {
    clearTimeout(timer);
  }
}

/** Throws unless both are the same JSON. */
export function same(got, wanted) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    throw new Error(`got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
  }
}

/** Throws with `message` unless `condition` holds. */
export function holds(condition, message) {
  if (!condition) throw new Error(message);
}

/** Prints the report and ends, also when a client under test left a socket open. */
export function finish() {
  process.stdout.write(JSON.stringify(rows), () => process.exit(0));
}

/** What every script is started with: the endpoint, a key with the scope read, and a cursor to subscribe after. */
export const [url, token, since] = process.argv.slice(2);
export const authorized = { Authorization: `Bearer ${token}` };

export const changes = `subscription Changes($since: Cursor) { changes(since: $since) { __typename cursor } }`;
