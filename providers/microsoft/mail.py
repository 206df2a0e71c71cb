"""Outlook's mail, mirrored folder by folder.

Speaks mailFolders and messages of Microsoft Graph v1.0 with their delta function, and JSON batches. A folder is read newest first;
then one round of changes gives the mark for the next ones, the state of everything and all ids. A mark that Graph has lost costs
such a round and the mails of the meantime, never the texts again. Ids are immutable: what left one folder may be in another, so a
message is gone only when Graph says so of the message itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from providers.errors import CursorExpired, Malformed, Refused, Unavailable
from providers.formats import mail_body
from providers.http import SUCCESS, Session
from providers.microsoft.folders import (
    Folder,
    Mark,
    emptied,
    groups,
    ids_in,
    is_gone,
    readable,
    renamed,
    statement,
    tree,
    unreadable,
)
from providers.microsoft.graph import ask, batch, decoded, failure, listed, patch, path_of, posted, raw_bytes
from providers.microsoft.item import STATE, WHOLE, File, Outlook, is_mail, message, outline, state
from providers.records import FolderRole, Gone, Label, Marking, Moved, Page, Row, Statement, Unreadable

#: Mails listed at a time, and states in one page of a round.
LISTED = 40
ROUND = 200
#: MIME texts in one batch: those with files are likely to be large.
FETCHED = 20
FETCHED_WITH_FILES = 4
ANSWER_BYTES = 24 * 1024 * 1024
#: A mail above this comes without its files.
LARGE = 40 * 1024 * 1024
PART_BYTES = 72 * 1024 * 1024
PIECE = 256 * 1024
#: While a large folder is read for the first time, the finished ones are looked at after so many pages.
REFRESHED = 10
#: Mails that came in so long before the last look are fetched again when they show up: clocks differ, and changes come late.
SKEW = timedelta(minutes=10)
OVERLAP = timedelta(days=1)
#: All ids are compared so often, though nothing seems amiss.
CENSUS = timedelta(days=7)
#: Folders by the names that are the same in every language, in the order in which they are read; all others come between.
FIRST = ("inbox", "sentitems", "drafts", "archive")
LAST = ("junkemail", "deleteditems")
#: What each of them is for.
ROLES: Final[dict[str, FolderRole]] = {
    "inbox": "INBOX", "sentitems": "SENT", "drafts": "DRAFTS", "archive": "ARCHIVE", "junkemail": "SPAM", "deleteditems": "TRASH",
}  # fmt: skip


class Mailbox:
    """The mail of one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paths: dict[str, str] = {}
        self._roles: dict[str, FolderRole] = {}
        self._keys: dict[str, set[str]] = {}

    def labels(self) -> tuple[Label, ...] | None:
        """The folders, once they are known. Categories are told with each message: which there are is a setting of its own."""
        found = (Label(key=id_, name=path, place=path, role=self._role(id_)) for id_, path in self._paths.items())
        return tuple(found) or None

    async def listing(self) -> AsyncIterator[Statement]:
        """Every id of each folder."""
        for folder in await self.know_folders():
            yield statement(folder.path, "MESSAGE", await ids_in(self._session, ("me", "mailFolders", folder.id, "messages")))

    async def fetch(self, keys: Sequence[str]) -> AsyncIterator[Page]:
        """These messages again, wherever they are by now."""
        for ids in groups(keys, LISTED):
            items = [item for item in await self._asked(ids) if isinstance(item, Outlook)]
            yield Page(rows=tuple(await self._messages(items)))

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """A part of the MIME text by its section number (RFC 9051 §6.4.5.1)."""
        try:
            answer = await ask(self._session, path_of("me", "messages", key, "$value"), max_bytes=PART_BYTES)
        except Malformed as error:
            if error.provider_code != "too-large":
                raise
            raise Refused("This mail is too large to be fetched. Open it at Outlook.", provider_code="too-large") from error
        content = mail_body.content(answer.content, part)
        if content is None:
            raise Refused("This mail has no such part any more.", provider_code="not-found")
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    async def mark(self, keys: Sequence[str], marking: Marking) -> None:
        """Read and flagged are properties of a message. Raises what Graph answers, but for messages that are gone."""
        change: dict[str, object] = {}
        if marking.unread is not None:
            change["isRead"] = not marking.unread
        if marking.flagged is not None:
            change["flag"] = {"flagStatus": "flagged" if marking.flagged else "notFlagged"}
        for part in await patch(self._session, [path_of("me", "messages", key) for key in keys], change):
            if part.status not in SUCCESS and part.status not in (404, 410):
                raise failure(self._session, part.status, bytes(part.body))

    async def move(self, keys: Sequence[str], role: FolderRole) -> dict[str, Moved]:
        """To Outlook's own folder for a role. Raises Refused where the mailbox has none."""
        folders = await self.know_folders()
        target = next((folder for folder in folders if self._roles.get(folder.id) == role), None)
        if target is None:
            raise Refused(f"This mailbox has no folder for it ({role.lower()}).", provider_code="no-folder")
        return await self._moved(keys, target)

    async def file(self, keys: Sequence[str], folder_id: str) -> dict[str, Moved]:
        """To the folder with this id."""
        target = next((folder for folder in await self.know_folders() if folder.id == folder_id), None)
        if target is None:
            raise Refused("This mailbox has no such folder any more.", provider_code="no-folder")
        return await self._moved(keys, target)

    async def _moved(self, keys: Sequence[str], target: Folder) -> dict[str, Moved]:
        """Ids are immutable, so that a message keeps its own. What is in the folder already is not moved again."""
        found = await self._asked(keys)
        for item in found:
            if isinstance(item, Unreadable):
                raise Unavailable(item.message, provider_code="unreadable")
        moving = [item.id for item in found if isinstance(item, Outlook) and item.parent_folder_id != target.id]
        paths = [path_of("me", "messages", key, "move") for key in moving]
        gone: set[str] = set()
        for key, part in zip(moving, await posted(self._session, paths, {"destinationId": target.id}), strict=True):
            if part.status in (404, 410):
                gone.add(key)
            elif part.status not in SUCCESS:
                raise failure(self._session, part.status, bytes(part.body))
        there = [item.id for item in found if isinstance(item, Outlook) and item.id not in gone]
        return {key: Moved(key=key, container=target.path, label_keys=(target.id,)) for key in there}

    async def pages(self, marks: dict[str, Mark]) -> AsyncIterator[Page]:
        """Folder by folder: everything newest first, or what changed; `marks` move along."""
        folders = await self.know_folders()
        busy: set[str] = set()
        for folder in folders:
            mark = marks.setdefault(folder.id, Mark(path=folder.path))
            renamed(mark, folder.path)
        for folder in folders:
            mark = marks[folder.id]
            count = 0
            async for page in self._fill(folder, mark):
                yield page
                count += 1
                if count % REFRESHED == 0:
                    async for other in self._rounds(marks, [each for each in folders if marks[each.id].filled], busy):
                        yield other
            async for page in self._rounds(marks, [folder], busy):
                yield page
        if statements := [each async for each in self._statements(marks, folders, busy)]:
            yield Page(statements=tuple(statements))

    async def _statements(self, marks: dict[str, Mark], folders: Sequence[Folder], busy: set[str]) -> AsyncIterator[Statement]:
        """What the folders hold: ids of those that were listed, counts of those where something happened.

        All of them come at the end: until then a mail that was moved may be in neither folder or in both. A run that does not
        get so far leaves folders uncounted for the next one.
        """
        now = self._now()
        for id_ in sorted(marks.keys() - {folder.id for folder in folders}):
            if await is_gone(self._session, "mailFolders", id_):
                yield statement(marks.pop(id_).path, "MESSAGE", set())
        counts = {folder.id: folder.total_item_count for folder in await self.know_folders()} if busy else {}
        for folder in folders:
            mark = marks[folder.id]
            if folder.id in self._keys:
                yield statement(folder.path, "MESSAGE", self._keys.pop(folder.id))
                mark.counted = now
                for each in emptied(mark, "MESSAGE", self._paths.values()):
                    yield each
            elif folder.id in busy and (count := counts.get(folder.id)) is not None:
                yield Statement(container=folder.path, kind="MESSAGE", expected=count)

    async def _fill(self, folder: Folder, mark: Mark) -> AsyncIterator[Page]:
        """The first reading, latest first, resumable at each page."""
        if mark.filled:
            return
        mark.since = mark.since or self._now() - SKEW.total_seconds()
        start = path_of(
            "me", "mailFolders", folder.id, "messages", orderby="receivedDateTime desc", top=str(LISTED), select=STATE
        )
        try:
            async for found in listed(self._session, mark.next or start):
                rows = await self._messages(readable(found.items, Outlook))
                mark.next = found.next
                mark.filled = not found.next
                yield Page(rows=tuple(rows), total=folder.total_item_count)
        except Refused as error:
            if not mark.next or error.provider_code not in ("400", "resync", "not-found"):
                raise
            mark.next = ""  # the place in the list is too old: from the top, nothing twice is stored
            async for page in self._fill(folder, mark):
                yield page

    async def _rounds(self, marks: dict[str, Mark], folders: Iterable[Folder], busy: set[str]) -> AsyncIterator[Page]:
        for folder in folders:
            mark = marks[folder.id]
            try:
                async for page in self._round(folder, mark, busy):
                    yield page
            except CursorExpired:
                mark.link, mark.counted = "", 0.0
                try:
                    async for page in self._round(folder, mark, busy):
                        yield page
                except CursorExpired as error:
                    raise Unavailable(
                        "Microsoft forgets its marks at once. It is tried again.", provider_code="resync"
                    ) from error

    async def _round(self, folder: Folder, mark: Mark, busy: set[str]) -> AsyncIterator[Page]:
        """What changed in a folder; without a link, the state of everything in it. Raises CursorExpired."""
        keys: set[str] | None = None if mark.link else set()
        path = mark.link or path_of("me", "mailFolders", folder.id, "messages", "delta", select=STATE)
        began = self._now()
        async for found in listed(self._session, path, page_size=ROUND):
            if not found.next and not found.delta:
                raise Malformed("Microsoft ended a round of changes without its mark.", provider_code="delta")
            items = {item.id: item for item in readable(found.items, Outlook)}
            if keys is not None:
                keys = (keys | items.keys()) - {item.id for item in items.values() if item.removed is not None}
            rows = await self._rows_of(items, folder, mark.since)
            mark.link = found.next or found.delta
            if items:
                busy.add(folder.id)
                yield Page(rows=tuple(rows))
        if not mark.counted or began - mark.counted > CENSUS.total_seconds():
            if keys is None:  # taken up in the middle
                keys = await ids_in(self._session, ("me", "mailFolders", folder.id, "messages"))
            self._keys[folder.id] = keys
        mark.since = began - OVERLAP.total_seconds()

    async def _rows_of(self, items: Mapping[str, Outlook], folder: Folder, since: float) -> list[Row]:
        """What a page of a round comes to.

        New mails are fetched; of all others the state is enough, and one that was never taken in shows as a gap. What left the
        folder may be in another one, and a change told in part says too little: both are asked for.
        """
        new, told, asked = [], [], []
        for item in items.values():
            if item.removed is not None or not item.whole:
                asked.append(item.id)
            elif item.received is not None and _stamp(item.received) >= since:
                new.append(item)
            else:
                told.append(Row(item=state(item, folder.id, folder.path, self._role(folder.id))))
        rows = await self._messages([msgspec.structs.replace(item, parent_folder_id=folder.id) for item in new])
        for id_, now in zip(asked, await self._asked(asked), strict=True):
            if isinstance(now, Unreadable):
                rows.append(Row(item=now))
            elif now is None or now.parent_folder_id not in self._paths:
                rows.append(Row(item=Gone(kind="MESSAGE", key=id_)))
            else:
                path, role = self._paths[now.parent_folder_id], self._role(now.parent_folder_id)
                told.append(Row(item=state(now, now.parent_folder_id, path, role)))
        return rows + told

    async def _asked(self, ids: Sequence[str]) -> list[Outlook | Unreadable | None]:
        """The state of these messages, None for those that are gone."""
        parts = await batch(self._session, [path_of("me", "messages", id_, select=STATE) for id_ in ids], max_bytes=ANSWER_BYTES)
        found: list[Outlook | Unreadable | None] = []
        for id_, part in zip(ids, parts, strict=True):
            if part.status in SUCCESS:
                found.append(decoded(bytes(part.body), Outlook))
            else:
                found.append(None if part.status == 404 else unreadable(self._session, id_, part))
        return found

    async def _messages(self, items: Sequence[Outlook]) -> list[Row]:
        """The rows of these messages, in their order; those that are gone by now are left out."""
        rows: dict[str, Row] = {}
        known = {item.id: item for item in items}
        plain = [item for item in known.values() if not item.has_attachments]
        files = [item for item in known.values() if item.has_attachments]
        todo = [*groups(plain, FETCHED), *groups(files, FETCHED_WITH_FILES)]
        while todo:
            some = todo.pop(0)
            try:
                texts = await self._texts(some) if len(some) > 1 else [await self._text(some[0])]
            except Malformed as error:
                if error.provider_code != "too-large" or len(some) == 1:
                    raise
                todo[:0] = [some[: len(some) // 2], some[len(some) // 2 :]]
                continue
            for item, text in zip(some, texts, strict=True):
                if isinstance(text, Unreadable):
                    rows[item.id] = Row(item=text)
                elif text is not None:
                    role = self._role(item.parent_folder_id)
                    found = message(self._session.account, item, text, container=self._place(item), role=role)
                    rows[item.id] = Row(item=found)
        return [rows[item.id] for item in items if item.id in rows]

    async def _texts(self, items: Sequence[Outlook]) -> list[bytes | Unreadable | None]:
        """MIME texts, None for those that are gone."""
        paths = [path_of("me", "messages", item.id, "$value") for item in items]
        parts = await batch(self._session, paths, max_bytes=ANSWER_BYTES)
        found: list[bytes | Unreadable | None] = []
        for item, part in zip(items, parts, strict=True):
            if part.status in SUCCESS:
                found.append(self._checked(item, raw_bytes(part)))
            else:
                found.append(None if part.status == 404 else unreadable(self._session, item.id, part, self._place(item)))
        return found

    async def _text(self, item: Outlook) -> bytes | Unreadable | None:
        """One MIME text by itself, for it may be large. A mail larger than that is put together without its files."""
        try:
            answer = await ask(self._session, path_of("me", "messages", item.id, "$value"), max_bytes=LARGE)
            if answer.media_type in ("text/html", "application/json"):
                raise answer.malformed("a mail")
            return self._checked(item, answer.content)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            return None
        except Malformed as error:
            if error.provider_code != "too-large":
                raise
        whole = await ask(self._session, path_of("me", "messages", item.id, select=WHOLE))
        files: list[File] = []
        path = path_of("me", "messages", item.id, "attachments", select="name,contentType,size,isInline")
        async for page in listed(self._session, path):
            files += readable(page.items, File)
        return outline(decoded(whole.content, Outlook), files)

    def _checked(self, item: Outlook, text: bytes) -> bytes | Unreadable:
        """A text that has the header of a mail, or that there is none: it is asked for again."""
        if is_mail(text):
            return text
        excerpt = text[:200].decode("utf-8", "replace").replace("\x00", "\ufffd") or None
        said = "Microsoft gave something else than a mail."
        return Unreadable(
            key=item.id, outcome="FAILED", message=said, reason="UNREADABLE", excerpt=excerpt, container=self._place(item)
        )

    def _place(self, item: Outlook) -> str:
        return self._paths.get(item.parent_folder_id or "", "")

    def _role(self, folder_id: str | None) -> FolderRole:
        return self._roles.get(folder_id or "", "OTHER")

    async def know_folders(self) -> list[Folder]:
        """Every mail folder with its path, in the order of reading."""
        names = (*FIRST, *LAST)
        options = "id,displayName,childFolderCount,totalItemCount"
        parts = await batch(
            self._session, [path_of("me", "mailFolders", name, select="id") for name in names], max_bytes=ANSWER_BYTES
        )
        known = {
            decoded(bytes(part.body), Folder).id: name for name, part in zip(names, parts, strict=True) if part.status in SUCCESS
        }
        found = await tree(self._session, ("me", "mailFolders"), options)
        self._paths = {folder.id: folder.path for folder in found}
        self._roles = {id_: ROLES[name] for id_, name in known.items()}
        order = {name: n for n, name in enumerate(FIRST)} | {name: len(FIRST) + 1 + n for n, name in enumerate(LAST)}
        return sorted(found, key=lambda folder: (order.get(known.get(folder.id, ""), len(FIRST)), folder.path))

    def _now(self) -> float:
        return self._session.clock.now().timestamp()


def _stamp(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
