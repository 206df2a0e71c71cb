"""Whom the viewer is told to get back to on a day, and whom not, on both databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from providers import records
from resolvers.relationship.tallying import tally
from store.tables import viewer as viewer_table
from tests.asking import Clock, Desk, statements
from tests.household import ME, NOW, Household, card, mail

ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # where the databases have nothing to differ in
ADA, BO, CYD = "ada@example.org", "bo@example.org", "cyd@example.org"
AGENDA = """query ($on: Date) { viewer { agenda(on: $on) { date timeZone sources { state }
  items { key reason sentence dueAt person { name } target { __typename ... on Person { name } ... on Conversation { subject }
    ... on Reminder { body } ... on Meeting { title } } } } } }"""
REMIND = "mutation ($input: AnnotateInput!) { annotate(input: $input) { annotation { __typename } errors { message } } }"


class Days:
    """Mail of some weeks, written day by day."""

    def __init__(self) -> None:
        self.mails: list[records.Message] = []
        self.boats = 0  # the mail that waits

    def wrote(self, who: str, days_ago: float, *, mine: bool = False, answers: int | None = None, **more: Any) -> int:
        number = len(self.mails) + 1
        sender, to = (ME, who) if mine else (who, ME)
        values: dict[str, Any] = {
            "sent_at": NOW - timedelta(days=days_ago),
            "subject": f"To {who}",
            "name": who.partition("@")[0].title(),
        }
        references = () if answers is None else (answers,)
        self.mails.append(mail(number, sender, to, answers=references, **(values | more)))
        return number

    def exchanged(self, who: str, days_ago: float, after: float = 0.2) -> None:
        """They wrote, and were answered a fifth of a day later."""
        self.wrote(who, days_ago - after, mine=True, answers=self.wrote(who, days_ago))


@dataclass
class Place:
    """A desk, the mailbox, and what was written."""

    desk: Desk
    box: str
    days: Days

    async def arrives(self, *items: records.Message | records.MessageState) -> None:
        await self.desk.household.take(self.box, *items)
        await tally(self.desk.household.database, self.desk.household.viewer)

    async def reasons(self, on: str | None = None) -> list[tuple[str, str]]:
        return [(item["reason"], item["person"]["name"]) for item in (await agenda(self.desk, on))["items"]]


@pytest.fixture
async def place(household: Household) -> Place:
    """Ada, with whom it has become silent; Bo, who waits; Cyd, whose birthday it is; and much that nobody has to answer."""
    days = Days()
    for week in range(5, 16):
        days.exchanged(ADA, 7 * week)
    for day in range(3, 40, 3):
        days.exchanged(BO, day)
    days.boats = days.wrote(BO, 1.5, subject="Boats on Sunday")
    for n in range(20):
        days.wrote("news@shop.example", n, category="NEWSLETTER")
        days.wrote("office@agency.example", n)
    desk = Desk(household, clock=Clock(NOW))
    book = await household.account("vcard", "cards")
    born = records.PartialDate(label="birthday", year=1990, month=5, day=4)
    await household.take(
        book, card("ada", "Ada Lovelace", ADA), card("bo", "Bo Diddley", BO), card("cyd", "Cyd Charisse", CYD, dates=(born,))
    )
    box = await household.account("imap", ME, own=[ME])
    await household.take(box, *days.mails)
    await household.resolve()
    await tally(household.database, household.viewer)
    return Place(desk, box, days)


async def agenda(desk: Desk, on: str | None = None) -> Any:
    return (await desk.ask(AGENDA, on=on))["viewer"]["agenda"]


async def remind(desk: Desk, email: str, body: str, due: str) -> None:
    found = await desk.ask("query ($email: EmailAddress) { person(by: {email: $email}) { id } }", email=email)
    reminder = {"body": body, "dueAt": due}
    done = await desk.ask(REMIND, input={"aboutId": found["person"]["id"], "add": {"reminder": reminder}})
    assert done["annotate"]["errors"] == []


async def test_the_agenda_names_who_waits_who_is_missed_whose_day_it_is_and_what_is_due_each_with_its_reason(
    place: Place,
) -> None:
    desk = place.desk
    await remind(desk, CYD, "Send the shoes", "2026-05-04T21:00:00Z")
    await remind(desk, CYD, "Not yet", "2026-05-05T00:00:00Z")
    found = await agenda(desk)
    assert (found["date"], found["timeZone"]) == ("2026-05-04", "UTC")
    assert [(item["reason"], item["person"]["name"], item["sentence"]) for item in found["items"]] == [
        ("REMINDER", "Cyd Charisse", "Send the shoes"),
        ("UNANSWERED", "Bo Diddley", "Bo Diddley wrote 36 hours ago, and you have not answered. You usually answer within 4 hours."),
        ("BIRTHDAY", "Cyd Charisse", "It is Cyd Charisse's birthday. They are 36."),
        (
            "OVERDUE", "Ada Lovelace",
            "You and Ada Lovelace usually write to each other every 7 days; the last time is 4 weeks ago.",
        ),
    ]  # fmt: skip
    assert [item["target"] for item in found["items"]] == [
        {"__typename": "Reminder", "body": "Send the shoes"}, {"__typename": "Conversation", "subject": "Boats on Sunday"},
        {"__typename": "Person", "name": "Cyd Charisse"}, {"__typename": "Person", "name": "Ada Lovelace"},
    ]  # fmt: skip
    assert len({item["key"] for item in found["items"]}) == 4
    assert len(found["sources"]) == 2


@ON_ONE
async def test_whoever_was_answered_waits_no_more(place: Place) -> None:
    assert ("UNANSWERED", "Bo Diddley") in await place.reasons()
    place.days.wrote(BO, 0.1, mine=True, answers=place.days.boats)
    await place.arrives(place.days.mails[-1])
    assert await place.reasons() == [("BIRTHDAY", "Cyd Charisse"), ("OVERDUE", "Ada Lovelace")]


@ON_ONE
async def test_what_was_put_away_waits_no_more_and_what_was_just_written_not_yet(place: Place) -> None:
    await place.arrives(records.MessageState(key=f"key-{place.days.boats}", container="Archive", role="ARCHIVE"))
    assert ("UNANSWERED", "Bo Diddley") not in await place.reasons()
    place.days.wrote(BO, 0.1)
    await place.arrives(place.days.mails[-1])
    assert ("UNANSWERED", "Bo Diddley") not in await place.reasons()
    assert ("UNANSWERED", "Bo Diddley") in await place.reasons("2026-05-05")


@ON_ONE
async def test_a_day_to_come_has_its_own_birthdays_and_no_other_day_has_an_agenda(place: Place) -> None:
    assert ("BIRTHDAY", "Cyd Charisse") not in await place.reasons("2026-05-05")
    assert ("BIRTHDAY", "Cyd Charisse") in await place.reasons("2027-05-04")
    for other in ("2026-05-03", "2027-06-01", "9999-12-31", "0001-01-01"):
        assert await place.desk.refused(AGENDA, on=other) == "BAD_ARGUMENTS"


@ON_ONE
async def test_today_is_the_viewers_own_and_who_was_born_on_a_leap_day_is_not_forgotten(household: Household) -> None:
    book = await household.account("vcard", "cards")
    born = records.PartialDate(label="birthday", month=2, day=29)
    await household.take(book, card("leap", "Leap Year", CYD, dates=(born,)))
    await household.resolve()

    def move(conn: Connection, viewer: str) -> None:
        conn.execute(sa.update(viewer_table).where(viewer_table.c.id == viewer).values(time_zone="Asia/Kolkata"))

    await household.database.write(household.viewer, move)
    days = []
    # half past six in the evening in Greenwich is midnight in Calcutta
    for moment in ("2027-02-27T18:29", "2027-02-27T18:31", "2028-02-28T17:00", "2028-02-28T18:31"):
        found = await agenda(Desk(household, clock=Clock(datetime.fromisoformat(f"{moment}:00+00:00"))))
        days.append((found["date"], [item["sentence"] for item in found["items"]]))
    birthday = ["It is Leap Year's birthday."]
    assert days == [("2027-02-27", []), ("2027-02-28", birthday), ("2028-02-28", []), ("2028-02-29", birthday)]


@ON_ONE
async def test_an_agenda_takes_as_many_statements_however_long_it_is(place: Place) -> None:
    desk = place.desk
    counted = []
    for more in (1, 9):
        for n in range(more):
            await remind(desk, ADA, f"Number {n}", "2026-05-04T09:00:00Z")
        with statements() as seen:
            found = await agenda(desk)
        counted.append(len(seen))
    assert counted[0] == counted[1]
    assert [item["reason"] for item in found["items"]].count("REMINDER") == 10


@ON_ONE
async def test_nobody_has_another_viewers_agenda(place: Place) -> None:
    other = Desk(await Household.open(place.desk.household.database, "u_kim"), clock=Clock(NOW))
    assert (await agenda(other))["items"] == []


async def test_whoever_has_another_job_is_told_until_they_are_written_to_or_it_is_no_news(place: Place) -> None:
    household = place.desk.household

    async def employed(name: str, days_ago: float) -> None:
        household.now = NOW - timedelta(days=days_ago)
        book = await household.account("vcard", "cards")
        for key, whole, address in (("bo", "Bo Diddley", BO), ("cyd", "Cyd Charisse", CYD)):
            await household.take(book, card(key, whole, address, organizations=(records.Organization(name=name),)))

    await employed("Checker Records", 3)
    assert "JOB_CHANGE" not in dict(await place.reasons()), "what is told for the first time is no change"
    await employed("Argo", 2)
    (item,) = [item for item in (await agenda(place.desk))["items"] if item["reason"] == "JOB_CHANGE"]
    assert item["sentence"] == "Bo Diddley has another job: Argo; before: Checker Records."
    assert (item["target"]["name"], item["dueAt"]) == ("Bo Diddley", None)
    assert "JOB_CHANGE" not in dict(await place.reasons("2026-05-20"))
    place.days.wrote(BO, 0.1, mine=True)
    await place.arrives(place.days.mails[-1])
    assert "JOB_CHANGE" not in dict(await place.reasons())


def calendar(uid: str, starts: datetime, *invited: tuple[str, Any], method: Any = "REQUEST", **more: Any) -> records.Invitation:
    people = tuple(records.Invited(address=address, response=response) for address, response in invited)
    known: dict[str, Any] = {"title": uid, "seconds": 3600, "starts": (starts,)}
    return records.Invitation(method=method, uid=uid, organizer=None, invited=people, count=len(people), **(known | more))


async def told(place: Place, on: str | None = None) -> list[tuple[str, str, str]]:
    items = (await agenda(place.desk, on))["items"]
    return [(i["reason"], i["sentence"], i["target"]["title"]) for i in items if i["reason"] in ("MEETING", "INVITATION")]


async def test_whom_the_viewer_meets_and_which_invitations_they_have_not_answered(place: Place) -> None:
    today = NOW + timedelta(hours=3)
    lunch = calendar("Lunch", today, (ME, "ACCEPTED"), (ADA, "ACCEPTED"), location="Café Lisboa")
    later = calendar("Regatta", NOW + timedelta(days=1), (ME, "NEEDS_ACTION"))
    over = calendar("Breakfast", NOW - timedelta(hours=4), (ME, "ACCEPTED"))
    refused = calendar("Dentist", today, (ME, "DECLINED"))
    off = calendar("Tea", today, (ME, "ACCEPTED"), cancelled=True)
    place.days.wrote(BO, 1.6, invitations=(lunch, later, over, refused, off))
    spam = calendar("You won", today, (ME, "NEEDS_ACTION"))
    place.days.wrote("stranger@example.net", 2, invitations=(spam,))
    await place.arrives(*place.days.mails[-2:])
    await place.desk.household.resolve()
    meets = "You meet Bo Diddley and Ada Lovelace at 15:00 (Café Lisboa): Lunch. You have not answered Bo Diddley."
    invites = "Bo Diddley invites you to “Regatta” on Tuesday, 5 May at 12:00, and you have not answered."
    assert await told(place) == [("MEETING", meets, "Lunch"), ("INVITATION", invites, "Regatta")]
    found = (await agenda(place.desk))["items"]
    assert [i["reason"] for i in found] == ["MEETING", "UNANSWERED", "UNANSWERED", "INVITATION", "BIRTHDAY", "OVERDUE"]
    assert found[0]["dueAt"] == "2026-05-04T15:00:00.000Z"
    assert [reason for reason, _, title in await told(place, "2026-05-05") if title == "Regatta"] == ["MEETING"]
    assert await told(place, "2026-05-06") == []
    yes = calendar("Regatta", NOW + timedelta(days=1), (ME, "ACCEPTED"), method="REPLY")
    yes = msgspec.structs.replace(yes, organizer=records.Invited(address=BO))
    place.days.wrote(BO, 0.1, mine=True, invitations=(yes,))
    await place.arrives(place.days.mails[-1])
    assert await told(place) == [("MEETING", meets, "Lunch")]
    kim = Desk(await Household.open(place.desk.household.database, "u_kim"), clock=Clock(NOW))
    assert (await agenda(kim))["items"] == []


@ON_ONE
async def test_a_series_asks_once_and_a_whole_day_is_the_viewers_own(place: Place) -> None:
    days = tuple(datetime(2026, 5, day, tzinfo=UTC) for day in (3, 4, 5, 6))
    weekly = calendar("Standup", days[0] + timedelta(hours=9), (ME, "NEEDS_ACTION"))
    weekly = msgspec.structs.replace(weekly, starts=tuple(day + timedelta(hours=9) for day in days), rule="FREQ=DAILY;COUNT=4")
    fair = calendar("Boat fair", days[1], (ME, "TENTATIVE"), seconds=2 * 86_400, all_day=True)
    place.days.wrote(BO, 1.6, invitations=(weekly, fair))
    await place.arrives(place.days.mails[-1])
    await place.desk.household.resolve()

    async def seen(zone: str, moment: str) -> list[tuple[str, str]]:
        def move(conn: Connection, viewer: str) -> None:
            conn.execute(sa.update(viewer_table).where(viewer_table.c.id == viewer).values(time_zone=zone))

        await place.desk.household.database.write(place.desk.household.viewer, move)
        place.desk.clock.time = datetime.fromisoformat(f"{moment}+00:00")
        return [(reason, sentence.partition(" You have")[0]) for reason, sentence, _ in await told(place)]

    whole = "You meet Bo Diddley all day: Boat fair."
    standup = "Bo Diddley invites you to “Standup” on Tuesday, 5 May at 11:00, and you have not answered."
    assert await seen("Europe/Berlin", "2026-05-04T12:00") == [("MEETING", whole), ("INVITATION", standup)]
    # the evening of the 3rd in Honolulu, where the fair has not begun, and of the 4th, where it goes on
    assert ("MEETING", whole) not in await seen("Pacific/Honolulu", "2026-05-04T09:00")
    assert ("MEETING", whole) in await seen("Pacific/Honolulu", "2026-05-06T09:00")


@ON_ONE
async def test_meetings_cost_the_agenda_the_same_statements_however_many_they_are(place: Place) -> None:
    counted = []
    for number in range(0, 12, 6):
        words = [calendar(f"Talk {n}", NOW + timedelta(hours=2), (ME, "ACCEPTED"), (ADA, "ACCEPTED")) for n in range(number + 1)]
        place.days.wrote(BO, 1.6, invitations=tuple(words))
        await place.arrives(place.days.mails[-1])
        with statements() as seen:
            assert len(await told(place)) == number + 1
        counted.append(len(seen))
    assert counted[0] == counted[1], counted
