"""Enrichment as its viewer sees it: allowed before anything is sent, paid for once, told from where, taken away with the consent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway import enriching
from resolvers import enrichment as asking
from store import disclosures, enrichment
from store.database import Database
from store.disclosures import Entry
from store.enrichment import ABANDONED, Question
from tests.asking import nodes, pages
from tests.household import Household, card, follower
from tests.resolvers.sources import LOG, opened
from tests.sites import Document

PREVIEW = "query ($id: ID!) { person(by: {id: $id}) { enrichmentPreview { source recipient sent price known } } }"
CONSENTS = "{ viewer { enrichmentConsents { source granted fields price available how sends recipient } enrichmentMoney { allowed spent } } }"
ENRICH = """mutation ($ids: [ID!]!, $sources: [EnrichmentSource!], $again: Boolean) {
  enrichPeople(input: {personIds: $ids, sources: $sources, again: $again}) {
    run { id state total done found unconfirmed } errors { code field message } } }"""
RUNS = """{ viewer { enrichmentRuns { edges { node { id state total done found unconfirmed finishedAt
  items { edges { node { outcome person { id } } } } } } } } }"""
COMPLETIONS = """query ($id: ID!) { node(id: $id) { ... on Contact { completions { field value label source confidence contact { id } } } } }"""
EVERYTHING = """query ($id: ID!) { viewer { people { edges { node { name enrichment { facts { value } } enrichmentPreview { sent }
  contacts { edges { node { completions { value } } } } identities { handle } } } } enrichmentConsents { source } enrichmentRuns { edges { cursor } }
  disclosures { edges { cursor } } } person(by: {id: $id}) { enrichment(sources: [GRAVATAR, GITHUB, FULLCONTACT, PEOPLE_DATA_LABS, PUBLIC_WEB]) {
  sources { outcome } } } }"""


async def test_without_consent_nothing_is_asked_whatever_the_query(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org", urls=["https://github.com/ada", "https://ada.example/"])
        assert await office.enrichment(ada) is None
        found = await office.desk.ask(EVERYTHING, id=ada)
        assert found["person"]["enrichment"] is None
        answer = (await office.desk.ask(ENRICH, ids=[ada]))["enrichPeople"]
        assert [error["code"] for error in answer["errors"]] == ["REQUIRED"]
        assert (office.stub.received, dict(office.sites.asked), await office.log()) == ([], {}, [])


async def test_before_consent_it_is_shown_what_would_leave_to_whom_and_at_what_price(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org", phones=["+4915112345678"], urls=["https://github.com/ada"])
        shown = {one["source"]: one for one in (await office.desk.ask(PREVIEW, id=ada))["person"]["enrichmentPreview"]}
        assert shown["GRAVATAR"]["sent"] == ["the SHA-256 of ada@example.org"]
        assert shown["GITHUB"]["sent"] == ["the address https://github.com/ada"]
        assert shown["FULLCONTACT"]["sent"] == ["the e-mail address ada@example.org"]
        assert shown["FULLCONTACT"]["price"] == "0.28 USD" and shown["GRAVATAR"]["price"] == "0.00 USD"
        consents = (await office.desk.ask(CONSENTS))["viewer"]
        assert all(not one["granted"] and one["sends"] for one in consents["enrichmentConsents"])
        assert consents["enrichmentMoney"] == {"allowed": "5.00 USD", "spent": "0.00 USD"}
        assert office.stub.received == []


async def test_what_a_source_knows_comes_with_its_name_price_and_moment_and_the_log_has_what_left(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.knows("ada@example.org", name="Ada B. Example", organization="Example Works")
        await office.allow("PEOPLE_DATA_LABS")
        found = await office.enrichment(ada)
        assert {(f["source"], f["field"], f["value"], f["confidence"], f["price"]) for f in found["facts"]} >= {
            ("PEOPLE_DATA_LABS", "NAME", "Ada B. Example", 0.8, "0.28 USD")
        }
        (status,) = found["sources"]
        assert (status["state"], status["outcome"], status["found"], status["price"]) == ("FRESH", "FOUND", True, "0.28 USD")
        (left,) = await office.log()
        ((method, url, body),) = office.stub.received
        assert (left["request"], left["body"]) == (f"{method} {url}", None) and body == b""
        assert (left["purpose"], left["outcome"], left["httpStatus"], left["price"]) == ("CONSENT", "ANSWERED", 200, "0.28 USD")
        assert left["sent"] == ["the e-mail address ada@example.org"] and left["person"] == {"id": ada} and left["consentedAt"]
        # asked again, everything is known: nobody is asked, nothing is paid
        assert (await office.enrichment(ada))["facts"] == found["facts"]
        office.desk.clock.time += timedelta(days=300)
        await office.enrichment(ada)
        assert sum(office.stub.asked.values()) == 1
        assert office.stub.violations == []


async def test_the_free_sources_are_read_by_the_machinery_of_look_ups_and_told_in_the_log(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org", urls=["https://ada.example/"])
        office.gravatar(
            "ada@example.org", display_name="Ada", company="Example Works", verified_accounts=[{"url": "https://github.com/ada"}]
        )
        office.sites.hosts.add("ada.example")
        for source in ("GRAVATAR", "PUBLIC_WEB"):
            await office.allow(source)
        found = await office.enrichment(ada)
        said = {(fact["source"], fact["field"], fact["value"]) for fact in found["facts"]}
        assert said == {
            ("GRAVATAR", "NAME", "Ada"), ("GRAVATAR", "ORGANIZATION", "Example Works"), ("GRAVATAR", "URL", "https://github.com/ada"),
        }  # fmt: skip
        assert {one["source"]: one["outcome"] for one in found["sources"]} == {"GRAVATAR": "FOUND", "PUBLIC_WEB": "NOT_FOUND"}
        assert told(await office.log()) == dict(office.sites.asked)
        await office.enrichment(ada)
        assert max(office.sites.asked.values()) == 1  # what is not there is not asked for again either
        office.desk.clock.time += timedelta(days=8)
        await office.enrichment(ada)
        assert told(await office.log()) == dict(office.sites.asked)


def told(log: list[Any]) -> dict[tuple[str, str], int]:
    """(host, target) of the requests in a log, each with how often it stands there."""
    found: dict[tuple[str, str], int] = {}
    for row in log:
        host, _, target = row["request"].split(" ", 1)[1].removeprefix("https://").partition("/")
        found[host, f"/{target}"] = found.get((host, f"/{target}"), 0) + 1
    return found


async def test_identifiers_are_tried_in_turn_until_one_is_known_and_only_kinds_that_were_allowed(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org", "info@example.org", phones=["+4915112345678"])
        office.stub.knows("+4915112345678", name="Ada Example")
        await office.allow("FULLCONTACT")
        assert await office.outcome(ada, "FULLCONTACT") == "NOT_FOUND"
        assert office.stub.asked == {
            ("FULLCONTACT", "ada@example.org"): 1
        }  # an office's address is nobody's, a number was not allowed
        await office.allow("FULLCONTACT", fields=["PHONE", "EMAIL"])
        assert await office.outcome(ada, "FULLCONTACT") == "FOUND"
        assert office.stub.asked == {("FULLCONTACT", "ada@example.org"): 1, ("FULLCONTACT", "+4915112345678"): 1}


async def test_nobody_is_paid_for_beyond_the_month_s_money_and_the_next_month_has_its_own(database: Database) -> None:
    async with opened(database) as office:
        people = [await office.person(f"Person {n}", f"p{n}@example.org") for n in range(4)]
        for n in range(4):
            office.stub.knows(f"p{n}@example.org", name=f"Person {n}")
        await office.allow("FULLCONTACT", budget="0.60")
        assert [await office.outcome(one, "FULLCONTACT") for one in people] == ["FOUND", "FOUND", "BUDGET_SPENT", "BUDGET_SPENT"]
        assert (await office.desk.ask(CONSENTS))["viewer"]["enrichmentMoney"] == {"allowed": "0.60 USD", "spent": "0.56 USD"}
        assert len(office.stub.received) == len(await office.log()) == 2
        office.desk.clock.time += timedelta(days=31)
        assert await office.outcome(people[2], "FULLCONTACT") == "FOUND"
        refused = (await office.desk.ask(CONSENT_MONEY, budget="1e9"))["setEnrichmentConsent"]["errors"]
        assert [error["field"] for error in refused] == [["monthlyBudget"]]


CONSENT_MONEY = """mutation ($budget: String) { setEnrichmentConsent(input: {source: FULLCONTACT, granted: true, monthlyBudget: $budget}) {
  errors { code field } } }"""


async def test_what_is_not_found_costs_nothing_and_is_not_asked_again_within_its_lifetime(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        await office.allow("PEOPLE_DATA_LABS")
        for _ in range(2):
            assert await office.outcome(ada, "PEOPLE_DATA_LABS") == "NOT_FOUND"
        assert (await office.desk.ask(CONSENTS))["viewer"]["enrichmentMoney"]["spent"] == "0.00 USD"
        assert [row["price"] for row in await office.log()] == ["0.00 USD"]
        office.desk.clock.time += timedelta(days=31)
        await office.outcome(ada, "PEOPLE_DATA_LABS")
        assert sum(office.stub.asked.values()) == 2


@pytest.mark.parametrize(("status", "outcome"), [(402, "OUT_OF_CREDIT"), (403, "REFUSED"), (429, "RATE_LIMITED")])
async def test_a_source_that_says_no_to_one_is_told_of_nobody_else_for_a_while(
    database: Database, status: int, outcome: str
) -> None:
    async with opened(database) as office:
        people = [await office.person(f"Person {n}", f"p{n}@example.org") for n in range(3)]
        office.stub.always = status
        await office.allow("FULLCONTACT")
        assert [await office.outcome(one, "FULLCONTACT") for one in people] == [outcome] * 3
        assert len(office.stub.received) == 1
        office.stub.always = None
        office.desk.clock.time += timedelta(hours=2)
        assert await office.outcome(people[1], "FULLCONTACT") == "NOT_FOUND"


async def test_who_asked_not_to_be_told_of_is_not_asked_about_again_though_consent_is_given_anew(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.always = 451
        await office.allow("FULLCONTACT")
        assert await office.outcome(ada, "FULLCONTACT") == "OPTED_OUT"
        office.stub.always = None
        await office.allow("FULLCONTACT", False)
        await office.allow("FULLCONTACT")
        office.desk.clock.time += timedelta(days=4_000)
        assert await office.outcome(ada, "FULLCONTACT") == "OPTED_OUT"
        assert len(office.stub.received) == 1


async def test_consent_that_is_withdrawn_takes_its_facts_along_and_leaves_the_log(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.knows("ada@example.org", name="Ada Example", organization="Example Works")
        await office.allow("FULLCONTACT")
        facts = (await office.enrichment(ada))["facts"]
        answer = await office.allow("FULLCONTACT", False)
        assert answer["erasedCount"] == len(facts) > 0 and answer["consent"]["granted"] is False
        assert await office.enrichment(ada) is None
        await office.allow("GRAVATAR")
        assert (await office.enrichment(ada, "FULLCONTACT"))["facts"] == []
        assert await office.outcome(ada, "FULLCONTACT") == "NO_CONSENT"
        assert len(office.stub.received) == 1 == len([row for row in await office.log() if row["source"] == "FULLCONTACT"])
        kept = await database.read("u_robin", enrichment.answers, {("EMAIL", "ada@example.org")}, office.desk.clock.now())
        assert not kept


async def test_consent_that_is_withdrawn_while_a_question_is_under_way_keeps_nothing_of_its_answer(database: Database) -> None:
    async with opened(database) as office:
        now = office.desk.clock.now()
        question = Question("FULLCONTACT", "EMAIL", "ada@example.org")
        await office.allow("FULLCONTACT")
        assert (await database.write("u_robin", enrichment.begin, question, 280_000, 10**9, now)).verdict == "ASK"
        await office.allow("FULLCONTACT", False)
        entry = Entry(source="FULLCONTACT", purpose="CONSENT", kind="EMAIL", value="ada@example.org", recipient="x", method="GET",
                      url="https://x", body=None, sent=[])  # fmt: skip
        assert await database.write("u_robin", disclosures.begin, [entry], now) == [None]
        fact = enrichment.Fact(field="NAME", value="Ada")
        await database.write("u_robin", enrichment.end, question, now, "FOUND", None, 280_000, [fact], None, now)
        assert await database.read("u_robin", enrichment.answers, {("EMAIL", "ada@example.org")}, now) == {}
        assert (await office.desk.ask(CONSENTS))["viewer"]["enrichmentMoney"]["spent"] == "0.28 USD"


async def test_a_question_that_may_have_been_paid_for_is_shown_and_put_again_only_by_somebody(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.always = office.stub.CUT
        await office.allow("FULLCONTACT")
        assert await office.outcome(ada, "FULLCONTACT") == "UNCONFIRMED"
        office.stub.always = None
        office.stub.knows("ada@example.org", name="Ada Example")
        office.desk.clock.time += timedelta(days=400)
        assert await office.outcome(ada, "FULLCONTACT") == "UNCONFIRMED"
        (left,) = await office.log()
        assert (left["outcome"], left["price"]) == ("CUT", "0.28 USD")
        run = (await office.desk.ask(ENRICH, ids=[ada], again=True))["enrichPeople"]["run"]
        assert await enriching.run(office.desk.services, "u_robin", run["id"]) is None
        assert await office.outcome(ada, "FULLCONTACT") == "FOUND"
        assert sum(office.stub.asked.values()) == 2


async def test_a_process_that_dies_in_the_middle_leaves_what_may_be_paid_and_repeats_what_never_left(database: Database) -> None:
    async with opened(database) as office:
        ada, ben = [await office.person(name, f"{name.lower()}@example.org") for name in ("Ada", "Ben")]
        await office.allow("FULLCONTACT")
        now = office.desk.clock.now()
        for name in ("ada", "ben"):
            question = Question("FULLCONTACT", "EMAIL", f"{name}@example.org")
            await database.write("u_robin", enrichment.begin, question, 280_000, 10**9, now)
        entry = Entry(source="FULLCONTACT", purpose="CONSENT", kind="EMAIL", value="ada@example.org", recipient="x", method="POST",
                      url="https://x", body=b"{}", sent=["it"], price=280_000)  # fmt: skip
        await database.write("u_robin", disclosures.begin, [entry], now)
        assert [await office.outcome(one, "FULLCONTACT") for one in (ada, ben)] == ["ASKING", "ASKING"]
        office.desk.clock.time += ABANDONED + timedelta(seconds=1)
        assert [await office.outcome(one, "FULLCONTACT") for one in (ada, ben)] == ["UNCONFIRMED", "NOT_FOUND"]
        assert office.stub.asked == {("FULLCONTACT", "ben@example.org"): 1}
        money = (await office.desk.ask(CONSENTS))["viewer"]["enrichmentMoney"]
        assert money["spent"] == "0.28 USD"  # what never left was given back


async def test_a_free_question_that_was_left_open_is_simply_put_again(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        await office.allow("GRAVATAR")
        now = office.desk.clock.now()
        await database.write("u_robin", enrichment.begin, Question("GRAVATAR", "EMAIL", "ada@example.org"), 0, 0, now)
        entry = Entry(source="GRAVATAR", purpose="CONSENT", kind="EMAIL", value="ada@example.org", recipient="x", method="GET",
                      url="https://x", body=None, sent=["it"])  # fmt: skip
        await database.write("u_robin", disclosures.begin, [entry], now)
        assert await office.outcome(ada, "GRAVATAR") == "ASKING"
        office.desk.clock.time += ABANDONED + timedelta(seconds=1)
        office.gravatar("ada@example.org", display_name="Ada")
        assert await office.outcome(ada, "GRAVATAR") == "FOUND"


async def test_a_page_that_is_closed_to_robots_closes_no_other_page(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", urls=["https://closed.example/", "https://ada.example/"])
        ben = await office.person("Ben Example", urls=["https://ben.example/"])
        robots = b"User-agent: *\nDisallow: /\n"
        office.sites.put("https://closed.example/robots.txt", Document(robots, headers={"Content-Type": "text/plain"}))
        office.sites.put("https://closed.example/", Document(b"<p>No.", headers={"Content-Type": "text/html"}))
        card_ = b'<!doctype html><div class="h-card"><a class="p-name u-url u-uid" href="https://ben.example/">Ben B. Example</a></div>'
        office.sites.put("https://ben.example/", Document(card_, headers={"Content-Type": "text/html"}))
        office.sites.hosts.add("ada.example")
        await office.allow("PUBLIC_WEB")
        await office.enrichment(ada)
        assert [path for host, path in office.sites.asked if host == "closed.example"] == ["/robots.txt"]
        found = await office.enrichment(ben)
        assert ("NAME", "Ben B. Example") in {(fact["field"], fact["value"]) for fact in found["facts"]}


async def test_many_people_are_a_run_that_says_how_far_it_is_and_pays_for_each_once(database: Database) -> None:
    async with opened(database) as office:
        people = [await office.person(f"Person {n}", f"p{n}@example.org") for n in range(9)]
        for n in range(0, 9, 2):
            office.stub.knows(f"p{n}@example.org", name=f"Person {n}")
        await office.allow("PEOPLE_DATA_LABS")
        run = (await office.desk.ask(ENRICH, ids=people))["enrichPeople"]["run"]
        assert (run["state"], run["total"], run["done"]) == ("QUEUED", 9, 0)
        for _ in range(2):  # a second round finds nothing left to do
            assert await enriching.run(office.desk.services, "u_robin", run["id"]) is None
        (done,) = nodes((await office.desk.ask(RUNS))["viewer"]["enrichmentRuns"])
        assert (done["state"], done["done"], done["found"], done["unconfirmed"]) == ("DONE", 9, 5, 0)
        assert [one["outcome"] for one in nodes(done["items"])] == ["FOUND", "NOT_FOUND"] * 4 + ["FOUND"]
        assert [one["person"]["id"] for one in nodes(done["items"])] == people
        assert set(office.stub.asked.values()) == {1} and len(office.stub.asked) == 9
        # the same people again: nothing is asked
        again = (await office.desk.ask(ENRICH, ids=people))["enrichPeople"]["run"]
        await enriching.run(office.desk.services, "u_robin", again["id"])
        assert len(office.stub.received) == 9 == len(await office.log())


async def test_a_run_waits_for_a_source_that_is_looking_and_for_one_that_is_busy(database: Database) -> None:
    async with opened(database) as office:
        people = [await office.person(f"Person {n}", f"p{n}@example.org") for n in range(3)]
        office.stub.says["p1@example.org"] = 202
        await office.allow("FULLCONTACT")
        run = (await office.desk.ask(ENRICH, ids=people))["enrichPeople"]["run"]
        wait = await enriching.run(office.desk.services, "u_robin", run["id"])
        assert wait is not None and wait > timedelta(0)
        (shown,) = nodes((await office.desk.ask(RUNS))["viewer"]["enrichmentRuns"])
        assert (shown["state"], shown["done"]) == ("RUNNING", 2)
        del office.stub.says["p1@example.org"]
        office.stub.knows("p1@example.org", name="Person 1")
        office.desk.clock.time += wait
        assert await enriching.run(office.desk.services, "u_robin", run["id"]) is None
        (shown,) = nodes((await office.desk.ask(RUNS))["viewer"]["enrichmentRuns"])
        assert (shown["state"], shown["done"], shown["found"]) == ("DONE", 3, 1)


async def test_a_run_stops_asking_when_consent_is_withdrawn(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        await office.allow("FULLCONTACT")
        run = (await office.desk.ask(ENRICH, ids=[ada]))["enrichPeople"]["run"]
        await office.allow("FULLCONTACT", False)
        await enriching.run(office.desk.services, "u_robin", run["id"])
        (shown,) = nodes((await office.desk.ask(RUNS))["viewer"]["enrichmentRuns"])
        assert [one["outcome"] for one in nodes(shown["items"])] == ["NO_CONSENT"]
        assert office.stub.received == [] == await office.log()


async def test_a_contact_is_filled_from_the_viewers_own_records_before_anybody_is_asked(database: Database) -> None:
    async with opened(database) as office:
        household = office.desk.household
        book, network = await household.account("vcard", "cards"), await household.account("mastodon", "me")
        (thin,) = await household.take(book, card("ada", "Ada Example", "ada@example.org", urls=["https://social.example/@ada"]))
        (rich,) = await household.take(network, follower("ada", "Ada B. Example"))
        (other,) = await household.take(book, card("ada-2", "A. Example", "ada@example.org", phones=["+4915112345678"]))
        await household.resolve()
        office.stub.knows("ada@example.org", name="Wrong Name", organization="Example Works", phones=["+4900000"])
        own = (await office.desk.ask(COMPLETIONS, id=thin.node_id))["node"]["completions"]
        assert [(one["field"], one["value"], one["contact"]["id"], one["source"]) for one in own] == [
            ("PHONE", "+4915112345678", other.node_id, None)
        ]
        assert office.stub.received == []
        await office.allow("FULLCONTACT")
        filled = (await office.desk.ask(COMPLETIONS, id=thin.node_id))["node"]["completions"]
        asked = {(one["field"], one["value"], one["source"]) for one in filled if one["source"]}
        assert ("ORGANIZATION", "Example Works", "FULLCONTACT") in asked
        assert not {field for field, _, _ in asked} & {"NAME", "PHONE", "EMAIL", "URL"}
        assert rich.node_id is not None


async def test_another_viewer_sees_neither_consent_nor_answers_nor_log_and_asks_anew(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.knows("ada@example.org", name="Ada Example")
        await office.allow("FULLCONTACT")
        await office.enrichment(ada)
        office.desk.household = await Household.open(database, "u_other")
        hers = await office.person("Ada Example", "ada@example.org")
        assert await office.enrichment(hers) is None
        assert await office.log() == []
        assert (await office.desk.ask(CONSENTS))["viewer"]["enrichmentMoney"]["spent"] == "0.00 USD"
        await office.allow("FULLCONTACT")
        await office.enrichment(hers)
        assert sum(office.stub.asked.values()) == 2 and len(await office.log()) == 1


async def test_answers_follow_the_identifier_and_go_with_the_last_contact_that_has_it(database: Database) -> None:
    async with opened(database) as office:
        household = office.desk.household
        ada = await office.person("Ada Example", "ada@example.org")
        office.stub.knows("ada@example.org", name="Ada Example")
        await office.allow("FULLCONTACT")
        facts = (await office.enrichment(ada))["facts"]
        again = await office.person("Ada E.", "ada@example.org")
        assert again == ada and (await office.enrichment(again))["facts"] == facts
        await household.forget(await household.account("vcard", "cards"))
        assert await database.write("u_robin", enrichment.forget_orphans) == 1
        (left,) = await office.log()
        assert left["person"] is None and left["sent"]


async def test_the_log_is_read_page_by_page_and_each_row_is_a_node(database: Database) -> None:
    async with opened(database) as office:
        people = [await office.person(f"Person {n}", f"p{n}@example.org") for n in range(5)]
        await office.allow("FULLCONTACT")
        for one in people:
            office.desk.clock.time += timedelta(seconds=1)
            await office.enrichment(one)
        read = await pages(office.desk, LOG, ("viewer", "disclosures"), first=2)
        assert [len(page) for page in read] == [2, 2, 1]
        rows = [row for page in read for row in page]
        assert [row["person"]["id"] for row in rows] == people[::-1]
        found = await office.desk.ask("query ($id: ID!) { node(id: $id) { ... on Disclosure { recipient } } }", id=rows[0]["id"])
        assert found["node"] == {"recipient": "127.0.0.1"}


async def test_look_ups_stand_in_the_log_as_the_viewers_own_act(database: Database) -> None:
    async with opened(database) as office:
        ada = await office.person("Ada Example", "ada@example.org")
        office.gravatar("ada@example.org", display_name="Ada")
        office.sites.finger("example.org", "acct:ada@example.org")
        await office.desk.ask('{ lookup(resource: "mailto:ada@example.org", thirdParties: ["gravatar"]) { resource } }')
        log = await office.log()
        assert told(log) == dict(office.sites.asked)
        assert {row["purpose"] for row in log} == {"LOOKUP"} and {row["consentedAt"] for row in log} == {None}
        gravatar = next(row for row in log if row["source"] == "GRAVATAR")
        assert gravatar["sent"] == ["the SHA-256 of mailto:ada@example.org"] and gravatar["person"] == {"id": ada}


async def test_a_source_without_a_contract_says_how_to_get_one_and_cannot_be_allowed(database: Database) -> None:
    async with opened(database) as office:
        enrichers = office.desk.services.enrichers
        assert enrichers is not None
        enrichers._terms = {}
        consents = {one["source"]: one for one in (await office.desk.ask(CONSENTS))["viewer"]["enrichmentConsents"]}
        assert not consents["FULLCONTACT"]["available"] and "KITH_FULLCONTACT_KEY" in consents["FULLCONTACT"]["how"]
        answer = (await office.desk.ask(CONSENT_MONEY))["setEnrichmentConsent"]
        assert [error["code"] for error in answer["errors"]] == ["UNSUPPORTED"]


async def test_people_side_by_side_are_asked_about_in_a_number_of_statements_that_does_not_grow(database: Database) -> None:
    async with opened(database) as office:
        for n in range(6):
            await office.person(f"Person {n}", f"p{n}@example.org")
        await office.allow("FULLCONTACT")
        query = "query ($n: Int) { viewer { people(first: $n) { edges { node { enrichment { sources { outcome } } } } } } }"
        await office.desk.ask(query, n=6)
        counts = []
        for n in (2, 6):
            operation = office.desk.operation()
            result = await office.desk.execute(query, operation, n=n)
            assert not result.errors
            counts.append(operation.spending.statements)
        assert counts[0] == counts[1]
        assert asking.TRIES >= 1
