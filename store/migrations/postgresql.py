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

# What holds for a column stands in the index under a sign: ^ title, < sender, > receivers, # facets, = pairs of neighbours, ~ viewer, @ kind.
# The latest `near` documents are looked at one by one first: of a frequent word they fill the page, and GIN would fetch every hit to sort
# them. Of a rare one they cost a few milliseconds, and GIN finds the rest; LIMIT and OFFSET 0 keep the planner from mixing the two. Of phrases the
# index knows which neighbours there may be (hashed, so that there are few); then the folded text is compared, which is exact: a tsvector
# forgets positions beyond the 256th of a word, and GIN knows none.
_BY_COLUMN: Final = (
    r"""CREATE FUNCTION kith_signed(sign text, words text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
         SELECT array_remove(string_to_array(regexp_replace(words, '(\S+)', sign || '\1', 'g'), ' '), '')
       $$""",
    """CREATE OR REPLACE FUNCTION kith_search_words() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF TG_OP = 'UPDATE' AND NEW.pairs = ''
            AND (NEW.title, NEW.sender, NEW.receivers, NEW.body) = (OLD.title, OLD.sender, OLD.receivers, OLD.body) THEN
           NEW.tsv := ts_delete(OLD.tsv, kith_signed('#', OLD.facets)) || array_to_tsvector(kith_signed('#', NEW.facets));
           RETURN NEW;
         END IF;
         NEW.tsv := array_to_tsvector(array_remove(array_remove(string_to_array(concat_ws(' ', NEW.title, NEW.sender, NEW.receivers, NEW.body), ' '),
                      ''), chr(57344)) || kith_signed('^', NEW.title) || kith_signed('<', NEW.sender) || kith_signed('>', NEW.receivers)
                      || kith_signed('#', NEW.facets) || kith_signed('=', NEW.pairs) || ARRAY['~' || NEW.viewer_id, '@' || NEW.kind]);
         NEW.pairs := '';
         RETURN NEW;
       END $$""",
    """CREATE FUNCTION kith_phrases(phrases text[], title text, sender text, receivers text, body text) RETURNS boolean
       LANGUAGE sql IMMUTABLE AS $$
         SELECT coalesce(bool_and((left(p, 1) = '=') = (' ' || CASE substr(p, 2, 1)
             WHEN 't' THEN title WHEN 'f' THEN sender WHEN 'r' THEN receivers
             WHEN 'p' THEN concat_ws(' ' || chr(57344) || ' ', sender, receivers)
             WHEN 'h' THEN concat_ws(' ' || chr(57344) || ' ', title, sender, receivers)
             ELSE concat_ws(' ' || chr(57344) || ' ', title, sender, receivers, body) END || ' ' LIKE substr(p, 3))), true)
         FROM unnest(phrases) p
       $$""",
    """CREATE FUNCTION kith_find(query text, phrases text[], kinds text[], low bigint, high bigint, before_place bigint,
                                 before_id text, near integer, most integer)
       RETURNS TABLE (node_id text, kind text, at bigint, place bigint)
       LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off AS $$
       #variable_conflict use_column
       DECLARE
         me text := nullif(current_setting('kith.viewer', true), '');
         wanted tsquery := ('''~' || me || '''')::tsquery;
         exact boolean := coalesce(array_length(phrases, 1), 0) = 0;
         edge_place bigint := before_place;
         edge_id text := before_id;
         found_now integer := 0;
       BEGIN
         IF me IS NULL THEN
           RETURN;
         END IF;
         IF query IS NOT NULL THEN
           wanted := wanted && query::tsquery;
         END IF;
         IF near > 0 THEN
           RETURN QUERY SELECT d.node_id, d.kind, d.at, d.place FROM (
               SELECT * FROM public.search_doc s
               WHERE s.viewer_id = me AND s.place < high AND (s.place, s.node_id) < (before_place, before_id)
               ORDER BY s.place DESC, s.node_id DESC LIMIT near) d
             WHERE d.place >= low AND d.kind = ANY (kinds) AND d.tsv @@ wanted
               AND (exact OR public.kith_phrases(phrases, d.title, d.sender, d.receivers, d.body))
             ORDER BY d.place DESC, d.node_id DESC LIMIT most;
           GET DIAGNOSTICS found_now = ROW_COUNT;
           SELECT d.place, d.node_id INTO edge_place, edge_id FROM public.search_doc d
             WHERE d.viewer_id = me AND d.place < high AND (d.place, d.node_id) < (before_place, before_id)
             ORDER BY d.place DESC, d.node_id DESC OFFSET near - 1 LIMIT 1;
           IF found_now >= most OR edge_place IS NULL OR edge_place < low THEN
             RETURN;
           END IF;
         END IF;
         RETURN QUERY SELECT d.node_id, d.kind, d.at, d.place FROM (
             SELECT * FROM public.search_doc s WHERE s.tsv @@ wanted OFFSET 0) d
           WHERE d.viewer_id = me AND d.place >= low AND d.place < high AND (d.place, d.node_id) < (edge_place, edge_id)
             AND d.kind = ANY (kinds) AND (exact OR public.kith_phrases(phrases, d.title, d.sender, d.receivers, d.body))
           ORDER BY d.place DESC, d.node_id DESC LIMIT most - found_now;
       END $$""",
    "REVOKE ALL ON FUNCTION kith_find(text, text[], text[], bigint, bigint, bigint, text, integer, integer) FROM PUBLIC",
    """DO $$ BEGIN
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kith_app') AND current_user <> 'kith_app' THEN
           GRANT EXECUTE ON FUNCTION kith_find(text, text[], text[], bigint, bigint, bigint, text, integer, integer) TO kith_app;
         ELSE
           GRANT EXECUTE ON FUNCTION kith_find(text, text[], text[], bigint, bigint, bigint, text, integer, integer) TO CURRENT_USER;
         END IF;
       END $$""",
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


def search_by_column() -> None:
    """The index of revision 0007. `kith_search` stays for processes of the release before."""
    for statement in _BY_COLUMN:
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
