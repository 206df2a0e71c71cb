// GraphQL over Server-Sent Events in "distinct connections" mode, judged by graphql-sse, and as an EventSource would read it.
import { createClient } from 'graphql-sse';

import { authorized, changes, check, finish, holds, same, since, url } from './report.mjs';

const connect = () => createClient({ url, singleConnection: false, retryAttempts: 0, headers: authorized });

const take = async (client, payload, count = Infinity) => {
  const results = [];
  for await (const result of client.iterate(payload)) {
    results.push(result);
    if (results.length >= count) break;
  }
  return results;
};

/** Events of a raw stream, [{id, event, data}], until there are `count`. */
const raw = async (target, init, count) => {
  const stop = new AbortController();
  const response = await fetch(target, { ...init, signal: stop.signal, headers: { ...authorized, accept: 'text/event-stream', ...init?.headers } });
  holds(/^text\/event-stream/.test(response.headers.get('content-type')), `${response.status} ${response.headers.get('content-type')}`);
  const found = [];
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split(/\r?\n/).filter((line) => !line.startsWith(':')).map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
      if (fields.event) found.push(fields);
    }
    if (found.length >= count) break;
  }
  stop.abort();
  return found.slice(0, count);
};

const asked = (variables) => `${url}?${new URLSearchParams({ query: changes, variables: JSON.stringify(variables) })}`;

await check('subscription', 'a subscription delivers the events after its cursor, each once', async () => {
  const client = connect();
  const results = await take(client, { query: changes, variables: { since } }, 3);
  const cursors = results.map((result) => result.data.changes.cursor);
  same(new Set(cursors).size, 3);
  const resumed = await take(client, { query: changes, variables: { since: cursors[0] } }, 2);
  same(resumed.map((result) => result.data.changes.cursor), cursors.slice(1));
  client.dispose();
});
await check('query', 'a query is a stream of one event', async () => {
  const client = connect();
  const results = await take(client, { query: '{ viewer { __typename } }' });
  same(results.map((result) => result.data.viewer.__typename), ['Viewer']);
  client.dispose();
});
await check('invalid', 'a document that does not validate is reported', async () => {
  const client = connect();
  const said = await take(client, { query: 'subscription { noSuchField }' }).then((results) => results[0]?.errors, (error) => error);
  holds(said, 'nothing was said');
  client.dispose();
});
await check('shape', 'next events carry a result, complete ends the stream', async () => {
  const body = JSON.stringify({ query: '{ __typename }' });
  const events = await raw(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body }, 2);
  same(events.map((event) => event.event), ['next', 'complete']);
  same(JSON.parse(events[0].data).data, { __typename: 'Query' });
});
await check('id', 'each event of the feed carries its cursor as id', async () => {
  const events = await raw(asked({ since }), undefined, 2);
  same(events.map((event) => event.id), events.map((event) => JSON.parse(event.data).data.changes.cursor));
});
await check('last-event-id', 'an EventSource that comes back with Last-Event-ID goes on after it', async () => {
  const [first, second, third] = await raw(asked({ since }), undefined, 3);
  const resumed = await raw(asked({ since }), { headers: { 'Last-Event-ID': first.id } }, 2);
  same(resumed.map((event) => event.id), [second.id, third.id]);
});
await check('gone', 'a client that goes away leaves the server answering', async () => {
  await raw(asked({ since }), undefined, 1);
  const client = connect();
  same((await take(client, { query: '{ __typename }' })).length, 1);
  client.dispose();
});
finish();
