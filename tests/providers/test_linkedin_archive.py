"""LinkedIn's archive gives connections and conversations, in every age of its layout. All people are invented."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import exports as written
from benchmarks.universe import ME, MY_NAME
from providers import records
from providers.archives import linkedin
from tests.providers import exports

WORLD = written.World(people=30, talks=12)
MINE = linkedin.address_of(written.MY_SLUG)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written.linkedin(WORLD, tmp_path / "copy of my data")


def changed(path: Path, name: str, old: str, new: str) -> Path:
    def spoil(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode(), 1)

    return exports.respoiled(path, path.with_name("changed"), name, spoil)


def test_the_archive_is_read_whole_and_counted_twice(archive: Path, tmp_path: Path) -> None:
    exports.check(archive, "linkedin", tmp_path)


def test_it_says_whose_it_is_and_which_addresses_are_theirs(archive: Path) -> None:
    profile = exports.scan(archive, "linkedin").profile
    assert profile is not None
    assert (profile.user_id, profile.label) == (written.MY_SLUG, MY_NAME)
    assert {(one.value, one.kind, one.primary) for one in profile.own_addresses} == {(MINE, "HANDLE", True), (ME, "EMAIL", False)}


def test_connections_come_with_everything_that_their_row_says(archive: Path) -> None:
    found = {contact.names[0].full: contact for contact in exports.items(archive, "linkedin", records.Contact)}
    assert set(found) == {person.name for person in WORLD.everybody()}
    for person in WORLD.everybody():
        contact = found[person.name]
        assert contact.relation == "CONNECTION"
        assert (contact.names[0].given, contact.names[0].family) == (person.given, person.family)
        assert [email.address for email in contact.emails] == ([person.email] if person.number % 4 == 0 else [])
        assert contact.url == linkedin.profile_url(written.slug(person))
        assert contact.organizations[0].name.endswith(", Ltd")
        assert contact.organizations[0].title == "Roofer"
        assert contact.created_at is not None


def test_conversations_have_all_their_messages_members_and_titles(archive: Path) -> None:
    messages = exports.items(archive, "linkedin", records.Message)
    heads = {head.key: head for head in exports.items(archive, "linkedin", records.ConversationHead)}
    for talk in WORLD.conversations():
        key = f"2-{talk.number:032x}=="
        mine = sorted((m for m in messages if m.conversation_key == key), key=lambda m: m.sent_at)
        said = list(talk.said())
        assert [(m.sent_at, m.text) for m in mine] == [(one.at, one.text) for one in said]
        senders = [next(p for p in m.participants if p.role == "FROM") for m in mine]
        names = [MY_NAME if one.sender is None else WORLD.person(one.sender).name for one in said]
        assert [p.name for p in senders] == names
        assert [p.address == MINE for p in senders] == [one.sender is None for one in said]
        everybody = {MINE, *(linkedin.address_of(written.slug(WORLD.person(n))) for n in talk.members)}
        assert all({p.address for p in m.participants} == everybody for m in mine)
        head = heads[key]
        assert (head.kind, head.subject) == ("GROUP" if len(talk.members) > 1 else "DIRECT", talk.title or None)
        assert {p.address for p in head.participants} == everybody


@pytest.mark.parametrize(
    "notes",
    [
        written.NOTES,
        "",
        'Notes:\r\n"When exporting your connection data, you may notice…"\r\n',
        "Notes:\n" + '"a paragraph\nof two lines, and ""quoted"""' + "\n\n\n",
        "\ufeff",
    ],
)
def test_the_notes_above_the_columns_may_be_there_or_not(tmp_path: Path, notes: str) -> None:
    archive = written.linkedin(WORLD, tmp_path / "a.zip", notes=notes)
    assert len(exports.items(archive, "linkedin", records.Contact)) == WORLD.people


