"""Conversations marked as read or flagged, labelled, archived, put in the trash or junk: here at once, at every source by the outbox after.

A conversation of which a source cannot be marked is left as it is, with the reason as a mistake of its own; the others are marked. What
only came from files has nothing to be marked: nobody is behind them who could be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from resolvers.conversation_placing import FILED, Around, Relabelling, Shift, marking
from resolvers.ingest import filing, markings, put_marks
from resolvers.ingest.markings import Before, Marked
from resolvers.ingest.states import keys_of
from resolvers.mistakes import AnyMistake, Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, outbox
from store.feed import Recorder
from store.tables import account, conversation, label, message, message_source

MAX_CONVERSATIONS: Final = 200
#: Messages of one write: what a source takes in a few calls.
AT_ONCE: Final = 1_000
MAX_LABELS: Final = 100  # named at once
_ROLES: Final[Mapping[str, records.FolderRole]] = {role: role for role in get_args(records.FolderRole)}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be set; what is None stays."""

    read: bool | None = None
    read_up_to: str | None = None
    flagged: bool | None = None
    archived: bool | None = None
    trashed: bool | None = None
    spam: bool | None = None
    add_label_ids: tuple[str, ...] = ()
    remove_label_ids: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether labels are to be put on or taken off."""
        return bool(self.add_label_ids or self.remove_label_ids)

    @property
    def placed(self) -> bool:
        """Whether messages are to be moved."""
        return self.labelled or not (self.archived is None and self.trashed is None and self.spam is None)


async def mark(operation: Operation, conversation_ids: Sequence[str], wish: Wish, key: str | None) -> Payload:
    """Mark conversations, each on all its sources."""

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        _check(conversation_ids, wish)
        labels = _relabellings(conn, viewer, wish)
        shown = _shown(conn, viewer, conversation_ids)
        mistakes: list[NodeMistake] = []
        done: list[str | None] = []
        places: list[Any] = []
        for n, wanted in enumerate(conversation_ids):
            found = shown.get(wanted)
            mine = [] if found is None else _places(conn, viewer, found, wish, operation.services.providers)
            if wish == Wish(add_label_ids=wish.add_label_ids, remove_label_ids=wish.remove_label_ids):
                mine = [place for place in mine if place.account_id in labels]  # nothing else is asked of other accounts
            mistake = _refusal(operation, wanted, found, mine, n, wish, labels)
            if mistake is not None:
                mistakes.append(mistake)
            else:
                places += mine
            done.append(None if mistake is not None else found)
        for (account_id, wanted_there), there in sorted(
            _by_marking(conn, viewer, places, wish, labels), key=lambda one: one[0][0]
        ):
            differing = [place for place in there if _differs(place, wanted_there)]
            for start in range(0, len(differing), AT_ONCE):
                _accept(conn, viewer, account_id, differing[start : start + AT_ONCE], wanted_there, recorder, operation, key)
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
        text = (
            "Say what is to be marked: read, readUpToMessageId, flagged, archived, trashed, spam, addLabelIds or removeLabelIds."
        )
        refusal = Mistake(code="REQUIRED", message=text)
    elif [wish.archived, wish.trashed, wish.spam].count(None) - wish.labelled < 2:
        text = "A conversation goes to one place: say one of archived, trashed and spam, or labels."
        refusal = Mistake(code="INVALID", message=text, field=("archived" if wish.archived is not None else "trashed",))
    elif len(wish.add_label_ids) + len(wish.remove_label_ids) > MAX_LABELS:
        refusal = Mistake(code="TOO_LONG", message=f"Name at most {MAX_LABELS} labels at a time.", field=("addLabelIds",))
    elif {*wish.add_label_ids} & {*wish.remove_label_ids}:
        text = "A label is put on or taken off, not both."
        refusal = Mistake(code="INVALID", message=text, field=("removeLabelIds",))
    elif wish.read_up_to is not None and (len(conversation_ids) != 1 or wish != Wish(read_up_to=wish.read_up_to)):
        text = "Reading up to a message is for one conversation, and for nothing else at once."
        refusal = Mistake(code="INVALID", message=text, field=("readUpToMessageId",))
    if refusal is not None:
        raise Mistaken(refusal)


def _unread(wish: Wish) -> bool | None:
    if wish.read_up_to is not None:
        return False
    return None if wish.read is None else not wish.read


def _relabellings(conn: Connection, viewer: str, wish: Wish) -> dict[str, Relabelling]:
    """What is put on and taken off, by account. Raises Mistaken for what is no label of the viewer's, or one that nobody gives."""
    found: dict[str, tuple[list[records.Label], list[records.Label]]] = {}
    mine = label.c
    named = [*wish.add_label_ids, *wish.remove_label_ids]
    rows = {row.id: row for row in conn.execute(select(label).where(mine.viewer_id == viewer, mine.id.in_(named)))}
    for field, label_ids, at in (("addLabelIds", wish.add_label_ids, 0), ("removeLabelIds", wish.remove_label_ids, 1)):
        for n, label_id in enumerate(dict.fromkeys(label_ids)):
            row = rows.get(label_id)
            if row is None:
                if ids.kind_of(label_id) in (None, "LABEL"):
                    raise Mistaken(not_found(label_id, field, str(n)))
                text = "This is no label."
                raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=(field, str(n)), node_id=label_id))
            if not row.writable:
                text = f"{row.name} is kept by the network itself; nobody else puts messages in or takes them out."
                raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=(field, str(n)), node_id=label_id))
            pair = found.setdefault(row.account_id, ([], []))
            if at == 0 and row.folder and pair[0]:
                text = "A message of this account lies in one folder: name one."
                raise Mistaken(NodeMistake(code="INVALID", message=text, field=(field, str(n)), node_id=label_id))
            pair[at].append(filing.of_row(row))
    known = filing.listed(conn, viewer, found)
    return {
        account_id: Relabelling(known=tuple(known[account_id]), added=tuple(added), removed=tuple(removed))
        for account_id, (added, removed) in found.items()
    }


