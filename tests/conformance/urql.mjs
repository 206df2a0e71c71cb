// Queries and subscriptions as an application with @urql/core sends them.
import { cacheExchange, Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { authorized, changes, check, finish, holds, same, since, url } from './report.mjs';

const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams: authorized });
const client = new Client({
  url,
  preferGetMethod: false,
  fetchOptions: { headers: authorized },
  exchanges: [
    cacheExchange,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
      }),
    }),
  ],
});

const people = gql`
  query People($first: Int!) {
    viewer { id people(first: $first) { edges { node { id name } } } }
  }
`;

await check('query', 'a query with variables is answered', async () => {
  const { data, error } = await client.query(people, { first: 2 }).toPromise();
  if (error) throw error;
  same(data.viewer.people.edges.length, 2);
});
await check('cache', 'the same query again is answered from the document cache', async () => {
  const { data, operation } = await client.query(people, { first: 2 }).toPromise();
  holds(data.viewer.people.edges.length === 2 && operation.context.meta?.cacheOutcome === 'hit', 'no hit');
});
await check('get', 'a query sent by GET is answered', async () => {
  const { data, error } = await client.query(people, { first: 1 }, { preferGetMethod: 'force' }).toPromise();
  if (error) throw error;
  same(data.viewer.people.edges.length, 1);
});
await check('error', 'a mistake in the document arrives as a GraphQL error', async () => {
  const { error } = await client.query(gql`query Wrong { viewer { noSuchField } }`, {}).toPromise();
  holds(error?.graphQLErrors?.length > 0, `no GraphQL error: ${error}`);
});
await check('subscription', 'a subscription delivers events', async () => {
  const cursor = await new Promise((resolve, reject) => {
    const { unsubscribe } = client.subscription(gql(changes), { since }).subscribe(({ data, error }) => {
      if (error) reject(error);
      else resolve(data.changes.cursor);
      setTimeout(() => unsubscribe());
    });
  });
  holds(typeof cursor === 'string' && cursor !== since, `cursor ${cursor}`);
});
finish();
