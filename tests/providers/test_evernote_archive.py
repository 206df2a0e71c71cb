"""Evernote's exports: business cards become contacts, other notes what their owner wrote. All people are invented."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.chat_exports import evernote, number
from benchmarks.exports import World
from providers import records
from providers.archives.recognition import recognise
from tests.providers.exports import check, items, pages, rows, unreadable

WORLD = World(people=120)


def notebook(folder: Path, *notes: str, head: str = "") -> Path:
    path = folder / "cards"
    path.write_text(f'<?xml version="1.0"?>{head}<en-export>\n' + "\n".join(notes) + "\n</en-export>\n")
    return path


def card(body: str, title: str = "Ada Quay") -> str:
    content = f'<en-note><div style="x-evernote:contact">{body}</div></en-note>'
    return f"<note><title>{title}</title><content><![CDATA[{content}]]></content><created>20220307T080000Z</created></note>"


def read(path: Path) -> list[records.Contact]:
    return items(path, "evernote", records.Contact)


@pytest.mark.parametrize("picture", [b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe0" * 40_000], ids=["small", "large"])
def test_every_card_and_every_note_is_read_and_counted_twice(tmp_path: Path, picture: bytes) -> None:
    world = WORLD if len(picture) < 10 else World(people=5)
    path = evernote(world, tmp_path / "Cards.enex", picture=picture)
    zipped = tmp_path / "Cards.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(path, "Cards.enex")
    check(zipped, "evernote", tmp_path)
    found = read(path)
    assert [one.names[0].full for one in found] == [person.name for person in world.everybody()]
    for one, person in zip(found, world.everybody(), strict=True):
        assert [mail.address for mail in one.emails] == [person.email]
        assert [(phone.number, phone.mobile) for phone in one.phones] == [(number(person).replace(" ", ""), True)]
        assert one.organizations == (records.Organization(name="Boats & Bells"),)
        assert [address.formatted for address in one.addresses] == ["1 Quay\nLeeds"]
        assert [url.url for url in one.urls] == ["https://boats.example.org"]
        assert one.groups == ("Choir",)
        assert one.created_at is not None
    assert unreadable(path, "evernote") == []
    notes = items(path, "evernote", records.Activity)
    assert [note.object.name for note in notes if note.object] == [f"Notes {n}" for n in range(0, len(world.everybody()), 5)]
    assert {note.object.text for note in notes if note.object} == {"buy a rope <note> \N{BALLOT BOX}"}


def test_a_field_that_nobody_has_filled_is_none(tmp_path: Path) -> None:
    (one,) = read(
        notebook(
            tmp_path,
            card('<div style="x-evernote:email">x-evernote:email</div><div style="x-evernote:mobile">0170 1234567</div>'),
        )
    )
    assert one.names == (records.Name(full="Ada Quay"),)
    assert one.emails == ()
    assert one.phones[0].number is None  # without a region
    assert one.created_at == datetime(2022, 3, 7, 8, tzinfo=UTC)


def test_a_changed_card_keeps_its_key(tmp_path: Path) -> None:
    (first,) = read(notebook(tmp_path, card('<div style="x-evernote:mobile">+447700900123</div>')))
    (later,) = read(notebook(tmp_path, card('<div style="x-evernote:mobile">+447700900124</div>')))
    assert first.key == later.key
    assert first != later


def test_a_note_is_what_its_owner_wrote_with_its_boxes_tags_place_and_source(tmp_path: Path) -> None:
    content = (
        '<?xml version="1.0"?><!DOCTYPE en-note SYSTEM "http://xml.evernote.com/pub/enml2.dtd"><en-note><div>Ada&nbsp;likes <b>tea</b></div>'
        '<div><en-todo checked="true"/>met her</div><div><en-todo/>write</div><en-media type="image/png" hash="0"/>'
        '<en-crypt hint="x" cipher="AES">c2VjcmV0</en-crypt></en-note>'
    )
    (note,) = items(
        notebook(
            tmp_path,
            f"<note><title>Choir</title><created>20220307T080000Z</created><updated>20220308T080000Z</updated><tag>people</tag>"
            f"<note-attributes><place-name>Leeds</place-name><source-url>https://choir.example.org/</source-url></note-attributes>"
            f"<content><![CDATA[{content}]]></content></note>",
        ), "evernote", records.Activity,
    )  # fmt: skip
    thing = note.object
    assert thing is not None and (note.verb, thing.kind, thing.name) == ("CREATE", "NOTE", "Choir")
    assert thing.text == "Ada likes tea\n\N{BALLOT BOX WITH CHECK} met her\n\N{BALLOT BOX} write\n[encrypted]"
    assert thing.html is not None and "en-" not in thing.html and "c2VjcmV0" not in thing.html
    assert (thing.hashtags, thing.location, thing.url) == (("people",), "Leeds", "https://choir.example.org/")
    assert note.occurred_at == datetime(2022, 3, 7, 8, tzinfo=UTC) and note.edited_at == datetime(2022, 3, 8, 8, tzinfo=UTC)
    assert note.visibility == "LIMITED", "nobody but its owner has seen it"


def test_a_changed_note_keeps_its_key_and_notes_without_a_moment_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    def keys(*notes: str) -> list[str]:
        return [note.key for note in items(notebook(tmp_path, *notes), "evernote", records.Activity)]

    def note(text: str, when: str) -> str:
        return f"<note><title>Untitled</title>{when}<content><![CDATA[<en-note>{text}</en-note>]]></content></note>"

    made = "<created>20220307T080000Z</created>"
    assert keys(note("one", made)) == keys(note("two", made))
    assert len(set(keys(note("one", ""), note("two", ""), note("one", made)))) == 3


def test_what_is_broken_is_named_with_its_line_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = notebook(
        tmp_path, card(""), "<note><title>a & b</title></note>", card('<div style="x-evernote:display-as">Bob</div>', ""), card("", ""),
        "<note><title>&evil;</title></note>", "<note><title> </title></note>", "<note><title>cut",
    )  # fmt: skip
    assert [(line, reason) for _, line, reason, _ in unreadable(path, "evernote")] == [
        (3, "UNREADABLE"), (5, "EMPTY"), (6, "UNREADABLE"), (7, "EMPTY"), (8, "UNREADABLE"),
    ]  # fmt: skip
    assert [one.names[0].full for one in read(path)] == ["Ada Quay", "Bob"]


def test_no_document_type_is_interpreted(tmp_path: Path) -> None:
    outer = '<!DOCTYPE en-export SYSTEM "http://xml.evernote.com/pub/evernote-export4.dtd">'
    assert len(read(notebook(tmp_path, card(""), head=outer))) == 1
    bomb = '<!DOCTYPE en-export [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    assert recognise([notebook(tmp_path, card(""), head=bomb)]).groups == []


def test_an_export_cut_anywhere_is_read_and_adds_up(tmp_path: Path) -> None:
    data = evernote(World(people=3), tmp_path / "whole").read_bytes()
    path = tmp_path / "cut"
    for size in range(300, len(data), 331):
        path.write_bytes(data[:size])
        found = pages(path, "evernote")
        assert len(rows(found)) == found[-1].statements[0].expected
