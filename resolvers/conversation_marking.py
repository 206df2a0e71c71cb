"""Marking conversations as read or flagged: shown here at once on every source, written to the sources by the outbox.

A conversation of which a source cannot be marked is left as it is, with the reason as a mistake of its own; the others are marked. What
only came from files keeps no read state and has nothing to be marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import markings, put_marks
from resolvers.ingest.markings import Before, Marked
from resolvers.mistakes import AnyMistake, Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, outbox
from store.feed import Recorder
from store.tables import account, conversation, message, message_source

MAX_CONVERSATIONS: Final = 200
#: Messages of one write: what a source takes in a few calls.
AT_ONCE: Final = 1_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be set; what is None stays."""

    read: bool | None = None
    read_up_to: str | None = None
    flagged: bool | None = None


async def mark(operation: Operation, conversation_ids: Sequence[str], wish: Wish, key: str | None) -> Payload:
    """Mark conversations, each on all its sources."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        _check(conversation_ids, wish)
        shown = _shown(conn, viewer, conversation_ids)
        mistakes: list[NodeMistake] = []
        done: list[str | None] = []
        places: list[Any] = []
        for n, wanted in enumerate(conversation_ids):
            found = shown.get(wanted)
            mine = [] if found is None else _places(conn, viewer, found, wish)
            mistake = _refusal(operation, wanted, found, mine, n)
            if mistake is not None:
                mistakes.append(mistake)
            else:
                places += mine
            done.append(None if mistake is not None else found)
        marking = records.Marking(unread=_unread(wish), flagged=wish.flagged)
        for account_id in sorted({place.account_id for place in places}):
            of_account = [place for place in places if place.account_id == account_id and _differs(place, marking)]
            for start in range(0, len(of_account), AT_ONCE):
                _accept(conn, viewer, account_id, of_account[start : start + AT_ONCE], marking, recorder, operation, key)
        return Answer(node_ids=tuple(done), mistakes=tuple(mistakes))

    given = [list(conversation_ids), msgspec.structs.asdict(wish)]
    return payload(operation, await perform(operation, "markConversations", key, given, write), node_ids="node_ids")


def _check(conversation_ids: Sequence[str], wish: Wish) -> None:
    refusal: AnyMistake | None = None
    if not 0 < len(conversation_ids) <= MAX_CONVERSATIONS:
        text = f"Name 1 to {MAX_CONVERSATIONS} conversations at a time."
        refusal = Mistake(code="TOO_LONG" if conversation_ids else "REQUIRED", message=text, field=("conversationIds",))
    elif len(set(conversation_ids)) < len(conversation_ids):
        refusal = Mistake(code="INVALID", message="Name each conversation once.", field=("conversationIds",))
    elif wish.read is None and wish.read_up_to is None and wish.flagged is None:
        refusal = Mistake(code="REQUIRED", message="Say what is to be marked: read, readUpToMessageId or flagged.")
    elif wish.read_up_to is not None and (len(conversation_ids) != 1 or wish.read is not None or wish.flagged is not None):
        text = "Reading up to a message is for one conversation, and for nothing else at once."
        refusal = Mistake(code="INVALID", message=text, field=("readUpToMessageId",))
    if refusal is not None:
        raise Mistaken(refusal)


def _unread(wish: Wish) -> bool | None:
    if wish.read_up_to is not None:
        return False
    return None if wish.read is None else not wish.read


def _shown(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, str]:
    """The conversations that these ids lead to."""
    c = conversation.c
    rows = conn.execute(select(c.id, c.redirect_to).where(c.viewer_id == viewer, c.id.in_(conversation_ids)))
    return {row.id: row.redirect_to or row.id for row in rows}


def _places(conn: Connection, viewer: str, conversation_id: str, wish: Wish) -> list[Any]:
    """Where the messages of a conversation are, as far as they are meant. Raises Mistaken for a message of another one."""
    s, m, a = message_source.c, message.c, account.c
    query = (
        select(s.message_id, s.account_id, s.key, s.unread, s.flags, m.conversation_id, a.provider, a.mode, a.status,
               a.granted_scopes)
        .join(message, sa.and_(m.viewer_id == s.viewer_id, m.id == s.message_id))
        .join(account, sa.and_(a.viewer_id == s.viewer_id, a.id == s.account_id))
        .where(s.viewer_id == viewer, m.conversation_id == conversation_id)
        .order_by(m.sent_at, m.id, s.account_id, s.key)
    )  # fmt: skip
    if wish.read_up_to is not None:
        upto = conn.execute(
            select(m.sent_at, m.id).where(m.viewer_id == viewer, m.id == wish.read_up_to, m.conversation_id == conversation_id)
        ).one_or_none()
        if upto is None:
            raise Mistaken(not_found(wish.read_up_to, "readUpToMessageId"))
        query = query.where(sa.tuple_(m.sent_at, m.id) <= sa.tuple_(sa.literal(upto.sent_at, m.sent_at.type), upto.id))
    # a source without a read state came from files, or is LIVE and asked when it is shown
    return [row for row in conn.execute(query) if row.unread is not None or row.mode == "LIVE"]


def _refusal(operation: Operation, wanted: str, found: str | None, places: Sequence[Any], n: int) -> NodeMistake | None:
    """Why a conversation cannot be marked; None when it can."""
    field = ("conversationIds", str(n))
    if found is None:
        if ids.kind_of(wanted) in (None, "CONVERSATION"):
            return not_found(wanted, *field)
        return NodeMistake(code="WRONG_KIND", message="This is no conversation.", field=field, node_id=wanted)
    if not places:
        text = "This conversation only came from files, which keep no read state."
        return NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=wanted)
    for place in places:
        provider = operation.services.providers.get(place.provider)
        if provider is None or place.mode == "LIVE" or "READ_STATE" not in provider.capabilities:
            text = f"{provider.name if provider is not None else 'This account'} does not let messages be marked from here."
            return NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=wanted)
        if not provider.may("READ_STATE", place.granted_scopes.split()):
            text = (
                f"Marking messages was not allowed when {provider.name} was linked: authorise the account again with "
                "beginLink and accountId."
            )
            return NodeMistake(code="REAUTH_REQUIRED", message=text, field=field, node_id=wanted)
        if place.status == "UNLINKING":
            return NodeMistake(code="NOT_WRITABLE", message="Its account is being erased.", field=field, node_id=wanted)
    return None


def _differs(place: Any, marking: records.Marking) -> bool:
    flagged = "FLAGGED" in place.flags.split()
    return (marking.unread is not None and place.unread != marking.unread) or (
        marking.flagged is not None and flagged != marking.flagged
    )


def _accept(
    conn: Connection,
    viewer: str,
    account_id: str,
    places: Sequence[Any],
    marking: records.Marking,
    recorder: Recorder,
    operation: Operation,
    key: str | None,
) -> None:
    before: Mapping[str, Before] = {p.key: Before(p.unread, "FLAGGED" in p.flags.split()) for p in places}
    after = {
        k: Before(
            b.unread if marking.unread is None else marking.unread, b.flagged if marking.flagged is None else marking.flagged
        )
        for k, b in before.items()
    }
    put_marks(conn, viewer, account_id, after, recorder, operation.now())
    outbox.add(
        conn, viewer, account_id=account_id, kind=markings.KIND, mutation="markConversations",
        node_ids=list(dict.fromkeys(p.conversation_id for p in places)), lane=f"{markings.KIND}:{account_id}",
        request=markings.encoded(Marked(marking=marking, before=dict(before))), now=operation.now(), key=key,
    )  # fmt: skip
