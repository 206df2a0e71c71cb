// GraphQL over HTTP, judged by graphql-http's own audits, and introspection, judged by graphql-js.
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, printSchema, validateSchema } from 'graphql';
import { serverAudits } from 'graphql-http';

import { authorized, check, finish, holds, rows, same, url } from './report.mjs';

const fetchFn = (target, init = {}) => fetch(target, { ...init, headers: { ...authorized, ...init.headers } });

for (const audit of serverAudits({ url, fetchFn })) {
  const [, level, name] = audit.name.match(/^(MUST|SHOULD|MAY) (.*)$/s);
  await check(audit.id, name, async () => {
    const result = await audit.fn();
    if (result.status !== 'ok') throw new Error(result.reason);
  }, level);
}

async function introspect(options) {
  const response = await fetchFn(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: getIntrospectionQuery(options) }),
  });
  const answer = await response.json();
  holds(answer.data && !answer.errors, `errors: ${JSON.stringify(answer.errors)}`);
  return buildClientSchema(answer.data);
}

await check('introspection-valid', 'introspection builds a client schema that validates', async () => {
  const errors = validateSchema(await introspect({}));
  same(errors.map((error) => error.message), []);
});
await check('introspection-complete', 'introspection answers every optional part that graphql-js can ask for', async () => {
  await introspect({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true });
});
await check('introspection-printed', 'the schema printed from introspection is read again as itself', async () => {
  const printed = printSchema(lexicographicSortSchema(await introspect({})));
  same(printSchema(lexicographicSortSchema(buildSchema(printed))) === printed, true);
});
await check('variable-form', 'a variable without the form of its scalar is a request error: 400, no data, and a sentence', async () => {
  const response = await fetchFn(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: 'query ($after: Cursor) { viewer { people(after: $after) { totalCount } } }', variables: { after: '' } }),
  });
  const answer = await response.json();
  same([response.status, 'data' in answer, answer.errors[0].extensions.code], [400, false, 'BAD_USER_INPUT']);
});
holds(rows.length > 50, 'graphql-http knows more audits than that');
finish();
