"""Writing into Matrix rooms, at Synapse: once, where it belongs, and what is known of a message after a cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.errors import Refused
from providers.matrix.adapter import PROVIDER, Matrix
from providers.records import OutgoingChat, OutgoingDeletion, OutgoingEdit, OutgoingFile
from providers.session import Secret
from tests.chat_servers import MOST, MatrixUser
from tests.chat_servers import Matrix as Server
from tests.providers.conftest import HandClock, SessionMaker


class Room:
    """Ada, Bob and a room of theirs."""

    def __init__(self, server: Server) -> None:
        self.ada, self.bob = server.new_user("ada"), server.new_user("bob")
        self.id = self.bob.create_room(self.ada, name="Boat club")
        self.steps: list[bytes] = []

    async def note(self, step: bytes) -> None:
        self.steps.append(step)

    def written(self) -> list[dict[str, Any]]:
        """The messages that Bob sees of Ada."""
        events = self.bob.timeline(self.id)
        return [e["content"] for e in events if e["type"] == "m.room.message" and e["sender"] == self.ada.user_id]

    def message(self, text: str = "Hello", number: int = 1, **more: Any) -> OutgoingChat:
        return OutgoingChat(id=f"id-{number}", conversation=self.id, text=text, **more)


Open = Callable[..., Matrix]


@pytest.fixture
def room(synapse_server: Server) -> Room:
    return Room(synapse_server)


@pytest.fixture
def opened(new_session: SessionMaker, room: Room) -> Open:
    def open_(who: MatrixUser | None = None) -> Matrix:
        secret = Secret(access_token=(who or room.ada).token)
        return Matrix(new_session(room.ada.url, provider=PROVIDER.key, quota=None, secret=secret))

    return open_


async def test_a_message_is_there_once_however_often_it_is_handed_over(room: Room, opened: Open) -> None:
    first = await opened().say(room.message(html="<b>Hello</b>"), room.note)
    again = await opened().say(room.message(html="<b>Hello</b>"), room.note)
    assert (first.fate, first.key) == ("TAKEN", again.key)
    (said,) = room.written()
    assert said == {
        "msgtype": "m.text", "body": "Hello", "format": "org.matrix.custom.html", "formatted_body": "<b>Hello</b>",
    }  # fmt: skip


async def test_after_a_cut_the_room_says_whether_the_message_was_taken(room: Room, opened: Open) -> None:
    sent = await opened().say(room.message(), room.note)
    for number in range(120):  # the message is on the second page back
        room.bob.send(room.id, f"later {number}")
    (step,) = room.steps
    found = await opened().was_said(room.message(), step)
    assert (found.fate, found.key) == ("TAKEN", sent.key)
    assert (await opened().was_said(room.message("Another", 2), step)).fate == "NOT_TAKEN"


async def test_the_same_words_of_another_client_are_not_taken_for_the_message(room: Room, opened: Open) -> None:
    await opened().say(room.message("first", 1), room.note)
    other = room.ada.another_device()
    other.send(room.id, "Hello")
    assert (await opened().was_said(room.message("Hello", 2), room.steps[0])).fate == "NOT_TAKEN"


async def test_a_device_that_is_linked_anew_knows_the_message_by_its_words(room: Room, opened: Open, clock: HandClock) -> None:
    await opened().say(room.message("Hello"), room.note)
    other = room.ada.another_device()
    assert (await opened(other).was_said(room.message("Hello"), room.steps[0])).fate == "TAKEN"
    assert (await opened(other).was_said(room.message("Not said", 2), room.steps[0])).fate == "UNKNOWN"
    clock.time += timedelta(hours=1)
    assert (await opened(other).was_said(room.message("Not said", 2), room.steps[0])).fate == "NOT_TAKEN"


async def test_an_answer_names_what_it_answers_and_stays_in_its_thread(room: Room, opened: Open) -> None:
    root = room.bob.send(room.id, "Who comes?")
    in_thread = {"rel_type": "m.thread", "event_id": root}
    inside = room.bob.send(room.id, {"msgtype": "m.text", "body": "On Sunday", "m.relates_to": in_thread})
    await opened().say(room.message("I do", 1, answers=root), room.note)
    await opened().say(room.message("In a thread", 2, answers=root, in_thread=True), room.note)
    await opened().say(room.message("Then too", 3, answers=inside), room.note)
    answer, begun, stayed = room.written()
    assert answer["m.relates_to"] == {"m.in_reply_to": {"event_id": root}}
    assert answer["m.mentions"] == {"user_ids": [room.bob.user_id]}
    assert begun["m.relates_to"] == {**in_thread, "is_falling_back": True, "m.in_reply_to": {"event_id": root}}
    assert stayed["m.relates_to"] == {**in_thread, "is_falling_back": False, "m.in_reply_to": {"event_id": inside}}


async def test_an_encrypted_room_gets_nothing_readable(room: Room, opened: Open) -> None:
    room.bob.set_state(room.id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    with pytest.raises(Refused, match="encrypted") as refusal:
        await opened().say(room.message(), room.note)
    assert refusal.value.provider_code == "encrypted"
    assert (room.written(), room.steps) == ([], [])


@pytest.mark.parametrize("trouble", ["left", "too much"])
async def test_what_the_room_does_not_take_is_refused(room: Room, opened: Open, trouble: str) -> None:
    if trouble == "left":
        room.ada.leave(room.id)
    with pytest.raises(Refused):
        await opened().say(room.message("ä" * 40_000 if trouble == "too much" else "Hello"), room.note)
    assert room.written() == []


# --- files ----------------------------------------------------------------------------------------------------------------

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f00050001ff5ca0de0a0000000049454e44ae426082"
)
BOAT = OutgoingFile(name="boat.png", media_type="image/png", data=PIXEL)
PLAN = OutgoingFile(name="plan.pdf", media_type="application/pdf", data=b"%PDF the plan")


async def test_a_file_is_one_event_with_its_caption_however_often_it_is_handed_over(room: Room, opened: Open) -> None:
    root = room.bob.send(room.id, "Show me")
    message = room.message("Our boat", html="<b>Our</b> boat", answers=root, files=(BOAT,))
    first = await opened().say(message, room.note)
    again = await opened().say(message, room.note)
    assert (first.fate, first.key) == ("TAKEN", again.key)
    (said,) = room.written()
    uri = said.pop("url")
    assert said.pop("m.relates_to") == {"m.in_reply_to": {"event_id": root}}
    assert said == {
        "msgtype": "m.image", "body": "Our boat", "filename": "boat.png", "info": {"mimetype": "image/png", "size": len(PIXEL), "w": 1, "h": 1},
        "format": "org.matrix.custom.html", "formatted_body": "<b>Our</b> boat", "m.mentions": {"user_ids": [room.bob.user_id]},
    }  # fmt: skip
    assert b"".join([piece async for piece in opened(room.bob).part("", uri)]) == PIXEL
    assert (await opened().was_said(message, room.steps[0])).key == first.key


async def test_a_file_without_words_is_called_by_its_name(room: Room, opened: Open) -> None:
    await opened().say(room.message("", files=(PLAN,)), room.note)
    (said,) = room.written()
    assert (said["msgtype"], said["body"], said["filename"]) == ("m.file", "plan.pdf", "plan.pdf")
    other = room.ada.another_device()
    assert (await opened(other).was_said(room.message("", files=(PLAN,)), room.steps[0])).fate == "TAKEN"


async def test_a_file_that_is_too_large_for_the_server_is_refused_before_anything_leaves(room: Room, opened: Open) -> None:
    large = OutgoingFile(name="film.mp4", media_type="video/mp4", data=bytes(MOST + 1))
    with pytest.raises(Refused, match=f"at most {MOST:,} bytes, and film.mp4") as refusal:
        await opened().say(room.message("Look", files=(large,)), room.note)
    assert refusal.value.provider_code == "size"
    assert (room.written(), room.steps) == ([], [])


# --- what was written, changed --------------------------------------------------------------------------------------------


def change(room: Room, event: str, text: str, number: int = 1) -> OutgoingEdit:
    return OutgoingEdit(id=f"edit-{number}", conversation=room.id, message=event, text=text, at=datetime.now(UTC))


def deletion(room: Room, event: str, number: int = 1) -> OutgoingDeletion:
    return OutgoingDeletion(id=f"del-{number}", conversation=room.id, message=event, everyone=True)


def now_says(room: Room, event: str) -> Any:
    """What Bob's client shows of a message: the server names the last valid replacement with it."""
    found = room.bob.call("GET", f"/v3/rooms/{room.id}/event/{event}")
    replaced = found.get("unsigned", {}).get("m.relations", {}).get("m.replace")
    return found["content"] if replaced is None else replaced["content"]["m.new_content"]


