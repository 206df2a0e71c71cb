"""Answers that are given again: the same as new ones always, to the same viewer only, and not given again when anything has changed."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import orjson
import pytest

from gateway.execution.answers import WHOLE, Answers
from gateway.installation import Installation
from gateway.people import named
from gateway.signin.principal import ALL_SCOPES, Principal
from providers import records
from store import accounts
from store.cache import Cache
from store.feed import Recorder
from tests import servers
from tests.asking import statements
from tests.gateway.running import TestClock, asking, key_of, opened
from tests.household import Household, card, mail

PEOPLE = """query People {
  viewer { people(first: 20) { edges { node { id name emails { address } conversations(first: 3) {
    edges { node { id subject lastMessage { snippet } } } } } } } }
}"""
FRESH = "query Fresh { viewer { people(first: 5) { sources { state } edges { node { name } } } } }"
AS_OF = "query AsOf { viewer { people(first: 5) { sources { asOf } edges { node { name } } } } }"
CONVERSATIONS = "query Conversations { viewer { conversations(first: 3) { edges { node { subject } } } } }"
DOCUMENTS = {"people": PEOPLE, "conversations": CONVERSATIONS, "fresh": FRESH, "as-of": AS_OF}
GZIP = {"accept-encoding": "gzip"}


@dataclass
class House:
    """An installation with people in it, and a client of one viewer."""

    installation: Installation
    household: Household
    client: httpx.AsyncClient
    clock: TestClock
    told: Counter[str]
    book: str
    box: str

    async def get(self, name: str = "people", **headers: str) -> httpx.Response:
        return await self.client.get("/graphql", params={"documentId": name}, headers={"accept-encoding": "identity", **headers})

    async def post(self, query: str = PEOPLE, **variables: Any) -> Any:
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables})
        return answer.json()

    @property
    def answers(self) -> Answers:
        found = self.installation.execution._answers
        assert found is not None
        return found


def of_data(seen: list[str]) -> list[str]:
    """Statements besides those that look whether the key still lets its bearer in."""
    return [statement for statement in seen if "person" in statement or "revision" in statement]


def counting(installation: Installation) -> Counter[str]:
    told: Counter[str] = Counter()
    answers = installation.execution._answers
    assert answers is not None
    answers._told = lambda how: told.update([how])
    return told


@asynccontextmanager
async def furnished(home: Path, **settings: Any) -> AsyncIterator[House]:
    manifest = home / "documents.json"
    manifest.write_bytes(orjson.dumps(DOCUMENTS))
    clock = TestClock()
    async with opened(home, clock=clock, schema=None, documents=str(manifest), **settings) as installation:
        whose = await named(installation, None)
        household = Household(installation.database, whose.id)
        book = await household.account("vcard", "cards")
        box = await household.account("mbox", "robin@example.org", own=["robin@example.org"])
        for account in (book, box):
            await synced(household, account, clock)
        await household.take(book, *(card(f"card-{n}", f"Person Number {n:02}", f"p{n:02}@people.example") for n in range(12)))
        await household.take(box, *(mail(n, f"p{n % 12:02}@people.example", subject=f"About {n}") for n in range(30)))
        await household.resolve()
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield House(installation, household, client, clock, counting(installation), book, box)


async def synced(household: Household, account: str, clock: TestClock) -> None:
    now = clock.now()
    await household.database.write(household.viewer, lambda c, v: accounts.change(c, v, account, None, last_synced_at=now))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with furnished(tmp_path) as house:
        yield house


async def test_an_answer_is_made_once_and_given_again_without_a_statement(house: House) -> None:
    first = await house.post()
    with statements() as seen:
        again = await house.post()
    assert again["data"] == first["data"]
    assert not of_data(seen)
    assert (house.told["made"], house.told["memory"]) == (1, 1)
    assert again["extensions"]["kith"]["cost"] == first["extensions"]["kith"]["cost"]
    assert again["extensions"]["kith"]["cacheHits"] == 1


# --- not given again ------------------------------------------------------------------------------------------------------


async def test_what_was_written_since_is_in_the_next_answer(house: House) -> None:
    before = await house.post()
    await house.household.take(house.book, card("card-new", "Aaron New", "aaron@people.example"))
    await house.household.resolve()
    after = await house.post()
    assert len(after["data"]["viewer"]["people"]["edges"]) == len(before["data"]["viewer"]["people"]["edges"]) + 1
    assert house.told["made"] == 2


async def test_what_an_answer_was_not_read_from_leaves_it_and_its_tag_alone(house: House) -> None:
    tag = (await house.get("conversations")).headers["etag"]
    await house.household.take(house.book, card("card-new", "Aaron New", "aaron@people.example"))
    await house.household.resolve()
    assert (await house.get("conversations")).headers["etag"] == tag
    assert (await house.get("conversations", **{"if-none-match": tag})).status_code == 304
    assert house.told == {"made": 1, "memory": 1, "unchanged": 1}
    await house.household.take(house.box, mail(30, "p01@people.example", subject="About more"))
    later = await house.get("conversations", **{"if-none-match": tag})
    assert later.status_code == 200
    assert house.told["made"] == 2
    assert later.json()["data"]["viewer"]["conversations"]["edges"][0]["node"]["subject"] == "About more"


async def test_progress_of_an_account_leaves_answers_alone(house: House) -> None:
    await house.post()
    house.clock.pass_by(seconds=5)
    for account in (house.book, house.box):
        await synced(house.household, account, house.clock)
    await house.post()
    assert (house.told["made"], house.told["memory"]) == (1, 1)


async def test_a_transaction_that_is_given_up_leaves_answers_alone(house: House) -> None:
    await house.post()

    def write(conn: Any, viewer: str) -> None:
        accounts.change(conn, viewer, house.book, Recorder(house.clock.now()), label="never")
        raise RuntimeError("given up")

    with pytest.raises(RuntimeError):
        await house.household.database.write(house.household.viewer, write)
    await house.post()
    assert house.told["memory"] == 1


async def test_fields_that_change_by_themselves_are_asked_for_each_time(house: House) -> None:
    for _ in range(2):
        answer = await house.get("as-of")
        assert answer.json()["data"]["viewer"]["people"]["sources"]
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
    assert not house.told


async def test_an_answer_with_an_error_is_not_kept(house: House) -> None:
    broken = 'query { viewer { people(first: 5, after: "nonsense") { edges { node { id } } } } }'
    for _ in range(2):
        assert (await house.post(broken))["errors"]
    assert house.told == {"passing": 2}


async def test_an_answer_that_grows_old_ends_when_it_does(tmp_path: Path) -> None:
    async with furnished(tmp_path) as house:
        social = await house.household.account("carddav", "robin@cards.example")
        await synced(house.household, social, house.clock)
        states = [source["state"] for source in (await house.get("fresh")).json()["data"]["viewer"]["people"]["sources"]]
        assert states == ["FRESH"] * 3
        house.clock.pass_by(seconds=299)
        await house.get("fresh")
        assert house.told == {"made": 1, "memory": 1}
        house.clock.pass_by(seconds=2)
        for _ in range(2):  # it is refreshed, and how that goes is nothing to keep
            found = await house.get("fresh")
            assert sorted(s["state"] for s in found.json()["data"]["viewer"]["people"]["sources"]) == [
                "FRESH",
                "FRESH",
                "REFRESHING",
            ]
        assert house.told["passing"] == 2
        await synced(house.household, social, house.clock)
        assert (await house.get("fresh")).json()["data"]["viewer"]["people"]["sources"][-1]["state"] == "FRESH"


async def test_an_answer_during_whose_making_something_was_written_is_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts may show two states of the store."""
    make = house.installation.execution._run

    async def interrupted(*args: Any) -> Any:
        found = await make(*args)
        await house.household.take(house.book, card("card-late", "Late Comer", "late@people.example"))
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(house.installation.execution, "_run", interrupted)
        await house.post()
    assert house.told == {"passing": 1}
    await house.household.resolve()
    assert "Late Comer" in str(await house.post())
    assert len(house.answers._known) == 1


