"""Saving, changing and deleting streams.

A rule that is new, or switched on again, is a new revision: what met the former one is past, what arrives from now on is matched as it does, and
what is stored is replayed. A stream that is off keeps what it has. Names of circles are bound to these when a rule is saved: whatever a circle
is called later, the rule means it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.streams.reading import check
from resolvers.streams.tree import circles_of
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import feed, ids, streams, webhooks
from store.feed import Recorder
from store.streams import MAX_STREAMS, Stream

MAX_NAME: Final = 200  # characters


async def create(operation: Operation, name: str, rule: str, enabled: bool, key: str | None) -> Payload:
    """Save a rule."""
    checked = await check(operation, rule, "rule")
    if checked.errors or checked.rule is None:
        return Payload(errors=checked.errors)
    now, meant = operation.now(), circles_of(checked.rule)

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        named = _named(name)
        if streams.count(conn, viewer) >= MAX_STREAMS:
            text = f"You have {MAX_STREAMS:,} streams; delete one first, or join rules with OR."
            raise Mistaken(Mistake(code="LIMIT_REACHED", message=text))
        new = Stream(
            id=ids.mint("STREAM"), name=named, rule=rule, circles=meant, enabled=enabled, revision=1, since=0, replayed=0, replay_total=0,
            replay_at=None, replay_id=None, replayed_at=None if enabled else now, created_at=now, version=1,
        )  # fmt: skip
        streams.add(conn, viewer, new)
        recorder.upsert("STREAM", new.id, 1, created=True)
        _begin(conn, viewer, new.id, enabled, operation)
        return Answer(node_id=new.id)

    done = await perform(operation, "createStream", key, [name, rule, enabled], write)
    return payload(operation, done, stream_id="node_id")


async def update(
    operation: Operation, stream_id: str, name: str | None, rule: str | None, enabled: bool | None, key: str | None
) -> Payload:
    """Change name or rule, or switch on or off; what is None stays."""
    known = None if rule is None else await operation.read(streams.get, stream_id)
    bound = known.circles if known is not None and known.rule == rule else {}  # what is saved once more means what it meant
    checked = None if rule is None else await check(operation, rule, "rule", bound=bound)
    if checked is not None and checked.errors:
        return Payload(errors=checked.errors)
    meant = {} if checked is None or checked.rule is None else circles_of(checked.rule)

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        before = _writable(conn, viewer, stream_id)
        on = before.enabled if enabled is None else enabled
        values: dict[str, Any] = {"version": before.version + 1, "enabled": on}
        if name is not None:
            values["name"] = _named(name)
        if rule is not None:
            values |= {"rule": rule, "circles": streams.bound(meant)}
        anew = (rule is not None and (rule, meant) != (before.rule, before.circles)) or (on and not before.enabled)
        if anew:
            streams.put_past(conn, viewer, before)
            values |= {"revision": before.revision + 1, "replayed": 0, "replay_total": 0}
        if not on and (anew or before.replayed_at is None):
            values["replayed_at"] = operation.now()  # nothing is looked for any more: what was found until now stays
        streams.change(conn, viewer, stream_id, **values)
        recorder.upsert("STREAM", stream_id, before.version + 1)
        _begin(conn, viewer, stream_id, anew and on, operation)
        return Answer(node_id=stream_id)

    done = await perform(operation, "updateStream", key, [stream_id, name, rule, enabled], write)
    return payload(operation, done, stream_id="node_id")


async def delete(operation: Operation, stream_id: str, key: str | None) -> Payload:
    """Forget a stream; receivers that want only its activities are switched off."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        gone = _writable(conn, viewer, stream_id)
        streams.drop(conn, viewer, gone)
        for hook in webhooks.disable_of(conn, viewer, stream_id, "Its stream was deleted."):
            recorder.upsert("WEBHOOK", hook.id, hook.version, fields=("health", "healthReason"))
        recorder.delete("STREAM", stream_id)
        _begin(conn, viewer, stream_id, False, operation)
        return Answer(node_id=stream_id)

    done = await perform(operation, "deleteStream", key, [stream_id], write)
    return payload(operation, done, stream_id="node_id")


def _begin(conn: Connection, viewer: str, stream_id: str, anew: bool, operation: Operation) -> None:
    """Tell the job that rules have changed, and `anew` have the stream matched from here on and back.

    The viewer's position is taken under the lock of its row: whatever another transaction writes later stands behind it.
    """
    since = feed.advance(conn, viewer, 0)
    if anew:
        streams.begin(conn, viewer, stream_id, since, operation.now())
    streams.moved(conn, viewer)
    streams.wake(conn, viewer, operation.now())


def _named(name: str) -> str:
    plain = " ".join(name.split())
    if not 0 < len(plain) <= MAX_NAME:
        code = "TOO_LONG" if plain else "REQUIRED"
        raise Mistaken(Mistake(code=code, message=f"A name has 1 to {MAX_NAME} characters.", field=("name",)))
    return plain


def _writable(conn: Connection, viewer: str, stream_id: str) -> Stream:
    found = streams.get(conn, viewer, stream_id)
    if found is not None:
        return found
    if ids.kind_of(stream_id) not in ("STREAM", None):
        text = "This is the id of something else than a stream."
        raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("streamId",), node_id=stream_id))
    raise Mistaken(not_found(stream_id, "streamId"))
