"""vCards of every version and dialect become contacts (RFC 6350, RFC 2426, vCard 2.1). All people are invented."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime

import pytest

from providers import records
from providers.formats import vcard

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def contact(text: str | bytes, region: str | None = "DE") -> records.Contact:
    data = text.encode() if isinstance(text, str) else text
    (raw,) = vcard.split_cards(io.BytesIO(data))
    assert raw.problem is None
    return vcard.to_contact(vcard.parse(raw.data), key=None, region=region, container="people.vcf")


def card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


def name_of(found: records.Contact) -> str:
    return found.names[0].full


# --- reading files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_a_file_holds_many_cards_of_mixed_versions_with_any_line_end(newline: str) -> None:
    text = newline.join(
        ("BEGIN:VCARD", "VERSION:2.1", "N:One", "END:VCARD", "", "begin:vcard", "VERSION:4.0", "FN:Two", "end:vcard")
    )
    found = list(vcard.split_cards(io.BytesIO(text.encode())))
    assert [(raw.position, raw.line, raw.problem) for raw in found] == [(1, 1, None), (2, 6, None)]
    assert [vcard.parse(raw.data).version for raw in found] == ["2.1", "4.0"]


def test_a_byte_order_mark_before_any_card_does_no_harm() -> None:
    two = b"\xef\xbb\xbf" + card("FN:One").encode() + b"\xef\xbb\xbf" + card("FN:Two").encode()
    assert [name_of(contact(raw.data)) for raw in vcard.split_cards(io.BytesIO(two))] == ["One", "Two"]


def test_a_card_that_was_pasted_with_an_indent_is_read() -> None:
    assert name_of(contact("  BEGIN:VCARD\n  VERSION:3.0\n  FN:Ada \n    Example\n  END:VCARD\n")) == "Ada Example"


def test_a_card_without_end_is_cut_and_the_next_one_is_read() -> None:
    found = list(vcard.split_cards(io.BytesIO(b"BEGIN:VCARD\nFN:Cut\nBEGIN:VCARD\nFN:Whole\nEND:VCARD\nEND:VCARD\n")))
    assert [raw.problem for raw in found] == ["CUT", None, "STRAY"]
    assert name_of(contact(found[1].data)) == "Whole"


def test_a_card_inside_a_card_belongs_to_the_outer_one() -> None:
    """RFC 2426 §3.5.4 and vCard 2.1: AGENT."""
    text = card("N:Boss", "AGENT:", "BEGIN:VCARD", "VERSION:2.1", "N:Secretary", "END:VCARD", "TEL:+49301234567", version="2.1")
    found = contact(text)
    assert name_of(found) == "Boss"
    assert len(found.phones) == 1
    written = card("FN:Boss", "AGENT:BEGIN:VCARD\\nFN:Secretary\\nEND:VCARD\\n", "EMAIL:boss@example.org")
    assert contact(written).emails[0].address == "boss@example.org"


def test_a_line_that_is_no_property_spoils_nothing() -> None:
    found = contact(card("FN:Ada", "what is this", ";;;", ":", "=x", "EMAIL:ada@example.org"))
    assert (name_of(found), found.emails[0].address) == ("Ada", "ada@example.org")


def test_a_card_over_ten_megabytes_is_reported_and_the_next_one_is_read() -> None:
    huge = b"BEGIN:VCARD\nNOTE:" + b"x" * (11 * 1024 * 1024) + b"\nEND:VCARD\n"
    found = list(vcard.split_cards(io.BytesIO(huge + card("FN:Next").encode())))
    assert [raw.problem for raw in found] == ["TOO_LARGE", None]
    assert len(found[0].data) <= 1000
    assert name_of(contact(found[1].data)) == "Next"


@pytest.mark.parametrize(
    "line", [b"\n", b"TEL:1\n", b"a.TEL:1\na.X-ABLabel:x\n", b"N:" + b"\\;" * 99 + b"\n", b"CATEGORIES:" + b"a,b," * 99 + b"\n"]
)
def test_a_card_of_many_lines_costs_what_a_card_costs(line: bytes) -> None:
    data = b"BEGIN:VCARD\nVERSION:4.0\n" + line * (1_900_000 // len(line)) + b"FN:Ada\nEND:VCARD\n"
    (raw,) = vcard.split_cards(io.BytesIO(data))
    if raw.problem is None:
        assert vcard.parse(raw.data).serialise() == raw.data
        found = vcard.to_contact(vcard.parse(raw.data), key=None, region="DE", container="x")
        assert len(found.phones) + len(found.groups) + len(found.names) <= 1000


# --- syntax ---------------------------------------------------------------------------------------------------------------


def test_a_fold_may_stand_inside_a_character() -> None:
    """RFC 6350 §3.2: unfold bytes, then decode."""
    data = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:M\xc3\r\n \xbcller\r\nEND:VCARD\r\n"
    assert name_of(contact(data)) == "Müller"


def test_version_2_folds_at_a_blank_that_stays() -> None:
    assert contact(card("N:Ada", "NOTE:one", " two", version="2.1")).note == "one two"
    assert contact(card("FN:Ada", "NOTE:one", " two")).note == "onetwo"


def test_quoted_printable_goes_on_over_soft_line_breaks() -> None:
    text = card("N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=", "=BCller;J=C3=B6rg;;;", version="2.1")
    assert name_of(contact(text)) == "Jörg Müller"


def test_outlook_ends_a_label_with_a_soft_break_before_the_end_of_the_card() -> None:
    text = card("N:Example;Ada", "LABEL;WORK;ENCODING=QUOTED-PRINTABLE:1 High St=0D=0A=", "Town=0D=0A=", version="2.1")
    found = contact(text)
    assert name_of(found) == "Ada Example"
    assert found.addresses[0].formatted == "1 High St\r\nTown"


def test_quoted_printable_is_read_in_version_3_too() -> None:
    assert name_of(contact(card("FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Zo=C3=AB"))) == "Zoë"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"FN;CHARSET=ISO-8859-1:J\xf6rg", "Jörg"),
        (b"FN;CHARSET=WINDOWS-1251:\xc0\xed\xed\xe0", "Анна"),
        (b"FN;CHARSET=SHIFT_JIS:\x93\xfa\x96{", "日本"),
        (b"FN;CHARSET=UTF-8:J\xf6rg", "Jörg"),  # says UTF-8, is not
        (b"FN:J\xc3\xb6rg", "Jörg"),
        (b"FN:J\xf6rg \x96 home", "Jörg – home"),  # windows-1252 when nothing is said
        (b"FN;CHARSET=unicode_escape:J\\u00f6rg", "J\\u00f6rg"),  # a codec of Python is no charset
    ],
)
def test_text_is_decoded_as_said_else_utf_8_else_windows_1252(data: bytes, name: str) -> None:
    assert name_of(contact(b"BEGIN:VCARD\r\nVERSION:2.1\r\n" + data + b"\r\nEND:VCARD\r\n")) == name


def test_escapes_are_undone_as_the_version_says() -> None:
    assert contact(card("FN:A", r"NOTE:one\, two\; three\nfour \\ five\:")).note == "one, two; three\nfour \\ five:"
    assert contact(card("N:A", r"NOTE:C:\new\;x", version="2.1")).note == "C:\\new;x"


def test_parameters_may_be_bare_quoted_lists_or_hold_a_colon() -> None:
    (phone,) = contact(card("N:A", "TEL;CELL;PREF:0170 1234567", version="2.1")).phones
    assert (phone.label, phone.mobile, phone.preferred) == ("cell", True, True)
    (phone,) = contact(card("FN:A", 'TEL;VALUE=uri;TYPE="voice,work";PREF=1:tel:+49-30-123456;ext=42', version="4.0")).phones
    assert (phone.number, phone.extension, phone.label, phone.preferred) == ("+4930123456", "42", "work", True)
    (address,) = contact(card("FN:A", 'ADR;LABEL="Box: 5^nTown";TYPE=home:;;Box 5;Town;;;', version="4.0")).addresses
    assert (address.formatted, address.label) == ("Box: 5\nTown", "home")


def test_parameter_escapes_of_rfc_6868_are_undone() -> None:
    (value,) = vcard.parse(card("FN;X-NOTE=a^nb^^c^'d:A", version="4.0").encode()).all("FN")
    assert value.parameter("X-NOTE") == ('a\nb^c"d',)


def test_an_unclosed_quote_in_a_parameter_does_not_hide_the_value() -> None:
    assert contact(card("FN:A", 'EMAIL;TYPE="work:ada@example.org')).emails[0].address == "ada@example.org"


def test_of_two_versions_the_first_counts() -> None:
    assert vcard.parse(b"BEGIN:VCARD\nVERSION:2.1\nVERSION:3.0\nEND:VCARD\n").version == "2.1"


# --- names and what somebody is -------------------------------------------------------------------------------------------


def test_a_name_has_its_parts() -> None:
    (name,) = contact(card("FN:Dr. Ada B. Example Jr.", "N:Example;Ada;B.,C.;Dr.;Jr.", "NICKNAME:Addie")).names
    assert name == records.Name(
        full="Dr. Ada B. Example Jr.", prefix="Dr.", given="Ada", middle="B. C.", family="Example", suffix="Jr.", nickname="Addie"
    )


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (("FN:", "N:Example;Ada;;;"), "Ada Example"),
        (("FN:null", "N:Example;Ada;;;"), "Ada Example"),
        (("N:;;;;", "ORG:Example Works;Sales"), "Example Works"),
        (("EMAIL:ada@example.org",), "ada@example.org"),
        (("TEL:+49 30 123456",), "+49 30 123456"),
    ],
)
def test_without_a_full_name_the_next_best_is_shown(lines: tuple[str, ...], name: str) -> None:
    assert name_of(contact(card(*lines))) == name


def test_phonetic_and_android_names_are_taken() -> None:
    text = card(
        "N:山田;太郎", "X-PHONETIC-FIRST-NAME:タロウ", "X-PHONETIC-LAST-NAME:ヤマダ",
        "X-ANDROID-CUSTOM:vnd.android.cursor.item/nickname;Taro;1;;;;;;;;;;;;;",
    )  # fmt: skip
    (name,) = contact(text).names
    assert (name.phonetic, name.nickname) == ("タロウ ヤマダ", "Taro")


@pytest.mark.parametrize(
    ("line", "nature"),
    [
        ("KIND:org", "ORGANIZATION"),
        ("KIND:group", "GROUP"),
        ("KIND:application", "AUTOMATED"),
        ("X-ADDRESSBOOKSERVER-KIND:group", "GROUP"),
        ("X-ABShowAs:COMPANY", "ORGANIZATION"),
        ("KIND:individual", "INDIVIDUAL"),
        ("KIND:x-unheard-of", "INDIVIDUAL"),
    ],
)
def test_a_card_says_what_it_stands_for(line: str, nature: str) -> None:
    assert contact(card("FN:A", line)).nature == nature


def test_an_organisation_has_its_units_and_the_title() -> None:
    found = contact(card("FN:A", r"ORG:Example\, Inc.;Research;Lab 2", "TITLE:Engineer"))
    assert found.organizations == (records.Organization(name="Example, Inc.", department="Research; Lab 2", title="Engineer"),)


# --- ways to reach somebody -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("Ada@Example.ORG", "Ada@example.org"),
        ("mailto:ada@example.org", "ada@example.org"),
        ("Ada Example <ada@example.org>", "ada@example.org"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@Bu\u0308cher.example", "ada@bücher.example"),
        (" ada@example.org. ", "ada@example.org"),
        ("ada", None),
        ("ada@", None),
        ("two words@example.org", None),
    ],
)
def test_an_address_is_kept_as_written_and_normalised_where_it_is_one(raw: str, address: str | None) -> None:
    (email,) = contact(card("FN:A", f"EMAIL:{raw}")).emails
    assert (email.raw, email.address) == (raw.strip(), address)


def test_apples_groups_keep_the_address_and_give_its_label() -> None:
    found = contact(
        card("FN:A", "item1.EMAIL;type=INTERNET:ada@example.org", "item1.X-ABLabel:_$!<Work>!$_",
             "item2.TEL:+49301234", "item2.X-ABLabel:Boat", "item3.URL:http://example.org", "item3.X-ABLabel:_$!<HomePage>!$_")
    )  # fmt: skip
    assert (found.emails[0].address, found.emails[0].label) == ("ada@example.org", "work")
    assert found.phones[0].label == "Boat"
    assert found.urls[0].label == "homepage"


@pytest.mark.parametrize(
    ("line", "region", "number", "mobile"),
    [
        ("TEL:0170 1234567", "DE", "+491701234567", True),
        ("TEL:030 123456", "DE", "+4930123456", False),
        ("TEL;TYPE=CELL:(202) 555-0143", "US", "+12025550143", True),
        ("TEL;TYPE=HOME:(202) 555-0143", "US", "+12025550143", None),
        ("TEL;TYPE=FAX:(202) 555-0143", "US", "+12025550143", False),
        ("TEL:0170 1234567", None, None, None),
        ("TEL:+49 170 1234567", None, "+491701234567", True),
        ("TEL:0049 170 1234567", None, "+491701234567", True),
        ("TEL:＋４９　１７０　１２３４５６７", None, "+491701234567", True),
        ("TEL:call me", "DE", None, None),
        ("TEL:110", "DE", None, None),
    ],
)
def test_a_number_is_read_in_its_region_and_known_as_mobile_where_anybody_can_tell(
    line: str, region: str | None, number: str | None, mobile: bool | None
) -> None:
    (phone,) = contact(card("FN:A", line), region).phones
    assert (phone.number, phone.mobile) == (number, mobile)


def test_the_same_value_twice_is_one() -> None:
    found = contact(card("FN:A", "EMAIL:ada@example.org", "EMAIL:ada@EXAMPLE.org", "TEL:030 123456", "TEL:+49 (30) 123456"))
    assert (len(found.emails), len(found.phones)) == (1, 1)


def test_only_web_addresses_are_urls() -> None:
    found = contact(
        card("FN:A", "URL:https://example.org/a", "URL:example.org", "URL:javascript:alert(1)", "URL:file:///etc/passwd")
    )
    assert [item.url for item in found.urls] == ["https://example.org/a", "https://example.org"]


@pytest.mark.parametrize(
    ("line", "provider", "handle", "url"),
    [
        ("X-SOCIALPROFILE;type=twitter:https://twitter.com/ada", "x", "ada", "https://twitter.com/ada"),
        ("X-SOCIALPROFILE;type=linkedin;x-user=ada-e:https://linkedin.com/in/x", "linkedin", "ada-e", "https://linkedin.com/in/x"),
        ("X-SOCIALPROFILE;type=mastodon:https://social.example.org/@ada", "mastodon", "ada@social.example.org",
         "https://social.example.org/@ada"),
        ("X-SOCIALPROFILE;type=flickr;x-user=ada:x-apple:ada", "flickr", "ada", None),
        ("IMPP;X-SERVICE-TYPE=Skype;type=HOME:skype:ada.example", "skype", "ada.example", None),
        ("IMPP:xmpp:ada%40example.org", "xmpp", "ada@example.org", None),
        ("SOCIALPROFILE;SERVICE-TYPE=Matrix;USERNAME=\"@ada:example.org\":https://matrix.to/#/x", "matrix", "ada:example.org",
         "https://matrix.to/#/x"),
        ("X-JABBER:ada@example.org", "xmpp", "ada@example.org", None),
        ("X-SKYPE-USERNAME:ada.example", "skype", "ada.example", None),
    ],
)  # fmt: skip
def test_profiles_and_messengers_are_handles(line: str, provider: str, handle: str, url: str | None) -> None:
    assert contact(card("FN:A", line)).handles == (records.Handle(provider=provider, handle=handle, url=url),)


def test_an_address_has_its_parts() -> None:
    (address,) = contact(card("FN:A", "ADR;TYPE=work:PO 1;2nd floor;5 High St;Town;Shire;AB1 2CD;UK")).addresses
    assert address == records.Address(
        formatted="PO 1, 2nd floor\n5 High St\nAB1 2CD Town\nShire\nUK", street="PO 1, 2nd floor\n5 High St", locality="Town",
        region="Shire", postal_code="AB1 2CD", country="UK", label="work",
    )  # fmt: skip


# --- dates, pictures and the rest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("BDAY:1985-04-12", (1985, 4, 12)),
        ("BDAY:19850412", (1985, 4, 12)),
        ("BDAY:1985-04-12T00:00:00Z", (1985, 4, 12)),
        ("BDAY:--0506", (None, 5, 6)),
        ("BDAY:--05-06", (None, 5, 6)),
        ("BDAY:1985", (1985, None, None)),
        ("BDAY:1985-04", (1985, 4, None)),
        ("BDAY:---12", (None, None, 12)),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-06", (None, 5, 6)),
        ("BDAY;VALUE=text:circa 1800", None),
        ("BDAY:0000-00-00", None),
        ("BDAY:1985-13-40", None),
    ],
)
def test_a_birthday_may_lack_parts(value: str, date: tuple[int | None, ...] | None) -> None:
    found = contact(card("FN:A", value, version="4.0")).dates
    assert [(item.year, item.month, item.day) for item in found] == ([date] if date else [])
    assert all(item.label == "birthday" for item in found)


def test_other_days_have_their_label() -> None:
    found = contact(
        card("FN:A", "ANNIVERSARY:20100607", "item1.X-ABDATE:2001-02-03", "item1.X-ABLabel:_$!<Graduation>!$_",
             "X-ANDROID-CUSTOM:vnd.android.cursor.item/contact_event;2000-01-02;3;;;;;;;;;;;;;")
    )  # fmt: skip
    assert {(item.label, item.year) for item in found.dates} == {("anniversary", 2010), ("graduation", 2001), ("birthday", 2000)}


@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0", "2.1 without blanks"])
def test_a_picture_comes_along_in_every_version(version: str) -> None:
    encoded = base64.b64encode(PNG).decode()
    half = len(encoded) // 2
    lines = {
        "2.1": ("PHOTO;PNG;BASE64:", " " + encoded[:half], " " + encoded[half:], ""),
        "2.1 without blanks": ("PHOTO;ENCODING=BASE64;TYPE=PNG:" + encoded[:half], encoded[half:], ""),
        "3.0": ("PHOTO;ENCODING=b;TYPE=JPEG;X-ABCROP-RECTANGLE=ABClipRect_1&0&0&9&9:" + encoded[:half], " " + encoded[half:]),
        "4.0": ("PHOTO:data:image/png;base64," + encoded,),
    }[version]
    photo = contact(card("N:A", *lines, "EMAIL:ada@example.org", version=version[:3])).photo
    assert photo == records.Photo(media_type="image/png", data=PNG)


def test_a_picture_on_the_web_stays_a_link() -> None:
    assert contact(card("FN:A", "PHOTO:https://example.org/a.jpg")).photo == records.Photo(url="https://example.org/a.jpg")


def test_a_picture_that_is_none_or_too_large_is_left_out_and_the_contact_kept() -> None:
    script = base64.b64encode(b"<svg onload=alert(1)>").decode()
    assert contact(card("FN:A", f"PHOTO;ENCODING=b;TYPE=PNG:{script}")).photo is None
    large = base64.b64encode(PNG + bytes(5 * 1024 * 1024)).decode()
    assert contact(card("FN:A", f"PHOTO;ENCODING=b;TYPE=PNG:{large}")).photo is None


def test_notes_groups_languages_and_times_are_taken() -> None:
    found = contact(card("FN:A", "NOTE:one", "NOTE:two", "CATEGORIES:myContacts,Friends", "LANG;PREF=2:de", "LANG;PREF=1:fr",
                         "REV:2024-05-06T10:20:30+02:00"))  # fmt: skip
    assert (found.note, found.groups, found.languages) == ("one\n\ntwo", ("myContacts", "Friends"), ("fr", "de"))
    assert found.updated_at == datetime(2024, 5, 6, 8, 20, 30, tzinfo=UTC)


def test_nothing_that_a_database_refuses_is_handed_on() -> None:
    found = contact(b"BEGIN:VCARD\nVERSION:3.0\nFN:A\x00da\nNOTE;CHARSET=UTF-7:+2AA-x\nEND:VCARD\n")
    assert name_of(found) == "Ada"
    (found.note or "").encode()


# --- keys -----------------------------------------------------------------------------------------------------------------


def test_a_card_is_known_by_its_uid_without_urn_and_case() -> None:
    first = contact(card("FN:A", "UID:urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", version="4.0"))
    second = contact(card("FN:B", "UID:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"))
    assert first.uid == "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert first.key == second.key


def test_a_card_without_uid_is_known_by_mails_phones_and_name_in_any_order_and_version() -> None:
    first = contact(card("FN:Ada  Example", "EMAIL:Ada@example.org", "EMAIL:b@example.org", "TEL:+49 30 123456", "NOTE:x"))
    second = contact(
        card("EMAIL:b@example.org", "TEL:+4930123456", "EMAIL:ada@EXAMPLE.org", "FN:ada example", version="4.0"), "US"
    )
    other = contact(card("FN:Ada Example", "EMAIL:Ada@example.org", "TEL:+49 30 123456"))
    assert first.key == second.key
    assert first.key != other.key


def test_cards_that_have_neither_are_told_apart_by_what_they_hold() -> None:
    assert contact(card("NOTE:one")).key != contact(card("NOTE:two")).key