# --- to nobody else -------------------------------------------------------------------------------------------------------


async def test_another_viewer_never_gets_it(house: House) -> None:
    mine = await house.post()
    other, _ = await key_of(house.installation, await _second(house.installation))
    async with asking(house.installation, other) as client:
        theirs = (await client.post("/graphql", json={"query": PEOPLE})).json()
    assert mine["data"]["viewer"]["people"]["edges"]
    assert not theirs["data"]["viewer"]["people"]["edges"]
    assert house.told["memory"] == 0


async def test_a_tag_of_somebody_elses_answer_tells_nothing(house: House) -> None:
    tag = (await house.get()).headers["etag"]
    other, _ = await key_of(house.installation, await _second(house.installation))
    async with asking(house.installation, other) as client:
        theirs = await client.get("/graphql", params={"documentId": "people"}, headers={"if-none-match": tag})
    assert theirs.status_code == 200
    assert not theirs.json()["data"]["viewer"]["people"]["edges"]


async def _second(installation: Installation) -> str:
    from store import viewers

    await installation.database.write("u_sam", viewers.add, "sam", installation.clock.now())
    return "sam"


def principal(viewer: str, scopes: frozenset[str] = ALL_SCOPES) -> Principal:
    return Principal(viewer, viewer, scopes, "k_1", "test", "KEY")


