// What the Node gateways share: schema, resolvers, one pool of connections and a loader for each request.
import { Agent, request } from 'undici';
import DataLoader from 'dataloader';

const upstream = process.env.UPSTREAM;
const dispatcher = new Agent({ connections: 64, pipelining: 1, keepAliveTimeout: 60_000 });
const get = async (path) => (await request(upstream + path, { dispatcher })).body.json();

export const port = Number(process.env.PORT);
export const typeDefs = `
  type User { id: Int! name: String! username: String! email: String! phone: String website: String }
  type Post { id: Int! userId: Int! title: String! body: String! user: User }
  type Query { posts: [Post] greet: String! }
`;
export const resolvers = {
  Query: { posts: () => get('/posts'), greet: () => 'Hello World!' },
  Post: { user: (post, _, context) => context.users.load(post.userId) },
};
export const context = () => ({
  users: new DataLoader((numbers) => Promise.all(numbers.map((number) => get(`/users/${number}`)))),
});
