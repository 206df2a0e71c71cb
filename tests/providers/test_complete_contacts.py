"""Contacts of programs that say more than Kith has fields for: exported, taken in by another Kith, exported again, nothing is lost on the way.

Every property of RFC 6350 and RFC 9554, with the parameters that change what they say, and a Card of RFC 9553 with ids that its localizations name.
"""

from __future__ import annotations

import io
import json
from typing import Any, Final

import msgspec
import pytest

from providers import records
from providers.formats import jscontact, vcard, vcard_writing
from providers.formats.vcard_syntax import Card, parse
from tests.providers.test_jscontact import CARD

Said = list[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...], str]]
REGIONS: Final = (None, "DE")
EVERYTHING: Final = r"""BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1
FN;LANGUAGE=en;ALTID=1:Ms Tarō Yamada\, PhD
FN;LANGUAGE=jp;ALTID=1;PREF=2:山田太郎
N;SORT-AS="Yamada,Taro";ALTID=1;LANGUAGE=en:Yamada,Second;Tarō;Middle,More;Ms;PhD,MD
N;ALTID=1;LANGUAGE=jp;PHONETIC=script;SCRIPT=Kana:やまだ;たろう;;;;;
NICKNAME;TYPE=work;LANGUAGE=en:Tar,Rō
NICKNAME;PREF=1:Boss
PHOTO;MEDIATYPE=image/png;PREF=1:data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==
PHOTO;PREF=2:https://example.org/other.jpg
BDAY;CALSCALE=gregorian:--0412
BDAY;VALUE=text;ALTID=9:circa 1800
DEATHDATE:1975
DEATHPLACE;VALUE=uri:geo:46.769307\,-71.283079
BIRTHPLACE;LANGUAGE=en:Babies'R'Us Hospital
ANNIVERSARY:20090808T1430-0500
GENDER:O;intersex
GRAMGENDER;LANGUAGE=de:feminine
PRONOUNS;LANGUAGE=en;PREF=1:xe/xir
ADR;GEO="geo:12.3457,78.910";LABEL="Mr. John Q. Public, Esq.\nMail Drop: TNE QB^n123 Main";TZ=-0500;TYPE=home;CC=US;
 PREF=1;LANGUAGE=en:Box 7;Apt 3;123 Main Street,Rear;Any Town;CA;91921-1234;U.S.A.;;;;;;;;;;;
ADR;TYPE=work:;;5 High St;Town;;N1;UK
TEL;VALUE=uri;TYPE="voice,home";PREF=1;PID=1.1:tel:+1-555-555-5555;ext=5555
TEL;VALUE=text;TYPE=work:030 1234567
TEL;TYPE=cell,text:+49 170 1234567
EMAIL;TYPE=work;PID=4.1;ALTID=e;INDEX=1:jqpublic@xyz.example.com
EMAIL;PREF=1;X-FOO="a;b^'c":jane_doe@example.com
IMPP;PREF=1;TYPE=work:xmpp:alice@example.com
LANG;TYPE=work;PREF=1:en
LANG;TYPE=work;PREF=2:fr
LANG;TYPE=home:fr-CA
TZ:Raleigh/North America
TZ;VALUE=utc-offset:-0500
GEO;TYPE=work:geo:37.386013,-122.082932
TITLE;LANGUAGE=fr;ALTID=t:Patron
TITLE;LANGUAGE=en;ALTID=t:Boss
ROLE:Project Leader
LOGO;MEDIATYPE=image/png:https://www.example.com/pub/logos/abccorp.jpg
ORG;SORT-AS="ABC";TYPE=work:ABC\, Inc.;North American Division;Marketing
ORG:Second Org
RELATED;TYPE=friend:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6
RELATED;TYPE=co-worker;VALUE=text:Please contact my assistant Jane Doe for any inquiries.
CATEGORIES;TYPE=x:INTERNET,IETF,INDUSTRY\,X
NOTE;LANGUAGE=en;AUTHOR="mailto:a@b.example";AUTHOR-NAME=Ann;CREATED=20221122T151823Z:First line\nsecond\, with comma\; and semicolon \\ backslash 😀
NOTE;LANGUAGE=de:Zweite
PRODID:-//ONLINE DIRECTORY//NONSGML Version 1//EN
REV:19951031T222710Z
SOUND:cid:JOHNQPUBLIC.part8.19960229T080000.xyzMail@example.com
CLIENTPIDMAP:1;urn:uuid:53e374d9-337e-4727-8803-a1e9c14e0556
URL;TYPE=home;PREF=3:http://example.org/restaurant.french/~chezchic.html
URL;MEDIATYPE=text/html:https://work.example.org/
KEY;MEDIATYPE=application/pgp-keys:https://www.example.com/keys/jdoe.pgp
KEY:data:application/pgp-keys;base64,AQIDBA==
FBURL;PREF=1;MEDIATYPE=text/calendar:https://www.example.com/busy/janedoe
CALADRURI;PREF=1:mailto:janedoe@example.com
CALURI;PREF=1:https://cal.example.com/calA
XML:<config xmlns="http://x.example/">a</config>
HOBBY;INDEX=1;LEVEL=high:reading
EXPERTISE;LEVEL=expert:chinese literature
INTEREST;LEVEL=medium:r&b music
ORG-DIRECTORY;INDEX=1:https://directory.mycompany.example.com
CONTACT-URI;PREF=1:mailto:contact@example.com
SOCIALPROFILE;SERVICE-TYPE=Mastodon;PREF=1:https://example.com/@foo
SOCIALPROFILE;VALUE=text;SERVICE-TYPE=SomeSite;USERNAME=peter94:peter94
LANGUAGE:de
item1.X-ABDATE;type=pref:20121121
item1.X-ABLabel:_$!<Anniversary>!$_
item2.X-SPECIAL;A=B:some\,thing
item2.X-ABLabel:Own
X-QQ:21588891
CREATED:20200101T000000Z
END:VCARD
""".replace("\n", "\r\n")
OLD: Final = {
    "3.0": r"""BEGIN:VCARD
VERSION:3.0
PRODID:-//Apple Inc.//iOS 17//EN
N:Ray;Ada;M,N;Dr.;
FN:Dr. Ada Ray
NICKNAME:Adi,Addie
ORG:Works;Lab;Bench
TITLE:Chief
item1.EMAIL;type=INTERNET;type=pref:ada@example.org
item1.X-ABLabel:_$!<Work>!$_
EMAIL;type=INTERNET;type=HOME:ada@home.example
TEL;type=CELL;type=VOICE;type=pref:0170 1234567
TEL;TYPE=WORK,FAX:+49 30 123
item2.ADR;type=HOME;type=pref:PO 7;Apt 2;5 High St\nBack;Town;;N1;UK
item2.X-ABADR:gb
NOTE:one\, two
NOTE:three
BDAY;value=date;X-APPLE-OMIT-YEAR=1604:1604-05-06
item3.URL;type=pref:https://ada.example/
item3.X-ABLabel:_$!<HomePage>!$_
item4.X-ABDATE;type=pref:2009-06-01
item4.X-ABLabel:_$!<Anniversary>!$_
item5.X-ABRELATEDNAMES;type=pref:Bob
item5.X-ABLabel:_$!<Spouse>!$_
X-SOCIALPROFILE;type=twitter;x-user=ada:https://twitter.com/ada
IMPP;X-SERVICE-TYPE=Jabber;type=HOME;type=pref:xmpp:ada@example.org
GEO:37.38;-122.08
SORT-STRING:Ray
CLASS:PRIVATE
KEY;ENCODING=b;TYPE=PGP:AQIDBA==
PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgoAAAANSUhEUg==
CATEGORIES:a,b\,c
REV:2024-05-06T10:20:30Z
UID:ABC-1
X-PHONETIC-FIRST-NAME:Eida
END:VCARD
""".replace("\n", "\r\n"),
    "2.1": "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6rg;;;\r\n"
    "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg M=C3=BCller\r\nTEL;CELL;PREF:0170 1234567\r\nTEL;WORK;FAX:+49 30 123\r\n"
    "EMAIL;INTERNET:j@example.org\r\nNOTE;ENCODING=QUOTED-PRINTABLE:a; b, c=0D=0Ad\r\nNOTE:more\r\nADR;HOME:Box 7;;5 High St, back;Town;;N1;UK\r\n"
    "PHOTO;PNG;ENCODING=BASE64:\r\n iVBORw0KGgoAAAANSUhEUg==\r\n\r\nUID:u2\r\n"
    "X-ANDROID-CUSTOM:vnd.android.cursor.item/nickname;Jo;1;;;;;;;;;;;;;\r\nEND:VCARD\r\n",
}
FOREIGN: Final[dict[str, Any]] = {
    **{name: value for name, value in CARD.items() if name != "keywords"},
    "localizations": {"de": {"titles/le9/name": "Forscherin", "addresses/k23/components/3/value": "Rießton"}},
    "speakToAs": {"grammaticalGender": "neuter", "pronouns": {"k": {"pronouns": "they/them", "pref": 1}}},
    "relatedTo": {"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6": {"relation": {"friend": True}}},
    "cryptoKeys": {"mykey": {"uri": "https://www.example.com/keys/jdoe.pgp"}},
    "phones": {**CARD["phones"], "far": {"number": "030 1234567", "contexts": {"work": True}}},
    "media": {
        "face": {
            "kind": "photo",
            "uri": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
            "mediaType": "image/png",
            "label": "me",
        },
        "sign": {"kind": "logo", "uri": "https://www.example.com/logo.png"},
    },
}