async def test_no_key_can_be_made_without_a_viewer_and_none_is_that_of_two(house: House) -> None:
    answers = house.answers
    with pytest.raises(ValueError, match="viewer"):
        answers.key(principal(""), "document", "", {})
    keys = [
        answers.key(principal(viewer, scopes), document, operation, variables)
        for viewer in ("u_a", "u_b")
        for scopes in (ALL_SCOPES, frozenset({"READ"}))
        for document in ("d1", "d2")
        for operation in ("", "One")
        for variables in ({}, {"first": 1}, {"first": 2})
    ]
    assert len({key.place for key in keys if key is not None}) == 2 * 2 * 2 * 2 * 3
    assert all(key is not None and f"{{{key.viewer}}}" in key.place for key in keys)


async def test_an_answer_that_stands_in_somebody_elses_place_is_none(house: House) -> None:
    """Whoever could write into the cache still could not hand one viewer's answer to another."""
    await house.post()
    answers = house.answers
    (kept,) = answers._known.values()
    theirs = answers.key(principal("u_sam"), "document", "", {})
    assert theirs is not None
    answers._remember(theirs, kept)
    whole = await house.installation.database.revision(house.household.viewer)
    assert kept.holds(house.household.viewer, whole, house.clock.now().timestamp())
    assert not answers.holds(theirs, whole)


async def test_variables_in_another_order_are_the_same_question(house: House) -> None:
    query = (
        "query Q($a: Int!, $b: Int!) { viewer { people(first: $a) { edges { node { contacts(first: $b) { totalCount } } } } } }"
    )
    await house.client.post("/graphql", json={"query": query, "variables": {"a": 2, "b": 3}})
    await house.client.post("/graphql", json={"query": query, "variables": {"b": 3, "a": 2}})
    await house.client.post("/graphql", json={"query": query, "variables": {"a": 3, "b": 2}})
    assert house.told == {"made": 2, "memory": 1}


# --- by HTTP --------------------------------------------------------------------------------------------------------------


