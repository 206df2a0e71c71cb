"""A run of the sync: what is new in a mailbox since its marks, page by page (RFC 7162, RFC 4549).

    folders and their figures ─ equal to the mark's? ─ nothing to do
        │ different
        ▼
    look: changed flags, arrivals, what is gone ──▶ mark.todo, mark.gone
        ▼
    read mark.todo, window by window, newest first over all folders     (again from the top every half minute)
        ▼
    all read, and no folder changed since something was gone ──▶ tell what is gone ──▶ statements, done

What has moved arrives in its new folder before it is told to be gone from the old one. Flags come by CONDSTORE, vanished
messages by QRESYNC where the server really enabled it; else by comparing lists. No server is believed that suddenly lacks much
of a folder: it is asked again in a fresh session. A connection that is cut is made anew as long as things get on.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers import records
from providers.errors import ForbiddenAddress, RateLimited, ReauthRequired, Refused, Unavailable
from providers.imap4 import content, folders, large
from providers.imap4.connection import Connection, quoted, uids_found
from providers.imap4.content import Fetched
from providers.imap4.folders import Folder
from providers.imap4.marks import Mark, Marks, Void, key, prefix
from providers.imap4.syntax import Data, number, raw
from providers.imap4.uid_set import LAST, UidSet
from providers.session import Clock

#: Messages of a page, and about how many bytes of text it may hold.
PAGE: Final = 100
PAGE_BYTES: Final = 4 * 1024 * 1024
#: Messages that are read in one go, and bytes of one that count as another message.
BREATH: Final = 16
BREATH_BYTES: Final = 4 * 1024
#: Messages asked for at once: few at first, so that something is there soon, then enough to make up for the way.
FIRST_WINDOW: Final = 50
WINDOW: Final = 400
#: Seconds of reading old mail after which new mail is looked for again.
REVISIT_SECONDS: Final = 30.0
#: Keys of gone messages in a page, and flag changes.
SHORT_PAGE: Final = 500
#: A resync that would remove more than this share and this count of a folder is checked in a fresh session.
DOUBTFUL_SHARE: Final = 0.2
DOUBTFUL_COUNT: Final = 50
#: Without CONDSTORE: UIDs whose flags are compared at a time, and folders looked at in turn though their figures are equal.
SWEEP: Final = 500
TURNS: Final = 3
#: Connections made anew in one run, so many of them without progress in a row; and rounds without an end.
RECONNECTS: Final = 50
FRUITLESS: Final = 3
ROUNDS: Final = 1_000
ACCESS: Final = "access"  # where the ledger has folders that may not be read: in their own lines only messages are counted

Connect = Callable[[], Awaitable[Connection]]


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """What EXAMINE says of a folder; `modseq` None where the folder keeps none (RFC 7162 §3.1.2.2)."""

    exists: int
    validity: int
    next: int | None
    modseq: int | None
    object_id: bytes | None


class Mirror:
    """One run over one mailbox. `marks` move along with the pages; `own` are the user's addresses in lower case."""

    def __init__(self, connect: Connect, clock: Clock, marks: Marks, own: frozenset[str], *, visible: int | None = None) -> None:
        self._connect = connect
        self._clock = clock
        self._marks = marks
        self._own = own
        self._visible = visible  # how many messages of a folder the host shows at most
        self._connection: Connection | None = None
        self._selected: tuple[bytes, int] | None = None  # folder and UIDVALIDITY
        self._folders: dict[str, Folder] = {}
        self._shut: set[str] = set()  # folders that were refused to us in this round
        self._closed: dict[str, str] = {}  # folders that this account may not read, with the server's words
        self._labels: tuple[records.Label, ...] | None = None
        self._gmail = False
        self._doubted = False  # a folder was not the one of this name any more
        self._moves = 0  # steps forward, to tell a line that is cut now and then from a server that is down

    async def pages(self) -> AsyncGenerator[records.Page]:
        """The pages of the run, the last one `done`. Raises ProviderError."""
        fruitless = 0  # attempts in a row that brought nothing
        try:
            for attempt in range(RECONNECTS + 1):
                before = self._moves
                try:
                    async with aclosing(self._rounds()) as found:
                        async for page in found:
                            self._moves += 1
                            yield page
                    return
                except Unavailable as error:
                    fruitless = fruitless + 1 if self._moves == before else 0
                    if fruitless >= FRUITLESS or attempt == RECONNECTS or error.provider_code in ("circuit-open", "deadline"):
                        raise
                    await self._leave()
                    await self._clock.sleep(0.2 * 2**fruitless)
        finally:
            await self._leave()

    async def listing(self) -> AsyncGenerator[records.Statement]:
        """For each folder what the server says is in it, with all keys. Raises ProviderError."""
        try:
            connection = await self._line()
            for folder in await self._mirrored(connection):
                if (statement := await self._listed(folder)) is not None:
                    yield statement
        finally:
            await self._leave()

    async def again(self, wanted: dict[tuple[str, int], UidSet]) -> AsyncGenerator[records.Page]:
        """These messages once more, by folder ident and UIDVALIDITY; pages without a cursor. Raises ProviderError."""
        try:
            connection = await self._line()
            known = {folder.ident: folder for folder in await self._mirrored(connection)}
            for (ident, validity), uids in wanted.items():
                folder = known.get(ident)
                selected = None if folder is None else await self._open(folder)
                if folder is None or selected is None or selected.validity != validity:
                    continue
                todo = uids & await self._search(b"UID " + uids.text())
                while todo:
                    window = todo.newest(WINDOW)
                    todo = todo - window
                    async with aclosing(self._window(folder, validity, window)) as found:
                        async for rows, _ in found:
                            yield records.Page(rows=tuple(rows))
        finally:
            await self._leave()

    # --- rounds --------------------------------------------------------------------------------------------------------

    async def _rounds(self) -> AsyncGenerator[records.Page]:
        marks = self._marks
        for _ in range(ROUNDS):
            waiting = {ident: mark.gone for ident, mark in marks.folders.items() if mark.gone}
            voids = list(marks.voids)
            current = await self._with_lost(await self._mirrored(await self._line()))
            for folder in self._to_look_at(current):
                async with aclosing(self._look_and_read(folder)) as looked:
                    async for page in looked:
                        yield page
            async with aclosing(self._read_old(current)) as read:
                async for page in read:
                    yield page
            if any(mark.todo for ident, mark in marks.folders.items() if ident not in self._shut):
                continue
            # what was gone before this round began has had the time to arrive elsewhere
            for rows in self._told_gone(waiting):
                yield self._page(rows)
            taken = {prefix(ident, mark.validity) for ident, mark in marks.folders.items()}
            for void in voids:
                marks.voids.remove(void)
                if void.prefix not in taken:  # a folder that was away for a while has its old numbers again
                    yield self._page([records.Row(item=records.Voided(container=void.container, prefix=void.prefix))])
            if not marks.voids and not self._doubted and not any(mark.gone for mark in marks.folders.values()):
                yield self._page(self._withheld(), statements=self._statements(current), done=True)
                return
        raise Unavailable("The mailbox changes faster than it can be read.", provider_code="restless")

    async def _mirrored(self, connection: Connection) -> list[Folder]:
        """The folders that are mirrored, with their state, none of them selected: STATUS of a selected one may be old."""
        if self._selected is not None:
            await connection.run(b"UNSELECT" if connection.has("UNSELECT", "IMAP4REV2") else b"CLOSE", doing="to leave a folder")
            self._selected = None
        everything = await folders.listed(connection)
        found = folders.mirrored(everything, gmail=self._gmail)
        known = {(mark.name, mark.validity): ident for ident, mark in self._marks.folders.items()}
        names = {mark.name: ident for ident, mark in self._marks.folders.items()}
        idents: dict[str, str] = {}
        for folder in found:  # one whose state the server would not tell is taken for what it was
            same = names.get(folder.name) if folder.state is None else known.get((folder.name, folder.state.validity or 0))
            if same is not None and not self._doubted:
                idents[folder.name] = same
        if len(idents) < len(found) or self._doubted:
            self._doubted = False
            told = await folders.ids(connection)
            idents = {f.name: folders.ident(f.raw, told.get(f.raw)) for f in found} | idents
        found = [msgspec.structs.replace(folder, ident=idents[folder.name]) for folder in found]
        self._folders = {folder.ident: folder for folder in found}
        self._labels = content.listed(everything, found, gmail=self._gmail and any(folder.role == "ALL" for folder in found))
        return found

    def _to_look_at(self, current: list[Folder]) -> list[Folder]:
        """Folders whose figures differ from their mark's; without CONDSTORE also the inbox and a few others in turn."""
        found = []
        blind = []
        for folder in current:
            mark = self._marks.folders.get(folder.ident)
            state = folder.state
            if mark is None or state is None or mark.differs(folder.name, state.validity, state.messages, state.next):
                found.append(folder)
            elif state.modseq is not None and mark.modseq is not None:
                if state.modseq != mark.modseq:
                    found.append(folder)
            elif state.unseen != mark.unseen or folder.role == "INBOX":
                found.append(folder)
            elif mark.uids:
                blind.append(folder)
        if blind:
            turn = self._marks.turn % len(blind)
            found += (blind[turn:] + blind[:turn])[:TURNS]
            self._marks.turn = (turn + TURNS) % len(blind)
        return found

    async def _with_lost(self, current: list[Folder]) -> list[Folder]:
        """The folders, once those that are listed no more have been asked for: they may be hidden, moved, or gone."""
        lost = self._lost()
        if any(len(self._marks.folders[ident].uids) > DOUBTFUL_COUNT for ident in lost):
            await self._leave()
            current = await self._mirrored(await self._line())
            lost = self._lost()
        for ident in lost:
            mark = self._marks.folders[ident]
            name = folders.name_of(ident)
            if name is not None:
                held = Folder(raw=name, name=mark.name, ident=ident)
                if (state := await folders.state(await self._line(), held)) is not None:
                    current = [*current, msgspec.structs.replace(held, state=state)]
                    self._folders[ident] = current[-1]
                    continue
            self._void(ident, mark)
        return current

    def _lost(self) -> list[str]:
        return [ident for ident in self._marks.folders if ident not in self._folders]

    def _void(self, ident: str, mark: Mark) -> None:
        """Everything under a mark's numbering is to go, once what has become of it has arrived."""
        del self._marks.folders[ident]
        self._marks.voids.append(Void(container=mark.name, prefix=prefix(ident, mark.validity)))

    def _withheld(self) -> Iterable[records.Row]:
        """Folders that are listed and not shown, with what to do."""
        for name, said in self._closed.items():
            text = f"The folder {name} is not shown to this account: ask whoever runs the server for the right to read it. {said}"
            yield records.Row(
                item=records.Unreadable(key=name, outcome="SKIPPED", message=text, reason="FORBIDDEN", container=ACCESS)
            )

    def _told_gone(self, waiting: dict[str, UidSet]) -> Iterable[list[records.Row]]:
        for ident, uids in waiting.items():
            mark = self._marks.folders.get(ident)
            left = UidSet() if mark is None else uids & mark.gone
            while mark is not None and left:
                part = left.newest(SHORT_PAGE)
                left = left - part
                mark.gone = mark.gone - part
                names = (key(ident, mark.validity, uid) for uid in part)
                yield [records.Row(item=records.Gone(kind="MESSAGE", key=name)) for name in names]

    def _statements(self, current: list[Folder]) -> tuple[records.Statement, ...]:
        """What the server says that its folders hold, without what people have deleted."""
        found = []
        for folder in current:
            mark = self._marks.folders.get(folder.ident)
            said = folder.state.messages if folder.state is not None else None
            if mark is not None:
                # the larger of both: some hosts show less of a folder than they say is in it
                said = max(mark.messages or 0, said or 0) if said != mark.messages else mark.messages
                said = None if said is None else max(0, said - len(mark.deleted))
            if said is not None:
                found.append(records.Statement(container=folder.name, kind="MESSAGE", expected=said))
        return tuple(found)

    def _page(
        self, rows: Iterable[records.Row], *, statements: tuple[records.Statement, ...] = (), done: bool = False
    ) -> records.Page:
        total = sum(len(mark.uids) - len(mark.deleted) for mark in self._marks.folders.values())
        unknown = (f for f in self._folders.values() if f.ident not in self._marks.folders)
        total += sum((f.state.messages or 0) for f in unknown if f.state is not None)
        return records.Page(
            rows=tuple(rows), cursor=self._marks.encoded(), statements=statements, labels=self._labels, total=total, done=done
        )

    # --- looking: what changed in a folder -----------------------------------------------------------------------------

    async def _look_and_read(self, folder: Folder) -> AsyncGenerator[records.Page]:
        """A folder's news and its latest messages. A folder that is refused stops no other: its ledger shows what is missing."""
        self._shut.discard(folder.ident)
        self._closed.pop(folder.name, None)
        try:
            async with aclosing(self._look(folder)) as looked:
                async for page in looked:
                    yield page
            if folder.ident in self._marks.folders:
                async with aclosing(self._read_window(folder, FIRST_WINDOW)) as read:
                    async for page in read:
                        yield page
        except (RateLimited, ReauthRequired, ForbiddenAddress):
            raise
        except Refused:
            self._shut.add(folder.ident)

    async def _look(self, folder: Folder) -> AsyncGenerator[records.Page]:
        """Brings a folder's mark up to date; flag changes of known messages are handed over at once."""
        selected = await self._open(folder)
        if selected is None:
            return
        if selected.object_id and folder.ident != folders.ident(folder.raw, selected.object_id) and folder.ident.startswith("~"):
            self._doubted = True  # folders have changed names: which is which is asked for in the next round
            return
        mark = self._marks.folders.get(folder.ident)
        if mark is not None and mark.validity != selected.validity:
            self._void(folder.ident, mark)
            mark = None
        if mark is None:
            await self._begin(folder, selected)
            return
        if mark.name != folder.name:  # renamed: the same messages stand in another place now
            async with aclosing(self._reflagged(folder, mark, b"1:*", b"")) as changed:
                async for rows in changed:
                    yield self._page(rows)
            mark.name = folder.name
        vanished = UidSet()
        modseq = selected.modseq
        if modseq is not None and mark.modseq is not None:
            if modseq != mark.modseq and mark.uids:
                qresync = "QRESYNC" in self._open_connection().enabled
                asked = b" (CHANGEDSINCE %d%s)" % (mark.modseq, b" VANISHED" if qresync else b"")
                seen: list[UidSet] = []
                async with aclosing(self._reflagged(folder, mark, b"1:%d" % mark.uids.last, asked, vanished=seen)) as changed:
                    async for rows in changed:
                        yield self._page(rows)
                for one in seen:
                    vanished = vanished | one
        elif mark.uids:
            async with aclosing(self._swept(folder, mark)) as changed:
                async for rows in changed:
                    yield self._page(rows)
        await self._compare(folder, mark, selected, vanished)

    async def _begin(self, folder: Folder, selected: Selected) -> None:
        """A folder that is new to us: everything in it is to be read."""
        mark = Mark(name=folder.name, validity=selected.validity)
        mark.uids = await self._search(b"ALL") if selected.exists else UidSet()
        mark.deleted = (await self._search(b"DELETED")) & mark.uids if mark.uids else UidSet()
        mark.todo = mark.uids - mark.deleted
        self._take_figures(folder, mark, selected)
        self._marks.folders[folder.ident] = mark

    async def _compare(self, folder: Folder, mark: Mark, selected: Selected, vanished: UidSet) -> None:
        """Arrivals, and what is gone: told by VANISHED when that adds up with the count of messages, else by a full list."""
        arrived = UidSet()
        if selected.next is None or selected.next > mark.next or selected.exists > len(mark.uids) - len(vanished & mark.uids):
            # `n:*` gives the last message even when its UID is smaller (RFC 9051 §6.4.8)
            start = max(mark.next, mark.uids.last + 1)
            found = await self._search(b"UID %d:*" % start) if selected.exists else UidSet()
            arrived = found & UidSet([(start, LAST)])
        gone = vanished & mark.uids
        if len(mark.uids) - len(gone) + len(arrived) != selected.exists:
            everything = await self._search(b"ALL") if selected.exists else UidSet()
            gone = self._visibly_gone(folder, mark, everything, selected)
            arrived = everything - mark.uids
        if len(gone) > DOUBTFUL_COUNT and len(gone) > DOUBTFUL_SHARE * len(mark.uids):
            gone = gone - await self._in_fresh_session(folder, mark.validity)
        mark.uids = (mark.uids - gone) | arrived
        mark.todo = (mark.todo - gone) | arrived
        if arrived:
            mark.oldest = None
        mark.gone = mark.gone | (gone - mark.deleted)
        mark.deleted = mark.deleted - gone
        if mark.uids:
            deleted = (await self._search(b"DELETED")) & mark.uids
            mark.gone = (mark.gone | (deleted - mark.deleted - mark.todo)) - (mark.deleted - deleted)
            mark.todo = (mark.todo | (mark.deleted - deleted)) - deleted
            mark.deleted = deleted
        self._take_figures(folder, mark, selected)

    def _visibly_gone(self, folder: Folder, mark: Mark, everything: UidSet, selected: Selected) -> UidSet:
        """What a full list lacks. A host that shows only the latest messages says nothing of those before them."""
        gone = mark.uids - everything
        said = folder.state.messages if folder.state is not None else None
        capped = (said or 0) > len(everything) or selected.exists > len(everything)
        if capped or (self._visible is not None and len(everything) >= self._visible):
            gone = gone & UidSet([(everything.first, LAST)]) if everything else UidSet()
        return gone

    async def _in_fresh_session(self, folder: Folder, validity: int) -> UidSet:
        """The folder's messages as another session sees them."""
        await self._leave()
        await self._line()
        selected = await self._open(folder)
        if selected is None or selected.validity != validity:
            raise Unavailable(f"The folder {folder.name} changes while it is looked at.", provider_code="restless")
        return await self._search(b"ALL") if selected.exists else UidSet()

    def _take_figures(self, folder: Folder, mark: Mark, selected: Selected) -> None:
        """RFC 7162 §3.1.2.1: the modification sequence of the moment we selected it, never a later one."""
        mark.modseq = selected.modseq
        mark.messages = selected.exists
        mark.next = selected.next or max(mark.uids.last + 1, mark.next)
        mark.unseen = folder.state.unseen if folder.state is not None else None

    async def _reflagged(
        self, folder: Folder, mark: Mark, uids: bytes, modifier: bytes, vanished: list[UidSet] | None = None
    ) -> AsyncGenerator[list[records.Row]]:
        """The state of messages that the server says have changed, of those that were handed over."""
        connection = self._open_connection()
        rows: list[records.Row] = []
        words = (b"UID FETCH ", uids, b" ", content.state_items(gmail=self._gmail), modifier)
        async with aclosing(connection.each(*words, doing="to tell what changed")) as said:
            async for one in said:
                if one.name == "VANISHED" and vanished is not None:
                    vanished.append(_vanished(one) & mark.uids)
                elif (found := _flags(one)) and _is_known(mark, found.uid) and not content.is_deleted(found.flags or ()):
                    rows.append(content.state(found, folder, mark.validity))
                    if len(rows) >= SHORT_PAGE:
                        yield rows
                        rows = []
        if rows:
            yield rows

    async def _swept(self, folder: Folder, mark: Mark) -> AsyncGenerator[list[records.Row]]:
        """Without modification sequences: the flags of the newest messages, and of some older ones in turn."""
        windows = sorted({uid // SWEEP for first, last in mark.uids.ranges for uid in (*range(first, last, SWEEP), last)})
        newest = windows.pop()
        chosen = [newest]
        if windows:
            older = [window for window in windows if window < mark.sweep] or windows
            chosen.append(older[-1])
            mark.sweep = older[-1]
        for window in chosen:
            wanted = mark.uids & UidSet([(max(1, window * SWEEP), (window + 1) * SWEEP - 1)])
            if not wanted:
                continue
            found: dict[int, Fetched] = {}
            words = (b"UID FETCH ", wanted.text(), b" ", content.state_items(gmail=self._gmail))
            async with aclosing(self._open_connection().each(*words, doing="to tell the flags")) as said:
                async for one in said:
                    if (fetched := _flags(one)) and fetched.uid in wanted:
                        found[fetched.uid] = fetched
            lines = (f"{uid} {' '.join(sorted(f.flags or ()))} {f.labels}" for uid, f in sorted(found.items()))
            total = zlib.crc32("\n".join(lines).encode("utf-8", "replace"))
            if mark.sums.get(window) != total:
                rows = [
                    content.state(fetched, folder, mark.validity)
                    for uid, fetched in found.items()
                    if _is_known(mark, uid) and not content.is_deleted(fetched.flags or ())
                ]
                mark.sums[window] = total
                if rows:
                    yield rows

    async def _listed(self, folder: Folder) -> records.Statement | None:
        selected = await self._open(folder)
        if selected is None:
            return None
        everything = await self._search(b"ALL") if selected.exists else UidSet()
        deleted = (await self._search(b"DELETED")) & everything if everything else UidSet()
        said = max(selected.exists, (folder.state.messages or 0) if folder.state is not None else 0)
        # a host that shows only a part of the folder must not be taken to say that the rest is gone
        whole = said <= len(everything) and (self._visible is None or len(everything) < self._visible)
        keys = frozenset(key(folder.ident, selected.validity, uid) for uid in everything - deleted) if whole else None
        return records.Statement(container=folder.name, kind="MESSAGE", expected=max(0, said - len(deleted)), keys=keys)

    # --- reading: messages ---------------------------------------------------------------------------------------------

    async def _read_old(self, current: list[Folder]) -> AsyncGenerator[records.Page]:
        """Windows of what is still to be read, the latest first over all folders, for REVISIT_SECONDS."""
        began = self._clock.now()
        order = {folder.ident: n for n, folder in enumerate(current)}
        while True:
            todo = [
                (mark.oldest is not None, -(mark.oldest or 0), order.get(ident, len(order)), ident)
                for ident, mark in self._marks.folders.items()
                if mark.todo and ident in self._folders and ident not in self._shut
            ]
            if not todo:
                return
            folder = self._folders[min(todo)[3]]
            try:
                async with aclosing(self._read_window(folder, WINDOW)) as read:
                    async for page in read:
                        yield page
            except (RateLimited, ReauthRequired, ForbiddenAddress):
                raise
            except Refused:
                self._shut.add(folder.ident)
            if (self._clock.now() - began).total_seconds() >= REVISIT_SECONDS:
                return

    async def _read_window(self, folder: Folder, size: int) -> AsyncGenerator[records.Page]:
        """The newest messages of a folder that are still to be read."""
        mark = self._marks.folders[folder.ident]
        window = mark.todo.newest(size)
        if not window:
            return
        selected = await self._open(folder)
        if selected is None:
            self._shut.add(folder.ident)
            return
        if selected.validity != mark.validity:
            self._void(folder.ident, mark)  # the next round begins with it anew
            return
        oldest: datetime | None = None
        left = window
        async with aclosing(self._window(folder, mark.validity, window)) as found:
            async for rows, fetched in found:
                taken = UidSet.of(one.uid for one in fetched)
                times = [one.arrived for one in fetched if one.arrived is not None]
                oldest = min([*times, oldest] if oldest is not None else times, default=None)
                mark.todo = mark.todo - taken
                left = left - taken
                mark.oldest = int((oldest or datetime(1970, 1, 1, tzinfo=UTC)).timestamp())
                yield self._page(rows)
        if left:  # not handed over and not there any more: somebody was quicker
            mark.todo = mark.todo - left
            mark.oldest = mark.oldest or 0

    async def _window(
        self, folder: Folder, validity: int, window: UidSet
    ) -> AsyncGenerator[tuple[list[records.Row], list[Fetched]]]:
        """Rows of these messages of the selected folder in pieces of a page, each with what they were made of."""
        connection = self._open_connection()
        rows: list[records.Row] = []
        done: list[Fetched] = []
        weight = breath = 0
        left = window
        cut: list[Fetched] = []
        broken: Unavailable | None = None
        try:
            async with aclosing(self._bodies(connection, window)) as found:
                async for one in found:
                    body, one.body = one.body or b"", None
                    if len(body) >= content.WHOLE:
                        # beyond some of them the beginning is fetched once more: too many to keep
                        one.body = body if (len(cut) + 1) * content.WHOLE < 2 * PAGE_BYTES else None
                        cut.append(one)
                        continue
                    rows.append(content.message(one, folder, validity, self._own, body))
                    done.append(one)
                    weight += len(body)
                    breath += 1 + len(body) // BREATH_BYTES
                    if breath >= BREATH:  # much may have arrived at once: whoever waits for the loop comes in between
                        breath = 0
                        await asyncio.sleep(0)
                    if len(rows) >= PAGE or weight >= PAGE_BYTES:
                        yield rows, done
                        left = left - UidSet.of(f.uid for f in done)
                        rows, done, weight = [], [], 0
        except Unavailable as error:
            broken = error  # what has arrived before the line was cut is kept
        if broken is not None:
            if rows:
                yield rows, done
            raise broken
        for one in cut:
            rows.append(await self._large(connection, one, folder, validity))
            done.append(one)
            weight += content.WHOLE
            if len(rows) >= PAGE or weight >= PAGE_BYTES:
                yield rows, done
                left = left - UidSet.of(f.uid for f in done)
                rows, done, weight = [], [], 0
        left = left - UidSet.of(f.uid for f in done)
        if left:
            # asked for and not given: gone meanwhile, or a server that does not tell what it has (iCloud, damaged files)
            still = left & await self._search(b"UID " + left.text())
            for uid in still:
                row = await self._alone(connection, uid, folder, validity)
                rows.append(row)
                done.append(Fetched(uid=uid))
        if rows:
            yield rows, done

    async def _bodies(self, connection: Connection, window: UidSet) -> AsyncGenerator[Fetched]:
        """Messages as they come in. A refusal in the middle ends the window; what is missing is seen by its absence."""
        parts: dict[int, Fetched] = {}
        words = (b"UID FETCH ", window.text(), b" ", content.items(connection, gmail=self._gmail))
        try:
            async with aclosing(connection.each(*words, doing="to hand over messages", keep=content.WHOLE)) as said:
                async for one in said:
                    told = content.uid_of(one)
                    if told is None or told[0] not in window:
                        continue
                    found = parts.setdefault(told[0], Fetched(uid=told[0]))
                    found.take(told[1])
                    # servers may tell of one message in several responses
                    if found.body is not None and found.flags is not None and not found.told:
                        found.told = True
                        yield found
                        found.body = None
        except (RateLimited, ReauthRequired, ForbiddenAddress):
            raise
        except Refused:
            if connection.broken:
                raise

    async def _large(self, connection: Connection, one: Fetched, folder: Folder, validity: int) -> records.Row:
        if one.body is None:
            async with aclosing(self._bodies(connection, UidSet.of([one.uid]))) as found:
                async for again in found:
                    one.body = again.body
        beginning, one.body = one.body or b"", None
        reduced = await large.reduced(connection, one.uid, beginning)
        row = content.message(one, folder, validity, self._own, reduced.data)
        if isinstance(row.item, records.Message):
            return records.Row(item=large.sized(row.item, reduced.sizes))
        return row

    async def _alone(self, connection: Connection, uid: int, folder: Folder, validity: int) -> records.Row:
        """One message that did not come with the others."""
        row = None
        async with aclosing(self._bodies(connection, UidSet.of([uid]))) as found:
            async for one in found:  # to its end: a command that is left in the middle costs the connection
                row = content.message(one, folder, validity, self._own, one.body or b"")
        return row or records.Row(item=content.unreadable(key(folder.ident, validity, uid), folder, content.UNREADABLE))

    # --- the line ------------------------------------------------------------------------------------------------------

    async def _line(self) -> Connection:
        if self._connection is None:
            connection = await self._connect()
            self._connection = connection
            self._gmail = connection.has("X-GM-EXT-1")
            if connection.has("ENABLE", "IMAP4REV2"):
                if connection.has("QRESYNC"):
                    await connection.enable("QRESYNC")
                elif connection.has("CONDSTORE"):
                    await connection.enable("CONDSTORE")
        return self._connection

    def _open_connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    async def _leave(self) -> None:
        connection, self._connection, self._selected = self._connection, None, None
        if connection is not None:
            await connection.logout()

    async def _open(self, folder: Folder) -> Selected | None:
        """Selects a folder, read-only. None when the server does not let us: its ledger shows what is missing."""
        connection = self._open_connection()
        # RFC 7162 §3.1.8: what CONDSTORE needs where it is not enabled for the whole session
        more = b" (CONDSTORE)" if connection.has("CONDSTORE") and not connection.enabled else b""
        try:
            reply = await connection.run(b"EXAMINE ", quoted(folder.raw), more, doing=f"to open the folder {folder.name}")
        except (RateLimited, ReauthRequired, ForbiddenAddress):
            raise
        except Refused as error:
            self._selected = None
            if error.provider_code == "noperm":  # RFC 5530 §3: the access control list says so, whatever is tried
                self._closed[folder.name] = error.message
            return None
        exists = next((one.number for one in reversed(reply.data) if one.name == "EXISTS"), None)
        validity = number((reply.code("UIDVALIDITY") or b""), 2**32 - 1)
        self._selected = (folder.raw, validity or 0)
        if exists is None or validity is None:
            return None
        modseq = number(reply.code("HIGHESTMODSEQ") or b"")
        return Selected(
            exists=exists,
            validity=validity,
            next=number(reply.code("UIDNEXT") or b"", 2**32),
            modseq=modseq if modseq and "NOMODSEQ" not in reply.codes else None,
            object_id=(reply.code("MAILBOXID") or b"").strip(b"()") or None,  # RFC 8474 §4.2
        )

    async def _search(self, what: bytes) -> UidSet:
        """The UIDs of messages in the selected folder."""
        connection = self._open_connection()
        returns = b"RETURN (ALL) " if connection.has("ESEARCH", "IMAP4REV2") else b""
        reply = await connection.run(b"UID SEARCH " + returns, what, doing="to list the messages of a folder")
        found = uids_found(reply)
        return UidSet.read(found) if found else UidSet()


def _is_known(mark: Mark, uid: int) -> bool:
    return uid in mark.uids and uid not in mark.todo


def _flags(one: Data) -> Fetched | None:
    told = content.uid_of(one)
    if told is None or "FLAGS" not in told[1]:
        return None
    found = Fetched(uid=told[0])
    found.take(told[1])
    return found


def _vanished(one: Data) -> UidSet:
    """VANISHED (EARLIER) 1:3 (RFC 7162 §3.2.10)."""
    words = [raw(value) or b"" for value in one.values if not isinstance(value, list)]
    return UidSet.read(words[-1]) if words and words[-1] else UidSet()
