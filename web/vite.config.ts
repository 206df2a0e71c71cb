import { defineConfig } from 'vite';

// Every file but the page itself carries its hash in its name, so that the gateway may serve it as immutable.
export default defineConfig({
  base: '/static/',
  build: {
    outDir: '../gateway/static',
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 6000, // Monaco
    rolldownOptions: {
      input: 'graphiql.html',
      checks: { moduleLevelDirective: false }, // "use client" in libraries: everything here is the client
    },
  },
  worker: { format: 'es' },
});
