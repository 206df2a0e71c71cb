/*
 * The tabs that a new visitor finds. They run as they stand on any installation, so they name nobody.
 * A test validates every file of examples/ against the committed schema.
 */
import changes from './examples/changes.graphql?raw';
import conversations from './examples/conversations.graphql?raw';
import people from './examples/people.graphql?raw';
import person from './examples/person.graphql?raw';

export const examples = [
  { query: people },
  { query: person, variables: JSON.stringify({ first: 5 }, null, 2) },
  { query: conversations },
  { query: changes },
];