def taken_in(card: Card | None, region: str | None) -> records.Contact:
    """A contact as an import of files leaves it."""
    assert card is not None
    found = vcard.to_contact(card, key=None, region=region, container="file")
    return msgspec.structs.replace(found, vcard=vcard.kept_beside(card))


def exported(contact: records.Contact) -> tuple[Card, dict[str, Any]]:
    """The contact in both forms, as other programs get them."""
    assert contact.uid is not None
    card = vcard_writing.whole(contact, contact.uid)
    (raw,) = vcard.split_cards(io.BytesIO(card.serialise()))
    return parse(raw.data), json.loads(msgspec.json.encode(jscontact.exported(card, contact.uid)))


def said(card: Card, *but: str) -> Said:
    """What a card says, in no order of its own: TYPE in any spelling, a group by the label that it has."""
    found = []
    labels = {one.group.lower(): one.text for one in card.all("X-ABLABEL")}
    for one in card.properties:
        if one.name and one.name not in ("BEGIN", "END", "VERSION", "PRODID", "X-ABLABEL", *but):
            told = {(name, tuple(sorted(one.types)) if name == "TYPE" else values) for name, values in one.parameters}
            parameters = tuple(sorted(told - {("VALUE", ("uri",))}))
            found.append((labels.get(one.group.lower(), one.group), one.name, parameters, one.undecoded))
    return sorted(found)


