"""What a Matrix server says of what happened (`/sync`, Client-Server API "Syncing"), and what it is asked to leave out.

Knows nothing of what rooms look like here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from providers.http import Session
from providers.matrix.api import get

SYNC_BYTES: Final = 96 * 1024 * 1024
_STATE: Final = ["m.room.create", "m.room.name", "m.room.canonical_alias", "m.room.member"]
MEMBERS: Final = {"lazy_load_members": True, "include_redundant_members": True}
#: What no watch needs to see.
NOTHING: Final[Mapping[str, Any]] = {"presence": {"types": []}, "account_data": {"types": []}, "room": {"rooms": []}}


class Events(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw] = []


class Timeline(msgspec.Struct, frozen=True):
    events: list[msgspec.Raw] = []
    limited: bool = False
    prev_batch: str | None = None


class Joined(msgspec.Struct, frozen=True):
    summary: dict[str, Any] = {}
    state: Events = Events()
    timeline: Timeline = Timeline()
    ephemeral: Events = Events()
    account_data: Events = Events()


class Rooms(msgspec.Struct, frozen=True):
    join: dict[str, Joined] = {}
    leave: dict[str, Joined] = {}


class Sync(msgspec.Struct, frozen=True):
    next_batch: str
    rooms: Rooms = Rooms()
    account_data: Events = Events()


def told(events: int) -> dict[str, Any]:
    """What a sync is to tell: no presence, no typing, no account data but direct rooms and read markers; of members those who spoke."""
    return {
        "presence": {"types": []},
        "account_data": {"types": ["m.direct"]},
        "room": {
            "account_data": {"types": ["m.fully_read"]},
            "ephemeral": {"types": ["m.receipt"]},
            "state": {"types": _STATE, **MEMBERS},
            "timeline": {"limit": events, **MEMBERS},
        },
    }


async def sync(session: Session, since: str, asked: Mapping[str, Any], *, wait: int = 0) -> Sync:
    """What happened since a place, or the end of everything without one. `set_presence=offline`: else the user would seem to be there all day."""
    query = [("filter", json(asked)), ("timeout", str(wait * 1000)), ("set_presence", "offline")]
    if since:
        query.append(("since", since))
    return await get(session, "/_matrix/client/v3/sync", Sync, query, max_bytes=SYNC_BYTES)


def direct_rooms(events: Iterable[msgspec.Raw]) -> set[str] | None:
    """The rooms that clients keep as direct ("Direct Messaging"); None where nothing was said of them."""
    for raw in events:
        data = _loose(raw)
        if data.get("type") == "m.direct" and isinstance(data.get("content"), dict):
            lists = (rooms for rooms in data["content"].values() if isinstance(rooms, list))
            return {room for rooms in lists for room in rooms if isinstance(room, str)}
    return None


def read_marks(said: Joined, me: str) -> list[tuple[str, str | None]]:
    """The events up to which the user has read, and of which thread, in the order in which they said so."""
    found: list[tuple[int, str, str | None]] = []
    for raw in said.account_data.events:
        data = _loose(raw)
        content = data.get("content")
        if data.get("type") == "m.fully_read" and isinstance(content, dict) and isinstance(content.get("event_id"), str):
            found.append((-1, content["event_id"], None))
    for raw in said.ephemeral.events:
        data = _loose(raw)
        if data.get("type") != "m.receipt" or not isinstance(data.get("content"), dict):
            continue
        for event_id, kinds in data["content"].items():
            for kind in ("m.read", "m.read.private"):
                users = kinds.get(kind) if isinstance(kinds, dict) else None
                mine = users.get(me) if isinstance(users, dict) else None
                if isinstance(mine, dict):
                    at, thread = mine.get("ts"), mine.get("thread_id")
                    found.append((at if isinstance(at, int) else 0, event_id, thread if isinstance(thread, str) else None))
    return [(event_id, thread) for _, event_id, thread in sorted(found, key=lambda one: one[0])]


def _loose(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def json(value: Mapping[str, Any]) -> str:
    """A filter as a parameter."""
    return msgspec.json.encode(value).decode()
