"""SQLite's side of the search index: an FTS5 table over search_doc, kept by triggers.

The 'delete' command with the old values has to come before the row changes its words, else stale hits stay (SQLite FTS5
documentation, "External Content Tables").
"""

from __future__ import annotations

from typing import Final

from alembic import op

_FIRST: Final = (
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


_COLUMNS: Final = ("title", "sender", "receivers", "body", "facets")
_OLD: Final = ", ".join(f"old.{name}" for name in _COLUMNS)
_NEW: Final = ", ".join(f"new.{name}" for name in _COLUMNS)
_NAMES: Final = ", ".join(_COLUMNS)
_DROP: Final = f"INSERT INTO search_fts(search_fts, rowid, {_NAMES}) VALUES ('delete', old.n, {_OLD});"  # noqa: S608 - our own names
_PUT: Final = f"INSERT INTO search_fts(rowid, {_NAMES}) VALUES (new.n, {_NEW});"  # noqa: S608
_CHANGED: Final = " OR ".join(f"old.{name} <> new.{name}" for name in ("n", *_COLUMNS))
# `n` is the document's place in time: FTS5 gives its hits in the order of row ids without sorting
_BY_COLUMN: Final = (
    *(f"DROP TRIGGER search_doc_{name}" for name in ("put", "drop", "change")),
    "DROP TABLE search_fts",
    "DELETE FROM search_doc",
    f"""CREATE VIRTUAL TABLE search_fts USING fts5({", ".join(_COLUMNS)}, content='search_doc', content_rowid='n',
        tokenize="unicode61 remove_diacritics 0", prefix='2 3')""",
    f"CREATE TRIGGER search_doc_put AFTER INSERT ON search_doc BEGIN {_PUT} END",
    f"CREATE TRIGGER search_doc_drop AFTER DELETE ON search_doc BEGIN {_DROP} END",
    f"CREATE TRIGGER search_doc_change AFTER UPDATE ON search_doc WHEN {_CHANGED} BEGIN {_DROP} {_PUT} END",
)

_UNLESS_INDEXED: Final = (
    "DROP TRIGGER search_doc_put",
    "DROP TRIGGER search_doc_change",
    f"CREATE TRIGGER search_doc_put AFTER INSERT ON search_doc WHEN new.pairs = '' BEGIN {_PUT} END",
    f"""CREATE TRIGGER search_doc_change AFTER UPDATE ON search_doc WHEN new.pairs = old.pairs AND ({_CHANGED})
        BEGIN {_DROP} {_PUT} END""",
)

#: Pieces of the index that are merged at a time, in small steps; and from how many on, at once, where steps were too few
#: (sqlite.org/fts5.html §6.8, §6.9). The index keeps both.
_TOGETHER: Final = (
    "INSERT INTO search_fts(search_fts, rank) VALUES ('automerge', 16)",
    "INSERT INTO search_fts(search_fts, rank) VALUES ('crisismerge', 32)",
)


def create_search() -> None:
    for statement in _FIRST:
        op.execute(statement)


def search_by_column() -> None:
    """The index of revision 0007, empty."""
    for statement in _BY_COLUMN:
        op.execute(statement)


def indexed_by_many() -> None:
    """Revision 0027: triggers leave alone what store/search_entries.py has indexed itself, which it says in `pairs`."""
    for statement in _UNLESS_INDEXED:
        op.execute(statement)


def merged_together() -> None:
    """Revision 0066: how many pieces of the index are merged at a time."""
    for statement in _TOGETHER:
        op.execute(statement)
