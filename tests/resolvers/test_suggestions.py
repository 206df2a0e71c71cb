"""People who may be one: asked about most likely first with reasons, kept current as records change, decided for good. On both databases."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers import records
from resolvers.identity.pairing import pair
from resolvers.identity.resolve import resolve
from tests.asking import Desk, nodes, pages, statements
from tests.faces import face, packed, scaled
from tests.household import Household, card

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
SHOWN = """id version decision probability candidates { id name } evidenceFor { sentence weight } evidenceAgainst { sentence weight }
  preview { name personId contactIds emails organization } conflicts { field } createdAt"""
LIST = f"""query ($first: Int = 50, $after: Cursor, $decision: SuggestionDecision = OPEN) {{ viewer {{
  mergeSuggestions(first: $first, after: $after, decision: $decision) {{
    totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {SHOWN} }} }} }} }} }}"""
MERGE = """mutation ($ids: [ID!], $suggestion: ID, $override: Boolean) {
  mergePeople(input: {personIds: $ids, suggestionId: $suggestion, override: $override}) {
    person { id name } absorbedIds merge { id } suggestion { id decision } errors { code field message } } }"""
REJECT = """mutation ($ids: [ID!], $suggestion: ID) { rejectSuggestion(input: {personIds: $ids, suggestionId: $suggestion}) {
  merge { id } suggestion { id decision } errors { code field message } } }"""
UNMERGE = "mutation ($merge: ID) { unmerge(input: {mergeId: $merge}) { people { id } errors { code } } }"
LIKENESSES = (
    "{ viewer { people(first: 50) { edges { node { emails { address } lookAlikes { person { emails { address } } } } } } } }"
)
PEOPLE = "{ viewer { people(first: 200) { edges { node { id name suggestions { id decision } } } } } }"


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


def works(name: str) -> tuple[records.Organization, ...]:
    return (records.Organization(name=name),)


ADA = card("a1", "Ada Byron", "ada@home.example", organizations=works("Engines"))
ADA_AT_WORK = card("a2", "Ada Byron", "ada.byron@engines.example", organizations=works("Engines"))
BOB = card("b1", "Bob Ray", "bob@ray.example")


async def take(desk: Desk, *cards: records.Contact, user: str = "home") -> str:
    account = await desk.household.account("vcard", user)
    await desk.household.take(account, *cards)
    await desk.household.resolve()
    return account


async def asked(desk: Desk, decision: str = "OPEN") -> list[Any]:
    return nodes((await desk.ask(LIST, decision=decision))["viewer"]["mergeSuggestions"])


async def two_adas(desk: Desk) -> tuple[str, str, Any]:
    """The same person twice with nothing that proves it: both accounts, and the suggestion."""
    home, work = await take(desk, ADA, BOB), await take(desk, ADA_AT_WORK, user="work")
    (one,) = await asked(desk)
    return home, work, one


async def test_two_who_may_be_one_are_asked_about_with_reasons_in_words_and_what_they_would_make(desk: Desk) -> None:
    head = await desk.household.head()
    _, _, one = await two_adas(desk)
    assert [c["name"] for c in one["candidates"]] == ["Ada Byron", "Ada Byron"]
    assert 0.12 < one["probability"] <= 1 and one["decision"] == "OPEN"
    said = [e["sentence"] for e in one["evidenceFor"]]
    assert "Both are called Ada Byron." in said and "Both work at engines." in said
    assert all(e["weight"] > 0 for e in one["evidenceFor"]) and all(e["weight"] < 0 for e in one["evidenceAgainst"])
    assert [e["weight"] for e in one["evidenceFor"]] == sorted((e["weight"] for e in one["evidenceFor"]), reverse=True)
    assert (one["preview"]["name"], len(one["preview"]["contactIds"])) == ("Ada Byron", 2)
    assert set(one["preview"]["emails"]) == {"ada@home.example", "ada.byron@engines.example"}
    assert one["preview"]["personId"] == one["candidates"][0]["id"] and one["conflicts"] == []
    told = [c for c in await desk.household.changes(head) if c.kind == "MERGE_SUGGESTION"]
    assert [(c.op, c.node_id, c.created) for c in told] == [("UPSERT", one["id"], True)]
    assert (await desk.ask("query ($id: ID!) { node(id: $id) { id __typename } }", id=one["id"]))["node"]["id"] == one["id"]
    people = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert {p["name"]: [s["id"] for s in p["suggestions"]] for p in people} == {"Ada Byron": [one["id"]], "Bob Ray": []}


async def test_an_accepted_suggestion_joins_and_taking_that_back_leaves_them_apart_for_good(desk: Desk) -> None:
    _, work, one = await two_adas(desk)
    done = (await desk.ask(MERGE, suggestion=one["id"]))["mergePeople"]
    assert done["errors"] == []
    assert done["person"]["id"] == one["candidates"][0]["id"] and done["absorbedIds"] == [one["candidates"][1]["id"]]
    assert done["suggestion"] == {"id": one["id"], "decision": "ACCEPTED"}
    await desk.household.resolve()
    assert await asked(desk) == []
    assert [s["id"] for s in await asked(desk, "ACCEPTED")] == [one["id"]]
    again = (await desk.ask(MERGE, suggestion=one["id"]))["mergePeople"]["errors"]
    assert [(e["code"], e["field"]) for e in again] == [("ALREADY_DONE", ["suggestionId"])]
    await desk.ask(UNMERGE, merge=done["merge"]["id"])
    await desk.household.resolve()
    assert await asked(desk) == []
    assert [s["id"] for s in await asked(desk, "REJECTED")] == [one["id"]]
    await desk.household.take(work, msgspec.structs.replace(ADA_AT_WORK, bio="New."))
    await desk.household.resolve()
    assert (await asked(desk), len(await asked(desk, "REJECTED"))) == ([], 1)


async def test_a_rejected_suggestion_never_comes_back_until_that_is_taken_back(desk: Desk) -> None:
    home, work, one = await two_adas(desk)
    done = (await desk.ask(REJECT, suggestion=one["id"]))["rejectSuggestion"]
    assert (done["errors"], done["suggestion"]) == ([], {"id": one["id"], "decision": "REJECTED"})
    for change in (
        msgspec.structs.replace(ADA_AT_WORK, phones=(records.Phone(raw="+491711234567", number="+491711234567", mobile=True),)),
        ADA_AT_WORK,
    ):
        await desk.household.take(work, change)
        await desk.household.resolve()
        assert await asked(desk) == []
    # a third record, joined to one of them, brings the question back on no way
    await desk.household.take(home, card("a3", "Ada Byron", "ada@home.example", "a3@example.org"))
    await desk.household.resolve()
    assert await asked(desk) == []
    refused = (await desk.ask(MERGE, ids=[c["id"] for c in one["candidates"]]))["mergePeople"]["errors"]
    assert [e["code"] for e in refused] == ["NEVER_MERGE"]
    # nor does the account that goes and comes back
    await desk.household.forget(work)
    await desk.household.resolve()
    await take(desk, ADA_AT_WORK, user="work")
    assert await asked(desk) == []
    await desk.ask(UNMERGE, merge=done["merge"]["id"])
    await desk.household.resolve()
    assert [s["id"] for s in await asked(desk)] == [one["id"]]


async def test_suggestions_follow_the_facts_and_keep_their_ids(desk: Desk) -> None:
    _, work, one = await two_adas(desk)
    await desk.household.take(work, card("a2", "Grace Hopper", "ada.byron@engines.example"))
    await desk.household.resolve()
    assert (await asked(desk), [s["id"] for s in await asked(desk, "OUTDATED")]) == ([], [one["id"]])
    late = (await desk.ask(REJECT, suggestion=one["id"]))["rejectSuggestion"]["errors"]
    assert [e["code"] for e in late] == ["TOO_LATE"]
    await desk.household.take(work, ADA_AT_WORK)
    await desk.household.resolve()
    (back,) = await asked(desk)
    assert back["id"] == one["id"] and back["version"] > one["version"]
    # proof joins them: there is nothing to ask any more
    await desk.household.take(work, msgspec.structs.replace(ADA_AT_WORK, emails=(*ADA_AT_WORK.emails, *ADA.emails)))
    await desk.household.resolve()
    assert (await asked(desk), [s["id"] for s in await asked(desk, "OUTDATED")]) == ([], [one["id"]])


async def test_with_its_account_a_suggestion_is_gone_and_the_feed_says_so(desk: Desk) -> None:
    _, work, one = await two_adas(desk)
    head = await desk.household.head()
    await desk.household.forget(work)
    assert [await asked(desk, word) for word in ("OPEN", "OUTDATED")] == [[], []]
    assert ("DELETE", one["id"]) in [(c.op, c.node_id) for c in await desk.household.changes(head)]
    await take(desk, ADA_AT_WORK, user="work")
    assert [s["id"] for s in await asked(desk)] == [one["id"]]


async def test_nobody_sees_or_decides_another_viewers_suggestions(desk: Desk) -> None:
    _, _, one = await two_adas(desk)
    other = Desk(await Household.open(desk.household.database, "u_other"))
    await take(other, ADA_AT_WORK)
    assert await asked(other) == []
    assert (await other.ask("query ($id: ID!) { node(id: $id) { id } }", id=one["id"]))["node"] is None
    assert [e["code"] for e in (await other.ask(REJECT, suggestion=one["id"]))["rejectSuggestion"]["errors"]] == ["NOT_FOUND"]


@ON_ONE
async def test_an_impostor_is_never_suggested_and_namesakes_who_live_apart_come_last(desk: Desk) -> None:
    await take(
        desk, ADA, ADA_AT_WORK,
        msgspec.structs.replace(card("f", "?", "ada@h0me.example"), names=(records.Name(full="Ada Byron"),), relation="CORRESPONDENT"),
    )  # fmt: skip
    fake = next(
        p["id"] for p in nodes((await desk.ask("{ viewer { people { edges { node { id impersonates { suspicious } } } } } }"))["viewer"]["people"])
        if p["impersonates"]
    )  # fmt: skip
    real = next(s for s in await asked(desk) if fake not in [c["id"] for c in s["candidates"]])
    assert (await asked(desk))[0]["id"] == real["id"]
    assert not any({"ada@home.example", "ada@h0me.example"} <= set(s["preview"]["emails"]) for s in await asked(desk))


async def test_pages_go_down_by_probability_and_a_page_costs_the_same_statements_however_long(desk: Desk) -> None:
    given, family = ("Ada", "Grace", "Mary", "Edith", "Joan", "Ruth"), ("Byron", "Hopper", "Clarke", "Lovell", "Somerset")
    cards = []
    for n in range(30):
        name, work = f"{given[n % 6]} {family[n // 6]}", works(f"Engine{n}")
        cards += [
            card(f"h{n}", name, f"me{n}@home{n}.example", organizations=work),
            card(f"w{n}", name, f"w{n}@t{n}.example", organizations=work),
        ]
    await take(desk, *cards[::2])
    await take(desk, *cards[1::2], user="work")
    whole = await asked(desk)
    assert len(whole) >= 30
    assert [s["probability"] for s in whole] == sorted((s["probability"] for s in whole), reverse=True)
    read = [s["id"] for page in await pages(desk, LIST, ("viewer", "mergeSuggestions"), first=7) for s in page]
    assert read == [s["id"] for s in whole]
    counts = []
    for size in (5, 25):
        with statements() as seen:
            await desk.ask(LIST, first=size)
        counts.append(len(seen))
    assert counts[0] == counts[1]


@ON_ONE
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"suggestion": "M_nothing"}, "NOT_FOUND"),
        ({"suggestion": "p_somebody"}, "WRONG_KIND"),
        ({"suggestion": "M_nothing", "ids": ["p_a", "p_b"]}, "INVALID"),
        ({}, "REQUIRED"),
    ],
)
async def test_what_is_no_suggestion_is_refused(desk: Desk, given: dict[str, Any], code: str) -> None:
    await two_adas(desk)
    for ask in (MERGE, REJECT):
        (done,) = (await desk.ask(ask, **given)).values()
        assert [e["code"] for e in done["errors"]] == [code]


async def test_the_same_records_in_another_order_make_the_same_suggestions(desk: Desk) -> None:
    cards = [
        ADA,
        ADA_AT_WORK,
        BOB,
        card("b2", "Bob Ray", "ray@office.example"),
        card("a4", "A. Byron", "a@x.example", organizations=works("Engines")),
    ]
    for n, one in enumerate(cards):
        account = await desk.household.account("vcard", f"book {n % 2}")
        await desk.household.take(account, one)
        await desk.household.resolve()
    other = Desk(await Household.open(desk.household.database, "u_other"))
    for n, one in reversed(list(enumerate(cards))):
        await other.household.take(await other.household.account("vcard", f"book {n % 2}"), one)
    await other.household.resolve()
    assert [set(s["preview"]["emails"]) for s in await asked(desk)] == [set(s["preview"]["emails"]) for s in await asked(other)]


async def test_many_who_arrive_at_once_are_compared_as_if_they_had_come_one_by_one(desk: Desk) -> None:
    """A pair whose two sides have their turns in different steps is compared once, and its rivals are ranked with it."""
    names = ("Ada Byron", "Cleo Quist", "Dora Vale", "A. Byron")
    home, work = (
        [card(f"c{n}", name, f"{name.split()[0]}{n}@{book}{n}.example".lower(), organizations=works(f"Engines {n % 3}"))
         for n, name in enumerate(names)]
        for book in ("home", "work")
    )  # fmt: skip
    work.append(card("look", "Ada Byron", "ada0@home0.example.co"))
    found = []
    for step in (1, 3, 50):
        household = await Household.open(desk.household.database, f"u_{step}")
        await household.take(await household.account("vcard", "home"), *home)
        await household.take(await household.account("vcard", "work"), *work)
        await resolve(household.database, household.viewer, household.now)
        assert await pair(household.database, household.viewer, household.now, step=step) == len(home) + len(work)
        here = Desk(household)
        likely = [
            (sorted(s["preview"]["emails"]), s["probability"], [e["weight"] for e in (*s["evidenceFor"], *s["evidenceAgainst"])])
            for s in await asked(here)
        ]
        alike = [
            (p["emails"][0]["address"], sorted(a["person"]["emails"][0]["address"] for a in p["lookAlikes"]))
            for p in nodes((await here.ask(LIKENESSES))["viewer"]["people"])
        ]
        found.append((sorted(likely), sorted(alike)))
    assert found[0] == found[1] == found[2]
    assert len(found[0][0]) > 2 and any(others for _, others in found[0][1])


PICTURE = {"Both show the same picture.", "Both show nearly the same picture."}


def shows(number: int, edge: int = 400, kind: str = "JPEG") -> records.Photo:
    return records.Photo(media_type=f"image/{kind.lower()}", data=packed(scaled(face(number), edge), kind))


async def test_one_face_in_two_sizes_is_a_reason_to_ask_and_never_to_join(desk: Desk) -> None:
    await take(desk, card("a1", "Ada Byron", "ada@home.example", photo=shows(1)), BOB)
    await take(desk, card("a2", "Lovelace", "countess@engines.example", photo=shows(1, 96, "WEBP")), user="work")
    (one,) = await asked(desk)
    assert sorted(c["name"] for c in one["candidates"]) == ["Ada Byron", "Lovelace"]
    assert PICTURE & {e["sentence"] for e in one["evidenceFor"]}
    assert len(nodes((await desk.ask(PEOPLE))["viewer"]["people"])) == 3

    spoof = card("a3", "Ada Byron", "ada@home.example.co", photo=shows(1, 120))
    await take(desk, spoof, user="strangers")
    people = nodes((await desk.ask(PEOPLE))["viewer"]["people"])
    assert len(people) == 4, "whoever poses as somebody has their picture and name too"
    kim = Desk(await Household.open(desk.household.database, "u_kim"))
    await take(kim, card("k", "Ada L", "ada.l@kim.example", photo=shows(1)))
    assert await asked(kim) == []


async def test_a_picture_that_many_show_says_nothing_and_one_that_cannot_be_seen_harms_nobody(desk: Desk) -> None:
    others = ("Anton Frost", "Berta Young", "Carlo Diaz", "Dora Klein", "Emil Sand")
    logo = [card(f"l{n}", name, f"{n}@logo.example", photo=shows(2, 100 + 40 * n)) for n, name in enumerate(others)]
    bomb = records.Photo(media_type="image/png", data=b"\x89PNG\r\n\x1a\n" + bytes(40))
    two = [card(f"z{n}", "Zoe Kim", f"zoe@{n}.example", photo=shows(2, 80 + 10 * n)) for n in range(2)]
    unseen = [card(f"y{n}", "Yan Li", f"yan@{n}.example", photo=bomb) for n in range(2)]
    for n, user in enumerate(("home", "work")):
        await take(desk, two[n], unseen[n], *logo[3 * n : 3 * n + 3], user=user)
    said = {one["candidates"][0]["name"]: {e["sentence"] for e in one["evidenceFor"]} for one in await asked(desk)}
    assert {name: PICTURE & found for name, found in said.items()} == {
        "Zoe Kim": set(),
        "Yan Li": {"Both show the same picture."},
    }


@ON_ONE
async def test_a_photo_is_looked_at_once_and_costs_a_change_no_statement(desk: Desk) -> None:
    cards = [card(f"c{n}", f"Person {n}", f"p{n}@home.example", photo=shows(n) if n % 2 else None) for n in range(2)]
    account = await take(desk, *cards)
    counted: list[int] = []
    for number in (0, 1, 1):
        cards[number] = msgspec.structs.replace(cards[number], bio=f"New {len(counted)}")
        await desk.household.take(account, cards[number])
        with statements() as seen:
            await pair(desk.household.database, desk.household.viewer, desk.household.now)
        counted.append(len(seen))
    assert counted[0] == counted[1] == counted[2], counted