async def test_an_edit_is_one_replacement_however_often_it_is_handed_over(room: Room, opened: Open) -> None:
    event = room.ada.send(room.id, "helo")
    first = await opened().edit(change(room, event, "hello"), again=False)
    again = await opened().edit(change(room, event, "hello"), again=True)
    assert first is not None and first == again
    assert now_says(room, event) == {"msgtype": "m.text", "body": "hello"}
    (_, replacement) = room.written()
    assert replacement["body"] == "* hello"
    later = room.ada.another_device()
    later.edit(room.id, event, "hello there")
    await opened().edit(change(room, event, "hello"), again=True)
    assert now_says(room, event)["body"] == "hello there"


async def test_what_an_edit_does_not_name_stays(room: Room, opened: Open) -> None:
    picture = {"msgtype": "m.image", "body": "boat.png", "url": "mxc://kith.test/boat", "info": {"mimetype": "image/png"}}
    event = room.ada.send(room.id, picture)
    await opened().edit(change(room, event, "Our boat"), again=False)
    assert now_says(room, event) == {**picture, "filename": "boat.png", "body": "Our boat"}
    notice = room.ada.send(
        room.id, {"msgtype": "m.notice", "body": "b", "format": "org.matrix.custom.html", "formatted_body": "<b>b</b>"}
    )
    await opened().edit(change(room, notice, "c", 2), again=False)
    assert now_says(room, notice) == {"msgtype": "m.notice", "body": "c"}


