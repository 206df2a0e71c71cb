// The graphql-transport-ws protocol, judged by the client of its authors (graphql-ws) and by raw frames.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { authorized, changes, check, finish, holds, same, since, url } from './report.mjs';

const socketUrl = url.replace(/^http/, 'ws');
const connect = (options = {}) =>
  createClient({ url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: authorized, ...options });

/** The first `count` results of an operation; without `count`, all until it completes. */
const take = (client, payload, count = Infinity) =>
  new Promise((resolve, reject) => {
    const results = [];
    const stop = client.subscribe(payload, {
      next: (result) => {
        if (results.length >= count) return; // already on its way when the client completed the operation
        results.push(result);
        if (results.length >= count) {
          resolve(results);
          stop?.();
        }
      },
      error: reject,
      complete: () => resolve(results),
    });
  });

/** How the server ends a connection on which a client speaks for itself. */
const closed = (speak, { protocol = 'graphql-transport-ws' } = {}) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(socketUrl, protocol);
    const say = (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    socket.on('open', () => speak(say));
    socket.on('message', (data) => JSON.parse(data).type === 'connection_ack' && speak(say, true));
    socket.on('unexpected-response', (_request, response) => resolve(`HTTP ${response.statusCode}`));
    socket.on('error', reject);
    socket.on('close', (code) => resolve(code));
  });

const init = { type: 'connection_init', payload: authorized };
const subscribe = { id: 'one', type: 'subscribe', payload: { query: changes } };

await check('subscription', 'a subscription delivers the events after its cursor, each once', async () => {
  const client = connect();
  const results = await take(client, { query: changes, variables: { since } }, 3);
  const cursors = results.map((result) => result.data.changes.cursor);
  same(new Set(cursors).size, 3);
  const resumed = await take(client, { query: changes, variables: { since: cursors[0] } }, 2);
  same(resumed.map((result) => result.data.changes.cursor), cursors.slice(1));
  await client.dispose();
});
await check('query', 'a query over the socket gives one result and completes', async () => {
  const client = connect();
  const results = await take(client, { query: '{ viewer { __typename id } }' });
  same(results.map((result) => result.data.viewer.__typename), ['Viewer']);
  await client.dispose();
});
await check('shared', 'several operations share one connection', async () => {
  let opened = 0;
  const client = connect({ on: { opened: () => opened++ } });
  await Promise.all([1, 2, 3].map(() => take(client, { query: changes, variables: { since } }, 2)));
  same(opened, 1);
  await client.dispose();
});
await check('pong', 'a ping is answered by a pong', async () => {
  await new Promise((resolve, reject) => {
    const client = connect({
      keepAlive: 100,
      lazy: false,
      onNonLazyError: reject,
      on: { pong: (received) => received && resolve(client.dispose()), error: reject },
    });
  });
});
await check('invalid', 'a document that does not validate is answered by an error message for its operation', async () => {
  const client = connect();
  const errors = await take(client, { query: 'subscription { noSuchField }' }).then(() => [], (error) => error);
  holds(Array.isArray(errors) && errors[0]?.message, `no error message: ${JSON.stringify(errors)}`);
  const [alive] = await take(client, { query: '{ __typename }' });
  same(alive.data.__typename, 'Query');
  await client.dispose();
});
await check('early', 'an operation that its client completes stops, and the socket stays usable', async () => {
  const client = connect();
  await take(client, { query: changes, variables: { since } }, 1);
  const [alive] = await take(client, { query: '{ __typename }' });
  same(alive.data.__typename, 'Query');
  await client.dispose();
});
await check('4401', 'subscribing before connection_init closes with 4401', async () => {
  same(await closed((say) => say(subscribe)), 4401);
});
await check('4400', 'what is not a message closes with 4400', async () => {
  same(await closed((say) => say('not json')), 4400);
});
await check('4429', 'a second connection_init closes with 4429', async () => {
  same(await closed((say, acknowledged) => { say(init); if (!acknowledged) say(init); }), 4429);
});
await check('4409', 'two operations of one id close with 4409', async () => {
  same(await closed((say, acknowledged) => { if (acknowledged) { say(subscribe); say(subscribe); } else say(init); }), 4409);
});
await check('4403', 'a key that opens nothing closes with 4403', async () => {
  const code = await closed((say) => say({ type: 'connection_init', payload: { Authorization: 'Bearer kith_nobody' } }));
  holds([4401, 4403].includes(code), `closed with ${code}`);
});
await check('subprotocol', 'an unknown subprotocol is refused', async () => {
  const how = await closed(() => {}, { protocol: 'nonsense' }).catch((error) => error.message);
  holds(how === 4406 || typeof how === 'string', `closed with ${how}`);
});
finish();
