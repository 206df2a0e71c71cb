"""Whatever happens to contacts and is said of them: people follow from facts and decisions, in any order, and no id dangles."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from providers import records
from store.database import Database
from tests.asking import nodes
from tests.household import card
from tests.worlds import WORDS, Step, World, keys, made

STEPS = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 63), st.integers(0, 255)), min_size=4, max_size=14)


# the same stories each time, as others are looked for by `make proof LINE=people-2`; one that fails is told as it is: to tell it
# shorter would take minutes
PHASES = (Phase.explicit, Phase.generate)
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=6, deadline=None, derandomize=True, phases=PHASES, suppress_health_check=CHECKS)
@given(STEPS)
@example([("put", 0, 8), ("put", 2, 8), ("resolve", 0, 0), ("part", 0, 1), ("put", 4, 8), ("resolve", 0, 0), ("back", 0, 0)])
async def test_people_are_what_follows_from_facts_and_decisions_whatever_happened_before(
    database: Database, steps: list[Step]
) -> None:
    world = await World.open(database)
    await world.live(steps)
    await world.check()


async def test_facts_in_any_order_and_any_batches_give_the_same_people(database: Database) -> None:
    for seed in range(3):
        dice = random.Random(seed)
        cards = [made(n, dice.randrange(256)) for n in range(7)]
        answers = []
        for order in (cards, dice.sample(cards, len(cards))):
            world = await World.open(database)
            account = await world.account(0)
            for one in order:
                await world.household.take(account, one)
                if order is not cards or dice.random() < 0.3:
                    await world.household.resolve()
            await world.household.resolve()
            known = await keys(world.household, account)
            answers.append({frozenset(known[c["id"]] for c in nodes(p["contacts"])) for p in await world.people()})
        assert answers[0] == answers[1], seed


@pytest.mark.parametrize("goes", [False, True], ids=["changes", "goes"])
async def test_an_address_that_a_third_record_gives_up_is_proof_again_to_the_others(database: Database, goes: bool) -> None:
    world = await World.open(database)
    book, phone = await world.account(0), await world.account(1)
    bob = card("bob", "Bob Ray", "bluebird@example.org")
    await world.household.take(book, card("a", "Ada Byron", "bluebird@example.org"), bob)
    await world.household.take(phone, card("b", "Ada Byron", "bluebird@example.org"))
    await world.household.resolve()
    assert len(await world.people()) == 3
    await world.household.take(
        book, records.Gone(kind="CONTACT", key="bob") if goes else card("bob", "Bob Ray", "bob@example.org")
    )
    await world.household.resolve()
    assert sorted(len(nodes(p["contacts"])) for p in await world.people()) == ([2] if goes else [1, 2])


@pytest.mark.parametrize("seed", [1])
async def test_an_account_that_goes_leaves_the_answers_as_if_it_had_never_been_there(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    world = await World.open(database)

    async def fill(which: int, count: int) -> None:
        account = await world.account(which)
        await world.household.take(account, *(made(n, dice.randrange(256)) for n in range(count)))
        await world.household.resolve()

    async def decide() -> None:
        for word in ("merge", "reject", "merge", "part"):
            await world.decide(word, dice.randrange(64), dice.randrange(256))

    await fill(0, 6)
    await decide()
    for said_of_both in (False, True, False):
        before = await answers(world)
        await fill(1, 5)
        if said_of_both:
            await decide()
        await world.step("forget", 1, 0)
        await world.household.resolve()
        if not said_of_both:
            assert await answers(world) == before
        await world.check()


async def answers(world: World) -> list[dict[str, Any]]:
    """What is said of people; which ids lead to them is history, and stays when an account goes."""
    people = [{name: value for name, value in p.items() if name not in ("id", "formerIds")} for p in await world.people()]
    return sorted(people, key=lambda p: str(p["contacts"]))
