"""A card comes out of the parser exactly as it went in, and one property can be changed with all others left alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.archives.vcard import PROVIDER
from providers.formats import vcard
from providers.formats.vcard_syntax import Version

ADDRESS_BOOK = (
    b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=\r\n=B6rg;;;\r\n"
    b"TEL;CELL;PREF:0170 1234567\r\nPHOTO;JPEG;BASE64:\r\n /9j/4AAQSkZJRgABAQAAAQABAAD\r\n /2wBDAA==\r\n\r\n"
    b"LABEL;ENCODING=QUOTED-PRINTABLE:Street=0D=0A=\r\nTown=0D=0A=\r\n"
    b"AGENT:\r\nBEGIN:VCARD\r\nN:Agent\r\nEND:VCARD\r\nEND:VCARD\r\n"
    b"begin:vcard\nversion:4.0\nFN:Zo\xc3\n \xab Example\nTEL;VALUE=uri;TYPE=\"voice,cell\";PREF=1:tel:+49-30-123456;ext=5\n"
    b"item1.EMAIL:zoe@example.org\nitem1.X-ABLabel:_$!<Work>!$_\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-05-06\nno colon here\n"
    b"X-SOCIALPROFILE;type=twitter:https://twitter.com/zoe\nADR;LABEL=\"a^nb\":;;5 High St;Town;;;UK\nend:vcard\n\n"
    b"BEGIN:VCARD\nVERSION:3.0\nFN:L\xe9a\nURL:https://example.org\nREV:20240506T102030Z\nEND:VCARD"
)  # fmt: skip


def cards(data: bytes) -> list[vcard.RawCard]:
    return list(vcard.split_cards(io.BytesIO(data)))


def test_every_card_of_a_file_is_returned_byte_for_byte() -> None:
    found = cards(ADDRESS_BOOK)
    assert len(found) == 3
    for raw in found:
        assert ADDRESS_BOOK[raw.start : raw.end] == raw.data
        assert vcard.parse(raw.data).serialise() == raw.data


@given(st.binary(max_size=400))
def test_any_bytes_are_returned_as_they_were_given(data: bytes) -> None:
    assert vcard.parse(data).serialise() == data


LINES = st.one_of(
    st.sampled_from(
        [b"BEGIN:VCARD", b"END:VCARD", b"VERSION:2.1", b"VERSION:4.0", b"AGENT:", b"AGENT:BEGIN:VCARD", b" BEGIN:VCARD"]
    ),
    st.sampled_from([b" folded", b"", b"FN:x", b"N;QUOTED-PRINTABLE:a=", b"=", b"PHOTO;BASE64:AA", b"AAAA", b'TEL;X="a:b']),
    st.sampled_from([b"\xef\xbb\xbfBEGIN:VCARD", b"NOTE:\xff\\n"]),
)


@given(st.lists(LINES, max_size=25), st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_any_lines_are_split_without_loss_and_understood_without_failing(lines: list[bytes], newline: bytes) -> None:
    data = newline.join(lines)
    for raw in cards(data):
        assert data[raw.start : raw.end] == raw.data
        card = vcard.parse(raw.data)
        assert card.serialise() == raw.data
        vcard.to_contact(card, key=None, region="DE", container="x")


@given(lines=st.lists(LINES, max_size=25), newline=st.sampled_from([b"\r\n", b"\n", b"\r"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_two_ways_of_counting_cards_agree(tmp_path: Path, lines: list[bytes], newline: bytes) -> None:
    path = tmp_path / "cards"
    path.write_bytes(newline.join(lines))
    archive = PROVIDER.archive
    assert archive is not None
    pages = list(archive.pages([path], None, own=frozenset(), region=None))
    assert pages[-1].statements[0].expected == sum(len(page.rows) for page in pages)


def test_a_file_cut_anywhere_is_read_up_to_there() -> None:
    for size in range(len(ADDRESS_BOOK)):
        for raw in cards(ADDRESS_BOOK[:size]):
            card = vcard.parse(raw.data)
            assert card.serialise() == raw.data
            vcard.to_contact(card, key=None, region=None, container="x")


def test_reading_goes_on_after_any_card() -> None:
    whole = cards(ADDRESS_BOOK)
    for index, raw in enumerate(whole):
        stream = io.BytesIO(ADDRESS_BOOK)
        stream.seek(raw.end)
        rest = list(vcard.split_cards(stream, offset=raw.end, position=raw.position, line=raw.end_line))
        assert rest == whole[index + 1 :]


@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200) | st.just("a\nb;c,d\\e:f=g"))
def test_a_written_property_is_read_back(version: Version, text: str) -> None:
    if version == "2.1":
        text = text.replace("\\", "/").replace("\n", "\r\n")  # 2.1 has no escape for a backslash
    card = vcard.parse(b"BEGIN:VCARD\r\nVERSION:%s\r\nFN:Old\r\nEND:VCARD\r\n" % version.encode())
    new = card.new_property("NOTE", text, parameters=(("X-WHY", ('a "b", c; d:e',)),) if version == "4.0" else ())
    again = vcard.parse(card.added(new).serialise())
    (note,) = again.all("NOTE")
    assert note.text.replace("\r\n", "\n") == text.replace("\r\n", "\n")
    if version == "4.0":
        assert note.parameter("X-WHY") == ('a "b", c; d:e',)
    if version != "2.1":
        assert all(len(line) <= 75 for line in new.raw.split(b"\r\n"))


def test_a_changed_property_leaves_all_others_as_they_were() -> None:
    raw = cards(ADDRESS_BOOK)[1]
    card = vcard.parse(raw.data)
    old = card.first("EMAIL")
    assert old is not None
    new = card.new_property("EMAIL", "zoe@example.com", group=old.group)
    changed = card.replaced(old, new).serialise()
    assert changed == raw.data.replace(b"item1.EMAIL:zoe@example.org\n", b"item1.EMAIL:zoe@example.com\n")
    assert card.replaced(old, None).serialise() == raw.data.replace(b"item1.EMAIL:zoe@example.org\n", b"")
