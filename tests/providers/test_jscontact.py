"""JSContact (RFC 9553) and vCard as one another (RFC 9555): the RFCs' own examples, any contact there and back, and whatever else somebody writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import any_contact
from providers import records
from providers.archives.jscontact import PROVIDER, JsContactArchive
from providers.archives.recognition import recognise
from providers.formats import jscontact, jscontact_writing, vcard, vcard_writing
from providers.formats.vcard_syntax import parse


def read(value: Any) -> records.Contact:
    card = jscontact.card(value)
    assert card is not None
    return vcard.to_contact(parse(card.serialise()), key="k", region=None, container="", keep_card=True)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_any_contact_comes_back_from_both_forms_and_from_one_by_the_other(number: int, dice: Any) -> None:
    made = any_contact.contact(number, dice)
    card = vcard_writing.whole(made, made.uid or "a uid")
    by_card = vcard.to_contact(parse(card.serialise()), key="k", region=None, container="", keep_card=True)
    by_json = read(json.loads(msgspec.json.encode(jscontact_writing.written(card, "a uid"))))
    for found in (by_card, by_json):
        assert any_contact.comparable(found) == any_contact.comparable(made)
        assert any_contact.beyond(found) == any_contact.beyond(made)


#: Figures 1, 12, 13, 19, 21, 22, 26, 31, 34, 35 of RFC 9553, put together as one card, at domains and numbers of nobody's.
CARD: Final[dict[str, Any]] = {
    "@type": "Card",
    "version": "1.0",
    "uid": "urn:uuid:22B2C7DF-9120-4969-8460-05956FE6B065",
    "kind": "individual",
    "created": "2022-09-30T14:35:10Z",
    "updated": "2021-10-31T22:27:10Z",
    "language": "de",
    "prodId": "-//Example//EN",
    "name": {
        "components": [
            {"kind": "given", "value": "Jane"},
            {"kind": "surname", "value": "Doe"},
            {"kind": "credential", "value": "M.D."},
        ],
        "isOrdered": True,
    },
    "nicknames": {"k391": {"name": "Johnny"}},
    "organizations": {
        "o1": {"name": "ABC, Inc.", "units": [{"name": "North American Division"}, {"name": "Marketing"}], "sortAs": "ABC"}
    },
    "titles": {
        "le9": {"kind": "title", "name": "Research Scientist"},
        "k2": {"kind": "role", "name": "Project Leader", "organizationId": "o2"},
    },
    "emails": {
        "e1": {"contexts": {"work": True}, "address": "jqpublic@xyz.example.com"},
        "e2": {"address": "jane_doe@example.com", "pref": 1, "label": "the good one"},
    },
    "phones": {
        "tel0": {
            "contexts": {"private": True},
            "features": {"voice": True, "mobile": True},
            "number": "tel:+447700900123;ext=5555",
            "pref": 1,
        },
        "tel3": {"contexts": {"work": True}, "number": "tel:+442079460000"},
    },
    "onlineServices": {
        "x1": {"uri": "xmpp:alice@example.com"},
        "x2": {"service": "Mastodon", "user": "@alice@example2.com", "uri": "https://example2.com/@alice"},
    },
    "preferredLanguages": {"l1": {"language": "en", "contexts": {"work": True}, "pref": 1}, "l2": {"language": "fr", "pref": 2}},
    "addresses": {
        "k23": {
            "contexts": {"work": True},
            "components": [
                {"kind": "number", "value": "54321"},
                {"kind": "separator", "value": " "},
                {"kind": "name", "value": "Oak St"},
                {"kind": "locality", "value": "Reston"},
                {"kind": "region", "value": "VA"},
                {"kind": "postcode", "value": "20190"},
                {"kind": "country", "value": "USA"},
            ],
            "countryCode": "US",
            "isOrdered": True,
            "defaultSeparator": ", ",
        }
    },
    "links": {"link3": {"kind": "contact", "uri": "https://contact.example.com", "pref": 1}},
    "media": {"res45": {"kind": "photo", "uri": "https://www.example.com/pub/photos/jqpublic.gif"}},
    "anniversaries": {
        "k8": {"kind": "birth", "date": {"year": 1953, "month": 4, "day": 15}},
        "k9": {"kind": "death", "date": {"@type": "Timestamp", "utc": "2019-10-15T23:10:00Z"}},
    },
    "keywords": {"internet": True, "IETF": True, "never": False},
    "notes": {"n1": {"note": "Open office hours are 1600 to 1715 EST, Mon-Fri", "created": "2022-11-23T15:01:32Z"}},
    "personalInfo": {"pi2": {"kind": "expertise", "value": "chemistry", "level": "high"}},
    "example.org:favourite": {"dish": ["soup", 5]},
}


def test_a_card_of_the_rfc_becomes_a_contact() -> None:
    found = read(CARD)
    assert found.names == (records.Name(full="Jane Doe M.D.", given="Jane", family="Doe", suffix="M.D.", nickname="Johnny"),)
    assert found.uid == "22b2c7df-9120-4969-8460-05956fe6b065"
    assert [(one.address, one.label, one.preferred) for one in found.emails] == [
        ("jqpublic@xyz.example.com", "work", False),
        ("jane_doe@example.com", "the good one", True),
    ]
    assert [(one.number, one.extension, one.label, one.mobile) for one in found.phones] == [
        ("+447700900123", "5555", "home cell", True),
        ("+442079460000", None, "work", False),
    ]
    assert [(one.provider, one.handle) for one in found.handles] == [
        ("xmpp", "alice@example.com"),
        ("mastodon", "alice@example2.com"),
    ]
    (job,) = found.organizations
    assert (job.name, job.department, job.title) == ("ABC, Inc.", "North American Division; Marketing", "Research Scientist")
    (place,) = found.addresses
    assert (place.street, place.locality, place.country, place.label) == ("54321 Oak St", "Reston", "USA", "work")
    assert found.dates == (
        records.PartialDate(year=1953, month=4, day=15, label="birthday"),
        records.PartialDate(year=2019, month=10, day=15, label="death"),
    )
    assert found.groups == ("internet", "IETF")
    assert found.languages == ("en", "fr")
    assert found.urls == (records.Url(url="https://contact.example.com"),)
    assert found.photo == records.Photo(url="https://www.example.com/pub/photos/jqpublic.gif")
    assert found.note == "Open office hours are 1600 to 1715 EST, Mon-Fri"


def test_what_is_kept_of_a_card_is_the_same_however_often_it_is_written() -> None:
    text = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nitem1.X-THING:one\r\nitem1.X-ABLABEL:mine\r\nEND:VCARD\r\n"
    found = vcard.to_contact(parse(text.encode()), key="k", region=None, container="", keep_card=True)
    cards = []
    for n in range(3):
        found = msgspec.structs.replace(found, note=f"changed {n}")  # so that it is written anew
        cards.append(vcard_writing.whole(found, "a uid").serialise().decode())
        found = vcard.to_contact(parse(cards[-1].encode()), key="k", region=None, container="", keep_card=True)
    assert cards[1].replace("changed 1", "changed 0") == cards[0]
    assert cards[2].replace("changed 2", "changed 1") == cards[1]
    assert "kept-item1.X-THING:one" in cards[0]


def test_what_a_contact_has_no_place_for_is_in_the_card_that_is_written_again() -> None:
    again = jscontact_writing.written(vcard_writing.whole(read(CARD), "a uid"), "a uid")
    assert again["personalInfo"] == CARD["personalInfo"]
    assert again["example.org:favourite"] == CARD["example.org:favourite"]
    assert again["language"] == "de"


def test_a_member_that_is_nested_without_measure_is_kept_as_a_text() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    again = jscontact_writing.written(vcard_writing.whole(read({**CARD, "example:deep": deep}), "a uid"), "a uid")
    assert "example:deep" not in again
    assert ["jsprop", {"jsptr": "/example:deep"}, "unknown"] in [one[:3] for one in again["vCardProps"]]
    assert read(again).names == read(CARD).names


#: RFC 9555 §2: properties of a card, and what they are in JSContact.
MEANS: Final[list[tuple[str, str, Any]]] = [
    ("KIND:org", "kind", "org"),
    ("N:Stevenson;John;Philip,Paul;Dr.;Jr.", "name", [
        {"kind": "surname", "value": "Stevenson"}, {"kind": "given", "value": "John"}, {"kind": "given2", "value": "Philip"},
        {"kind": "given2", "value": "Paul"}, {"kind": "title", "value": "Dr."}, {"kind": "credential", "value": "Jr."},
    ]),
    ("BDAY:--0203", "anniversaries", {"a1": {"kind": "birth", "date": {"@type": "PartialDate", "month": 2, "day": 3}}}),
    ("EMAIL;PREF=1;TYPE=home:jane@example.org", "emails", {"e1": {"address": "jane@example.org", "contexts": {"private": True}, "pref": 1}}),
    ("TEL;TYPE=cell,work:+447700900123", "phones", {
        "p1": {"number": "+447700900123", "contexts": {"work": True}, "features": {"mobile": True}}}),
    ("CATEGORIES:internet,IETF", "keywords", {"internet": True, "IETF": True}),
    ("X-FOO;X-BAR=Hello:World!", "vCardProps", [["x-foo", {"x-bar": "Hello"}, "unknown", "World!"]]),
    ("NOTE;LANGUAGE=en:Hi\\, you", "notes", {"n1": {"note": "Hi, you", "vCardParams": {"language": "en"}}}),
    ("item1.URL:https://example.org/\r\nitem1.X-ABLABEL:blog", "links", {"l1": {"uri": "https://example.org/", "label": "blog"}}),
    ("MEMBER:urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af", "members", {"urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af": True}),
    ("REV:19951031T222710Z", "updated", "1995-10-31T22:27:10Z"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "member", "means"), MEANS, ids=lambda each: str(each)[:20])
def test_a_property_stands_where_the_rfc_says(line: str, member: str, means: Any) -> None:
    card = parse(f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Jane\r\n{line}\r\nEND:VCARD\r\n".encode())
    made = jscontact_writing.written(card, "a uid")
    assert (made["name"]["components"] if member == "name" else made[member]) == means
    assert (made["uid"], made["version"], made["@type"]) == ("a uid", "1.0", "Card")


STRANGE: Final[list[Any]] = [
    {"emails": []}, {"emails": {"e": 5}}, {"emails": {"e": {"address": {}}}}, {"name": "Jane"}, {"kind": ["individual"]}, {"keywords": ["a"]},
    {"name": {"components": [5, {"kind": []}]}}, {"anniversaries": {"a": {"kind": "birth", "date": {"year": "x", "month": 99}}}},
    {"vCardProps": [["begin", {}, "text", "VCARD"]]}, {"vCardProps": [["x-a:b\r\nFN", {"x": 1}, 5, "v"], [1], "x"]},
    {"vCardProps": [["x-a", {"group": "a b\r\n"}, "text", "a\r\nEND:VCARD\r\nFN:Eve"]]}, {"titles": {"t": {"name": "x", "organizationId": {}}}},
    {"organizations": {"o": {"units": "u"}}}, {"phones": {"p": {"number": "\x00", "pref": True}}}, {"onlineServices": {"o": {}}},
    {"notes": {str(n): {"note": "x"} for n in range(2_000)}}, {"example:deep": [[[[]]] * 50] * 50},
    {"media": {"m": {"kind": "photo", "uri": "javascript:alert(1)"}}}, {"addresses": {"a": {"components": {"kind": "x"}}}},
]  # fmt: skip


@pytest.mark.parametrize("fields", STRANGE, ids=lambda fields: json.dumps(fields)[:40])
def test_what_is_written_in_no_way_of_the_rfc_costs_its_value_and_no_more(fields: Any) -> None:
    found = read({"@type": "Card", "version": "1.0", "uid": "u", "nicknames": {"n": {"name": "Janie"}}, **fields})
    assert found.uid == "u"
    assert found.names[0].nickname == "Janie"
    assert found.names[0].full != "Eve"


@pytest.mark.parametrize("value", [None, 5, [], "Card", {"@type": "CardGroup"}, {"@type": ["Card"]}])
def test_what_is_no_card_is_none(value: Any) -> None:
    assert jscontact.card(value) is None


# --- files ------------------------------------------------------------------------------------------------------------------


def pages(path: Path, cursor: bytes | None = None) -> list[records.Page]:
    return list(JsContactArchive().pages([path], cursor, own=frozenset(), region=None))


def test_a_file_is_recognised_counted_and_read_with_what_is_broken_named(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    cards = [{"@type": "Card", "version": "1.0", "uid": f"u{n}", "name": {"full": f"Jane {n}"}} for n in range(3)]
    texts = [json.dumps(one) for one in cards]
    path.write_text("[" + ",\n".join((texts[0], '{"@type": "Person"}', "7", texts[1], "{}", texts[2])) + "]")
    (group,) = recognise([path]).groups
    assert group[0] is PROVIDER
    assert JsContactArchive().counted(path) == 6
    rows = [row for page in pages(path) for row in page.rows]
    assert [row.item.names[0].full for row in rows if isinstance(row.item, records.Contact)] == ["Jane 0", "Jane 1", "Jane 2"]
    named = [row for row in rows if isinstance(row.item, records.Unreadable)]
    assert [row.place.position for row in named if row.place] == [2, 3, 5]
    assert all(row.item.message.endswith(".") for row in named if isinstance(row.item, records.Unreadable))


def test_cards_one_after_the_other_are_read_too_and_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    path = tmp_path / "book.jsonl"
    lines = [json.dumps({"@type": "Card", "version": "1.0", "uid": f"u{n}", "name": {"full": f"Jane {n}"}}) for n in range(250)]
    path.write_text("\n".join(lines)[:-20])
    found = pages(path)
    rows = [row for page in found for row in page.rows]
    assert sum(isinstance(row.item, records.Contact) for row in rows) == 249
    assert isinstance(rows[-1].item, records.Unreadable)
    resumed = [row for page in pages(path, found[0].cursor) for row in page.rows]
    assert resumed == rows[len(found[0].rows) :]
