"""Google contacts, and how Google signs people in."""
