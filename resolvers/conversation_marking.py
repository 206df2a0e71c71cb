"""Conversations marked as read or flagged, archived, put in the trash or junk: here at once, at every source by the outbox after.

A conversation of which a source cannot be marked is left as it is, with the reason as a mistake of its own; the others are marked. What
only came from files keeps no read state and has nothing to be marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import markings, put_marks, whereabouts
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
_ROLES: Final[Mapping[str, records.FolderRole]] = {role: role for role in get_args(records.FolderRole)}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be set; what is None stays."""

    read: bool | None = None
    read_up_to: str | None = None
    flagged: bool | None = None
    archived: bool | None = None
    trashed: bool | None = None
    spam: bool | None = None

    @property
    def placed(self) -> bool:
        """Whether messages are to be moved."""
        return not (self.archived is None and self.trashed is None and self.spam is None)


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
            mistake = _refusal(operation, wanted, found, mine, n, wish)
            if mistake is not None:
                mistakes.append(mistake)
            else:
                places += mine
            done.append(None if mistake is not None else found)
        in_inbox = {(place.account_id, place.message_id) for place in places if place.role == "INBOX"}
        wanted_at: dict[tuple[str, str], list[Any]] = {}
        for place in places:
            role = _role(place, wish, (place.account_id, place.message_id) in in_inbox)
            wanted_at.setdefault((place.account_id, role or ""), []).append(place)
        for (account_id, target), there in sorted(wanted_at.items(), key=lambda one: one[0]):
            marking = records.Marking(unread=_unread(wish), flagged=wish.flagged, role=_ROLES.get(target))
            differing = [place for place in there if _differs(place, marking)]
            for start in range(0, len(differing), AT_ONCE):
                _accept(conn, viewer, account_id, differing[start : start + AT_ONCE], marking, recorder, operation, key)
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
    elif wish == Wish():
        text = "Say what is to be marked: read, readUpToMessageId, flagged, archived, trashed or spam."
        refusal = Mistake(code="REQUIRED", message=text)
    elif [wish.archived, wish.trashed, wish.spam].count(None) < 2:
        text = "A conversation goes to one place: say one of archived, trashed and spam."
        refusal = Mistake(code="INVALID", message=text, field=("archived" if wish.archived is not None else "trashed",))
    elif wish.read_up_to is not None and (len(conversation_ids) != 1 or wish != Wish(read_up_to=wish.read_up_to)):
        text = "Reading up to a message is for one conversation, and for nothing else at once."
        refusal = Mistake(code="INVALID", message=text, field=("readUpToMessageId",))
    if refusal is not None:
        raise Mistaken(refusal)


def _unread(wish: Wish) -> bool | None:
    if wish.read_up_to is not None:
        return False
    return None if wish.read is None else not wish.read


def _role(place: Any, wish: Wish, in_inbox: bool) -> records.FolderRole | None:
    """Where a message of this place is to be put; None when it stays.

    Out of the inbox goes what is in it; into the trash everything; into junk what others wrote. What comes back goes to the inbox, our own
    mail to where it was written.
    """
    own: records.FolderRole = "DRAFTS" if "DRAFT" in place.flags.split() else "SENT"
    home: records.FolderRole = own if own == "DRAFTS" or place.direction == "OUTBOUND" else "INBOX"
    if wish.trashed is not None:
        return "TRASH" if wish.trashed else home if place.role == "TRASH" else None
    if wish.spam is not None:
        if not wish.spam:
            return home if place.role == "SPAM" else None
        return None if home != "INBOX" or place.role in ("SENT", "DRAFTS") else "SPAM"
    if wish.archived is None:
        return None
    if wish.archived:
        return "ARCHIVE" if place.role == "INBOX" else None
    return "INBOX" if place.role in whereabouts.OUT and home == "INBOX" and not in_inbox else None


def _shown(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, str]:
    """The conversations that these ids lead to."""
    c = conversation.c
    rows = conn.execute(select(c.id, c.redirect_to).where(c.viewer_id == viewer, c.id.in_(conversation_ids)))
    return {row.id: row.redirect_to or row.id for row in rows}


def _places(conn: Connection, viewer: str, conversation_id: str, wish: Wish) -> list[Any]:
    """Where the messages of a conversation are, as far as they are meant. Raises Mistaken for a message of another one."""
    s, m, a = message_source.c, message.c, account.c
    query = (
        select(s.message_id, s.account_id, s.key, s.unread, s.flags, s.role, m.conversation_id, m.direction, a.provider, a.mode,
               a.status, a.granted_scopes)
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


def _refusal(
    operation: Operation, wanted: str, found: str | None, places: Sequence[Any], n: int, wish: Wish
) -> NodeMistake | None:
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
        if wish.placed and "LABELS" not in provider.capabilities:
            text = f"{provider.name} has no folders to move messages to."
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
    return (
        (marking.unread is not None and place.unread != marking.unread)
        or (marking.flagged is not None and flagged != marking.flagged)
        or (marking.role is not None and place.role != marking.role)
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
    before: Mapping[str, Before] = {p.key: Before(p.unread, "FLAGGED" in p.flags.split(), _ROLES.get(p.role)) for p in places}
    after = {
        key: Before(
            was.unread if marking.unread is None else marking.unread,
            was.flagged if marking.flagged is None else marking.flagged,
            marking.role or was.role,
        )
        for key, was in before.items()
    }
    put_marks(conn, viewer, account_id, after, recorder, operation.now())
    outbox.add(
        conn, viewer, account_id=account_id, kind=markings.KIND, mutation="markConversations",
        node_ids=list(dict.fromkeys(p.conversation_id for p in places)), lane=f"{markings.KIND}:{account_id}",
        request=markings.encoded(Marked(marking=marking, before=dict(before))), now=operation.now(), key=key,
    )  # fmt: skip