def facts(contact: records.Contact) -> records.Contact:
    """A contact, its days, addresses and handles in no order of their own."""
    return msgspec.structs.replace(
        contact, vcard=None, container="", key="",
        dates=tuple(sorted(contact.dates, key=str)), addresses=tuple(sorted(contact.addresses, key=str)),
        handles=tuple(sorted(contact.handles, key=str)),
    )  # fmt: skip


@pytest.mark.parametrize("region", REGIONS)
def test_a_card_with_every_property_is_the_same_card_wherever_its_user_lives(region: str | None) -> None:
    card = parse(EVERYTHING.encode())
    first = taken_in(card, region)
    by_card, by_json = exported(first)
    assert said(by_card, "PHOTO", "TEL") == said(card, "PHOTO", "TEL")
    assert [vcard.picture(one) for one in by_card.all("PHOTO")] == [vcard.picture(one) for one in card.all("PHOTO")]
    assert [vcard.tel(one) for one in by_card.all("TEL")][1] == ("030 1234567" if region is None else "+49301234567")
    for again in (by_card, jscontact.card(by_json)):
        second = taken_in(again, None)  # another Kith, whose user may live elsewhere
        assert facts(second) == facts(first)
        third, json_again = exported(second)
        assert said(third) == said(by_card)
        assert json_again == by_json


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("version", OLD)
def test_a_card_of_an_older_version_is_the_same_card_in_the_new_one(version: str, region: str | None) -> None:
    card = parse(OLD[version].encode())
    first = taken_in(card, region)
    by_card, by_json = exported(first)
    assert [one.name for one in by_card.properties if one.name not in ("PRODID", "PHOTO")] == [
        one.name for one in card.properties if one.name not in ("PRODID", "PHOTO", "")
    ]
    assert [one.parts for one in by_card.all("ADR", "ORG", "N")] == [
        tuple(tuple(items) for items in one.parts) if version != "2.1" else one.parts for one in card.all("ADR", "ORG", "N")
    ]
    assert [one.text for one in by_card.all("NOTE")] == [one.text.replace("\r\n", "\n") for one in card.all("NOTE")]
    assert set(by_json["emails"]["e1"]) <= {"address", "pref", "label"}  # where other programs look for it
    for again in (by_card, jscontact.card(by_json)):
        second = taken_in(again, None)
        assert facts(second) == facts(first)
        third, json_again = exported(second)
        assert said(third) == said(by_card)
        assert json_again == by_json


