"""The search index: one folded document a node, FTS5 on SQLite and tsvector on PostgreSQL, fed with the same words.

A document stands at its `place`: the moment in milliseconds, then bits of its id; people, who have no moment, after all others.
Places are what pages are cut by, and on SQLite they are the row ids, so that FTS5 walks its lists from the latest document on and
stops when a page is full. PostgreSQL's GIN knows no order: there documents stand in the index under stretches of time too, and are
looked for in one after the other where matches are frequent (store/migrations/postgresql_stretches.py).

Words that hold for a column stand in the index under the column's name, states and places as facets. The viewer is a word of the
index itself: no query can be made without one. Knows no query language; `resolvers/search_query.py` does.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cache, lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, text

from store import search_entries
from store.among import among, asked
from store.rows import insert
from store.tables import Instant, microseconds, search_doc
from store.upserts import insert_into
from store.words import APART, fold, fold_whole

MAX_TITLE: Final = 2_000  # characters
MAX_BODY: Final = 100_000
MAX_PEOPLE: Final = 20_000
MAX_TERMS: Final = 16
BITS: Final = 20  # of a place below the milliseconds
TIMELESS: Final = 2**62  # where people begin
END: Final = (2**63 - 1, "")  # behind the last place
NEAR: Final = 100  # of the latest documents, which PostgreSQL looks at one by one
_LATEST: Final = 2**42 - 1  # ms: the year 2109; what pretends to be later stands there
EVERYWHERE: Final = ("title", "sender", "receivers", "body")
HEADS: Final = ("title", "sender", "receivers")
#: (columns on SQLite, prefixes of PostgreSQL's words, the letter of a phrase's column in kith_find)
_COLUMNS: Final = {
    "any": (EVERYWHERE, ("",), "a"), "head": (HEADS, ("^", "<", ">"), "h"), "title": (("title",), ("^",), "t"),
    "sender": (("sender",), ("<",), "f"), "receivers": (("receivers",), (">",), "r"), "people": (("sender", "receivers"), ("<", ">"), "p"),
}  # fmt: skip
_WRITTEN: Final = ("kind", "at", "place", "title", "sender", "receivers", "body", "facets")
_STATES: Final = frozenset({"isread", "isunread"})  # facets that replace each other
_THERE: Final = sa.select(
    search_doc.c.node_id, search_doc.c.n, *(search_doc.c[name] for name in search_entries.WORDS)
).where(among(search_doc.c.node_id))  # fmt: skip
_FACETS: Final = sa.select(search_doc.c.node_id, search_doc.c.kind, search_doc.c.facets).where(among(search_doc.c.node_id))
_DROP: Final = sa.delete(search_doc).where(among(search_doc.c.node_id))
Column = Literal["any", "head", "title", "sender", "receivers", "people", "facets"]


class Hit(msgspec.Struct, frozen=True):
    """A node that matches: `at` is its moment, None for people; (`place`, `node_id`) is where it stands."""

    node_id: str
    kind: str
    at: datetime | None
    place: int = 0


class Heads(NamedTuple):
    """What stands above a text, as the index has it (`heads`)."""

    title: str
    sender: str
    receivers: str


class Doc(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be found of a node; folded when it is put. `facets` are words by themselves (`facet`).

    `words` is the body as `spelled` gives it, `folded` are title, sender and receivers as `heads` does, where somebody has done that
    already.
    """

    node_id: str
    kind: str
    title: str = ""
    sender: str = ""
    receivers: str = ""
    body: str = ""
    words: str | None = None
    folded: Heads | None = None
    facets: frozenset[str] = frozenset()
    at: datetime | None = None


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """Words that stand side by side in a column, the last one as a beginning with `prefix`; of facets any one will do
    (each as a beginning with `prefix`).
    """

    column: Column = "any"
    words: tuple[str, ...]
    prefix: bool = False
    negated: bool = False


@lru_cache(5_000)
def facet(kind: str, value: str) -> str:
    """The word for a state or a place: `facet("in", "Work/Trips")`."""
    return kind + "".join(fold(value).split())[:80]


