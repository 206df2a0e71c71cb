"""Long lists of documents: whatever the frequency of words and wherever in time they stand, every hit is found once and in order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from store import search_index
from store.search_index import Doc, Hit, Term, facet
from tests.household import NOW, Household

KINDS: Final = ("PERSON", "MESSAGE", "CONVERSATION")
FIRST: Final = NOW - timedelta(days=3_000)
BURST: Final = NOW - timedelta(days=700)
#: Moments: one a day for years, then more than may be fetched at once within some minutes, then many a day.
MOMENTS: Final = (
    *(FIRST + timedelta(days=n) for n in range(2_000)),
    *(BURST + timedelta(seconds=n // 8) for n in range(6_000)),
    *(NOW - timedelta(hours=n) for n in range(3_000)),
)


def body(n: int) -> str:
    """Words by how many documents have them; every fifth has two neighbours the other way round."""
    words = ["every", "red boat" if n % 5 else "boat red"]
    words += [f"of{step}" for step in (2, 7, 150, 5_000) if n % step == 0]
    words += ["lately" if n >= 8_000 else "burst" if n >= 2_000 else "long ago"]
    return " ".join(words)


def documents() -> list[Doc]:
    """Messages, every hundredth also a conversation, and some people."""
    found = [
        Doc(node_id=f"m_{n:05}", kind="MESSAGE", title=f"number {n}", body=body(n), facets=frozenset({facet("in", f"f{n % 3}")}), at=at)
        for n, at in enumerate(MOMENTS)
    ]  # fmt: skip
    found += [Doc(node_id=f"c_{n:05}", kind="CONVERSATION", title="every", at=MOMENTS[n]) for n in range(0, len(MOMENTS), 100)]
    return [*found, *(Doc(node_id=f"p_{n:03}", kind="PERSON", title="Every Body", body="of2") for n in range(200))]


@pytest.fixture
async def full(household: Household) -> Household:
    """Two viewers: one with everything, one with the latest few."""
    docs = documents()
    for n in range(0, len(docs), 2_000):
        await household.database.write(household.viewer, search_index.put, docs[n : n + 2_000])
    other = await Household.open(household.database, "u_other")
    await household.database.write(other.viewer, search_index.put, docs[-900:-600])
    return household


Asked = tuple[list[Term], list[Term]]


def asked(*terms: Term, unless: tuple[Term, ...] = ()) -> Asked:
    return list(terms), list(unless)


def word(*words: str, negated: bool = False, prefix: bool = False) -> Term:
    return Term(words=words, negated=negated, prefix=prefix)


def holds(doc: Doc, terms: list[Term], unless: list[Term]) -> bool:
    """What a term means, read from the document itself."""

    def has(term: Term) -> bool:
        if term.column == "facets":
            return any(w in doc.facets for w in term.words)
        texts = [doc.title] if term.column in ("title", "head") else [doc.title, doc.body]
        phrase = " " + " ".join(term.words) + ("" if term.prefix else " ")
        return any(phrase in f" {text.lower()} " for text in texts)

    return all(has(t) != t.negated for t in terms) and not (unless and all(has(t) for t in unless))


EVERY: Final = {
    "a word of all": asked(word("every")),
    "a word of half": asked(word("of2")),
    "a word of some": asked(word("of7")),
    "a rare word": asked(word("of5000")),
    "a word of none": asked(word("nothing")),
    "a beginning": asked(word("ev", prefix=True)),
    "two frequent words": asked(word("of2"), word("of7")),
    "a word of long ago": asked(word("ago")),
    "a word of the burst": asked(word("burst")),
    "two that never meet": asked(word("burst"), word("lately")),
    "a frequent phrase": asked(word("red", "boat")),
    "a phrase the other way round": asked(word("boat", "red")),
    "a phrase of none": asked(word("every", "boat")),
    "an unfinished phrase": asked(word("long", "a", prefix=True)),
    "a negation": asked(word("every"), word("of2", negated=True)),
    "a negated phrase": asked(word("every"), word("red", "boat", negated=True)),
    "only a negation": asked(word("every", negated=True)),
    "a place": asked(Term(column="facets", words=(facet("in", "f1"),)), word("burst")),
    "what is not named in the title": asked(word("every"), unless=(Term(column="head", words=("every",)),)),
}


async def found(household: Household, terms: list[Term], unless: list[Term], limit: int, **more: Any) -> list[Hit]:
    """All pages."""
    hits: list[Hit] = []
    before: tuple[int, str] | None = None
    while True:
        page = await household.database.read(
            household.viewer, search_index.find, terms, kinds=KINDS, limit=limit, unless=unless, before=before, **more
        )
        hits += page
        if len(page) < limit:
            return hits
        before = (page[-1].place, page[-1].node_id)


async def test_every_hit_is_found_once_and_the_latest_first(full: Household) -> None:
    docs = documents()
    for name, (terms, unless) in EVERY.items():
        wanted = {doc.node_id for doc in docs if holds(doc, terms, unless)}
        hits = await found(full, terms, unless, 1_700)
        places = [(hit.place, hit.node_id) for hit in hits]
        assert places == sorted(places, reverse=True), name
        assert len(hits) == len(wanted), name
        assert {hit.node_id for hit in hits} == wanted, name
        first = await full.database.read(full.viewer, search_index.find, terms, kinds=KINDS, limit=26, unless=unless)
        assert first == hits[:26], name
        middle = hits[len(hits) // 2 :][:27]
        if middle:
            before = (middle[0].place, middle[0].node_id)
            after = await full.database.read(
                full.viewer, search_index.find, terms, kinds=KINDS, limit=26, unless=unless, before=before
            )
            assert after == middle[1:], name
        if not unless:
            assert await full.database.read(full.viewer, search_index.count, terms, kinds=KINDS) == len(wanted), name


#: From inclusive, to exclusive.
BOUNDS: Final = (
    (None, BURST),
    (BURST, None),
    (BURST + timedelta(minutes=2), BURST + timedelta(minutes=9)),
    (FIRST + timedelta(days=10), NOW - timedelta(days=1)),
    (NOW + timedelta(days=1), None),
    (None, FIRST),
)


async def test_days_bound_what_is_found(full: Household) -> None:
    for since, until in BOUNDS:
        docs = [d for d in documents() if d.at and (since is None or d.at >= since) and (until is None or d.at < until)]
        for name in ("a word of all", "a word of some", "a rare word", "a word of long ago", "a frequent phrase"):
            terms, unless = EVERY[name]
            wanted = sorted(doc.node_id for doc in docs if holds(doc, terms, unless))
            hits = await found(full, terms, unless, 1_700, since=since, until=until)
            assert sorted(hit.node_id for hit in hits) == wanted, (name, since, until)


async def test_another_viewer_finds_what_is_theirs_among_it(full: Household) -> None:
    other = Household(full.database, "u_other")
    theirs = documents()[-900:-600]
    for name, (terms, unless) in EVERY.items():
        wanted = sorted(doc.node_id for doc in theirs if holds(doc, terms, unless))
        assert sorted(hit.node_id for hit in await found(other, terms, unless, 40)) == wanted, name


async def test_a_document_that_moves_in_time_is_found_where_it_is_now(full: Household) -> None:
    moved = [
        Doc(node_id=f"m_{n:05}", kind="MESSAGE", title="moved", body=body(n), at=NOW + timedelta(days=9, seconds=n))
        for n in range(40)
    ]
    await full.database.write(full.viewer, search_index.put, moved)
    hits = await found(full, [word("ago")], [], 30)
    assert [hit.node_id for hit in hits[:40]] == [doc.node_id for doc in reversed(moved)]
    assert len(hits) == len({hit.node_id for hit in hits}) == 2_000
