"""Small worlds in which contacts come and go while their viewer decides who is who, and what has to hold in all of them.

A step is a word and two numbers that mean something in every world, so that any list of steps is a story.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from providers import records
from resolvers.identity.resolve import read_around
from resolvers.identity.verdicts import pairs
from store.database import Database
from store.tables import contact, decision, decision_contact
from tests.asking import Desk, nodes
from tests.household import Household, card

Step = tuple[str, int, int]
WORDS: Final = ("put", "put", "put", "drop", "resolve", "merge", "part", "reject", "back", "forget", "there and back", "at once")
NAMES: Final = ("Ada Byron", "A. Byron", "Ada", "Bob Ray", "Grace Hopper", "?")
CARDS: Final = 7
_viewers = itertools.count()

PEOPLE = """{ viewer { people(first: 200, filter: { natures: null }) { totalCount edges { node {
  id name sortName nature formerIds names { full } emails { address preferred } phones { number } contacts { edges { node { id } } } } } } } }"""
MERGE = """mutation($ids: [ID!], $override: Boolean = true) { mergePeople(input: { personIds: $ids, override: $override }) {
  person { id } absorbedIds merge { id } errors { code } } }"""
UNMERGE = """mutation($merge: ID, $person: ID, $contacts: [ID!]) {
  unmerge(input: { mergeId: $merge, personId: $person, contactIds: $contacts }) { people { id } merge { id } errors { code } } }"""
REJECT = "mutation($ids: [ID!]) { rejectSuggestion(input: { personIds: $ids }) { merge { id } errors { code } } }"


def made(number: int, look: int) -> records.Contact:
    """A card: its key, and by the bits of `look` its name and what it shares with others."""
    name = NAMES[look % len(NAMES)]
    emails = [f"{word}@example.org" for bit, word in enumerate(("ada", "bluebird", "b.ray", "x7")) if look >> (3 + bit) & 1]
    one = card(str(number), name, *emails, phones=["+491711234567"] if look >> 7 & 1 else [])
    return one if name != "?" else msgspec.structs.replace(one, names=())


class World:
    """One viewer's contacts in two accounts, and everything that was said of them."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self.desk = Desk(household)
        self.accounts: dict[int, str] = {}
        self.said: list[tuple[str, str, tuple[tuple[str, ...], ...]]] = []  # decision, verdict, sides; the latest last
        self.seen: set[str] = set()

    @classmethod
    async def open(cls, database: Database) -> World:
        return cls(await Household.open(database, f"u_world{next(_viewers)}"))

    async def account(self, which: int) -> str:
        if which not in self.accounts:
            self.accounts[which] = await self.household.account("vcard", f"book {which}")
        return self.accounts[which]

    async def people(self) -> list[Any]:
        found: list[Any] = nodes((await self.desk.ask(PEOPLE))["viewer"]["people"])
        self.seen |= {p["id"] for p in found}
        return sorted(found, key=lambda p: p["id"])

    async def live(self, steps: Iterable[Step]) -> None:
        for word, a, b in steps:
            await self.step(word, a, b)
        await self.household.resolve()

    async def step(self, word: str, a: int, b: int) -> None:
        match word:
            case "put":
                await self.household.take(await self.account(a & 1), made(a % CARDS, b))
            case "drop":
                await self.household.take(await self.account(a & 1), records.Gone(kind="CONTACT", key=str(b % CARDS)))
            case "forget":
                if (account := self.accounts.pop(a & 1, None)) is not None:
                    await self.household.forget(account)
            case "resolve":
                await self.household.resolve()
            case _:
                await self.decide(word, a, b)

    async def decide(self, word: str, a: int, b: int) -> None:
        people = await self.people()
        if word == "back":
            if self.said:
                await self.take_back(a % len(self.said))
            return
        if word == "part":
            whole = [p for p in people if len(nodes(p["contacts"])) > 1]
            if whole:
                person = whole[a % len(whole)]
                members = sorted(c["id"] for c in nodes(person["contacts"]))
                taken = [c for n, c in enumerate(members) if (b >> n) & 1] or members[:1]
                if len(taken) < len(members):
                    rest = tuple(c for c in members if c not in taken)
                    done = await self.must(UNMERGE, person=person["id"], contacts=taken)
                    self.said.append((done["merge"]["id"], "DIFFERENT", (rest, tuple(taken))))
            return
        if len(people) < 2:
            return
        two = [people[a % len(people)], people[(a + 1 + b % (len(people) - 1)) % len(people)]]
        sides = tuple(tuple(sorted(c["id"] for c in nodes(p["contacts"]))) for p in two)
        names = [p["id"] for p in two]
        match word:
            case "merge":
                await self.merge(names, sides)
            case "reject":
                done = (await self.desk.ask(REJECT, ids=names))["rejectSuggestion"]
                if done["errors"]:
                    assert [e["code"] for e in done["errors"]] == ["ALREADY_DONE"]
                else:
                    self.said.append((done["merge"]["id"], "DIFFERENT", sides))
            case "there and back":
                await self.household.resolve()
                before = await self.people()
                if {p["id"] for p in two} <= {p["id"] for p in before} and two == [p for one in two for p in before if p == one]:
                    merge = await self.merge(names, sides)
                    self.undone(merge, await self.must(UNMERGE, merge=merge))
                    assert await self.people() == before, "a join that was taken back left something"
            case "at once":
                others = [[names[0], p["id"]] for p in people if p["id"] not in names][:2]
                answers = await asyncio.gather(*(self.desk.ask(MERGE, ids=ask) for ask in [names, *others]))
                done = [answer["mergePeople"] for answer in answers]
                # what one of them did may have brought the others along, by proof that only names had kept from counting
                assert all(e["code"] == "ALREADY_DONE" for one in done for e in one["errors"])
                joined = {*names, *(ask[1] for ask in others)}
                now = await self.people()
                assert sum(not joined.isdisjoint([p["id"], *p["formerIds"]]) for p in now) == 1, "one of two joins was lost"
                # which came first, and so whom each was about, only the store knows
                self.said += await self.written([one["merge"]["id"] for one in done if not one["errors"]])

    async def written(self, merges: Sequence[str]) -> list[tuple[str, str, tuple[tuple[str, ...], ...]]]:
        """Joins as they were written, the latest last."""

        def read(conn: sa.Connection, viewer: str) -> list[tuple[str, str, tuple[tuple[str, ...], ...]]]:
            d, c = decision.c, decision_contact.c
            rows = conn.execute(
                sa.select(d.id, c.side, c.contact_id)
                .join(decision_contact, sa.and_(c.viewer_id == d.viewer_id, c.decision_id == d.id))
                .where(d.viewer_id == viewer, d.id.in_(merges))
                .order_by(d.number, c.side, c.contact_id)
            )
            found: dict[str, dict[int, list[str]]] = {}
            for row in rows:
                found.setdefault(row.id, {}).setdefault(row.side, []).append(row.contact_id)
            return [(i, "SAME", tuple(tuple(side) for side in sides.values())) for i, sides in found.items()]

        return await self.household.database.read(self.household.viewer, read)

    async def minted(self) -> set[str]:
        """The ids that contacts which are still there have minted."""

        def read(conn: sa.Connection, viewer: str) -> set[str]:
            return set(conn.execute(sa.select(contact.c.minted_id).where(contact.c.viewer_id == viewer)).scalars())

        return await self.household.database.read(self.household.viewer, read)

    async def must(self, ask: str, **variables: Any) -> Any:
        (done,) = (await self.desk.ask(ask, **variables)).values()
        assert done["errors"] == [], (ask, done)
        return done

    async def merge(self, people: Sequence[str], sides: tuple[tuple[str, ...], ...]) -> str:
        done = await self.must(MERGE, ids=people)
        # an id whose contact has gone since is nobody's to keep
        assert done["person"]["id"] == people[0] or people[0] not in await self.minted()
        self.said.append((done["merge"]["id"], "SAME", sides))
        return str(done["merge"]["id"])

    async def take_back(self, at: int) -> None:
        decision, verdict, _ = self.said[at]
        done = (await self.desk.ask(UNMERGE, merge=decision))["unmerge"]
        if done["errors"]:
            assert done["errors"][0]["code"] in ("ALREADY_DONE", "TOO_LATE")
        elif verdict == "SAME":
            self.undone(decision, done)
        else:
            del self.said[at]

    def undone(self, decision: str, done: Any) -> None:
        sides = next(sides for known, _, sides in self.said if known == decision)
        self.said.append((done["merge"]["id"], "DIFFERENT", sides))

    # --- what has to hold -----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        people = await self.people()
        of = {c["id"]: p["id"] for p in people for c in nodes(p["contacts"])}
        last: dict[tuple[str, str], str] = {}
        for _, verdict, sides in reversed(self.said):
            for pair in pairs(sides):
                last.setdefault(pair, verdict)
        for (one, other), verdict in last.items():
            if verdict == "DIFFERENT" and one in of and other in of:
                assert of[one] != of[other], "two who were never to be joined are one person"
        component = await self.household.database.read(self.household.viewer, read_around, sorted(of))
        groups: dict[str, set[str]] = {}
        for contact_id, person_id in of.items():
            groups.setdefault(person_id, set()).add(contact_id)
        follows = component.groups()
        assert {frozenset(g) for g in follows.groups} == {frozenset(g) for g in groups.values()}, (
            "not what follows from the facts"
        )
        for group in follows.groups:
            assert of[group[0]] == component.minted[group[0]], "a person does not bear the id of the first contact"
        for contact_id, minted in component.minted.items():
            found = await self.desk.ask("query($id: ID!) { node(id: $id) { id } }", id=minted)
            assert found["node"] == {"id": of[contact_id]}, "the id that a contact minted leads elsewhere"
        for person_id in self.seen:
            found = await self.desk.ask("query($id: ID!) { node(id: $id) { id } }", id=person_id)
            assert found["node"] is None or found["node"]["id"] in groups, "an id leads to nobody"


async def keys(household: Household, account: str) -> dict[str, str]:
    """The key of each contact of an account, by id."""

    def read(conn: sa.Connection, viewer: str) -> dict[str, str]:
        mine = contact.c
        rows = conn.execute(sa.select(mine.id, mine.key).where(mine.viewer_id == viewer, mine.account_id == account))
        return {row.id: row.key for row in rows}

    return await household.database.read(household.viewer, read)
