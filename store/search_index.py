"""The search index: one folded document a node, FTS5 on SQLite and tsvector on PostgreSQL, fed with the same words.

`fold` turns text into words once, in Python, for both databases: compatibility decomposition, no marks, no case, letters
such as Ł and ß written out, and runs of Han, kana and Hangul cut into overlapping pairs, so that a word inside a run is found.
The viewer is a word of the index itself: no query can be made without one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql, sqlite

from store.tables import Instant, microseconds, search_doc

MAX_TITLE: Final = 2_000  # characters
MAX_BODY: Final = 100_000
MAX_TERMS: Final = 16
MAX_WORD: Final = 100  # characters: PostgreSQL refuses words over 2 KB, and nobody types one

# letters that Unicode does not decompose; what people type instead
_LETTERS: Final = str.maketrans({
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t",
    "ĸ": "k", "ſ": "s",
})  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_KEPT_MARKS: Final = re.compile(r"[\u3099\u309a]")  # voicing marks are part of kana


class Hit(msgspec.Struct, frozen=True):
    """A node that matches: `at` is its place in time, None for people."""

    node_id: str
    kind: str
    at: datetime | None


class Doc(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be found of a node; folded when it is put."""

    node_id: str
    kind: str
    title: str
    body: str = ""
    at: datetime | None = None


def fold(value: str) -> str:
    """The words of `value` as the index spells them, separated by single spaces."""
    return " ".join(word[:MAX_WORD] for word in _words(value))


def _words(value: str) -> Iterator[str]:
    if value.isascii():
        yield from _WORD.findall(value.lower())
        return
    plain = unicodedata.normalize("NFKD", value).casefold().translate(_LETTERS)
    plain = "".join(c for c in plain if not unicodedata.combining(c) or _KEPT_MARKS.match(c))
    plain = unicodedata.normalize("NFC", plain)  # Hangul and kana in one piece again
    for word in _WORD.findall(plain):
        if not _CJK.search(word):
            yield word
            continue
        at = 0
        for run in _CJK.finditer(word):
            if run.start() > at:
                yield word[at : run.start()]
            letters = run.group()
            if len(letters) == 1:
                yield letters
            for n in range(len(letters) - 1):
                yield letters[n : n + 2]
            at = run.end()
        if at < len(word):
            yield word[at:]


def put(conn: Connection, viewer: str, docs: Sequence[Doc]) -> None:
    """Write or replace the documents."""
    if not docs:
        return
    rows = [
        {"viewer_id": viewer, "node_id": d.node_id, "kind": d.kind, "at": d.at, "title": fold(d.title[:MAX_TITLE]), "body": fold(d.body[:MAX_BODY])}
        for d in docs
    ]  # fmt: skip
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(search_doc)
    statement = statement.on_conflict_do_update(
        index_elements=["viewer_id", "node_id"],
        set_={name: statement.excluded[name] for name in ("kind", "at", "title", "body")},
    )
    conn.execute(statement, rows)


def drop(conn: Connection, viewer: str, node_ids: Sequence[str]) -> None:
    """Take nodes out of the index."""
    for n in range(0, len(node_ids), 500):
        conn.execute(
            sa.delete(search_doc).where(search_doc.c.viewer_id == viewer, search_doc.c.node_id.in_(node_ids[n : n + 500]))
        )


def match(
    conn: Connection,
    viewer: str,
    query: str,
    *,
    kinds: Sequence[str],
    limit: int,
    before: tuple[datetime | None, str] | None = None,
) -> list[Hit]:
    """At most `limit` nodes that hold every word of `query`, the last one as a prefix; latest first, people before all.

    `before` is the (at, node id) of the last hit of the former page. Words are looked for in titles and bodies.
    """
    words = fold(query).split()[:MAX_TERMS]
    if not words or not kinds:
        return []
    found = _sqlite(conn, viewer, words) if conn.dialect.name == "sqlite" else _postgresql(words)
    # people have no moment: they sort as the far future, so one keyset serves all
    far = sa.literal(2**62)
    moment = sa.func.coalesce(sa.type_coerce(found.c.at, sa.BigInteger), far)
    statement = sa.select(found.c.node_id, found.c.kind, sa.type_coerce(found.c.at, Instant).label("at")).where(
        found.c.kind.in_(kinds)
    )
    if before is not None:
        at = sa.literal(microseconds(before[0])) if before[0] is not None else far
        statement = statement.where(sa.or_(moment < at, sa.and_(moment == at, found.c.node_id < before[1])))
    statement = statement.order_by(moment.desc(), found.c.node_id.desc()).limit(limit)
    return [Hit(r.node_id, r.kind, r.at) for r in conn.execute(statement)]


def _sqlite(conn: Connection, viewer: str, words: list[str]) -> sa.Subquery:
    quoted = [f'"{w}"' for w in words]
    quoted[-1] += "*"
    expression = f'viewer_id : "{viewer}" AND {{title body}} : ({" AND ".join(quoted)})'
    # CROSS JOIN keeps the planner from walking the documents by date first, which takes 100 times longer
    return (
        text(
            "SELECT d.node_id, d.kind, d.at FROM search_fts CROSS JOIN search_doc d ON d.n = search_fts.rowid "
            "WHERE search_fts MATCH :expression AND d.viewer_id = :viewer"
        )
        .bindparams(expression=expression, viewer=viewer)
        .columns(sa.column("node_id", sa.Text), sa.column("kind", sa.Text), sa.column("at", sa.BigInteger))
        .subquery("found")
    )


def _postgresql(words: list[str]) -> sa.Subquery:
    # words hold letters and digits only (fold), so quoting them is enough
    query = " & ".join([*(f"'{w}'" for w in words[:-1]), f"'{words[-1]}':*"])
    return (
        text("SELECT node_id, kind, at FROM kith_search(:query)")
        .bindparams(query=query)
        .columns(sa.column("node_id", sa.Text), sa.column("kind", sa.Text), sa.column("at", sa.BigInteger))
        .subquery("found")
    )
