"""Writing into Matrix rooms, at Synapse: once, where it belongs, and what is known of a message after a cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from providers.errors import Refused
from providers.matrix import PROVIDER, Matrix
from providers.records import OutgoingChat
from providers.session import Secret
from tests.chat_servers import Matrix as Server
from tests.chat_servers import MatrixUser
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