async def test_a_message_that_is_taken_back_says_nothing_to_anybody(room: Room, opened: Open) -> None:
    event = room.ada.send(room.id, "a secret")
    for _ in range(2):
        gone = await opened().delete(deletion(room, event))
        assert (gone.key, gone.deleted_at is not None) == (event, True)
    assert now_says(room, event) == {}
    with pytest.raises(Refused, match="not in its room any more"):
        await opened().edit(change(room, event, "again"), again=False)


async def test_the_room_decides_who_may_take_back_what_others_wrote(room: Room, opened: Open) -> None:
    theirs = room.bob.send(room.id, "mine")
    with pytest.raises(Refused, match="M_FORBIDDEN"):
        await opened().delete(deletion(room, theirs))
    with pytest.raises(Refused, match="whoever wrote"):
        await opened().edit(change(room, theirs, "yours"), again=False)
    levels = room.bob.call("GET", f"/v3/rooms/{room.id}/state/m.room.power_levels/")
    room.bob.set_state(room.id, "m.room.power_levels", {**levels, "users": {**levels["users"], room.ada.user_id: 50}})
    await opened().delete(deletion(room, theirs, 2))
    assert now_says(room, theirs) == {}


async def test_an_encrypted_message_is_not_edited_into_a_readable_one(room: Room, opened: Open) -> None:
    event = room.ada.send(
        room.id, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s"}, "m.room.encrypted"
    )
    with pytest.raises(Refused, match="encrypted"):
        await opened().edit(change(room, event, "hello"), again=False)
    await opened().delete(deletion(room, event))
    assert now_says(room, event) == {}
