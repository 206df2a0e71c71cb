"""WhatsApp's chat exports of ten phones in their languages, read against what was said. All people are invented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.chat_exports import PHONES, Phone, number, whatsapp, whatsapp_name, whatsapp_text, whatsapp_title
from benchmarks.exports import Talk, World
from benchmarks.universe import MY_NAME
from providers import records
from providers.archives import whatsapp as archive
from providers.archives.recognition import recognise
from providers.formats.whatsapp_line import MARKS
from tests.providers.exports import pages, rows, scan, unreadable

WORLD = World(people=12, talks=40, messages=40)
DIRECT = next(talk for talk in WORLD.conversations() if not talk.title and talk.messages > 30)
GROUP = next(talk for talk in WORLD.conversations() if talk.title and talk.messages > 30 and len(talk.members) > 2)
ME = frozenset({MY_NAME.casefold()})


def read(path: Path, own: frozenset[str] = ME) -> list[records.Message]:
    return [row.item for row in rows(pages(path, "whatsapp", own=own)) if isinstance(row.item, records.Message)]


def chat(folder: Path, text: str, name: str = "WhatsApp Chat with Ada Quay.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def senders(found: list[records.Message]) -> list[str]:
    return [message.participants[0].address for message in found]


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.name)
@pytest.mark.parametrize("talk", [DIRECT, GROUP], ids=["direct", "group"])
def test_everything_that_was_said_is_read_whatever_the_phone(tmp_path: Path, phone: Phone, talk: Talk) -> None:
    path = whatsapp(WORLD, talk, tmp_path, phone)
    found = read(path)
    said = list(talk.said())
    assert [message.text for message in found] == [whatsapp_text(WORLD, one, phone)[1].strip() for one in said]
    precision = timedelta(seconds=1) if phone.apple else timedelta(minutes=1)
    for message, one in zip(found, said, strict=True):
        written = one.at.replace(second=0) if not phone.apple else one.at
        assert abs(message.sent_at - written) < precision
    names = [MY_NAME if one.sender is None else whatsapp_name(WORLD.person(one.sender)) for one in said]
    assert senders(found) == [name.replace(" ", "") if name.startswith("+") else name for name in names]
    assert {message.conversation_kind for message in found} == {"GROUP" if talk.title else "DIRECT"}


def test_a_group_of_an_iphone_in_which_one_other_wrote_is_no_chat_with_somebody_of_its_name(tmp_path: Path) -> None:
    notice = "[07.03.22, 08:00:00] Boats: \u200eNachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Nur Personen in diesem Chat können sie lesen."
    text = f"{notice}\r\n[07.03.22, 08:01:00] Ada Quay: ten?\r\n[07.03.22, 08:02:00] {MY_NAME}: yes\r\n"
    found = read(chat(tmp_path, text, "WhatsApp-Chat - Boats.txt"))
    assert {message.conversation_kind for message in found} == {"GROUP"}
    assert "Boats" not in {one.name for message in found for one in message.participants}


@pytest.mark.parametrize("phone", [PHONES[0], PHONES[9]], ids=lambda phone: phone.name)
def test_an_export_is_counted_twice_and_read_on_from_every_page(tmp_path: Path, phone: Phone) -> None:
    talk = Talk(GROUP.number, GROUP.members, GROUP.title, 250, 3)
    path = whatsapp(WORLD, talk, tmp_path, phone)
    whole = rows(pages(path, "whatsapp"))
    for page in pages(path, "whatsapp"):
        rest = [row for row in rows(pages(path, "whatsapp", page.cursor)) if row.place]
        assert rest == [row for row in whole if row.place][len([r for r in whole if r.place]) - len(rest) :]
    assert sum(scan(path, "whatsapp").expected.values()) == sum(1 for row in whole if row.place)


def test_a_later_export_with_other_files_and_names_gives_known_messages_their_keys(tmp_path: Path) -> None:
    """The same chat with and without media, once somebody has been saved as a contact, under a copy's name."""
    first = chat(
        tmp_path,
        "1/13/23, 7:02 PM - +44 7700 900123: ok\n1/13/23, 7:02 PM - Robin: ok\n1/13/23, 7:03 PM - Robin: <Media omitted>\n",
        "WhatsApp Chat with Boats.txt",
    )
    later = chat(
        tmp_path,
        "1/13/23, 7:02 PM - Ada: ok\n1/13/23, 7:02 PM - Robin: ok\n1/13/23, 7:03 PM - Robin: IMG-1.jpg (file attached)\n"
        "1/14/23, 7:03 PM - Robin: new\n",
        "WhatsApp Chat with Boats (1).txt",
    )  # fmt: skip
    before, after = read(first), read(later)
    assert [message.key for message in after][:3] == [message.key for message in before]
    assert len({message.key for message in after}) == 4
    assert {message.conversation_key for message in (*before, *after)} == {"boats"}


