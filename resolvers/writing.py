"""How a mutation writes: one transaction, one answer a key, mistakes as data, and the feed position in the payload.

`perform` runs a write function with a feed recorder; a `Mistaken` rolls everything back and becomes `errors`. With an
idempotency key the answer is kept in the same transaction, sealed, and given again to the same key and input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from resolvers import changes
from resolvers.linking import LinkSession
from resolvers.mistakes import AnyMistake, Mistake, NodeMistake
from resolvers.operation import Operation
from store import idempotency
from store.feed import Recorder
from store.vault import SealBroken

MAX_KEY: Final = 200  # characters of an idempotency key
_PLACE: Final = ("idempotency", "answer")


class Mistaken(Exception):
    """The caller's mistake; nothing is written."""

    def __init__(self, mistake: AnyMistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a write has done, as it is kept for the next caller with the same key."""

    node_id: str | None = None
    node_ids: tuple[str | None, ...] | None = None
    mistakes: tuple[NodeMistake, ...] = ()  # of parts that were left out, beside what was done
    merge_id: str | None = None
    suggestion_id: str | None = None
    count: int | None = None
    secret: str | None = None
    position: int | None = None


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a mutation answers; a payload type reads what concerns it."""

    errors: tuple[AnyMistake, ...] = ()
    feed_cursor: str | None = None
    account_id: str | None = None
    contact_id: str | None = None
    person_id: str | None = None
    merge_id: str | None = None
    suggestion_id: str | None = None
    node_ids: tuple[str | None, ...] | None = None
    conflict: Any = None  # contact_editing.Conflict
    own_address_id: str | None = None
    api_key_id: str | None = None
    webhook_id: str | None = None
    stream_id: str | None = None
    annotation_id: str | None = None
    delivery_id: str | None = None
    message_id: str | None = None
    upload_id: str | None = None
    import_id: str | None = None
    erased_count: int | None = None
    enrichment_source: str | None = None
    enrichment_run_id: str | None = None
    secret: str | None = None
    link: LinkSession | None = None


Write = Callable[[Connection, str, Recorder], Answer]


async def perform(operation: Operation, mutation: str, key: str | None, given: object, write: Write) -> Answer | AnyMistake:
    """Run `write` once for the key; its answer, or the caller's mistake."""
    now = operation.now()
    wanted = _digest(mutation, given)

    def run(conn: Connection, viewer: str) -> Answer:
        if key is not None and (before := _recalled(operation, conn, viewer, mutation, key, wanted)) is not None:
            return before
        recorder = Recorder(now, origin="CLIENT", key=key)
        answer = write(conn, viewer, recorder)
        answer = msgspec.structs.replace(answer, position=recorder.flush(conn, viewer))
        if key is not None:
            _keep(operation, conn, viewer, mutation, key, wanted, answer)
        return answer

    try:
        _check(key)
        answer = await operation.write(run)
    except Mistaken as refused:
        return refused.mistake
    operation.loaders = {}  # what was loaded before the write is old
    return answer


async def remembered(
    operation: Operation, mutation: str, key: str | None, given: object, act: Callable[[], Awaitable[Answer]]
) -> Answer | AnyMistake:
    """`perform` for what is no transaction of ours alone, such as a step of linking."""
    wanted = _digest(mutation, given)

    def recall(conn: Connection, viewer: str) -> Answer | None:
        assert key is not None
        return _recalled(operation, conn, viewer, mutation, key, wanted)

    def keep(conn: Connection, viewer: str, answer: Answer) -> None:
        assert key is not None
        _keep(operation, conn, viewer, mutation, key, wanted, answer)

    try:
        _check(key)
        if key is not None and (before := await operation.read(recall)) is not None:
            return before
        answer = await act()
    except Mistaken as refused:
        return refused.mistake
    if key is not None:
        await operation.write(keep, answer)
    operation.loaders = {}
    return answer


def cursor_of(operation: Operation, answer: Answer) -> str | None:
    """The payload's feedCursor; None when nothing was written to the feed."""
    return None if answer.position is None else changes.cursor(operation, changes.at_head(answer.position))


def _check(key: str | None) -> None:
    if key is not None and not 0 < len(key) <= MAX_KEY:
        text = f"An idempotency key has 1 to {MAX_KEY} characters; a UUID will do."
        raise Mistaken(Mistake(code="INVALID", message=text, field=("idempotencyKey",)))


def _digest(mutation: str, given: object) -> bytes:
    return hashlib.sha256(msgspec.json.encode([mutation, given], enc_hook=str, order="sorted")).digest()


def _recalled(operation: Operation, conn: Connection, viewer: str, mutation: str, key: str, wanted: bytes) -> Answer | None:
    kept = idempotency.recall(conn, viewer, key, operation.now())
    if kept is None:
        return None
    if kept.mutation != mutation or kept.input_hash != wanted:
        text = "This key was used with another input; make a new key for a new request."
        raise Mistaken(Mistake(code="IDEMPOTENCY_CONFLICT", message=text, field=("idempotencyKey",)))
    try:
        plain = operation.services.vault.open(kept.answer, viewer, _PLACE[0], key, _PLACE[1])
    except SealBroken:
        return None  # sealed with a key that is gone: nobody can say any more what the answer was
    return msgspec.msgpack.decode(plain, type=Answer)


def _keep(operation: Operation, conn: Connection, viewer: str, mutation: str, key: str, wanted: bytes, answer: Answer) -> None:
    sealed = operation.services.vault.seal(msgspec.msgpack.encode(answer), viewer, _PLACE[0], key, _PLACE[1])
    kept = idempotency.Kept(mutation=mutation, input_hash=wanted, answer=sealed)
    idempotency.keep(conn, viewer, key, kept, operation.now())


def payload(operation: Operation, done: Answer | AnyMistake, **fields: Any) -> Payload:
    """The payload of a mutation: `fields` name what of the answer goes where."""
    if not isinstance(done, Answer):
        return Payload(errors=(done,))
    named = {name: getattr(done, source) for name, source in fields.items()}
    return Payload(errors=done.mistakes, feed_cursor=cursor_of(operation, done), **named)
