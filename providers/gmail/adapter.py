"""Gmail, mirrored by its own interface: every message with its labels, newest first, then kept current by history.

Speaks the Gmail API v1 (users.messages, users.history, users.labels, batches). Labels overlap, so the ledger counts three places
that do not: what is in the trash, what is in spam, and all the rest. Gmail's thread joins its mails as one more reference, beside
those they carry, so that their copies from elsewhere stay in the same conversation. A history that Gmail has lost costs the mails
of the meantime and a comparison of ids and labels, never the whole mailbox again. Read, starred and the place are written back;
sending is in `sending.py`, being called in `push.py`. Knows nothing of storing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote

import msgspec

from providers import cursors, records
from providers.base import Adapter, LinkForm, Provider
from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused, Unavailable
from providers.gmail import push as gmail_push
from providers.gmail import sending as gmail_sending
from providers.gmail.message import (
    ALL,
    OWN,
    PLACES,
    SPAM,
    TRASH,
    Content,
    History,
    Identities,
    Label,
    Labels,
    Listing,
    Mail,
    Me,
    Record,
    message,
    numbered,
    shown,
    state,
)
from providers.google.api import CONSOLE, SCOPE, Part, ask, authorizer, base64url, batch, decoded, failure, tell
from providers.http import SUCCESS, Session
from providers.push import Line, Subscription
from providers.quota import Quota
from providers.records import (
    FolderRole,
    Gone,
    Marking,
    Message,
    MessageState,
    Moved,
    Outgoing,
    OwnAddress,
    Page,
    Profile,
    Row,
    Statement,
    Submitted,
    Unreadable,
)

KEY = "gmail"
USER = "/gmail/v1/users/me"
#: The guide to batches names the first, the discovery document the second (`batchPath`).
BATCHES = ("/batch/gmail/v1", "/batch")
#: developers.google.com/workspace/gmail/api/reference/quota: units a call, as for projects made since May 2026.
UNITS = {"get": 20, "list": 5, "history": 2, "profile": 1, "labels": 1, "send_as": 1, "attachment": 20, "modify": 50}
#: Google advises at most 50 parts; so many mails of usual size stay far below the cap on one answer.
FETCHED = 25
LISTED = 500
STATES = 500
MODIFIED = 1000  # ids in one batchModify
ANSWER_BYTES = 24 * 1024 * 1024
#: Mails above this come without their files, which are fetched when somebody opens them.
LARGE = 4 * 1024 * 1024
ATTACHMENT_BYTES = 72 * 1024 * 1024
PIECE = 256 * 1024  # signs of base64, a multiple of four
MAX_PAGES = 10_000
#: What puts a message somewhere: the labels to add and to take off. Sent mail and drafts keep the labels that make them so.
MOVES: dict[FolderRole, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "INBOX": (("INBOX",), ("TRASH", "SPAM")),
    "ARCHIVE": ((), ("INBOX", "TRASH", "SPAM")),
    "TRASH": (("TRASH",), ("INBOX", "SPAM")),
    "SPAM": (("SPAM",), ("INBOX", "TRASH")),
    "SENT": ((), ("TRASH", "SPAM")),
    "DRAFTS": ((), ("TRASH", "SPAM")),
}
#: Those of its own labels that Gmail alone gives and takes.
FIXED = frozenset({"SENT", "DRAFT"})
#: Any of these lets us read mail; with gmail.metadata alone there are no texts.
SCOPES = (SCOPE + "gmail.readonly", SCOPE + "gmail.modify", gmail_sending.SENDING[0])
READING = frozenset({SCOPE + "gmail.readonly", SCOPE + "gmail.modify", "https://mail.google.com/"})
WRITING = frozenset({SCOPE + "gmail.modify", "https://mail.google.com/"})
#: Labels whose mails cannot be listed (Hangouts).
UNLISTED = frozenset({"CHAT"})
#: What came in while a history was lost is fetched anew from so long before the last good look.
OVERLAP = timedelta(days=1)
#: All ids are compared so often, though nothing seems amiss.
CENSUS = timedelta(days=7)
EVERYWHERE = (("includeSpamTrash", "true"),)


Each = TypeVar("Each")


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor.

    `history`: what is known up to here. While `filling`, `token` and `last` say which page of the first listing is being
    fetched and which message of it came last. `seen` is the last good look (POSIX seconds), `counted` the last comparison
    of all ids (0 before the first), `surplus` how many more Gmail then counted than it listed. `names` are the labels as they
    were called.
    """

    history: str
    filling: bool = True
    token: str = ""
    last: str = ""
    seen: float = 0.0
    counted: float = 0.0
    surplus: int | None = None
    names: dict[str, str] = {}
    version: int = 1