@pytest.mark.parametrize(
    ("dates", "region", "read_as"),
    [
        (("1/2/23", "13/2/23"), "US", "2023-02-01"),  # no thirteenth month
        (("1/2/23", "2/13/23"), "DE", "2023-01-02"),
        (("2/1/23", "3/1/23", "1/2/23"), "US", "2023-01-02"),  # backwards, if the month came first
        (("1/2/23", "2/1/23"), "DE", "2023-01-02"),  # and if the day did
        (("1/2/23",), "US", "2023-01-02"),
        (("1/2/23",), "DE", "2023-02-01"),
        (("1.2.23",), "US", "2023-02-01"),
        (("2023-02-01",), "US", "2023-02-01"),
        (("1/2/2566",), "TH", "2023-02-01"),
    ],
)
def test_which_number_is_the_day_is_decided_over_the_whole_file(
    tmp_path: Path, dates: tuple[str, ...], region: str | None, read_as: str
) -> None:
    path = chat(tmp_path, "".join(f"{date}, 10:00 - Ada Quay: x\n" for date in dates))
    (provider, paths), *_ = recognise([path]).groups
    assert provider.archive is not None
    (page, *_) = provider.archive.pages(paths, None, own=ME, region=region)
    first = page.rows[0].item
    assert isinstance(first, records.Message)
    assert f"{first.sent_at:%Y-%m-%d}" == read_as


def test_that_the_order_could_not_be_told_is_said(tmp_path: Path) -> None:
    said = scan(chat(tmp_path, "1/2/23, 10:00 - Ada Quay: x\n"), "whatsapp").remarks
    assert any("no date says which number is the day" in remark for remark in said)


def test_times_are_read_in_the_users_zone_and_keys_are_the_same_in_every_zone(tmp_path: Path) -> None:
    path = chat(tmp_path, "13.7.23, 10:00 - Ada Quay: x\n")
    there = archive.WhatsAppArchive().in_zone(ZoneInfo("Europe/Berlin"))
    (page,) = there.pages([path], None, own=ME, region=None)
    message = page.rows[0].item
    assert isinstance(message, records.Message)
    assert message.sent_at == datetime(2023, 7, 13, 8, tzinfo=UTC)
    assert message.key == read(path)[0].key


@pytest.mark.parametrize(
    ("written", "hour"),
    [("12:05 AM", 0), ("12:05 PM", 12), ("1:05 p. m.", 13), ("下午1:05", 13), ("오전 12:05", 0), ("13:05", 13), ("13.05", 13), ("klo 12.05", 12)],
)  # fmt: skip
def test_halves_of_the_day_are_read_in_their_words(tmp_path: Path, written: str, hour: int) -> None:
    (message,) = read(chat(tmp_path, f"13/7/23, {written} - Ada Quay: x\n"))
    assert (message.sent_at.hour, message.sent_at.minute) == (hour, 5)


def test_a_message_goes_on_over_lines_until_the_next_one_begins(tmp_path: Path) -> None:
    text = "13/7/23, 10:00 - Ada Quay: one\n\n13/7 at 10:00 - three\n[13/7/23, 10:00:00] Bob: quoted\n13/7/23, 10:01 - Ada Quay: next\n"
    first, second = read(chat(tmp_path, text))
    assert first.text == "one\n\n13/7 at 10:00 - three\n[13/7/23, 10:00:00] Bob: quoted"
    assert second.text == "next"


def test_a_name_with_a_colon_is_one_name(tmp_path: Path) -> None:
    text = "13/7/23, 10:00 - Dr: Who: one\n13/7/23, 10:01 - Dr: Who: two: three\n13/7/23, 10:02 - Robin: Dr: four\n13/7/23, 10:03 - Robin: x\n"
    found = read(chat(tmp_path, text, "WhatsApp Chat with Dr_ Who.txt"))
    assert senders(found) == ["Dr: Who", "Dr: Who", "Robin", "Robin"]
    assert [message.text for message in found] == ["one", "two: three", "Dr: four", "x"]


def test_notices_are_left_out_and_said_so_even_with_a_colon(tmp_path: Path) -> None:
    path = chat(
        tmp_path,
        "13/7/23, 10:00 - Messages and calls are end-to-end encrypted.\n13/7/23, 10:00 - Ada Quay: hello\n"
        "13/7/23, 10:01 - Ada Quay changed the subject to: Boats\n13/7/23, 10:02 - Ada Quay created group “Trip: Rome”\n",
    )
    assert [message.text for message in read(path)] == ["hello"]
    assert [(line, reason) for _, line, reason, _ in unreadable(path, "whatsapp")] == [
        (1, "EXCLUDED"),
        (3, "EXCLUDED"),
        (4, "EXCLUDED"),
    ]