def put(conn: Connection, viewer: str, docs: Sequence[Doc], *, onto: bool = False) -> None:
    """Write or replace the documents. `onto`: people and facets that stand there already stay, save read state."""
    if not docs:
        return
    rows = [_row(viewer, doc) for doc in {doc.node_id: doc for doc in docs}.values()]
    on_sqlite = conn.dialect.name == "sqlite"
    there = (
        {r.node_id: r for r in conn.execute(_THERE, asked(viewer, [row["node_id"] for row in rows])).all()}
        if on_sqlite or onto
        else {}
    )
    if onto:
        for row in rows:
            if (old := there.get(row["node_id"])) is not None:
                _lay(row, old)
    if not on_sqlite:
        for row in rows:
            row["pairs"] = _pairs(row)
        insert(conn, _put_statement("postgresql"), rows)
        return
    search_entries.settle(conn, rows, {node_id: old.n for node_id, old in there.items()})
    for row in rows:
        row["pairs"] = search_entries.INDEXED
    rows.sort(key=itemgetter("n"))
    insert(conn, _put_statement("sqlite"), rows)
    search_entries.write(conn, {node_id: tuple(old[1:]) for node_id, old in there.items()}, rows)


@cache
def _put_statement(dialect: str) -> sa.Insert:
    statement = insert_into(search_doc, dialect)
    written = {name: statement.excluded[name] for name in _WRITTEN}
    if dialect == "sqlite":
        own = {"n": sa.literal_column("excluded.n"), "pairs": search_entries.AGAIN}
    else:
        own = {"pairs": sa.literal_column("excluded.pairs")}
    made: sa.Insert = statement.on_conflict_do_update(index_elements=["viewer_id", "node_id"], set_=written | own)
    return made


def _lay(row: dict[str, Any], old: Any) -> None:
    """Add what a document says to what stands there."""
    sign = f" {APART} "
    for name in ("sender", "receivers"):
        people = dict.fromkeys([*getattr(old, name).split(sign), *row[name].split(sign)])
        row[name] = sign.join(one for one in people if one)[:MAX_PEOPLE]
    scope, *former = old.facets.split(" ")
    row["facets"] = " ".join([scope, *sorted({*former} - _STATES | {*row["facets"].split(" ")} - {scope})])


def put_facets(conn: Connection, viewer: str, facets: Mapping[str, frozenset[str]]) -> None:
    """Replace the facets of documents, where they differ; who has none stays without."""
    changed = [
        {"whose": row.node_id, "now": now}
        for row in conn.execute(_FACETS, asked(viewer, facets)).all()
        if (now := _facets(viewer, row.kind, facets[row.node_id])) != row.facets
    ]
    if not changed:
        return
    mine = sa.update(search_doc).where(search_doc.c.viewer_id == viewer, search_doc.c.node_id == sa.bindparam("whose"))
    theirs = mine.values(facets=sa.bindparam("now"))
    if conn.dialect.name != "sqlite":
        conn.execute(theirs, changed)
        return
    there = conn.execute(_THERE, asked(viewer, [row["whose"] for row in changed])).all()
    conn.execute(theirs.values(pairs=search_entries.AGAIN), changed)
    facets_now = {row["whose"]: row["now"] for row in changed}
    rows = [{**old._mapping, "facets": facets_now[old.node_id]} for old in there]
    search_entries.write(conn, {old.node_id: tuple(old[1:]) for old in there}, rows)


def gathered(conn: Connection) -> AbstractContextManager[None]:
    """A stretch of a transaction that writes documents many times, and may look for none of them before its end."""
    return search_entries.gathered(conn) if conn.dialect.name == "sqlite" else nullcontext()


def drop(conn: Connection, viewer: str, node_ids: Sequence[str]) -> None:
    """Take nodes out of the index."""
    if conn.dialect.name == "sqlite":
        search_entries.catch_up(conn)  # triggers take out of it what it has
    conn.execute(_DROP, asked(viewer, node_ids))


def missing(conn: Connection, viewer: str, node_ids: Sequence[str]) -> list[str]:
    """Which of these have no document."""
    there = conn.execute(
        sa.select(search_doc.c.node_id).where(search_doc.c.viewer_id == viewer, search_doc.c.node_id.in_(node_ids))
    ).scalars()
    return sorted(set(node_ids).difference(there))


def match(conn: Connection, viewer: str, query: str, *, kinds: Sequence[str], limit: int) -> list[Hit]:
    """At most `limit` nodes that hold every word of `query`, the last one as a prefix; latest first, people before all."""
    terms = plain_terms(query)
    return find(conn, viewer, terms, kinds=kinds, limit=limit) if terms else []