class Gmail:
    """One mailbox."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, str] = {}
        self._labels: tuple[records.Label, ...] = ()
        self._batches = list(BATCHES)

    async def profile(self) -> Profile:
        """Whose mailbox it is, and the addresses it sends from. Raises ReauthRequired when reading was not allowed."""
        secret = await self._session.credentials()
        granted = frozenset((secret.scope or "").split())
        if granted and not granted & READING:
            raise ReauthRequired(
                "Reading mail was not allowed: link the account again and leave the box for it ticked.", provider_code="scope"
            )
        me = await self._me()
        own = {me.email_address.lower(): OwnAddress(value=me.email_address, primary=True)}
        try:
            answer = await ask(self._session, USER + "/settings/sendAs", calls=UNITS["send_as"])
            for each in decoded(answer.content, Identities).send_as:
                if each.send_as_email and each.verification_status in (None, "accepted"):
                    own.setdefault(each.send_as_email.lower(), OwnAddress(value=each.send_as_email))
        except (Refused, Malformed):
            pass  # aliases are worth having, not worth failing for
        return Profile(
            user_id=me.email_address.lower(),
            label=me.email_address,
            own_addresses=tuple(own.values()),
            granted_scopes=tuple(sorted(granted)),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """The whole mailbox newest first, then what changed.

        A history that Gmail no longer has is dealt with here: only what came in since the last look is fetched again, labels
        and what is gone are compared. Raises CursorExpired for a cursor that is none of ours.
        """
        position = cursors.read(cursor, Position)
        await self._know_names()
        async for page in self._run(position):
            yield msgspec.structs.replace(page, labels=self._labels)

    async def _run(self, position: Position | None) -> AsyncIterator[Page]:
        if position is None:  # the history before the list: what happens meanwhile is told twice, not missed
            position = Position(history=(await self._me()).history_id, seen=self._session.clock.now().timestamp())
        if position.filling:
            async for page in self._fill(position):
                yield page
        whole = not position.counted
        where = await self._where() if whole else None
        busy = whole
        try:
            async for page in self._changes(position, where):
                busy = busy or bool(page.rows)
                yield page
        except CursorExpired:
            now = await self._me()
            # Gmail has been seen to forget the latest history of a mailbox where nothing happens any more
            if now.history_id != position.history:
                busy = True
                where = await self._where()
                async for page in self._again(position, where):
                    yield page
                position.history = now.history_id
                with suppress(CursorExpired):  # forgotten again already: the next run compares again, if anything happens
                    async for page in self._changes(position, where):
                        yield page
        async for page in self._renamed(position):
            yield page
        moment = self._session.clock.now()
        if where is None and moment.timestamp() - position.counted > CENSUS.total_seconds():
            history = position.history
            where = await self._where()
            with suppress(CursorExpired):
                async for page in self._changes(position, where):  # what happened while it was being listed
                    yield page
            busy = busy or history != position.history
        statements = await self._statements(position, where) if busy or where is not None else ()
        position.seen, position.names = moment.timestamp(), self._names
        if where is not None:
            position.counted = moment.timestamp()
        yield Page(statements=statements, cursor=cursors.written(position), done=True)

    async def listing(self) -> AsyncIterator[Statement]:
        """Every id that Gmail lists, by place."""
        for statement in _whole(await self._where()):
            yield statement

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[Page]:
        """These messages again, wherever they are by now."""
        await self._know_names()
        for ids in _groups(keys, FETCHED):
            rows, _ = await self._fetched(ids)
            yield Page(rows=tuple(rows))

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """A part by its section number (RFC 9051 §6.4.5.1). Gmail counts from 0, below a root without a number."""
        answer = await ask(
            self._session, f"{USER}/messages/{_segment(key)}", (("format", "full"),), calls=UNITS["get"], max_bytes=ANSWER_BYTES
        )
        payload = decoded(answer.content, Mail).payload
        found = None if payload is None else numbered(payload).get(part)
        if found is None or found.body is None:
            raise Refused("This mail has no such part any more.", provider_code="not-found")
        data = found.body.data or ""
        if found.body.attachment_id:
            path = f"{USER}/messages/{_segment(key)}/attachments/{quote(found.body.attachment_id, safe='')}"
            answer = await ask(self._session, path, calls=UNITS["attachment"], max_bytes=ATTACHMENT_BYTES)
            data = decoded(answer.content, Content).data
        for start in range(0, len(data), PIECE):
            yield base64url(data[start : start + PIECE])

    async def send(self, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Hand a message over (sending.py)."""
        return await gmail_sending.send(self._session, mail, note)

    async def look_up(self, mail: Outgoing, step: bytes) -> Submitted:
        """Whether a message is in Sent."""
        return await gmail_sending.look_up(self._session, mail, step)

    async def mark(self, keys: Sequence[str], marking: Marking) -> None:
        """Read and starred are labels of Gmail's. Raises ReauthRequired where only reading was allowed."""
        told = (("UNREAD", marking.unread), ("STARRED", marking.flagged))
        await self._relabel(keys, [label for label, on in told if on is True], [label for label, on in told if on is False])

    async def move(self, keys: Sequence[str], role: FolderRole, *, again: bool) -> dict[str, Moved]:
        """A place is a label of Gmail's, or the lack of one; ids stay. Raises as `mark`."""
        added, removed = MOVES[role]
        await self._relabel(keys, added, removed)
        place = next((PLACES[label] for label in added if label in PLACES), ALL)
        return {key: Moved(key=key, container=place, labels_added=added, labels_removed=removed) for key in keys}

    async def file(self, keys: Sequence[str], added: Sequence[str], removed: Sequence[str], *, again: bool) -> dict[str, Moved]:
        """Puts labels on and takes them off, by their ids. Raises as `mark`."""
        await self._know_names()
        if gone := [label for label in added if label not in self._names]:
            raise Refused(f"Gmail has no such label any more ({gone[0]}).", provider_code="no-label")
        still = [label for label in removed if label in self._names]
        await self._relabel(keys, added, still)
        place = next((PLACES[label] for label in added if label in PLACES), ALL if {*still} & {*PLACES} else None)
        on, off = (tuple(shown(self._names[label]) for label in some) for some in (added, still))
        return {key: Moved(key=key, container=place, labels_added=on, labels_removed=off) for key in keys}

    async def join(self, line: Line) -> Subscription:
        """Have Google call for this mailbox (push.py)."""
        return await gmail_push.watch(self._session, line, (await self._me()).email_address)

    async def leave(self) -> None:
        """Have it called no more."""
        await gmail_push.stop(self._session)

    async def _relabel(self, keys: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> None:
        granted = frozenset(((await self._session.credentials()).scope or "").split())
        if granted and not granted & WRITING:
            raise ReauthRequired(
                "Changing mail was not allowed: link the account again and leave the box for it ticked.", provider_code="scope"
            )
        change = {"addLabelIds": list(added), "removeLabelIds": list(removed)}
        if not added and not removed:
            return
        for ids in _groups(keys, MODIFIED):
            body = {"ids": ids, **{name: labels for name, labels in change.items() if labels}}
            await tell(self._session, "POST", USER + "/messages/batchModify", body=body, calls=UNITS["modify"])

    # --- the first time ---------------------------------------------------------------------------------------------

    async def _fill(self, position: Position) -> AsyncIterator[Page]:
        """Every message, latest first, resumable after each page."""
        total = (await self._me()).messages_total
        large = frozenset([id_ async for id_ in self._ids((("q", f"larger:{LARGE}"), *EVERYWHERE))])
        for _ in range(MAX_PAGES):
            try:
                found = await self._listed(EVERYWHERE, position.token)
            except Refused as error:
                if not position.token or error.provider_code != "400":
                    raise
                position.token = position.last = ""  # the place in the list is too old: from the top, nothing twice is stored
                continue
            ids = [each.id for each in found.messages]
            todo = ids[ids.index(position.last) + 1 :] if position.last in ids else ids
            for some in _groups(todo, FETCHED):
                rows, _ = await self._fetched(some, large)
                position.last = some[-1]
                yield Page(rows=tuple(rows), cursor=cursors.written(position), total=total)
            if not found.next_page_token or found.next_page_token == position.token:
                break
            position.token, position.last = found.next_page_token, ""
            with suppress(CursorExpired):  # what comes in now does not wait for the end of a long list
                async for page in self._changes(position, None):
                    yield page
        position.filling, position.token, position.last = False, "", ""
        yield Page(cursor=cursors.written(position), total=total)

    # --- what changed -----------------------------------------------------------------------------------------------

    async def _changes(self, position: Position, where: dict[str, str] | None) -> AsyncIterator[Page]:
        """The history since `position`, which moves along. Raises CursorExpired when Gmail no longer has it."""
        token = ""
        start = position.history
        for _ in range(MAX_PAGES):
            params = [("startHistoryId", start), ("maxResults", str(LISTED)), *([("pageToken", token)] if token else [])]
            try:
                answer = await ask(self._session, USER + "/history", params, calls=UNITS["history"])
            except Refused as error:
                if error.provider_code == "not-found" or (error.provider_code == "400" and not token):
                    raise CursorExpired("Gmail no longer has this history.") from error
                raise
            found = decoded(answer.content, History)
            async for rows in self._rows_of(found.history, where):
                yield Page(rows=rows, cursor=cursors.written(position))
            if not found.next_page_token:
                moved = found.history_id != position.history
                position.history = found.history_id
                if moved:
                    yield Page(cursor=cursors.written(position))
                return
            token = found.next_page_token
            if found.history and found.history[-1].id:
                position.history = found.history[-1].id  # a record's id is a place to go on from, too
                yield Page(cursor=cursors.written(position))
        raise Malformed("Gmail's history does not end.", provider_code="paging")

    async def _rows_of(self, history: Sequence[Record], where: dict[str, str] | None) -> AsyncIterator[tuple[Row, ...]]:
        """What a page of history comes to: the last word on each message."""
        added: dict[str, None] = {}
        gone: dict[str, None] = {}
        labels: dict[str, list[str] | None] = {}
        for record in history:
            for change in record.messages_added:
                added[change.message.id] = None
                gone.pop(change.message.id, None)
            for change in (*record.labels_added, *record.labels_removed):
                labels[change.message.id] = change.message.label_ids
            for change in record.messages_deleted:
                gone[change.message.id] = None
                added.pop(change.message.id, None)
        for ids in _groups(list(added), FETCHED):
            rows, missing = await self._fetched(ids)
            yield _noted((*rows, *_gone(missing)), where)
        told = {id_: said for id_, said in labels.items() if id_ not in added and id_ not in gone}
        rows = [Row(item=state(self._names, id_, said)) for id_, said in told.items() if said is not None]
        for some in _groups(rows, STATES):
            yield _noted(some, where)
        async for asked in self._states([id_ for id_, said in told.items() if said is None]):
            yield _noted(asked, where)
        for ids in _groups(list(gone), STATES):
            yield _noted(_gone(ids), where)

    async def _again(self, position: Position, where: Mapping[str, str]) -> AsyncIterator[Page]:
        """After a lost history: what came in meanwhile whole, of everything else the labels; pages keep the old cursor."""
        cursor = cursors.written(position)
        since = int(position.seen - OVERLAP.total_seconds())
        recent = [id_ async for id_ in self._ids((("q", f"after:{max(0, since)}"), *EVERYWHERE))]
        for ids in _groups(recent, FETCHED):
            rows, _ = await self._fetched(ids)
            yield Page(rows=tuple(rows), cursor=cursor)
        told: dict[str, list[str]] = {id_: [] for id_ in where}
        for label in self._names:
            if label not in UNLISTED:
                for id_ in await self._labelled(label):
                    told.setdefault(id_, []).append(label)
        fetched = frozenset(recent)
        rows = [Row(item=state(self._names, id_, said)) for id_, said in told.items() if id_ not in fetched and id_ in where]
        for some in _groups(rows, STATES):
            yield Page(rows=tuple(some), cursor=cursor)

    async def _renamed(self, position: Position) -> AsyncIterator[Page]:
        """A label's new name is no change of its messages for Gmail: they are told anew."""
        for label, name in position.names.items():
            if self._names.get(label, name) != name:
                async for rows in self._states(await self._labelled(label)):
                    yield Page(rows=rows, cursor=cursors.written(position))

    # --- what is there ----------------------------------------------------------------------------------------------

    async def _where(self) -> dict[str, str]:
        """Every message's place. Raises Unavailable when Gmail's lists contradict each other."""
        me = await self._me()
        where = dict.fromkeys(await self._trusted((), me.messages_total), ALL)
        for label, place in reversed(PLACES.items()):
            where.update(dict.fromkeys(await self._labelled(label), place))
        return where

    async def _labelled(self, label: str) -> list[str]:
        answer = await ask(self._session, f"{USER}/labels/{quote(label, safe='')}", calls=UNITS["labels"])
        return await self._trusted((("labelIds", label),), decoded(answer.content, Label).messages_total)

    async def _trusted(self, params: Sequence[tuple[str, str]], expected: int | None) -> list[str]:
        """A list that is as long as Gmail says, or that it gives twice: an answer cut short must not delete anything."""
        ids = [id_ async for id_ in self._ids((*params, *EVERYWHERE))]
        if expected is not None and len(ids) >= expected:
            return ids
        again = [id_ async for id_ in self._ids((*params, *EVERYWHERE))]
        if len(set(ids) ^ set(again)) > max(2, len(again) // 100):
            raise Unavailable("Gmail's lists of messages contradict each other. It is tried again.", provider_code="listing")
        return again

    async def _statements(self, position: Position, where: Mapping[str, str] | None) -> tuple[Statement, ...]:
        """What Gmail itself says that there is: the ids when they were just listed, else its counts."""
        me = await self._me()
        if where is not None:
            still = me.history_id == position.history and me.messages_total is not None
            position.surplus = (me.messages_total or 0) - len(where) if still else None
            return _whole(where)
        counts: dict[str, int] = {}
        for label, place in PLACES.items():
            answer = await ask(self._session, f"{USER}/labels/{label}", calls=UNITS["labels"])
            count = decoded(answer.content, Label).messages_total
            if count is None:
                return ()
            counts[place] = count
        if me.messages_total is not None and position.surplus is not None and me.history_id == position.history:
            counts[ALL] = max(0, me.messages_total - position.surplus - sum(counts.values()))
        return tuple(Statement(container=place, kind="MESSAGE", expected=count) for place, count in counts.items())

    async def _me(self) -> Me:
        return decoded((await ask(self._session, USER + "/profile", calls=UNITS["profile"])).content, Me)

    async def _know_names(self) -> None:
        answer = await ask(self._session, USER + "/labels", calls=UNITS["labels"])
        found = decoded(answer.content, Labels).labels
        self._names = {each.id: (each.name or each.id) if each.type == "user" else each.id for each in found}
        self._labels = tuple(
            records.Label(
                key=each.id,
                name=self._names[each.id],
                place=shown(self._names[each.id]),
                role=OWN.get(each.id, "OTHER"),
                folder=False,
                writable=each.id not in FIXED,
            )
            for each in found
            if each.type == "user" or each.id in OWN
        )

    async def _listed(self, params: Sequence[tuple[str, str]], token: str) -> Listing:
        more = [("pageToken", token)] if token else []
        answer = await ask(self._session, USER + "/messages", [("maxResults", str(LISTED)), *params, *more], calls=UNITS["list"])
        return decoded(answer.content, Listing)

    async def _ids(self, params: Sequence[tuple[str, str]]) -> AsyncIterator[str]:
        token = ""
        for _ in range(MAX_PAGES):
            found = await self._listed(params, token)
            for each in found.messages:
                yield each.id
            if not found.next_page_token or found.next_page_token == token:
                return
            token = found.next_page_token
        raise Malformed("Gmail's list of messages does not end.", provider_code="paging")

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _fetched(self, ids: Sequence[str], large: Collection[str] = ()) -> tuple[list[Row], list[str]]:
        """The rows of these messages, and which of them are gone by now."""
        rows: list[Row] = []
        missing: list[str] = []
        small = [id_ for id_ in ids if id_ not in large]
        formats = [*((some, "raw") for some in _groups(small, FETCHED)), *(([id_], "full") for id_ in ids if id_ in large)]
        while formats:
            some, form = formats.pop(0)
            try:
                parts = await self._batched(some, form)
            except Malformed as error:
                if error.provider_code != "too-large" or (len(some) == 1 and form == "full"):
                    raise
                half = len(some) // 2
                formats[:0] = [(some, "full")] if len(some) == 1 else [(some[:half], "raw"), (some[half:], "raw")]
                continue
            for id_, part in zip(some, parts, strict=True):
                if part.status == 404:
                    missing.append(id_)
                else:
                    rows.append(Row(item=self._item(id_, part)))
        order = {id_: n for n, id_ in enumerate(ids)}
        return sorted(rows, key=lambda row: order[_key_of(row)]), missing

    async def _states(self, ids: Sequence[str]) -> AsyncIterator[tuple[Row, ...]]:
        """The labels of these messages, asked for."""
        for some in _groups(ids, FETCHED):
            rows: list[Row] = []
            for id_, part in zip(some, await self._batched(some, "minimal"), strict=True):
                if part.status == 404:
                    rows += _gone([id_])
                elif part.status not in SUCCESS:
                    raise failure(self._session, part.status, part.content)
                else:
                    rows.append(Row(item=state(self._names, id_, decoded(part.content, Mail).label_ids or ())))
            yield tuple(rows)

    async def _batched(self, ids: Sequence[str], form: str) -> list[Part]:
        targets = [f"{USER}/messages/{_segment(id_)}?format={form}" for id_ in ids]
        while True:
            try:
                return await batch(self._session, self._batches[0], targets, calls=UNITS["get"], max_bytes=ANSWER_BYTES)
            except Refused as error:
                if error.provider_code != "not-found" or len(self._batches) == 1:
                    raise
                del self._batches[0]

    def _item(self, id_: str, part: Part) -> Message | Unreadable:
        """The message of an answer, or why there is none: it stays a gap that is asked for again."""
        if part.status not in SUCCESS:
            error = failure(self._session, part.status, part.content)
            if isinstance(error, ReauthRequired):
                raise error
            return Unreadable(key=id_, outcome="FAILED", message=error.message, reason="UNREADABLE", container=ALL)
        try:
            return message(self._session.account, self._names, id_, decoded(part.content, Mail))
        except Malformed as error:
            excerpt = part.content[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
            return Unreadable(
                key=id_, outcome="FAILED", message=error.message, reason="UNREADABLE", excerpt=excerpt, container=ALL
            )


def _whole(where: Mapping[str, str]) -> tuple[Statement, ...]:
    keys: dict[str, set[str]] = {ALL: set(), SPAM: set(), TRASH: set()}
    for id_, place in where.items():
        keys[place].add(id_)
    return tuple(
        Statement(container=place, kind="MESSAGE", expected=len(held), keys=frozenset(held)) for place, held in keys.items()
    )


def _noted(rows: Sequence[Row], where: dict[str, str] | None) -> tuple[Row, ...]:
    """The rows, and what they say of where messages are kept in mind."""
    if where is not None:
        for row in rows:
            if isinstance(row.item, Gone):
                where.pop(row.item.key, None)
            elif isinstance(row.item, Message | MessageState):
                where[row.item.key] = row.item.container
    return tuple(rows)


def _gone(ids: Sequence[str]) -> tuple[Row, ...]:
    return tuple(Row(item=Gone(kind="MESSAGE", key=id_)) for id_ in ids)


def _key_of(row: Row) -> str:
    assert isinstance(row.item, Message | Unreadable)
    return row.item.key


def _segment(id_: str) -> str:
    """An id for a path: nothing that could lead elsewhere."""
    if not id_ or not id_.isascii() or not id_.replace("-", "").replace("_", "").isalnum():
        raise Refused("This is no id of a message at Gmail.", provider_code="not-found")
    return id_


def _groups(items: Sequence[Each], size: int) -> list[list[Each]]:
    return [list(items[n : n + size]) for n in range(0, len(items), size)]


def _open(session: Session) -> Adapter:
    return Gmail(session)


PROVIDER = Provider(
    key=KEY,
    name="Gmail",
    kind="MAIL",
    mode="MIRRORED",
    capabilities=frozenset({"CONVERSATIONS", "SEND", "REPLY", "READ_STATE", "DELTA", "MIRROR", "LABELS", "ATTACHMENTS"}),
    limitations=(
        "Contacts are another interface of Google's: link Google contacts beside it.",
        "Google calls only where the operator has set up Cloud Pub/Sub; elsewhere changes arrive with the next poll.",
        "Google ends sign-ins after seven days while the Google Cloud project is in testing mode.",
        "Hangouts chats are not in the interface's lists.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Google",
            help="Kith asks to read your mail, to mark and move it, and to send what you write in it.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=6_000,
        seconds=60.0,
        concurrency=4,
        sentence="Gmail allows 6,000 units a minute to a mailbox; a message costs 20.",
    ),
    docs_path="docs/providers/gmail.md",
    write_scopes={"READ_STATE": WRITING},
    poll_seconds=120,
    default_url="https://gmail.googleapis.com",
    domains=frozenset({"gmail.com", "googlemail.com"}),
    open=_open,
    authorize=authorizer(KEY, "Gmail", SCOPES, "Gmail API"),
    own_client=True,
    send_scopes=frozenset(gmail_sending.SENDING),
    switchboard=gmail_push.switchboard,
    line="google_pubsub",
)
