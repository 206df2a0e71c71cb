"""Whatever is written, by whichever way, an answer given again is the answer made anew: all fields that are kept, asked after each write.

On both databases, under row-level security on PostgreSQL, with a second viewer whose answers stay as they are. Writes come from two pools of
connections, some at the same moment as the question, and some are given up. What the statements of both touch is compared with what
the database says of them (tests/witness.py).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import sqlalchemy as sa
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
    is_union_type,
)
from sqlalchemy import Connection

from gateway.execution.request import GraphQLRequest
from gateway.people import named
from gateway.signin.door import command
from gateway.signin.principal import Principal
from providers import records
from resolvers.influence import drawing
from resolvers.relationship import placing
from resolvers.relationship.tallying import tally
from schema import build_schema
from schema.lasting import stored
from store.database import Database
from store.revision import UNSHOWN
from store.tables import contact, conversation, message, person, search_doc, stream
from tests import fresh, servers
from tests.asking import statements
from tests.faces import face, packed, scaled
from tests.gateway.running import TestClock, opened
from tests.gateway.test_answers import counting, synced
from tests.household import NOW, Household, card, mail
from tests.posts import post
from tests.witness import Witness, witnessed

STEPS: Final = 10
ROOM: Final = {"max_cost": 10_000_000, "max_fields": 100_000, "max_tokens": 200_000, "max_query_bytes": 2_000_000, "max_aliases": 100_000,
               "max_repeats": 2_000, "rate_cost": 0, "max_depth": 40}  # fmt: skip
ARGUMENTS: Final = {"first": "3", "query": '"p"', "prefix": '"p"', "text": '"p"', "ids": "[]", "keys": "[]"}


#: Tables without a revision whose rows do not change while another table, which has one, says that they are shown.
FROZEN: Final = frozenset({"revision", "standing", "acquaintance"})
_READS: Final = re.compile(r'\b(?:FROM|JOIN)\s+"?(\w+)', re.IGNORECASE)
PICTURES: Final = [records.Photo(media_type="image/png", data=packed(scaled(face(n), 32), "PNG")) for n in (1, 2)]


class GivenUp(Exception):
    """A transaction ends without a commit."""


class Everything:
    """A query for each field of the viewer, with every field below it that is kept, to a depth."""

    def __init__(self) -> None:
        self._schema = build_schema()._schema

    def queries(self, depth: int) -> dict[str, str]:
        viewer = self._schema.type_map["Viewer"]
        assert isinstance(viewer, GraphQLObjectType)
        found = {}
        for name, field in viewer.fields.items():
            if stored("Viewer", name) and (selection := self._field(name, field, depth)) is not None:
                found[name] = f"{{ viewer {{ {selection} }} }}"
        return found

    def _field(self, name: str, field: GraphQLField, depth: int) -> str | None:
        given = {a: ARGUMENTS.get(a) for a in field.args if is_required_argument(field.args[a]) or a == "first"}
        if None in given.values():
            return None
        arguments = f"({', '.join(f'{a}: {v}' for a, v in given.items())})" if given else ""
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return name + arguments
        below = self._below(kind, depth - (not kind.name.endswith(("Connection", "Edge"))))
        return None if below is None else f"{name}{arguments} {{ {below} }}"

    def _below(self, kind: Any, depth: int) -> str | None:
        if depth < 0:
            return "__typename"
        if is_union_type(kind) or is_interface_type(kind):
            parts = [f"... on {t.name} {{ {self._below(t, 0)} }}" for t in self._schema.get_possible_types(kind)]
            return " ".join(["__typename", *parts])
        assert is_object_type(kind)
        picked = [self._field(n, f, depth) for n, f in kind.fields.items() if stored(kind.name, n)]
        # a response name means one thing in a selection, whatever a union makes of it
        return " ".join(["__typename", *(f"{kind.name}_{p.split('(')[0].split(' ')[0]}: {p}" for p in picked if p is not None)])


class Life:
    """What can happen to a viewer's data."""

    def __init__(
        self, homes: Sequence[Household], execution: Any, principal: Principal, clock: TestClock, chance: random.Random
    ) -> None:
        self.homes = homes
        self.execution = execution
        self.principal = principal
        self.clock = clock
        self.chance = chance
        self.numbers = 0

    @property
    def household(self) -> Household:
        """By this pool of connections or the other."""
        home = self.chance.choice(self.homes)
        home.now = max(one.now for one in self.homes)
        return home

    async def begin(self) -> None:
        home = self.household
        self.book = await home.account("vcard", "cards")
        self.box = await home.account("mbox", "robin@example.org", own=["robin@example.org"])
        self.wall = await home.account("mastodon", "robin@social.example")
        for _ in range(3):
            await self.cards()
            await self.mails()
        await self.posts()
        await self.resolved()
        await self.looked()

    @property
    def events(self) -> list[Callable[[], Awaitable[Any]]]:
        return [
            self.cards, self.mails, self.states, self.gone, self.posts, self.reacted, self.resolved, self.looked, self.labelled, self.waited,
            self.renamed, self.stream, self.marked, self.showed, self.own, self.moved_out, self.headed, self.account_named,
            self.broken, self.reckoned, self.joined, self.hour_over,
        ]  # fmt: skip

    def _n(self) -> int:
        return self.chance.randrange(8)

    async def cards(self) -> None:
        n = self._n()
        name = self.chance.choice([f"Person Number {n}", f"Pat {n}", "Petra Alvarez"])
        picture = self.chance.choice([None, *PICTURES])
        one = card(f"card-{n}", name, f"p{n}@people.example", phones=[f"+4915123456{n:02}"], photo=picture)
        await self.household.take(self.book, one)

    async def mails(self) -> None:
        self.numbers += 1
        n = self._n()
        answers = [self.numbers - 1] if self.chance.random() < 0.5 else []
        await self.household.take(
            self.box, mail(self.numbers, f"p{n}@people.example", name=f"Person Number {n}", answers=answers, unread=bool(n % 2))
        )

    async def states(self) -> None:
        key = f"key-{self.chance.randint(1, max(1, self.numbers))}"
        await self.household.take(self.box, records.MessageState(key=key, unread=self.chance.random() < 0.5, flagged=True))

    async def gone(self) -> None:
        if self.chance.random() < 0.5:
            await self.household.take(self.book, records.Gone(kind="CONTACT", key=f"card-{self._n()}"))
        else:
            await self.household.take(self.box, records.Gone(kind="MESSAGE", key=f"key-{max(1, self.numbers - 1)}"))

    async def posts(self) -> None:
        await self.household.take(self.wall, post(self._n(), f"About p {self._n()}"))

    async def reacted(self) -> None:
        who = records.Participant(role="FROM", address=f"p{self._n()}@people.example", name="")
        reaction = records.Reaction(key=f"r-{self._n()}", emoji="🎈", participant=who)
        await self.household.take(self.box, records.Reacted(message=f"key-{max(1, self.numbers)}", reaction=reaction))

    async def headed(self) -> None:
        self.numbers += 1
        await self.household.take(self.box, mail(self.numbers, "robin@example.org", f"p{self._n()}@people.example"))

    async def resolved(self) -> None:
        await self.household.resolve()

    async def looked(self) -> None:
        for account in (self.book, self.box, self.wall):
            await synced(self.household, account, self.clock)

    async def labelled(self) -> None:
        await self.household.list_labels(
            self.box, [records.Label(key="inbox", name=f"Inbox {self._n()}", place="Inbox", role="INBOX")]
        )

    async def waited(self) -> None:
        self.clock.pass_by(minutes=self.chance.choice([1, 6, 61]))

    async def moved_out(self) -> None:
        await self.household.forget(self.wall)
        self.wall = await self.household.account("mastodon", "robin@social.example")

    async def hour_over(self) -> None:
        """Now it is the hour's last moment, or the next one's first."""
        began = self.clock.time.replace(minute=0, second=0, microsecond=0)
        self.clock.time = began + timedelta(hours=1) - self.chance.choice([timedelta.resolution, timedelta()])

    async def broken(self) -> None:
        """A transaction that has written everywhere, and is given up."""

        def write(conn: Connection, viewer: str) -> None:
            for table in (person, contact, conversation, message, stream, search_doc):
                conn.execute(sa.update(table).where(table.c.viewer_id == viewer).values(viewer_id=viewer))
            raise GivenUp

        home = self.household
        with pytest.raises(GivenUp):
            await home.database.write(home.viewer, write)

    async def reckoned(self) -> None:
        """What is written behind the answers."""
        home = self.household
        await tally(home.database, home.viewer)
        await drawing.draw(home.database, home.viewer, self.clock.now())
        await placing.place_everybody(home.database, home.viewer, self.clock.now())

    async def joined(self) -> None:
        shown = await self.asked("{ viewer { people(first: 2) { edges { node { id } } } } }")
        ids = [edge["node"]["id"] for edge in shown["viewer"]["people"]["edges"]]
        await self.asked(
            f"mutation {{ mergePeople(input: {{personIds: {orjson.dumps(ids).decode()}}}) {{ errors {{ code }} }} }}"
        )

    async def renamed(self) -> None:
        await self.asked(f'mutation {{ updateViewer(input: {{name: "Robin {self._n()}"}}) {{ errors {{ code }} }} }}')

    async def account_named(self) -> None:
        given = f'accountId: "{self.book}", label: "Cards {self._n()}"'
        await self.asked(f"mutation {{ updateAccount(input: {{{given}}}) {{ errors {{ code }} }} }}")

    async def stream(self) -> None:
        await self.asked(f'mutation {{ createStream(input: {{name: "S{self._n()}", rule: "p"}}) {{ errors {{ code }} }} }}')

    async def showed(self) -> None:
        given = f'published: true, name: "robin{self._n()}"'
        await self.asked(f"mutation {{ updatePublicProfile(input: {{{given}}}) {{ errors {{ code }} }} }}")

    async def own(self) -> None:
        given = f'accountId: "{self.box}", value: "r{self._n()}@example.org", addressKind: EMAIL, mine: true'
        await self.asked(f"mutation {{ setOwnAddress(input: {{{given}}}) {{ errors {{ code }} }} }}")

    async def marked(self) -> None:
        shown = await self.asked("{ viewer { conversations(first: 1) { edges { node { id } } } } }")
        ids = [edge["node"]["id"] for edge in shown["viewer"]["conversations"]["edges"]]
        given = f"conversationIds: {orjson.dumps(ids).decode()}, flagged: {str(self.chance.random() < 0.5).lower()}"
        await self.asked(f"mutation {{ markConversations(input: {{{given}}}) {{ errors {{ code }} }} }}")

    async def asked(self, query: str) -> Any:
        answer = await self.execution.execute(GraphQLRequest(query=query), self.principal)
        assert answer.data is not None and not answer.errors, answer.errors
        return answer.data


