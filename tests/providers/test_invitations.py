"""Invitations in mail are read as they were meant, whatever program wrote them, and cost little whoever wrote them to harm."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import records
from providers.formats import invitation, mime, recurrence

EUROPE = """BEGIN:VTIMEZONE
TZID:{name}
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*lines: str, method: str = "REQUEST", before: str = "") -> bytes:
    head = ["BEGIN:VCALENDAR", *([f"METHOD:{method}"] if method else []), *before.splitlines(), "BEGIN:VEVENT", "UID:u1"]
    return "\r\n".join([*head, *lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()


def read(*lines: str, method: str = "REQUEST", before: str = "") -> records.Invitation:
    (found,) = invitation.read(calendar(*lines, method=method, before=before))
    return found


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def mail(*parts: str) -> records.Message:
    inside = "".join(f"--b\r\n{part}\r\n" for part in parts)
    head = "From: ada@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return mime.message(f"{head}{inside}--b--\r\n".encode())


def test_an_invitation_says_what_when_where_and_who() -> None:
    found = read(
        "DTSTAMP:20260501T080000Z",
        "DTSTART;TZID=Europe/Berlin:20260601T100000",
        "DTEND;TZID=Europe/Berlin:20260601T113000",
        "SEQUENCE:2",
        "SUMMARY;LANGUAGE=en:Lunch\\, long",
        "DESCRIPTION:First line\\nsecond",
        "LOCATION:Café",
        "STATUS:TENTATIVE",
        "URL:javascript:alert(1)",
        "X-GOOGLE-CONFERENCE:https://meet.example/abc",
        'ORGANIZER;CN="Byron, Ada":MAILTO:Ada@Example.org',
        "ATTENDEE;CN=Bo;PARTSTAT=ACCEPTED;ROLE=OPT-PARTICIPANT:mailto:bo@example.org",
        "ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:room@example.org",
        "ATTENDEE;EMAIL=cy@example.org:/principals/17",
        "ATTENDEE:mailto:bo@example.org",
        "BEGIN:VALARM",
        "DESCRIPTION:Not the meeting's",
        "TRIGGER:-PT15M",
        "END:VALARM",
    )
    assert found == records.Invitation(
        method="REQUEST", uid="u1", sequence=2, stamped_at=at(2026, 5, 1, 8), starts=(at(2026, 6, 1, 8),), seconds=5400, zone="Europe/Berlin",
        title="Lunch, long", description="First line\nsecond", location="Café", conference_url="https://meet.example/abc", tentative=True,
        organizer=records.Invited(address="ada@example.org", name="Byron, Ada"),
        invited=(
            records.Invited(address="bo@example.org", name="Bo", role="OPTIONAL", response="ACCEPTED"),
            records.Invited(address="room@example.org", role="RESOURCE", response="ACCEPTED"),
            records.Invited(address="cy@example.org"),
        ), count=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "start", "seconds", "zone"),
    [
        (["DTSTART:20260601T100000Z", "DURATION:PT45M"], at(2026, 6, 1, 10), 2700, None),
        (["DTSTART:20260601T100000Z", "DTEND:20260601T090000Z"], at(2026, 6, 1, 10), 0, None),  # it ends before it begins
        (["DTSTART:20260601T100000Z", "DURATION:forever"], at(2026, 6, 1, 10), 0, None),
        (["DTSTART:20260601T100000"], at(2026, 6, 1, 10), 0, None),  # on whose wall, nobody says
        (["DTSTART;TZID=W. Europe Standard Time:20260601T100000"], at(2026, 6, 1, 8), 0, "Europe/Berlin"),
        (["DTSTART;TZID=/vendor.example/20050126_1/Europe/Berlin:20260601T100000"], at(2026, 6, 1, 8), 0, "Europe/Berlin"),
        (["DTSTART;TZID=Nowhere/Atall:20260601T100000"], at(2026, 6, 1, 10), 0, None),
        (["DTSTART;TZID=../../etc/passwd:20260601T100000"], at(2026, 6, 1, 10), 0, None),
    ],
)
def test_times_are_read_in_their_zone(lines: list[str], start: datetime, seconds: int, zone: str | None) -> None:
    found = read(*lines)
    assert (found.starts, found.seconds, found.zone, found.all_day) == ((start,), seconds, zone, False)


def test_a_calendar_s_own_zone_holds_for_it_alone() -> None:
    line = 'DTSTART;TZID="(UTC+01:00) Our own":{}T100000'
    ours = EUROPE.format(name="(UTC+01:00) Our own")
    for day, hour in (("20260601", 8), ("20261101", 9), ("20260329", 8), ("20260101", 9)):
        moment = at(int(day[:4]), int(day[4:6]), int(day[6:]), hour)
        assert read(line.format(day), before=ours).starts == (moment,)
    assert read(line.format("20260601")).starts == (at(2026, 6, 1, 10),)  # what one mail brought, the next one does not know
    assert read("DTSTART:20260601T100000", before="X-WR-TIMEZONE:Europe/Berlin").starts == (at(2026, 6, 1, 8),)


def test_whole_days_have_no_zone() -> None:
    one = read("DTSTART;VALUE=DATE:20260601", before="X-WR-TIMEZONE:America/New_York")
    assert (one.all_day, one.starts, one.seconds, one.zone) == (True, (at(2026, 6, 1),), 86_400, None)
    assert read("DTSTART;VALUE=DATE:20260601", "DTEND;VALUE=DATE:20260604").seconds == 3 * 86_400


def test_a_series_keeps_its_hour_on_the_wall_and_leaves_out_what_is_excepted() -> None:
    found = read(
        "DTSTART;TZID=Europe/Berlin:20261019T100000",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE;TZID=Europe/Berlin:20261102T100000",
        "RDATE;VALUE=DATE:20261104",
    )
    assert found.starts == (at(2026, 10, 19, 8), at(2026, 10, 26, 9), at(2026, 11, 4, 9), at(2026, 11, 9, 9))
    assert found.rule == "FREQ=WEEKLY;COUNT=4"
    for until, count in (("20261021", 3), ("20261021T080000Z", 3), ("20261021T075959Z", 2)):
        lines = ("DTSTART;TZID=Europe/Berlin:20261019T100000", f"RRULE:FREQ=DAILY;UNTIL={until}")
        assert len(read(*lines).starts) == count
    again = read("DTSTART:20261020T100000Z", "RECURRENCE-ID;RANGE=THISANDFUTURE:20261019T080000Z", "RRULE:FREQ=DAILY")
    assert (again.starts, again.recurrence_id, again.following) == ((at(2026, 10, 20, 10),), at(2026, 10, 19, 8), True)


@pytest.mark.parametrize("seed", range(20))
def test_days_are_those_that_the_library_finds_where_it_is_let_search(seed: int) -> None:
    dice = random.Random(seed)
    first = datetime(dice.randrange(1990, 2080), dice.randrange(1, 13), dice.randrange(1, 29), 10, 30)
    frequency = dice.choice(sorted(recurrence.FREQUENCIES))
    more = dice.choice(["", ";BYDAY=MO,FR", ";BYMONTHDAY=-1,13", ";BYMONTH=2,6", ";BYDAY=2TU" if frequency == "MONTHLY" else ""])
    rule = f"FREQ={frequency};INTERVAL={dice.randrange(1, 5)}{more}"
    expected = [day for day in islice(rrulestr(rule, dtstart=first), 60) if day - first <= recurrence.HORIZON]
    assert recurrence.expanded(rule, first, 60) == sorted({first, *expected})[:60]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=HOURLY;COUNT=5",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=MO;BYSETPOS=366",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=99999999999999",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=DAILY;BYSETPOS=5",
        "FREQ=MONTHLY;BYMONTHDAY=99",
        "COUNT=5",
        "RRULE",
        "FREQ=DAILY;BYMONTH=" + ",".join(["2"] * 1000),
    ],
)
def test_a_rule_that_nobody_can_keep_leaves_one_meeting(rule: str) -> None:
    assert read("DTSTART:20260601T100000Z", f"RRULE:{rule}").starts == (at(2026, 6, 1, 10),)


