/*
 * GraphiQL for Kith: queries by fetch, subscriptions over graphql-transport-ws, both signed in by the session cookie.
 * Everything is bundled and served by Kith itself; the page asks no other host for anything.
 */
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './graphiql.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createClient } from 'graphql-ws';
import { createRoot } from 'react-dom/client';

import { examples } from './examples';

const endpoint = new URL('/graphql', location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === 'https:' ? 'wss:' : 'ws:';

const fetcher = createGraphiQLFetcher({
  url: endpoint.href,
  // A page of another site can send the cookie along, but not this header without being asked first (CORS preflight).
  headers: { 'X-Kith-CSRF': '1' },
  wsClient: createClient({ url: socket.href, lazy: true }),
  enableIncrementalDelivery: false, // the schema declares no @defer
});

createRoot(document.getElementById('explorer')!).render(
  <GraphiQL fetcher={fetcher} defaultTabs={examples} defaultEditorToolsVisibility="variables" shouldPersistHeaders={false}>
    <GraphiQL.Logo>
      <a href="/">Kith</a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
