"""PostgreSQL's side: row-level security on every owned table, and the search function that may pass it.

A policy compares `viewer_id` with the transaction's `kith.viewer`; without one it is null and no row is seen. Row security
keeps the planner from using the GIN index (the text operator is not leak-proof), so search goes through one SECURITY
DEFINER function that takes the viewer from the same setting and nothing else. The application's role owns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alembic import op

_SEARCH: Final = (
    "ALTER TABLE search_doc ADD COLUMN tsv tsvector",
    # words come folded and separated by spaces: no parser of PostgreSQL's own may cut them differently
    """CREATE FUNCTION kith_search_words() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         NEW.tsv := array_to_tsvector(array_remove(string_to_array(NEW.title || ' ' || NEW.body, ' '), '')
                    || ARRAY['~' || NEW.viewer_id]);
         RETURN NEW;
       END $$""",
    "CREATE TRIGGER search_doc_words BEFORE INSERT OR UPDATE ON search_doc FOR EACH ROW EXECUTE FUNCTION kith_search_words()",
    "CREATE INDEX search_doc_tsv ON search_doc USING gin (tsv)",
    """CREATE FUNCTION kith_search(query text) RETURNS TABLE (node_id text, kind text, at bigint)
       LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
         SELECT d.node_id, d.kind, d.at FROM public.search_doc d
         WHERE d.viewer_id = nullif(current_setting('kith.viewer', true), '')
           AND d.tsv @@ (('''~' || nullif(current_setting('kith.viewer', true), '') || '''')::tsquery && query::tsquery)
       $$""",
    "REVOKE ALL ON FUNCTION kith_search(text) FROM PUBLIC",
)

# the application's role is named in the text: it is this release's constant, never input
_GRANTS: Final = (
    """DO $$ BEGIN
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kith_app') AND current_user <> 'kith_app' THEN
           GRANT USAGE ON SCHEMA public TO kith_app;
           GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO kith_app;
           GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO kith_app;
           GRANT EXECUTE ON FUNCTION kith_search(text) TO kith_app;
         ELSE
           GRANT EXECUTE ON FUNCTION kith_search(text) TO CURRENT_USER;
         END IF;
       END $$""",
)


def create_search() -> None:
    for statement in _SEARCH:
        op.execute(statement)


def bind_viewers(tables: Sequence[str]) -> None:
    """Bind each table to the transaction's viewer, and let the application's role (where there is one) work on it."""
    for table in tables:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        if table != "search_doc":  # its owner runs kith_search
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_viewer ON {table} USING (viewer_id = nullif(current_setting('kith.viewer', true), ''))"
            f" WITH CHECK (viewer_id = nullif(current_setting('kith.viewer', true), ''))"
        )
    for statement in _GRANTS:
        op.execute(statement)
