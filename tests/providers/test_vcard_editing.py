"""A card is changed where the change is, and stays byte for byte what it was everywhere else."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from providers.formats import vcard, vcard_editing
from providers.formats.vcard_syntax import Card, parse

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
# what servers and programs really write: groups, Apple's labels, folds of their own, parameters and properties nobody knows
APPLE = (
    "BEGIN:VCARD\r\n"
    "VERSION:3.0\r\n"
    "PRODID:-//Apple Inc.//iOS 17.0//EN\r\n"
    "N:Hopper;Grace;Brewster;Dr.;\r\n"
    "FN:Dr. Grace Brewster Hopper\r\n"
    "ORG:US Navy;Bureau of Ships;\r\n"
    "TITLE:Rear Admiral\r\n"
    "EMAIL;type=INTERNET;type=HOME;type=pref:grace@example.org\r\n"
    'item1.EMAIL;type=INTERNET;X-ODD="a;b":hopper@navy.example\r\n'
    "item1.X-ABLabel:Ship\r\n"
    "TEL;type=CELL;type=VOICE:+1 (202) 555-0143\r\n"
    "item2.ADR;type=HOME:;;12 Harbour\\, Street;Arlington;VA;22201;USA\r\n"
    "item2.X-ABADR:us\r\n"
    "X-UNKNOWN;X-P=1:keep  me ; as\\, I am\r\n"
    "PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8U\r\n"
    " HRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL\r\n"
    "NOTE:First\\nsecond line that is fol\r\n"
    " ded oddly\r\n"
    "CATEGORIES:Sailing,Work\r\n"
    "UID:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1\r\n"
    "REV:2020-01-01T00:00:00Z\r\n"
    "END:VCARD\r\n"
)


def read(card: Card) -> records.Contact:
    return vcard.to_contact(card, key="k", region="US", container="")


def changed(text: str, *fields: records.ContactField, **values: object) -> str:
    card = parse(text.encode())
    wanted = msgspec.structs.replace(read(card), **values)
    return vcard_editing.edited(card, wanted, frozenset(fields), region="US", now=NOW).serialise().decode()


def difference(before: str, after: str) -> list[str]:
    """Lines that went and came, REV apart."""
    found = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in found if line[0] in "+-" and "REV:" not in line]


def test_a_card_that_holds_everything_already_is_not_touched() -> None:
    assert changed(APPLE, *vcard_editing.FIELDS) == APPLE


def test_one_new_address_is_one_new_line() -> None:
    mine = read(parse(APPLE.encode())).emails
    new = records.Email(raw="g@example.net", address="g@example.net", label="work")
    assert difference(APPLE, changed(APPLE, "emails", emails=(*mine, new))) == ["+ EMAIL;TYPE=work:g@example.net"]


def test_a_changed_address_keeps_what_its_line_says_besides() -> None:
    first, second = read(parse(APPLE.encode())).emails
    new = msgspec.structs.replace(second, raw="amazing@navy.example", address="amazing@navy.example")
    assert difference(APPLE, changed(APPLE, "emails", emails=(first, new))) == [
        '- item1.EMAIL;type=INTERNET;X-ODD="a;b":hopper@navy.example',
        '+ item1.EMAIL;TYPE=INTERNET;X-ODD="a;b":amazing@navy.example',
    ]


def test_a_value_that_goes_takes_its_own_label_along_and_nothing_else() -> None:
    first, _ = read(parse(APPLE.encode())).emails
    assert difference(APPLE, changed(APPLE, "emails", emails=(first,))) == [
        '- item1.EMAIL;type=INTERNET;X-ODD="a;b":hopper@navy.example',
        "- item1.X-ABLabel:Ship",
    ]


def test_a_label_of_ones_own_stands_beside_its_value() -> None:
    (phone,) = read(parse(APPLE.encode())).phones
    after = changed(APPLE, "phones", phones=(phone, records.Phone(raw="+1 202 555 0199", label="Ship's bridge")))
    assert "item3.TEL:+1 202 555 0199\r\nitem3.X-ABLABEL:Ship's bridge\r\n" in after
    assert [one.label for one in read(parse(after.encode())).phones] == ["cell", "Ship's bridge"]


@pytest.mark.parametrize(
    ("label", "expected"), [("work", "work"), ("Harbour", "Harbour"), (None, None), ("work fax", "work fax")]
)
@pytest.mark.parametrize("at", [0, 1])
def test_a_value_can_get_another_label(label: str | None, expected: str | None, at: int) -> None:
    emails = list(read(parse(APPLE.encode())).emails)
    emails[at] = msgspec.structs.replace(emails[at], label=label)
    after = changed(APPLE, "emails", emails=tuple(emails))
    found = read(parse(after.encode())).emails
    assert found[at].label == expected
    assert found[1 - at].label == emails[1 - at].label
    assert ('X-ODD="a;b"' in after, "grace@example.org" in after) == (True, True)


def test_a_name_changes_by_its_parts() -> None:
    name = records.Name(full="Grace Murray", given="Grace", family="Murray", nickname="Amazing")
    assert difference(APPLE, changed(APPLE, "names", names=(name,))) == [
        "- N:Hopper;Grace;Brewster;Dr.;",
        "- FN:Dr. Grace Brewster Hopper",
        "+ N:Murray;Grace;;;",
        "+ FN:Grace Murray",
        "+ NICKNAME:Amazing",
    ]


def test_what_the_reverse_fields_say_is_replaced() -> None:
    after = changed(
        APPLE,
        "organizations",
        "addresses",
        "dates",
        "note",
        "groups",
        organizations=(records.Organization(name="Vassar", title="Professor"), records.Organization(name="Yale; Math")),
        addresses=(records.Address(formatted="x", street="1 Elm St", locality="New Haven", label="home"),),
        dates=(records.PartialDate(month=12, day=9, label="birthday"),),
        note=None,
        groups=("Work", "Mathe, matics"),
    )
    found = read(parse(after.encode()))
    assert [(one.name, one.title) for one in found.organizations] == [("Vassar", "Professor"), ("Yale; Math", None)]
    assert [(one.street, one.locality, one.label) for one in found.addresses] == [("1 Elm St", "New Haven", "home")]
    assert [(day.year, day.month, day.day) for day in found.dates] == [(None, 12, 9)]
    assert found.note is None
    assert found.groups == ("Work", "Mathe, matics")
    assert "X-UNKNOWN;X-P=1:keep  me ; as\\, I am\r\n" in after
    assert "item2.X-ABADR:us\r\n" in after


def test_rev_follows_a_change() -> None:
    assert "REV:20260504T120000Z\r\n" in changed(APPLE, "note", note="New")


QUOTED = (
    "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=BCrgen\n"
    "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BCrgen M=C3=BCller\nTEL;HOME;VOICE:030 1234567\nX-ANDROID-CUSTOM:a;b;c\nEND:VCARD\n"
)


def test_a_card_of_version_2_1_stays_one() -> None:
    name = records.Name(full="Jürgen Maier", given="Jürgen", family="Maier")
    after = changed(QUOTED, "names", names=(name,))
    assert read(parse(after.encode())).names[0] == name
    assert "TEL;HOME;VOICE:030 1234567\nX-ANDROID-CUSTOM:a;b;c\nEND:VCARD\n" in after
    assert "\r" not in after
    assert "VERSION:2.1" in after


text = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=60).map(str.strip).filter(bool)


@given(text, text, st.lists(text, max_size=3, unique=True))
def test_any_text_arrives_and_what_was_there_stays(note: str, family: str, groups: list[str]) -> None:
    name = records.Name(full=family, family=family)
    after = changed(APPLE, "note", "names", "groups", note=note, names=(name,), groups=tuple(groups))
    for line in ("X-UNKNOWN;X-P=1:keep  me ; as\\, I am\r\n", "TEL;type=CELL;type=VOICE:+1 (202) 555-0143\r\n", "UID:4fbe8971"):
        assert line in after
    found = read(parse(after.encode()))
    assert found.note == note
    assert found.uid == "4fbe8971-0bc3-424c-9c26-36c3e1eff6b1"


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_a_new_card_reads_as_what_was_wanted(version: str) -> None:
    wanted = records.Contact(
        key="",
        relation="ADDRESS_BOOK",
        names=(records.Name(full="Ada Lovelace", given="Ada", family="Lovelace", nickname="A"),),
        emails=(records.Email(raw="ada@example.org", address="ada@example.org", label="work"),),
        phones=(records.Phone(raw="+44 7700 900123", number="+447700900123", label="cell", mobile=True),),
        urls=(records.Url(url="https://ada.example/", label="Blog"),),
        organizations=(records.Organization(name="Engines", department="Programs", title="Countess"),),
        dates=(records.PartialDate(year=1815, month=12, day=10, label="birthday"),),
        groups=("Friends",),
        note="Two\nlines",
        uid="11111111-2222-4333-8444-555555555555",
    )
    card = vcard_editing.made(wanted, version, now=NOW)  # type: ignore[arg-type]
    found = vcard.to_contact(parse(card.serialise()), key="", region=None, container="")
    for field in (*vcard_editing.FIELDS, "uid"):
        assert getattr(found, field) == getattr(wanted, field), field
    assert b"VERSION:" + version.encode() in card.serialise()
    assert max(len(line) for line in card.serialise().split(b"\r\n")) <= 75


def test_a_card_without_a_name_is_called_by_what_it_has() -> None:
    bare = records.Contact(
        key="", relation="ADDRESS_BOOK", emails=(records.Email(raw="x@example.org", address="x@example.org"),), uid="u"
    )
    text = vcard_editing.made(bare, "3.0", now=NOW).serialise().decode()
    assert "FN:x@example.org\r\n" in text
    assert "\r\nN:x@example.org;;;;\r\n" in text