async def told_as_it_is(witness: Witness, execution: Any, principal: Principal, query: str, history: list[str]) -> Any:
    """The answer as it is given, which is also the one that is made without keeping any."""
    request = GraphQLRequest(query=query)
    with statements() as seen:
        given = (await execution.reply(request, principal)).answer
    read = {table for text in seen for table in (*_READS.findall(text), *witness.of.get(text, ()))}
    made = await execution.execute(request, principal)
    assert not made.errors, (query, made.errors)
    head = given.head or b'{"data":' + orjson.dumps(given.data)
    data = orjson.loads(head + b"}")["data"]
    assert data == orjson.loads(orjson.dumps(made.data)), (query, history)
    if given.head is not None:
        assert not read & (UNSHOWN - FROZEN), (query, read & UNSHOWN)
    return data


@asynccontextmanager
async def at(where: str, home: Path, postgres: Callable[[], servers.Postgres]) -> AsyncIterator[str]:
    """The address of an empty database."""
    if where == "sqlite":
        await fresh.sqlite(home / "kith" / "kith.db")
        yield f"sqlite:///{home / 'kith' / 'kith.db'}"
        return
    place = await fresh.postgresql(postgres())
    try:
        yield place.app_url
    finally:
        place.drop()


@pytest.mark.parametrize(("where", "seed", "steps"), [("sqlite", 0, STEPS), ("postgresql", 1, STEPS // 2)])
async def test_after_every_write_what_is_given_again_is_what_would_be_made(
    tmp_path: Path, request: pytest.FixtureRequest, where: str, seed: int, steps: int
) -> None:
    clock, chance = TestClock(), random.Random(seed)
    clock.time = NOW + timedelta(days=1)
    queries = Everything().queries(depth=1)
    async with AsyncExitStack() as opening:
        witness = opening.enter_context(witnessed())
        url = await opening.enter_async_context(at(where, tmp_path, lambda: request.getfixturevalue("postgres_server")))
        installation = await opening.enter_async_context(opened(tmp_path, clock=clock, schema=None, database_url=url, **ROOM))
        elsewhere = Database(url)
        opening.push_async_callback(elsewhere.close)
        execution, history = installation.execution, list[str]()
        whose, kim = await named(installation, None), await named(installation, "kim")
        principal = command(whose)
        homes = [Household(database, whose.id) for database in (installation.database, elsewhere)]
        life = Life(homes, execution, principal, clock, chance)
        await life.begin()
        hers = await bystander(Household(installation.database, kim.id), clock)
        before = {name: await told_as_it_is(witness, execution, command(kim), queries[name], history) for name in hers}
        unmoved = await installation.database.revision(kim.id)
        told, events = counting(installation), chance.sample(life.events, len(life.events))
        for step in range(steps):
            asked = chance.sample(sorted(queries), 6)
            for name in asked:
                await told_as_it_is(witness, execution, principal, queries[name], history)
            event = events[step % len(events)] if step % 3 else life.looked  # what was looked at lately can be kept
            history.append(event.__name__)
            if step % 2:
                await asyncio.gather(event(), *(execution.reply(GraphQLRequest(query=queries[n]), principal) for n in asked[:3]))
                await told_as_it_is(witness, execution, principal, queries[asked[0]], history)
            else:
                await event()
        assert told["made"] > steps and told["memory"] > steps / 2, told
        assert await installation.database.revision(kim.id) == unmoved
        for name, data in before.items():
            assert await told_as_it_is(witness, execution, command(kim), queries[name], history) == data
        assert witness.unsaid == []
        assert witness.read >= {"person", "message", "conversation", "search_doc"} <= witness.written


async def bystander(household: Household, clock: TestClock) -> list[str]:
    """Somebody who has what the others have, a picture too; of what there is to ask, that which does not depend on the time."""
    book = await household.account("vcard", "cards")
    box = await household.account("mbox", "robin@example.org", own=["robin@example.org"])
    await household.take(book, card("card-1", "Person Number 1", "p1@people.example", photo=PICTURES[0]))
    await household.take(box, mail(1, "p1@people.example", name="Person Number 1"))
    await household.resolve()
    for account in (book, box):
        await synced(household, account, clock)
    return ["accounts", "mergeSuggestions", "name", "ownAddresses", "publicProfile", "search", "streams", "tags"]