def test_what_is_broken_is_named_with_its_line(tmp_path: Path) -> None:
    path = chat(tmp_path, "13/7/23, 10:00 - Ada Quay: x\n31/2/23, 10:00 - Ada Quay: y\n14/10/1401, 10:00 - Ada Quay: z\n")
    assert [(line, reason) for _, line, reason, _ in unreadable(path, "whatsapp")] == [(2, "UNREADABLE"), (3, "UNREADABLE")]
    assert len(read(path)) == 1


def test_files_are_named_with_their_kind_and_size_where_they_lie_beside_the_text(tmp_path: Path) -> None:
    path = whatsapp(WORLD, DIRECT, tmp_path, PHONES[8])
    by_name = {one.name: one for message in read(path) for one in message.attachments}
    there = by_name["00000003-PHOTO-2022-03-07-08-00-00.jpg"]
    assert (there.media_type, there.size) == ("image/jpeg", 1000)
    assert any(one.size is None for one in by_name.values())
    assert any(message.attachment_count == 1 and not message.attachments for message in read(path))


def test_changed_and_deleted_messages_say_so(tmp_path: Path) -> None:
    found = read(whatsapp(WORLD, DIRECT, tmp_path, PHONES[2]))
    assert any(message.edited_at is not None and "bearbeitet" not in message.text for message in found)
    assert any(message.body_state == "DELETED" and message.text == "" for message in found)


def test_who_the_user_is_is_who_the_chat_is_not_called_after(tmp_path: Path) -> None:
    for talk in (DIRECT, GROUP):
        whatsapp(WORLD, talk, tmp_path, PHONES[0])
    (provider, paths), *_ = recognise([tmp_path]).groups
    assert provider.archive is not None
    looked = provider.archive.scan(paths, frozenset())
    assert looked.profile is not None
    assert looked.profile.own_addresses == (records.OwnAddress(value=MY_NAME, kind="HANDLE", primary=True),)
    alone = chat(tmp_path, "13/7/23, 10:00 - Ada: x\n13/7/23, 10:00 - Bob: y\n", "chat.txt")
    told = scan(alone, "whatsapp")
    assert told.profile is None
    assert any("--me" in remark for remark in told.remarks)


def test_numbers_are_read_and_a_group_says_who_is_in_it(tmp_path: Path) -> None:
    path = whatsapp(WORLD, GROUP, tmp_path, PHONES[2])
    heads = [row.item for row in rows(pages(path, "whatsapp", own=ME)) if isinstance(row.item, records.ConversationHead)]
    assert {head.subject for head in heads} == {whatsapp_title(WORLD, GROUP)}
    wrote = {WORLD.person(one.sender) for one in GROUP.said() if one.sender is not None}
    addresses = {number(one).replace(" ", "") if one.number % 3 == 2 else one.name for one in wrote}
    assert {one.address for one in heads[0].participants} == addresses
    for message in read(path):
        mine = message.participants[0].address == MY_NAME
        assert [one.address for one in message.participants[1:]] == ([] if mine else [MY_NAME])


@pytest.mark.parametrize(
    "text",
    ["2023-01-04 19:02:33 - INFO: started\n", "[2023-01-04 19:02:33] ERROR: no\n", "13/7/23, 10:00 - nobody said a thing\n", "10:00 - x: y\n", ""],
)  # fmt: skip
def test_programs_logs_and_other_texts_are_no_chats(tmp_path: Path, text: str) -> None:
    assert all(provider.key != "whatsapp" for provider, _ in recognise([chat(tmp_path, text)]).groups)


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n:-[]"), max_size=60)


@given(st.lists(st.tuples(st.sampled_from(["Ada", "Żółć 🐢", "שרה", "A-B [x]"]), TEXT), min_size=1, max_size=12), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_text_comes_back_and_is_counted(tmp_path: Path, said: list[tuple[str, str]], apple: bool) -> None:
    head = "[13.07.23, 10:00:00] " if apple else "13.07.23, 10:00 - "
    path = chat(tmp_path, "".join(f"{head}{name}: .{text}\n" for name, text in said))
    assert archive.Transcript().counted(path) == len(said)
    found = read(path)
    assert [message.text for message in found] == [f".{text}".strip(f"{MARKS} \n\r") for _, text in said]
