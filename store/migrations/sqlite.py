"""SQLite's side of the search index: an FTS5 table over search_doc, kept by triggers.

The 'delete' command with the old values has to come before the row changes its words, else stale hits stay (SQLite FTS5
documentation, "External Content Tables").
"""

from __future__ import annotations

from typing import Final

from alembic import op

_STATEMENTS: Final = (
    """CREATE VIRTUAL TABLE search_fts USING fts5(viewer_id, title, body, content='search_doc', content_rowid='n',
       tokenize="unicode61 remove_diacritics 0", prefix='2 3')""",
    """CREATE TRIGGER search_doc_put AFTER INSERT ON search_doc BEGIN
       INSERT INTO search_fts(rowid, viewer_id, title, body) VALUES (new.n, new.viewer_id, new.title, new.body); END""",
    """CREATE TRIGGER search_doc_drop AFTER DELETE ON search_doc BEGIN
       INSERT INTO search_fts(search_fts, rowid, viewer_id, title, body) VALUES ('delete', old.n, old.viewer_id, old.title, old.body); END""",
    """CREATE TRIGGER search_doc_change AFTER UPDATE OF viewer_id, title, body ON search_doc
       WHEN old.title <> new.title OR old.body <> new.body OR old.viewer_id <> new.viewer_id BEGIN
       INSERT INTO search_fts(search_fts, rowid, viewer_id, title, body) VALUES ('delete', old.n, old.viewer_id, old.title, old.body);
       INSERT INTO search_fts(rowid, viewer_id, title, body) VALUES (new.n, new.viewer_id, new.title, new.body); END""",
)


def create_search() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