def plain_terms(query: str) -> list[Term]:
    """What somebody typed as terms: pieces that fold to several words are looked for side by side."""
    pieces = [words for piece in query.split() if (words := tuple(fold(piece).split()))][:MAX_TERMS]
    return [Term(words=words, prefix=n == len(pieces) - 1) for n, words in enumerate(pieces)]


def find(
    conn: Connection,
    viewer: str,
    terms: Sequence[Term],
    *,
    kinds: Sequence[str],
    limit: int,
    unless: Sequence[Term] = (),
    before: tuple[int, str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Hit]:
    """At most `limit` nodes that match all terms, the latest first and people before all.

    `unless` are single words: what matches all of them is left out. `before` is (place, node id) of the last hit of the former
    page; `since` is inclusive, `until` exclusive. `rare`: few documents are expected to match, so that the index is asked at once.
    """
    if not kinds:
        return []
    low, high = _stretch(since, until)
    if conn.dialect.name == "sqlite":
        if before is not None:
            high = min(high, before[0])
        statement = text(
            # CROSS JOIN keeps the planner from walking the documents by date first, which takes 100 times longer
            "SELECT d.node_id, d.kind, d.at, d.n AS place FROM search_fts CROSS JOIN search_doc d ON d.n = search_fts.rowid "
            "WHERE search_fts MATCH :expression AND search_fts.rowid >= :low AND search_fts.rowid < :high "
            "AND d.viewer_id = :viewer ORDER BY search_fts.rowid DESC LIMIT :limit"
        ).bindparams(expression=_expression(viewer, terms, kinds, unless), low=low, high=high, viewer=viewer, limit=limit)
    else:
        place, node_id = before or END
        statement = text(
            "SELECT node_id, kind, at, place FROM kith_find(:query, :phrases, :kinds, :low, :high, :place, :id, :near, :limit)"
        ).bindparams(place=place, id=node_id, near=NEAR, limit=limit, **_asked(terms, kinds, low, high, unless))
    rows = conn.execute(statement.columns(at=Instant))
    return [Hit(r.node_id, r.kind, r.at, r.place) for r in rows]


def count(
    conn: Connection,
    viewer: str,
    terms: Sequence[Term],
    *,
    kinds: Sequence[str],
    unless: Sequence[Term] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """How many nodes match; `unless` as for `find`."""
    if not kinds:
        return 0
    low, high = _stretch(since, until)
    if conn.dialect.name == "sqlite":
        statement = text(
            "SELECT count(*) FROM search_fts WHERE search_fts MATCH :expression AND rowid >= :low AND rowid < :high"
        ).bindparams(expression=_expression(viewer, terms, kinds, unless), low=low, high=high)
    else:
        statement = text("SELECT count(*) FROM kith_find(:query, :phrases, :kinds, :low, :high, :place, :id, 0, NULL)")
        statement = statement.bindparams(place=END[0], id=END[1], **_asked(terms, kinds, low, high, unless))
    return int(conn.execute(statement).scalar_one())


def _row(viewer: str, doc: Doc) -> dict[str, Any]:
    title, sender, receivers = doc.folded or heads(doc.title, doc.sender, doc.receivers)
    return {
        "viewer_id": viewer, "node_id": doc.node_id, "kind": doc.kind, "at": doc.at, "place": _place(doc.node_id, doc.at),
        "title": title, "sender": sender, "receivers": receivers,
        "body": spelled(doc.body) if doc.words is None else doc.words, "facets": _facets(viewer, doc.kind, doc.facets),
    }  # fmt: skip


def heads(title: str, sender: str, receivers: str) -> Heads:
    """The words of a title and of people as the index has them."""
    return Heads(fold_whole(title[:MAX_TITLE]), fold_whole(sender[:MAX_PEOPLE]), fold_whole(receivers[:MAX_PEOPLE]))


def spelled(body: str) -> str:
    """A body's words as the index has them."""
    return fold_whole(body[:MAX_BODY])


def _pairs(row: Mapping[str, str]) -> str:
    """The neighbours in each column; never empty, which would say that only facets changed."""
    found = {"0"}
    for name in EVERYWHERE:
        words = row[name].split(" ")
        found.update(map(_pair, words, words[1:]))
    return " ".join(sorted(found))


def _pair(left: str, right: str) -> str:
    return f"{zlib.crc32(f'{left} {right}'.encode()) & 0xFFFF:x}"


@lru_cache(500)
def _facets(viewer: str, kind: str, facets: frozenset[str]) -> str:
    return " ".join([_scope(viewer, kind), *sorted(facets)])


def _scope(viewer: str, kind: str) -> str:
    """The word that every document of a viewer and a kind has."""
    return f"{viewer}{kind}".replace("_", "").lower()


def _place(node_id: str, at: datetime | None) -> int:
    digest = int.from_bytes(hashlib.blake2b(node_id.encode(), digest_size=8).digest(), "big")
    if at is None:
        return TIMELESS + digest % (TIMELESS - 1)
    return (_moment(at) << BITS) + digest % (1 << BITS)


def _moment(at: datetime) -> int:
    return max(-_LATEST, min(microseconds(at) // 1_000, _LATEST))


def _stretch(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The places between two moments; people have none and are left out as soon as one is named."""
    low = -TIMELESS * 2 if since is None else _moment(since) << BITS
    high = (TIMELESS if since is not None else TIMELESS * 2 - 1) if until is None else _moment(until) << BITS
    return low, high


def _expression(viewer: str, terms: Sequence[Term], kinds: Sequence[str], unless: Sequence[Term] = ()) -> str:
    """The query in FTS5's language; words hold letters and digits only, so quoting them is enough."""
    scope = " OR ".join(f'"{_scope(viewer, kind)}"' for kind in kinds)
    wanted = [f"facets : ({scope})", *(_match(term) for term in terms if not term.negated)]
    unwanted = [_match(term) for term in terms if term.negated]
    if unless:
        unwanted.append(f"({' AND '.join(_match(term) for term in unless)})")
    expression = " AND ".join(wanted)
    return f"({expression}) NOT ({' OR '.join(unwanted)})" if unwanted else expression


def _match(term: Term) -> str:
    if term.column == "facets":
        return "facets : ({})".format(" OR ".join(f'"{word}"{" *" if term.prefix else ""}' for word in term.words))
    columns, _, _ = _COLUMNS[term.column]
    return '{{{}}} : "{}"{}'.format(" ".join(columns), " ".join(term.words), " *" if term.prefix else "")


def _asked(terms: Sequence[Term], kinds: Sequence[str], low: int, high: int, unless: Sequence[Term] = ()) -> dict[str, Any]:
    """The arguments of kith_find: a tsquery, and the phrases that a tsquery without positions cannot tell."""
    # the kinds of which there are few narrow the index's lists; messages are nearly all
    queries = [] if "MESSAGE" in kinds else ["({})".format(" | ".join(f"'@{kind}'" for kind in kinds))]
    phrases = []
    for term in terms:
        if term.column != "facets" and len(term.words) > 1:
            letter, end = _COLUMNS[term.column][2], "" if term.prefix else " "
            phrases.append(f"{'!' if term.negated else '='}{letter}% {' '.join(term.words)}{end}%")
            if term.negated:
                continue
            whole = term.words[:-1] if term.prefix else term.words
            queries += [f"'={_pair(left, right)}'" for left, right in pairwise(whole)]
            if term.column == "any" and not term.prefix:
                continue
        queries.append(f"!({_lexemes(term)})" if term.negated else _lexemes(term))
    if unless:
        queries.append(f"!({' & '.join(_lexemes(term) for term in unless)})")
    return {"query": " & ".join(queries) or None, "phrases": phrases, "kinds": list(kinds), "low": low, "high": high}


def _lexemes(term: Term) -> str:
    """A term in the language of tsquery."""
    if term.column == "facets":
        return "({})".format(" | ".join(f"'#{word}'{':*' if term.prefix else ''}" for word in term.words))
    signs, last = _COLUMNS[term.column][1], len(term.words) - 1
    return " & ".join(
        "({})".format(" | ".join(f"'{sign}{word}'{':*' if term.prefix and n == last else ''}" for sign in signs))
        for n, word in enumerate(term.words)
    )


__all__ = [
    "Doc",
    "Heads",
    "Hit",
    "Term",
    "count",
    "drop",
    "facet",
    "find",
    "gathered",
    "heads",
    "match",
    "missing",
    "plain_terms",
    "put",
    "put_facets",
    "spelled",
]