def test_a_series_without_end_and_with_many_hours_a_day_is_bounded() -> None:
    starts = read("DTSTART:20260601T100000Z", "RRULE:FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=1,2,3;BYSECOND=1,2,3").starts
    assert starts == tuple(at(2026, 6, 1, 10) + timedelta(days=n) for n in range(recurrence.MAX_OCCURRENCES))


def test_the_body_s_method_counts_then_the_mail_s_and_without_any_it_is_no_invitation() -> None:
    data = calendar("DTSTART:20260601T100000Z", method="")
    assert [one.method for one in invitation.read(data, None, "reply")] == ["REPLY"]
    assert invitation.read(data) == () == invitation.read(data, None, "REFRESH")
    assert read("DTSTART:20260601T100000Z", method="cancel").method == "CANCEL"


def test_letters_are_read_whatever_the_charset_says_and_wherever_a_line_is_folded() -> None:
    text = calendar("SUMMARY:Müller 会議", "DTSTART:20260601T100000Z")
    folded = text.replace("ü".encode(), "ü".encode()[:1] + b"\r\n " + "ü".encode()[1:])
    for data, name in (
        (text, "utf-8"),
        (folded, None),
        (folded, "us-ascii"),
        (text, "no-such-charset"),
        (b"\xef\xbb\xbf" + text, None),
    ):
        assert [one.title for one in invitation.read(data, name)] == ["Müller 会議"]
    latin = calendar("SUMMARY:Müller").decode().encode("latin-1")
    assert [one.title for one in invitation.read(latin, "iso-8859-1")] == ["Müller"]


