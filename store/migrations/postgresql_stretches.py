"""PostgreSQL's search by stretches of time: how the latest hits are found of words that few mails have, and of words that all have.

GIN gives every hit of a word in no order: of a frequent one it takes long to fetch them, only to show the latest 25. Therefore each
document also stands in the index under its viewer's stretches of time, `%` and three letters: `a` of 3 days, `b` of 25, `c` of 199 (bits
of its place). GIN leaps through its lists, so that a word within a stretch costs no more than the hits there. A search looks

1. at the latest documents one by one, which fill the page where nearly every document matches, and are a sample of how many do;
2. into the whole index, where these say that matches are rare, and leaves off as soon as they turn out not to be;
3. into one stretch after the other from the latest on: a long one, a shorter one within it where that holds too many.

Each step costs some milliseconds, whatever the words are and wherever in time they stand. What is found is sorted before it is read,
so that phrases, which only the folded text can tell, are compared from the latest on until the page is full. Documents without a moment
(people) stand in a stretch of their own, `%t`, before all.
"""

from __future__ import annotations

from typing import Final

from alembic import op

_STATEMENTS: Final = (
    "TRUNCATE search_doc",
    """CREATE FUNCTION kith_stretches(viewer text, place bigint) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
         SELECT CASE WHEN place >= 4611686018427387904 THEN ARRAY['%t~' || viewer]
                ELSE ARRAY['%a' || (place >> 48) || '~' || viewer, '%b' || (place >> 51) || '~' || viewer,
                           '%c' || (place >> 54) || '~' || viewer] END
       $$""",
    """CREATE OR REPLACE FUNCTION kith_search_words() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF TG_OP = 'UPDATE' AND NEW.pairs = '' AND NEW.place = OLD.place
            AND (NEW.title, NEW.sender, NEW.receivers, NEW.body) = (OLD.title, OLD.sender, OLD.receivers, OLD.body) THEN
           NEW.tsv := ts_delete(OLD.tsv, kith_signed('#', OLD.facets)) || array_to_tsvector(kith_signed('#', NEW.facets));
           RETURN NEW;
         END IF;
         NEW.tsv := array_to_tsvector(array_remove(array_remove(string_to_array(concat_ws(' ', NEW.title, NEW.sender, NEW.receivers, NEW.body), ' '),
                      ''), chr(57344)) || kith_signed('^', NEW.title) || kith_signed('<', NEW.sender) || kith_signed('>', NEW.receivers)
                      || kith_signed('#', NEW.facets) || kith_signed('=', NEW.pairs) || kith_stretches(NEW.viewer_id, NEW.place)
                      || ARRAY['~' || NEW.viewer_id, '@' || NEW.kind]);
         NEW.pairs := '';
         RETURN NEW;
       END $$""",
    # plans are made once a connection and have one shape each: by the index of places, or by GIN
    """CREATE OR REPLACE FUNCTION kith_find(query text, phrases text[], kinds text[], low bigint, high bigint, before_place bigint,
                                            before_id text, near integer, most integer)
       RETURNS TABLE (node_id text, kind text, at bigint, place bigint)
       LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
       SET enable_seqscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off
       SET plan_cache_mode = force_generic_plan SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
       #variable_conflict use_column
       DECLARE
         timeless CONSTANT bigint := 4611686018427387904;
         few CONSTANT integer := 2000;  -- hits in the whole index up to which they are all fetched and sorted
         many CONSTANT integer := 5000;  -- hits in a stretch
         shifts CONSTANT integer[] := ARRAY[48, 51, 54];
         letters CONSTANT text[] := ARRAY['a', 'b', 'c'];
         whole CONSTANT integer := 4;  -- the level above the longest stretches
         me text := nullif(current_setting('kith.viewer', true), '');
         stretch text := '~' || me;  -- the word of the index for what is asked: a stretch of time, or everything
         everywhere tsquery := quote_literal(stretch)::tsquery;
         part tsquery;
         exact boolean := coalesce(array_length(phrases, 1), 0) = 0;
         edge_place bigint := before_place;  -- everything from here on is done with
         edge_id text := before_id;
         bottom bigint;
         level integer := whole;
         limited integer;
         unfilled integer := most;
         given integer;
         places bigint[];
         ids text[];
       BEGIN
         IF me IS NULL THEN
           RETURN;
         END IF;
         IF query IS NOT NULL THEN
           everywhere := everywhere && query::tsquery;
         END IF;
         IF most IS NULL THEN
           RETURN QUERY SELECT d.node_id, d.kind, d.at, d.place FROM (
               SELECT * FROM public.search_doc s WHERE s.tsv @@ everywhere OFFSET 0) d
             WHERE d.viewer_id = me AND d.place >= low AND d.place < high AND (d.place, d.node_id) < (before_place, before_id)
               AND d.kind = ANY (kinds) AND (exact OR public.kith_phrases(phrases, d.title, d.sender, d.receivers, d.body));
           RETURN;
         END IF;
         IF kinds <@ ARRAY['PERSON'] THEN
           low := greatest(low, timeless);
         END IF;
         IF high <= edge_place THEN
           edge_place := high;
           edge_id := '';
         END IF;
         IF edge_place > timeless AND NOT 'PERSON' = ANY (kinds) THEN
           edge_place := timeless;
           edge_id := '';
         END IF;
         LOOP
           IF edge_place > timeless THEN
             stretch := '%t~' || me;
             bottom := greatest(low, timeless);
             limited := NULL;
           ELSIF near > 0 THEN
             RETURN QUERY SELECT d.node_id, d.kind, d.at, d.place FROM (
                 SELECT * FROM public.search_doc s
                 WHERE s.viewer_id = me AND (s.place, s.node_id) < (edge_place, edge_id)
                 ORDER BY s.place DESC, s.node_id DESC LIMIT near) d
               WHERE d.place >= low AND d.kind = ANY (kinds) AND d.tsv @@ everywhere
                 AND (exact OR public.kith_phrases(phrases, d.title, d.sender, d.receivers, d.body))
               ORDER BY d.place DESC, d.node_id DESC LIMIT unfilled;
             GET DIAGNOSTICS given = ROW_COUNT;
             unfilled := unfilled - given;
             EXIT WHEN unfilled <= 0;
             SELECT s.place, s.node_id INTO edge_place, edge_id FROM public.search_doc s
               WHERE s.viewer_id = me AND (s.place, s.node_id) < (edge_place, edge_id)
               ORDER BY s.place DESC, s.node_id DESC OFFSET near - 1 LIMIT 1;
             EXIT WHEN edge_place IS NULL OR edge_place < low;
             level := CASE WHEN given * 32 >= near THEN 2 ELSE whole END;
             near := 0;
             CONTINUE;
           ELSIF level = whole THEN
             stretch := '~' || me;
             bottom := low;
             limited := few + 1;
           ELSE
             SELECT s.place INTO bottom FROM public.search_doc s
               WHERE s.viewer_id = me AND (s.place, s.node_id) < (edge_place, edge_id)
               ORDER BY s.place DESC, s.node_id DESC LIMIT 1;
             EXIT WHEN bottom IS NULL OR bottom < low;
             bottom := bottom >> shifts[level];
             stretch := '%' || letters[level] || bottom || '~' || me;
             bottom := bottom << shifts[level];
             limited := CASE WHEN level > 1 THEN many + 1 END;
           END IF;
           part := quote_literal(stretch)::tsquery;
           IF query IS NOT NULL THEN
             part := part && query::tsquery;
           END IF;
           SELECT array_agg(found.place), array_agg(found.node_id) INTO places, ids FROM (
             SELECT d.place, d.node_id FROM (SELECT * FROM public.search_doc s WHERE s.tsv @@ part OFFSET 0) d
             WHERE d.viewer_id = me AND d.place >= greatest(low, bottom) AND (d.place, d.node_id) < (edge_place, edge_id)
               AND d.kind = ANY (kinds) LIMIT limited) found;
           IF array_length(places, 1) = limited THEN
             level := level - 1;
             CONTINUE;
           END IF;
           RETURN QUERY SELECT d.node_id, d.kind, d.at, d.place FROM (
               SELECT * FROM unnest(places, ids) AS u (place, node_id) ORDER BY u.place DESC, u.node_id DESC OFFSET 0) found
             CROSS JOIN LATERAL (
               SELECT * FROM public.search_doc s WHERE s.viewer_id = me AND s.node_id = found.node_id OFFSET 0) d
             WHERE exact OR public.kith_phrases(phrases, d.title, d.sender, d.receivers, d.body)
             ORDER BY found.place DESC, found.node_id DESC LIMIT unfilled;
           GET DIAGNOSTICS given = ROW_COUNT;
           unfilled := unfilled - given;
           EXIT WHEN unfilled <= 0 OR bottom <= low;
           edge_place := bottom;
           edge_id := '';
           IF level < 3 AND bottom & ((1::bigint << shifts[level + 1]) - 1) = 0 THEN
             level := level + 1;
           END IF;
         END LOOP;
       END $$""",
)


def search_by_stretch() -> None:
    """The index of revision 0012, empty."""
    for statement in _STATEMENTS:
        op.execute(statement)