async def test_a_named_document_has_a_tag_and_is_not_sent_again_while_nothing_changed(house: House) -> None:
    first = await house.get()
    assert first.headers["cache-control"] == "private, no-cache"
    assert {part.strip() for part in first.headers["vary"].split(",")} >= {"authorization", "cookie", "accept"}
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    with statements() as seen:
        again = await house.get(**{"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["vary"] == first.headers["vary"]
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert not of_data(seen)
    await house.household.take(house.book, card("card-new", "Aaron New", "aaron@people.example"))
    await house.household.resolve()
    changed = await house.get(**{"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_a_change_elsewhere_makes_the_answer_anew_and_sends_nothing(house: House) -> None:
    tag = (await house.get()).headers["etag"]
    await house.household.list_labels(
        house.box, [records.Label(key="inbox", name="Inbox", place="Inbox", role="INBOX", folder=True)]
    )
    again = await house.get(**{"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] != tag
    assert (await house.get(**{"if-none-match": again.headers["etag"]})).headers["etag"] == again.headers["etag"]
    assert house.told == {"made": 2, "unchanged": 1}


async def test_a_tag_is_not_believed_beyond_its_end(tmp_path: Path) -> None:
    async with furnished(tmp_path) as house:
        social = await house.household.account("carddav", "robin@cards.example")
        await synced(house.household, social, house.clock)
        tag = (await house.get("fresh")).headers["etag"]
        assert (await house.get("fresh", **{"if-none-match": tag})).status_code == 304
        house.clock.pass_by(seconds=301)
        late = await house.get("fresh", **{"if-none-match": tag})
        assert (late.status_code, "etag" in late.headers) == (200, False)


@pytest.mark.parametrize("tag", ['W/"', '"..."', '"x.zz.y"', "nonsense", '"' + "a." * 5_000 + '"', ",,,", '""'])
async def test_tags_that_nobody_gave_out_are_no_match(house: House, tag: str) -> None:
    assert (await house.get(**{"if-none-match": tag})).status_code == 200


async def test_any_tag_matches_what_there_is(house: House) -> None:
    assert (await house.get(**{"if-none-match": "*"})).status_code == 304


async def test_a_document_that_is_sent_has_no_tag(house: House) -> None:
    for answer in (
        await house.client.get("/graphql", params={"query": PEOPLE}),
        await house.client.post("/graphql", json={"documentId": "people"}),
    ):
        assert answer.status_code == 200
        assert ("etag" in answer.headers, answer.headers["cache-control"]) == (False, "no-store")


async def test_packed_and_plain_say_the_same(house: House) -> None:
    plain = [await house.get() for _ in range(2)]
    packed = []
    async with house.client.stream("GET", "/graphql", params={"documentId": "people"}, headers=GZIP) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed.append(b"".join([piece async for piece in answer.aiter_raw()]))
    assert orjson.loads(gzip.decompress(packed[0])) == plain[1].json()
    assert plain[0].json()["data"] == plain[1].json()["data"]


# --- together, and elsewhere ----------------------------------------------------------------------------------------------


async def test_who_asks_at_the_same_time_waits_for_the_one_that_is_being_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, everybody = 0, asyncio.Event()
    wanted, make = house.answers._answer, house.answers._from_outside

    async def counted(*given: Any) -> Any:
        nonlocal came
        came += 1
        if came == 8:
            everybody.set()
        return await wanted(*given)

    async def held(*given: Any) -> Any:
        await everybody.wait()
        return await make(*given)

    monkeypatch.setattr(house.answers, "_answer", counted)
    monkeypatch.setattr(house.answers, "_from_outside", held)
    answers = await asyncio.gather(*(house.post() for _ in range(8)))
    assert all(answer["data"] == answers[0]["data"] for answer in answers)
    assert house.told == {"made": 1, "shared": 7}


async def test_who_waited_for_one_that_cannot_be_kept_makes_their_own(house: House) -> None:
    broken = 'query { viewer { people(first: 5, after: "nonsense") { edges { node { id } } } } }'
    answers = await asyncio.gather(*(house.post(broken) for _ in range(4)))
    assert all(answer["errors"] for answer in answers)
    assert house.told == {"passing": 4}


async def test_a_process_keeps_so_much_and_no_more(tmp_path: Path) -> None:
    async with furnished(tmp_path, answers_memory=20_000) as house:
        for first in range(1, 30):
            await house.post("query Q($n: Int!) { viewer { people(first: $n) { edges { node { id name } } } } }", n=first)
        held = list(house.answers._known.values())
        assert 0 < sum(kept.size for kept in held) == house.answers._size <= 20_000
        assert house.told["made"] == 29


async def test_what_was_not_asked_for_lately_is_kept_packed_and_given_again_the_same(tmp_path: Path) -> None:
    async with furnished(tmp_path, answers_memory=100_000) as house:
        page = "query Q($n: Int!) { viewer { people(first: $n) { edges { node { id name emails { address } } } } } }"
        first = [(await house.post(page, n=n))["data"] for n in range(1, 60)]
        answers = house.answers
        whole = sum(kept.length for kept in answers._whole.values())
        assert whole == answers._whole_size <= 100_000 // WHOLE < sum(kept.length for kept in answers._known.values())
        assert [(await house.post(page, n=n))["data"] for n in range(1, 60)] == first
        assert house.told == {"made": 59, "memory": 59}
        assert answers._size == sum(kept.size for kept in answers._known.values()) <= 100_000
        assert set(answers._whole) <= set(answers._known)


async def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path) -> None:
    async with opened(tmp_path, schema=None, answers_memory=0) as installation:
        assert installation.execution._answers is None
        async with asking(installation, (await key_of(installation))[0]) as client:
            assert (await client.post("/graphql", json={"query": PEOPLE})).json()["data"]


async def test_processes_share_answers_through_redis(
    tmp_path: Path, redis_server: servers.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.cache.TIMEOUT", 20.0)  # however busy the machine is
    async with furnished(tmp_path, redis_url=redis_server.url) as house:
        first = await house.post()
        answers = house.answers
        house.installation.execution._answers = other = Answers(
            house.installation.database, Cache(redis_server.url), house.clock, answers._installation, room=1_000_000,
            told=lambda how: house.told.update([how]),
        )  # fmt: skip
        try:
            assert (await house.post())["data"] == first["data"]
            assert house.told == {"made": 1, "cache": 1}
            await house.household.take(house.book, card("card-new", "Aaron New", "aaron@people.example"))
            await house.household.resolve()
            assert "Aaron New" in str(await house.post())
            other._known.clear()
            other._installation = "another release"
            await house.post()
            assert house.told == {"made": 3, "cache": 1}
        finally:
            await other._cache.close()