def test_a_table_alone_is_recognised_and_an_old_one_without_addresses_too(tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.write_text(
        "First Name,Last Name,Email Address,Company,Position,Connected On\nAda,Ray,,,,15 Jan 2019\nBob,Ray,b@example.org,,,\n"
    )
    ada, bob = exports.items(path, "linkedin", records.Contact)
    assert (ada.names[0].full, ada.url, ada.created_at) == ("Ada Ray", None, datetime(2019, 1, 15, tzinfo=UTC))
    assert (bob.emails[0].address, bob.created_at) == ("b@example.org", None)
    assert exports.scan(path, "linkedin").profile is None


def test_a_table_that_a_spreadsheet_has_saved_again_is_read(tmp_path: Path) -> None:
    text = "First Name;Last Name;URL;Email Address;Company;Position;Connected On\nJörg;Müller;https://www.linkedin.com/in/joerg/;;Öl;;1/2/20\n"
    for codec in ("cp1252", "utf-16"):
        path = tmp_path / codec
        path.write_bytes(text.encode(codec))
        (contact,) = exports.items(path, "linkedin", records.Contact)
        assert (contact.names[0].full, contact.organizations[0].name) == ("Jörg Müller", "Öl")
        assert contact.created_at == datetime(2020, 1, 2, tzinfo=UTC)


def test_what_cannot_be_read_is_named_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "First Name,Last Name,URL,Email Address,Company,Position,Connected On\n,,,,,,\n,,,,Boats,,1 Jan 2020\nAda,Ray,,,A, B, Ltd,,1 Jan 2020\n"
        '"Bob,Ray,,,,,1 Jan 2020\nCid,Ray,,,,,1 Jan 2020\n'
    )
    found = exports.unreadable(path, "linkedin")
    assert [(line, reason) for _, line, reason, _ in found] == [
        (2, "EMPTY"),
        (3, "UNREADABLE"),
        (4, "UNREADABLE"),
        (5, "UNREADABLE"),
    ]
    assert all(message.endswith(".") for *_, message in found)
    assert [c.names[0].full for c in exports.items(path, "linkedin", records.Contact)] == ["Cid Ray"]


def test_a_message_without_a_time_costs_itself_alone(archive: Path) -> None:
    broken = changed(archive, "messages.csv", "2022-", "some day in ")
    ((path, _, reason, message),) = [row for row in exports.unreadable(broken, "linkedin") if "messages" in row[0]]
    assert (path, reason) == ("messages.csv", "UNREADABLE")
    assert "some day in" in message


def messages(*rows: dict[str, str]) -> bytes:
    columns = [
        "CONVERSATION ID",
        "CONVERSATION TITLE",
        "FROM",
        "SENDER PROFILE URL",
        "TO",
        "RECIPIENT PROFILE URLS",
        "DATE",
        "SUBJECT",
        "CONTENT",
        "FOLDER",
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({"CONVERSATION ID": "c", "DATE": "2024-01-15 10:11:12 UTC", "FOLDER": "INBOX", **row})
    return out.getvalue().encode()


def test_members_who_left_are_told_apart_by_conversation_and_advertisers_are_nobody(tmp_path: Path) -> None:
    path = tmp_path / "messages.csv"
    path.write_bytes(
        messages(
            {"FROM": "LinkedIn Member", "CONTENT": "one", "CONVERSATION ID": "a"},
            {"FROM": "LinkedIn Member", "CONTENT": "two", "CONVERSATION ID": "b"},
            {"FROM": "Quay Talent", "CONTENT": "A sponsored offer", "CONVERSATION ID": "d"},
        )
    )
    first, second, offer = exports.items(path, "linkedin", records.Message)
    assert first.participants[0].key != second.participants[0].key
    assert [m.category for m in (first, second, offer)] == ["PERSONAL", "PERSONAL", "NOTIFICATION"]


def test_markup_becomes_text_and_what_only_looks_like_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "messages.csv"
    path.write_bytes(
        messages(
            {"FROM": "Ada", "CONTENT": "<p>Hello <b>you</b></p><p>5 &lt; 6</p>"}, {"FROM": "Ada", "CONTENT": "x <y> &amp; z"}
        )
    )
    marked, plain = exports.items(path, "linkedin", records.Message)
    assert (marked.text, marked.html is not None) == ("Hello you\n\n5 < 6", True)
    assert (plain.text, plain.html) == ("x <y> & z", None)


def test_a_profile_s_address_is_one_however_it_is_written() -> None:
    same = {
        linkedin.slug_of(url)
        for url in (
            "https://www.linkedin.com/in/Jos%C3%A9-1/", "http://de.linkedin.com/in/josé-1?trk=x", "https://linkedin.com/in/jos%c3%a9-1/details/",
        )
    }  # fmt: skip
    assert same == {"josé-1"}
    assert [
        linkedin.slug_of(url) for url in ("", "https://example.com/in/ada", "https://www.linkedin.com/company/x", "in/ada")
    ] == [None] * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-15 10:11:12 UTC", datetime(2024, 1, 15, 10, 11, 12, tzinfo=UTC)),
        ("1/15/24, 10:11 AM", datetime(2024, 1, 15, 10, 11, tzinfo=UTC)),
        ("12/3/2023, 12:05 AM", datetime(2023, 12, 3, 0, 5, tzinfo=UTC)),
        ("12/3/23, 9:01\u202fPM", datetime(2023, 12, 3, 21, 1, tzinfo=UTC)),
        ("15/1/24, 10:11 AM", None),
        ("yesterday", None),
    ],
)
def test_times_are_read_as_linkedin_writes_them(text: str, expected: datetime | None) -> None:
    assert linkedin.moment(text) == expected