def test_a_mail_is_one_invitation_although_it_carries_it_twice() -> None:
    data = calendar("DTSTART:20260601T100000Z", "SUMMARY:Lunch")
    packed = base64.b64encode(data).decode()
    alternative = f"Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\n{data.decode()}"
    file = f"Content-Type: application/ics; name=invite.ics\r\nContent-Transfer-Encoding: base64\r\n\r\n{packed}"
    for parts in ((alternative, file), (file, alternative), (file,), (alternative,)):
        found = mail("Content-Type: text/plain\r\n\r\nPlease come", *parts)
        assert [(one.method, one.title) for one in found.invitations] == [("REQUEST", "Lunch")]
        assert found.text == "Please come"
    assert mail("Content-Type: text/plain\r\n\r\nBEGIN:VCALENDAR").invitations == ()


def test_what_is_broken_leaves_out_itself_alone() -> None:
    data = b"""BEGIN:VCALENDAR
METHOD:PUBLISH
junk
BEGIN:VEVENT
UID:lost
DTSTART:20269999T100000Z
RECURRENCE-ID:tomorrow
RDATE:,,;,
DURATION:P9999999999999D
ATTENDEE;CN="unclosed:mailto:x@example.org
ATTENDEE:not an address
SEQUENCE:many
BEGIN:VEVENT
END:VEVENT
END:VEVENT
BEGIN:VEVENT
SUMMARY:no UID
END:VEVENT
BEGIN:VEVENT
UID:whole
DTSTART:20260601T100000Z
SUMMARY:Open
END:VEVENT
"""
    assert [(one.uid, one.title, len(one.starts)) for one in invitation.read(data)][-1] == ("whole", "Open", 1)


def test_much_of_anything_is_bounded() -> None:
    many = [f"ATTENDEE;CN=P{n}:mailto:p{n}@example.org" for n in range(3_000)]
    found = read(
        "DTSTART:20260601T100000Z", "ATTACH:" + "x" * 30_000, f"SUMMARY:{'x' * 5_000}", f"DESCRIPTION:{'y' * 15_000}", *many
    )
    assert (len(found.invited), found.count) == (invitation.MAX_INVITED, 3_000)
    assert (len(found.title), len(found.description)) == (invitation.MAX_TITLE, invitation.MAX_DESCRIPTION)
    events = calendar("DTSTART:20260601T100000Z").replace(b"END:VCALENDAR", b"BEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT\r\n" * 500)
    assert len(invitation.read(events)) == invitation.MAX_EVENTS
    assert invitation.read(b"BEGIN:VCALENDAR\r\n" * 10_000) == ()
    assert invitation.read(calendar("X:y", *["RDATE:20260601T100000Z"] * 20_000)) == ()  # nobody reads to its end
    huge = calendar("DTSTART:20260601T100000Z", "DESCRIPTION:" + "x" * 600_000).decode()
    assert mail(f"Content-Type: text/calendar; method=REQUEST\r\n\r\n{huge}").invitations == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.builds(
                "{}{}:{}".format,
                st.sampled_from(
                    ["DTSTART", "DTEND", "RRULE", "RDATE", "EXDATE", "DURATION", "ATTENDEE", "RECURRENCE-ID", "BEGIN", "END"]
                ),
                st.sampled_from(["", ";TZID=x", ';TZID="', ";VALUE=DATE", ";CN=a,b"]),
                st.sampled_from(
                    ["20260601", "20260601T100000", "20260230T250000Z", "VTIMEZONE", "VEVENT", "STANDARD", "P1D", "-P1D", ""]
                ),
            ),
        ),
        max_size=15,
    )
)
def test_no_calendar_stops_the_reading_of_mail(lines: list[str]) -> None:
    invitation.read(calendar(*lines, before="\n".join(lines)))


def test_a_mail_without_a_calendar_loads_no_calendar_library() -> None:
    script = (
        "import sys; from providers.formats import mime; mime.message(b'From: a@example.org\\r\\n\\r\\nx');"
        "sys.exit(any(name in sys.modules for name in ('icalendar', 'dateutil')))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
