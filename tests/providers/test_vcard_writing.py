"""A record written as a card is a card that reads as the record."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import records
from providers.formats import vcard
from providers.formats.vcard_syntax import parse
from providers.formats.vcard_writing import written

ADA = records.Contact(
    key="1",
    relation="ADDRESS_BOOK",
    names=(records.Name(full="Ada, Countess of Lovelace", given="Ada", family="King; Lovelace", nickname="Ada"),),
    emails=(records.Email(raw="ada@example.org", address="ada@example.org", label="work", preferred=True),),
    phones=(records.Phone(raw="+4915112345678", number="+4915112345678", label="cell", mobile=True),),
    urls=(records.Url(url="https://ada.example.org/"),),
    organizations=(records.Organization(name="Analytical, Engines", department="Programs", title="Countess"),),
    addresses=(records.Address(formatted="12 St James's Square", street="12 St James's Square", locality="London"),),
    dates=(records.PartialDate(month=12, day=10, label="birthday"),),
    groups=("Friends", "Work, mostly"),
    note="First line\nsecond; line, with \\ backslash",
    uid="4fbe8971-0bc3-424c-9c26-36c3e1eff6b1",
    updated_at=datetime(2026, 5, 4, tzinfo=UTC),
)


def read(card: str) -> records.Contact:
    return vcard.to_contact(parse(card.encode()), key="1", region="GB", container="")


def test_a_record_comes_back_from_its_card() -> None:
    back = read(written(ADA))
    assert back.names[0].full == "Ada, Countess of Lovelace"
    assert (back.names[0].family, back.names[0].given, back.names[0].nickname) == ("King; Lovelace", "Ada", "Ada")
    assert [(e.address, e.preferred) for e in back.emails] == [("ada@example.org", True)]
    assert [p.number for p in back.phones] == ["+4915112345678"]
    assert [u.url for u in back.urls] == ["https://ada.example.org/"]
    assert [(o.name, o.department, o.title) for o in back.organizations] == [("Analytical, Engines", "Programs", "Countess")]
    assert [(d.month, d.day, d.label) for d in back.dates] == [(12, 10, "birthday")]
    assert back.groups == ADA.groups
    assert back.note == ADA.note
    assert back.addresses[0].locality == "London"


def test_a_card_has_a_version_a_name_and_folded_lines() -> None:
    bare = written(
        records.Contact(key="x", relation="CORRESPONDENT", emails=(records.Email(raw="a@example.org", address="a@example.org"),))
    )
    assert bare.startswith("BEGIN:VCARD\r\nVERSION:4.0\r\n")
    assert "FN:a@example.org\r\n" in bare
    long = written(records.Contact(key="x", relation="MEMBER", names=(records.Name(full="Ärger " * 60),)))
    assert max(len(line.encode()) for line in long.split("\r\n")) <= 75


def test_people_of_a_network_carry_their_profile() -> None:
    handle = records.Handle(provider="mastodon", handle="ada@social.example", url="https://social.example/@ada")
    card = written(records.Contact(key="ada", relation="FOLLOWING", names=(records.Name(full="Ada"),), handles=(handle,)))
    unfolded = card.replace("\r\n ", "")
    assert "SOCIALPROFILE;SERVICE-TYPE=mastodon;USERNAME=ada@social.example:https://social.example/@ada" in unfolded


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (records.PartialDate(year=1815, month=12, day=10, label="birthday"), "BDAY:18151210"),
        (records.PartialDate(year=1815, month=12, label="birthday"), "BDAY:1815-12"),
        (records.PartialDate(year=1815, label="birthday"), "BDAY:1815"),
        (records.PartialDate(month=12, day=10, label="birthday"), "BDAY:--1210"),
    ],
)
def test_days_are_written_with_what_is_known_of_them(day: records.PartialDate, expected: str) -> None:
    assert f"{expected}\r\n" in written(records.Contact(key="x", relation="MEMBER", dates=(day,)))


@given(st.text(min_size=1), st.text())
def test_any_text_stays_within_its_property(name: str, note: str) -> None:
    card = written(records.Contact(key="x", relation="MEMBER", names=(records.Name(full=name),), note=note))
    assert next(p.name for p in parse(card.encode()).properties) == "BEGIN"
    assert {p.name for p in parse(card.encode()).properties} <= {"BEGIN", "VERSION", "KIND", "FN", "NOTE", "END", ""}