def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(archive: Path, tmp_path: Path) -> None:
    for cut in exports.cuts(archive, tmp_path, "messages.csv", 12):
        found = exports.pages(cut, "linkedin")
        seen = sum(row.place is not None and row.place.path == "messages.csv" for row in exports.rows(found))
        stated = {statement.container: statement.expected for statement in found[-1].statements}
        assert stated.get("messages.csv", 0) == seen


def test_posts_comments_reactions_and_invitations_are_what_somebody_did(archive: Path) -> None:
    acts = exports.items(archive, "linkedin", records.Activity)
    posts = [one for one in acts if one.verb == "CREATE" and one.object and not one.object.in_reply_to]
    assert [one.object.text for one in posts if one.object] == [written.post_text(n) for n in range(written.POSTS)]
    assert [one.occurred_at for one in posts] == [written.BEGIN + timedelta(seconds=n) for n in range(written.POSTS)]
    comments = [one for one in acts if one.object and one.object.in_reply_to]
    assert [one.object.text for one in comments if one.object] == ["Well sailed, “all” of you"] * 3
    assert [one.summary for one in acts if one.verb == "LIKE"] == ["Celebrate"] * 3
    invited = [(one.actor.name, one.object.name, one.summary) for one in acts if one.verb == "INVITE" and one.object]
    assert invited[:2] == [(MY_NAME, WORLD.person(0).name, ""), (WORLD.person(0).name, MY_NAME, "Do you remember me?")]
    assert {one.actor.handle for one in acts if one.verb != "INVITE"} == {MINE}


def test_what_somebody_did_needs_somebody(tmp_path: Path) -> None:
    path = tmp_path / "Reactions.csv"
    path.write_text("Date,Type,Link\n2024-01-15 10:11:12,LIKE,https://www.linkedin.com/feed/update/1\n")
    assert [reason for *_, reason, _ in exports.unreadable(path, "linkedin")] == ["UNREADABLE"]
    found = exports.pages(path, "linkedin", own=frozenset({MINE}))
    assert [row.item.actor.handle for row in exports.rows(found) if isinstance(row.item, records.Activity)] == [MINE]


def test_other_tables_of_the_archive_are_no_address_books(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("PhoneNumbers.csv", "Extension,Number,Type\n,+44 7700 900001,Mobile\n")
        more.writestr(
            "Positions.csv", "Company Name,Title,Description,Location,Started On,Finished On\nBoats,Roofer,,Leeds,Jan 2020,\n"
        )
    exports.of(archive, "linkedin")