def test_a_name_with_a_language_is_where_other_programs_look_for_it_and_stays_what_it_was() -> None:
    contact = taken_in(parse(EVERYTHING.encode()), None)
    _, card = exported(contact)
    assert card["name"]["full"] == contact.names[0].full == "山田太郎"
    assert {"kind": "given", "value": "Tarō"} in card["name"]["components"]
    assert card["uid"] == "urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1"
    card["name"]["full"] = "Yamada Hanako"  # by another program, which knows nothing of vCards
    assert taken_in(jscontact.card(card), None).names[0].full == "Yamada Hanako"


@pytest.mark.parametrize("region", REGIONS)
def test_a_card_of_jscontact_comes_back_with_its_ids_and_what_they_are_named_by(region: str | None) -> None:
    first = taken_in(jscontact.card(FOREIGN), region)
    by_card, by_json = exported(first)
    numbers = by_json["phones"].pop("far"), FOREIGN["phones"]["far"]
    assert by_json == {**FOREIGN, "phones": CARD["phones"]}
    assert numbers[0]["number"] == (numbers[1]["number"] if region is None else "+49301234567")
    for again in (by_card, jscontact.card({**by_json, "phones": {**by_json["phones"], "far": numbers[0]}})):
        second = taken_in(again, None)
        assert facts(second) == facts(first)
        assert exported(second)[1] == {**by_json, "phones": {**by_json["phones"], "far": numbers[0]}}


def test_a_card_that_was_changed_elsewhere_is_not_what_it_once_came_as() -> None:
    by_card, _ = exported(taken_in(jscontact.card(FOREIGN), None))
    email = by_card.first("EMAIL")
    assert email is not None
    changed = by_card.replaced(email, by_card.new_property("EMAIL", "new@example.com"))
    _, found = exported(taken_in(changed, None))
    assert "new@example.com" in [one["address"] for one in found["emails"].values()]
    assert "jqpublic@xyz.example.com" not in str(found)
    hobby = by_card.added(by_card.new_property("HOBBY", "reading"))
    assert ["hobby", {}, "unknown", "reading"] in exported(taken_in(hobby, None))[1]["vCardProps"]


@pytest.mark.parametrize(
    "kept", ["", "5", "[]", "{", "[" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000, '{"@type":"Card","uid":"eve"}']
)
def test_whatever_a_stranger_s_card_says_that_it_came_as_it_is_what_it_says(kept: str) -> None:
    card = parse(b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:ada\r\nFN:Ada\r\nEND:VCARD\r\n")
    _, found = exported(taken_in(card.added(card.new_property("X-KITH-JSCARD", kept)), None))
    assert (found["uid"], found["name"]["full"]) == ("ada", "Ada")


def test_pictures_besides_the_first_one_are_kept() -> None:
    cards = {
        "3.0": "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgoAAAANSUhEUg==\r\nPHOTO;VALUE=URI:https://example.org/two.jpg\r\n",
        "4.0": "PHOTO:https://example.org/one.jpg\r\nPHOTO:data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==\r\n",
    }
    for version, photos in cards.items():
        card = parse(f"BEGIN:VCARD\r\nVERSION:{version}\r\nUID:ada\r\nFN:Ada\r\n{photos}END:VCARD\r\n".encode())
        by_card, by_json = exported(taken_in(card, None))
        wanted = [vcard.picture(one) for one in card.all("PHOTO")]
        assert [vcard.picture(one) for one in by_card.all("PHOTO")] == wanted
        again = exported(taken_in(jscontact.card(by_json), None))[0]
        assert [vcard.picture(one) for one in again.all("PHOTO")] == wanted


def test_the_lines_of_a_label_are_lines_whichever_rfc_they_are_written_by() -> None:
    for written in ("5 High St\\nTown", "5 High St^nTown"):
        card = parse(
            f'BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nADR;LABEL="{written}":;;5 High St;Town;;;\r\nEND:VCARD\r\n'.encode()
        )
        assert taken_in(card, None).addresses[0].formatted == "5 High St\nTown"