def _by_marking(
    conn: Connection, viewer: str, places: Sequence[Any], wish: Wish, labels: Mapping[str, Relabelling]
) -> list[tuple[tuple[str, records.Marking], list[Any]]]:
    """The places, by account and by what happens to them."""
    if wish.placed:
        others = {place.account_id for place in places} - labels.keys()
        known = filing.listed(conn, viewer, others)
        labels = {**labels, **{each: Relabelling(known=tuple(known.get(each, ()))) for each in others}}
    in_inbox = {(place.account_id, place.message_id) for place in places if place.role == "INBOX"}
    filed = {(place.account_id, place.conversation_id) for place in places if place.role in FILED}
    shift = Shift(archived=wish.archived, trashed=wish.trashed, spam=wish.spam)
    found: dict[tuple[str, records.Marking], list[Any]] = {}
    for place in places:
        wanted = records.Marking()
        if wish.placed:
            around = Around(
                in_inbox=(place.account_id, place.message_id) in in_inbox,
                any_filed=(place.account_id, place.conversation_id) in filed,
            )
            wanted = marking(place, shift, labels[place.account_id], around)
        wanted = msgspec.structs.replace(wanted, unread=_unread(wish), flagged=wish.flagged)
        found.setdefault((place.account_id, wanted), []).append(place)
    return list(found.items())


def _shown(conn: Connection, viewer: str, conversation_ids: Sequence[str]) -> dict[str, str]:
    """The conversations that these ids lead to."""
    c = conversation.c
    rows = conn.execute(select(c.id, c.redirect_to).where(c.viewer_id == viewer, c.id.in_(conversation_ids)))
    return {row.id: row.redirect_to or row.id for row in rows}


