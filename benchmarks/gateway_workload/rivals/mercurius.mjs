import Fastify from 'fastify';
import mercurius from 'mercurius';
import { context, port, resolvers, typeDefs } from './common.mjs';

const app = Fastify({ logger: false });
await app.register(mercurius, { schema: typeDefs, resolvers, context: async () => context(), jit: 1 });
await app.listen({ port, host: '127.0.0.1' });
