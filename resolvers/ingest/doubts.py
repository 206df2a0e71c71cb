"""What nobody could say of a write, settled by what its network shows later: an edit, a deletion or a reaction that got no answer for days.

It was DONE where a sync shows it as it was wanted, and REFUSED where one shows what was there before: then it can be done again. What says
neither (somebody else has changed the message since) decides nothing. What is written within minutes of the last question may have been read
before it, and proves only that something was done. Nothing that is shown changes here: that is what the sync itself does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection

from providers import records
from resolvers.ingest import corrections
from resolvers.ingest.corrections import Correction
from resolvers.ingest.target import Target
from store import outbox
from store.feed import Recorder
from store.outbox import Trouble, Write

REACT: Final = "react"
#: After which what is taken in was certainly read after the last attempt.
SURE: Final = timedelta(minutes=10)
_AGAIN: Final = "The network was asked and did not answer, and shows that nothing has changed there: {again}."


class Reacting(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a reaction: as its network has it, and the key of its row here. `taken` are the rows that it took away."""

    outgoing: records.OutgoingReaction
    key: str
    taken: tuple[records.Reaction, ...] = ()


class _Verdict(msgspec.Struct, frozen=True):
    done: bool
    again: str = ""


def settle(conn: Connection, viewer: str, target: Target, rows: Sequence[records.Row], recorder: Recorder, now: datetime) -> None:
    """Settle the writes of an account that are in doubt and that these rows, as its network told them, say something about."""
    told = [row.item for row in rows if _speaks(row.item)]
    if not told:
        return
    for write in outbox.doubted(conn, viewer, target.account_id, (corrections.KIND, REACT)):
        if write.request is None:
            continue
        found: _Verdict | None = None
        for item in told:
            found = _judged(write, item, target.own) or found
        if found is None:
            continue
        if found.done:
            outbox.confirm(conn, viewer, write.id, recorder, now)
        elif write.settled_at is not None and now - write.settled_at >= SURE:
            trouble = Trouble(code="PROVIDER_UNAVAILABLE", message=_AGAIN.format(again=found.again))
            outbox.deny(conn, viewer, write.id, trouble, recorder, now)


def _speaks(item: object) -> bool:
    """Whether a row can say what became of a message or a reaction."""
    if isinstance(item, records.Message):
        return item.conversation_kind != "EMAIL_THREAD"
    return isinstance(item, records.Reacted) or (isinstance(item, records.Gone) and item.kind in ("MESSAGE", "REACTION"))


def _judged(write: Write, item: object, own: frozenset[str]) -> _Verdict | None:
    assert write.request is not None
    if write.kind == REACT:
        return _of_reaction(msgspec.msgpack.decode(write.request, type=Reacting), item, own)
    return _of_correction(corrections.decoded(write.request), item)


def _of_correction(correction: Correction, item: object) -> _Verdict | None:
    if isinstance(item, records.Gone):
        gone = item.kind == "MESSAGE" and item.key == correction.key and correction.deletion is not None
        return _Verdict(True) if gone else None
    if not isinstance(item, records.Message) or item.key != correction.key:
        return None
    if correction.deletion is not None:
        return _Verdict(item.deleted_at is not None, "delete the message again")
    if corrections.is_echo(correction, item):
        return _Verdict(True)
    return _Verdict(False, "edit the message again") if corrections.is_as_before(correction, item) else None


def _of_reaction(request: Reacting, item: object, own: frozenset[str]) -> _Verdict | None:
    wanted = request.outgoing
    again = f"{'take the reaction back' if wanted.remove else 'react'} again"
    if isinstance(item, records.Gone):
        return _Verdict(True) if wanted.remove and item.kind == "REACTION" and item.key in wanted.keys else None
    if isinstance(item, records.Reacted) and item.message == wanted.message:
        return _Verdict(not wanted.remove, again) if _is_ours(item.reaction, wanted.emoji, own) else None
    if not isinstance(item, records.Message) or item.key != wanted.message or item.reactions is None:
        return None
    given = [each for each in item.reactions if each.emoji == wanted.emoji]
    if any(each.participant is None for each in given):  # a number, and nobody's names
        return None
    there = any(_is_ours(each, wanted.emoji, own) for each in given)
    return _Verdict(there is not wanted.remove, again)


def _is_ours(given: records.Reaction, emoji: str, own: frozenset[str]) -> bool:
    return given.emoji == emoji and given.participant is not None and given.participant.address.casefold() in own