def _places(conn: Connection, viewer: str, conversation_id: str, wish: Wish, providers: Mapping[str, Provider]) -> list[Any]:
    """Where the messages of a conversation are, as far as they are meant. Raises Mistaken for a message of another one."""
    s, m, a = message_source.c, message.c, account.c
    query = (
        select(s.message_id, s.account_id, s.key, s.unread, s.flags, s.role, s.label_keys, m.conversation_id, m.direction, a.provider, a.mode,
               a.base_url, a.status, a.granted_scopes)
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
    # a source without a read state came from files, or is LIVE and asked when it is shown; some files tell one and nobody is behind them
    found = [row for row in conn.execute(query) if row.unread is not None or row.mode == "LIVE"]
    return [row for row in found if (provider := providers.get(row.provider)) is None or provider.follows(row.base_url)]


def _refusal(
    operation: Operation,
    wanted: str,
    found: str | None,
    places: Sequence[Any],
    n: int,
    wish: Wish,
    labels: Mapping[str, Relabelling],
) -> NodeMistake | None:
    """Why a conversation cannot be marked; None when it can."""
    field = ("conversationIds", str(n))
    if found is None:
        if ids.kind_of(wanted) in (None, "CONVERSATION"):
            return not_found(wanted, *field)
        return NodeMistake(code="WRONG_KIND", message="This is no conversation.", field=field, node_id=wanted)
    if labels and not any(place.account_id in labels for place in places):
        text = "Nothing of this conversation is in the account of these labels."
        return NodeMistake(code="INVALID", message=text, field=field, node_id=wanted)
    if any(place.account_id in labels and place.label_keys is None for place in places):
        text = "In which folders its messages are is not known yet; it will be after the next synchronisation."
        return NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=wanted)
    if not places:
        text = "This conversation only came from files, which nobody can mark."
        return NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=wanted)
    for place in places:
        provider = operation.services.providers.get(place.provider)
        if provider is None or place.mode == "LIVE" or "READ_STATE" not in provider.capabilities:
            text = f"{provider.name if provider is not None else 'This account'} does not let messages be marked from here."
            return NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=wanted)
        if (unable := _unable(provider, wish)) is not None:
            return NodeMistake(code="UNSUPPORTED", message=unable, field=field, node_id=wanted)
        moves = wish.placed and (not wish.labelled or place.account_id in labels)
        if moves and "LABELS" not in provider.capabilities:
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


def _unable(provider: Provider, wish: Wish) -> str | None:
    """What the network cannot keep of a wish, as a sentence."""
    if not provider.marks and (_unread(wish) is not None or wish.flagged is not None):
        return f"{provider.name} says what was read and is not told: mark it there, and it shows here after the next synchronisation."
    if _unread(wish) and "UNREAD" not in provider.marks:
        return f"{provider.name} keeps how far a conversation was read: it cannot be unread again."
    if wish.flagged is not None and "FLAGGED" not in provider.marks:
        return f"{provider.name} keeps no flags."
    return None


def _differs(place: Any, marking: records.Marking) -> bool:
    flagged = "FLAGGED" in place.flags.split()
    return (
        (marking.unread is not None and place.unread != marking.unread)
        or (marking.flagged is not None and flagged != marking.flagged)
        or (marking.role is not None and place.role != marking.role)
        or marking.filed
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
    before: Mapping[str, Before] = {
        p.key: Before(p.unread, "FLAGGED" in p.flags.split(), _ROLES.get(p.role), keys_of(p.label_keys)) for p in places
    }
    after = {
        key: Before(
            was.unread if marking.unread is None else marking.unread,
            was.flagged if marking.flagged is None else marking.flagged,
            marking.role or was.role,
            markings.labelled(was.label_keys, marking),
        )
        for key, was in before.items()
    }
    put_marks(conn, viewer, account_id, after, recorder, operation.now())
    outbox.add(
        conn, viewer, account_id=account_id, kind=markings.KIND, mutation="markConversations",
        node_ids=list(dict.fromkeys(p.conversation_id for p in places)), lane=f"{markings.KIND}:{account_id}",
        request=markings.encoded(Marked(marking=marking, before=dict(before))), now=operation.now(), key=key,
    )  # fmt: skip
