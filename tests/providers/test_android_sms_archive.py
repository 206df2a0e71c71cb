"""Backups of Android phones' text messages, read against what was said. All people are invented."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.chat_exports import MY_NUMBER, PICTURE, android_sms, number
from benchmarks.exports import World
from providers import records
from providers.archives.recognition import recognise
from tests.providers.exports import archive_of, check, of, pages, rows, scan, unreadable

WORLD = World(people=12, talks=20, messages=12)
SAID = [(talk, one) for talk in WORLD.conversations() for one in talk.said()]
OWN = frozenset({MY_NUMBER})


def backup(folder: Path, *elements: str, name: str = "sms.xml") -> Path:
    path = folder / name
    path.write_text(
        f"<?xml version='1.0' encoding='UTF-8'?>\n<smses count=\"{len(elements)}\">\n" + "\n".join(elements) + "\n</smses>\n"
    )
    return path


def sms(body: str = "x", address: str = "+447700900123", date: str = "1700000000000", more: str = 'type="1" read="1"') -> str:
    return f'<sms address="{address}" date="{date}" body="{body}" contact_name="Ada Quay" {more} />'


def read(path: Path, own: frozenset[str] = OWN) -> list[records.Message]:
    provider, paths = of(path, "android_sms")
    found = archive_of(provider).pages(paths, None, own=own, region="GB")
    return [row.item for row in rows(list(found)) if isinstance(row.item, records.Message)]


def test_everything_that_was_said_is_read_and_counted_twice(tmp_path: Path) -> None:
    path = android_sms(WORLD, tmp_path / "sms-20240307.xml")
    zipped = tmp_path / "sms.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(path, "sms-20240307.xml")
    check(zipped, "android_sms", tmp_path)
    found = read(path)[:-1]
    assert [message.text for message in found] == [one.text.strip() for _, one in SAID]
    for message, (talk, one) in zip(found, SAID, strict=True):
        assert abs(message.sent_at - one.at) < timedelta(seconds=2.5)
        assert message.conversation_kind == ("GROUP" if talk.title else "DIRECT")
        sender = MY_NUMBER if one.sender is None else number(WORLD.person(one.sender)).replace(" ", "")
        assert (message.participants[0].role, message.participants[0].address) == ("FROM", sender)
        assert len(message.participants) == 1 + (len(talk.members) if one.sender is None else 1)
    assert len({message.key for message in found}) == len(found)


def test_the_own_number_is_the_one_that_messages_to_several_came_to(tmp_path: Path) -> None:
    path = android_sms(WORLD, tmp_path / "x")
    assert scan(path, "android_sms").profile == records.Profile(
        user_id="", label=MY_NUMBER, own_addresses=(records.OwnAddress(value=MY_NUMBER, kind="PHONE", primary=True),)
    )
    alone = backup(tmp_path, sms())
    profile = scan(alone, "android_sms").profile
    assert profile is not None
    assert profile.own_addresses == (records.OwnAddress(value="this phone", kind="HANDLE", primary=True),)
    assert [one.address for one in read(alone, frozenset())[0].participants] == ["+447700900123", "this phone"]


def test_numbers_are_read_in_the_users_region(tmp_path: Path) -> None:
    provider, paths = of(backup(tmp_path, sms(address="0170 1234567")), "android_sms")
    assert provider.archive is not None
    (page,) = provider.archive.pages(paths, None, own=OWN, region="DE")
    assert isinstance(page.rows[0].item, records.Message)
    assert page.rows[0].item.participants[0] == records.Participant(
        role="FROM", kind="PHONE", address="+491701234567", name="Ada Quay"
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&#55357;&#56838;", "😆"), ("&#xD83D;&#xDE06;", "😆"), ("a&#55357;b", "a\ufffdb"), ("&#56838;", "\ufffd"), ("&#0;&#11;", "\ufffd\ufffd"),
        ("&#55357;&#55357;&#56838;", "\ufffd😆"), ("one&#10;two", "one\ntwo"), ("&lt;sms body=&quot;x&quot;/&gt; &amp;#65;", '<sms body="x"/> &#65;'),
        ("1 > 2 /> 3", "1 > 2 /> 3"), ("null", ""), ("שלום", "שלום"),
    ],
)  # fmt: skip
def test_emoji_in_halves_and_other_references_are_read(tmp_path: Path, written: str, meant: str) -> None:
    (first, second) = read(backup(tmp_path, sms(written), sms("next")))
    assert (first.text, second.text) == (meant, "next")


def test_a_reference_on_the_edge_of_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    for shift in range(0, 40, 3):
        filling = "ab " * ((256 * 1024 - 200) // 3) + "." * shift
        found = read(backup(tmp_path, sms(filling + "&#55357;&#56838;"), sms()))
        assert [message.text for message in found] == [filling + "😆", "x"]


def test_a_broken_message_is_named_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = backup(
        tmp_path, sms(), sms('say "hi" & go'), sms(), '<sms address="+447700900123" body="cut', sms(date="no"), sms("&evil;"),
        sms(address="null"), sms(more='type="5"'), '<mms date="1700000000000" msg_box="1" m_type="130" address="+447700900123"></mms>', sms(),
    )  # fmt: skip
    assert [(line, reason) for _, line, reason, _ in unreadable(path, "android_sms")] == [
        (4, "UNREADABLE"), (6, "UNREADABLE"), (7, "UNREADABLE"), (8, "UNREADABLE"), (9, "UNREADABLE"), (10, "EXCLUDED"), (11, "EMPTY"),
    ]  # fmt: skip
    assert len(read(path)) == 3
    assert all(message.endswith((".", "import it.", "stays as it is.")) for *_, message in unreadable(path, "android_sms"))


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE smses [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
        f"<smses>{sms('&b;')}{sms('&c;')}</smses>"
    )
    # a document type is no beginning of a backup
    assert recognise([path]).groups == []


def test_files_are_named_with_kind_and_size_and_never_with_a_path(tmp_path: Path) -> None:
    picture = PICTURE + b"\1" * 300_000
    for data in (PICTURE, picture):
        found = [one for message in read(android_sms(WORLD, tmp_path / "x", picture=data)) for one in message.attachments]
        assert found
        assert {(one.name, one.media_type, one.size) for one in found} == {("boat.jpg", "image/jpeg", len(data))}


def test_services_are_no_people_and_unread_is_unread(tmp_path: Path) -> None:
    bank, short, friend = read(backup(tmp_path, sms(address="MyBank"), sms(address="22333"), sms(more='type="1" read="0"')))
    assert (bank.category, bank.participants[0].kind) == ("NOTIFICATION", "HANDLE")
    assert (short.category, friend.category, friend.unread, short.unread) == ("NOTIFICATION", "PERSONAL", True, False)


def test_a_backup_cut_anywhere_is_read_and_adds_up(tmp_path: Path) -> None:
    small = World(people=4, talks=5, messages=1)
    data = android_sms(small, tmp_path / "whole").read_bytes()
    path = tmp_path / "cut.xml"
    for size in range(300, len(data), 97):
        path.write_bytes(data[:size])
        found = pages(path, "android_sms")
        assert sum(1 for row in rows(found) if row.place) == found[-1].statements[0].expected


def test_that_messages_are_missing_is_said(tmp_path: Path) -> None:
    path = backup(tmp_path, sms(), sms())
    path.write_text(path.read_text().replace('count="2"', 'count="1,000"').replace("1,000", "1000"))
    assert any("says that it holds 1,000 messages; there are 2" in remark for remark in scan(path, "android_sms").remarks)
