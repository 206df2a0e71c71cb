"""Messages moved between folders by what these are for: MOVE (RFC 6851), else COPY, \\Deleted and EXPUNGE (RFC 4315).

COPYUID says under which UIDs they are there, so that a message keeps its place in what was mirrored. Without UIDPLUS what was copied
only stays marked as deleted: a plain EXPUNGE would delete what others have marked. A folder that the server has not got is made, as
mail programs do (RFC 6154 §3). At Gmail's servers (X-GM-EXT-1) folders are labels, but for the trash and junk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from providers.errors import Refused
from providers.imap4 import content, folders
from providers.imap4.connection import Connection, quoted, uids_found
from providers.imap4.folders import Folder
from providers.imap4.mailbox_name import encode
from providers.imap4.marks import key, parsed
from providers.imap4.syntax import number, raw
from providers.imap4.uid_set import UidSet
from providers.records import FolderRole, Moved

#: UIDs in one command: a set that is all gaps still fits in any server's line.
AT_ONCE: Final = 500
#: What a folder is called that is made for a role, and its attribute.
MADE: Final[dict[FolderRole, tuple[bytes, bytes]]] = {
    "ARCHIVE": (b"Archive", b"\\Archive"),
    "TRASH": (b"Trash", b"\\Trash"),
    "SPAM": (b"Junk", b"\\Junk"),
    "SENT": (b"Sent", b"\\Sent"),
    "DRAFTS": (b"Drafts", b"\\Drafts"),
}


async def moved(
    connect: Callable[[], Awaitable[Connection]], keys: Sequence[str], role: FolderRole, *, again: bool
) -> dict[str, Moved]:
    """Move messages to the folder for `role`; where they are now, by their keys, as far as the server tells. Raises ProviderError."""
    async with _mailbox(connect, keys) as box:
        if box is None:
            return {}
        target = next((folder for folder in box.folders if content.ROLES.get(folder.role) == role), None)
        if box.labelled and role not in ("TRASH", "SPAM"):
            return await _in_or_out(box, role, again=again)
        if target is None:
            target = await _made(box.connection, role)
            box.folders.append(target)
            box.ids = await folders.ids(box.connection)  # the server's own id of the new one, too
        return await _to(box, target, again=again)


async def filed(
    connect: Callable[[], Awaitable[Connection]],
    keys: Sequence[str],
    added: Sequence[str],
    removed: Sequence[str],
    *,
    again: bool,
) -> dict[str, Moved]:
    """Move messages to the folder that is the only one of `added`, by its ident; at Gmail's servers put labels on and take them off.

    As `moved` for all else. Raises Refused for a folder that is not there any more.
    """
    async with _mailbox(connect, keys) as box:
        if box is None:
            return {}
        known = box.known()
        target = known.get(added[0]) if added else None
        if box.labelled and (target is None or target.role not in ("TRASH", "JUNK")):
            return await _relabel(box, added, removed)
        if target is None:
            raise Refused("The server has no such folder any more.", provider_code="no-folder")
        return await _to(box, target, again=again)


class _Box:
    """A mailbox that is being written to: its folders, their own ids, and where the messages in question are."""

    def __init__(
        self, connection: Connection, everything: list[Folder], ids: dict[bytes, bytes], places: dict[tuple[str, int], list[int]]
    ) -> None:
        self.connection, self.folders, self.ids, self.places = connection, everything, ids, places
        self.labelled = connection.has("X-GM-EXT-1") and any(folder.role == "ALL" for folder in everything)

    def ident(self, folder: Folder) -> str:
        return folders.ident(folder.raw, self.ids.get(folder.raw))

    def known(self) -> dict[str, Folder]:
        """The folders by their idents, made of names and of ids."""
        return {folder.ident: folder for folder in self.folders} | {self.ident(folder): folder for folder in self.folders}


@asynccontextmanager
async def _mailbox(connect: Callable[[], Awaitable[Connection]], keys: Sequence[str]) -> AsyncIterator[_Box | None]:
    """None when no key is one of ours."""
    places: dict[tuple[str, int], list[int]] = {}
    for each in keys:
        if place := parsed(each):
            places.setdefault(place[:2], []).append(place[2])
    if not places:
        yield None
        return
    connection = await connect()
    try:
        yield _Box(connection, await folders.listed(connection), await folders.ids(connection), places)
    finally:
        await connection.logout()


async def _to(box: _Box, target: Folder, *, again: bool, but: Collection[str] = ()) -> dict[str, Moved]:
    """Move the messages to a folder, but for those in folders with one of these roles."""
    known, into = box.known(), box.ident(target)
    found: dict[str, Moved] = {}
    for (ident, validity), uids in sorted(box.places.items()):
        folder = known.get(ident)
        if folder is None or folder.role in but:
            continue
        if folder.raw == target.raw:
            names = (key(ident, validity, uid) for uid in uids)
            found |= {name: Moved(key=name, container=folder.name, label_keys=(ident,)) for name in names}
            continue
        async for some in _opened(box.connection, folder, validity, uids):
            new_validity, pairs = await _move(box.connection, folder, target, some, again=again)
            for old, new in pairs:
                found[key(ident, validity, old)] = Moved(
                    key=key(into, new_validity, new), container=target.name, labels_added=(target.name,),
                    labels_removed=(folder.name,), label_keys=(into,),
                )  # fmt: skip
    return found


# --- Gmail, where the inbox and the archive are labels of what lies in All Mail ------------------------------------------------


async def _in_or_out(box: _Box, role: FolderRole, *, again: bool) -> dict[str, Moved]:
    """Put messages in the inbox or take them out. From the trash and junk they are moved; where to, the sync will tell."""
    inbox = content.GMAIL_LABELS["INBOX"]
    found: dict[str, Moved] = {}
    if role in ("INBOX", "ARCHIVE"):
        found = await _relabel(box, *(((inbox,), ()) if role == "INBOX" else ((), (inbox,))))
    wanted = "INBOX" if role == "INBOX" else "ALL"
    target = next((folder for folder in box.folders if folder.role == wanted), None)
    if target is not None:
        await _to(box, target, again=again, but=("ALL",))
    return found


async def _relabel(box: _Box, added: Sequence[str], removed: Sequence[str]) -> dict[str, Moved]:
    """STORE X-GM-LABELS on what lies in All Mail; doing it twice is doing it once."""
    known = box.known()
    found: dict[str, Moved] = {}
    for (ident, validity), uids in sorted(box.places.items()):
        folder = known.get(ident)
        if folder is None or folder.role != "ALL":
            continue
        async for some in _opened(box.connection, folder, validity, uids):
            for sign, labels in ((b"+", added), (b"-", removed)):
                if labels:
                    words = [b"UID STORE ", some.text(), b" ", sign, b"X-GM-LABELS ("]
                    for label in labels:  # Gmail's own are atoms, as flags are
                        words += [label.encode("ascii") if label in content.OWN_LABELS else quoted(encode(label)), b" "]
                    await box.connection.run(*words[:-1], b")", doing="to label messages")
            names = (key(ident, validity, uid) for uid in some)
            found |= {name: Moved(key=name, labels_added=tuple(added), labels_removed=tuple(removed)) for name in names}
    return found


async def _move(
    connection: Connection, folder: Folder, target: Folder, some: UidSet, *, again: bool
) -> tuple[int, list[tuple[int, int]]]:
    """Move messages of the selected folder; under which UIDVALIDITY and UIDs they are there, as far as the server tells."""
    name = quoted(target.raw)
    if connection.has("MOVE", "IMAP4REV2"):
        reply = await connection.run(b"UID MOVE ", some.text(), b" ", name, doing="to move messages")
        return _copied(reply.code("COPYUID"))
    # a cut between the copy and the deletion leaves both
    validity, there = await _there(connection, folder, target, some) if again else (0, {})
    pairs = list(there.items())
    if missing := some - UidSet.of(there):
        reply = await connection.run(b"UID COPY ", missing.text(), b" ", name, doing="to copy messages")
        told, copied = _copied(reply.code("COPYUID"))
        validity, pairs = validity or told, pairs + copied
    await connection.run(b"UID STORE ", some.text(), b" +FLAGS.SILENT (\\Deleted)", doing="to delete what was copied")
    if connection.has("UIDPLUS", "IMAP4REV2"):
        await connection.run(b"UID EXPUNGE ", some.text(), doing="to delete what was copied")
    return validity, pairs


async def _there(connection: Connection, folder: Folder, target: Folder, some: UidSet) -> tuple[int, dict[int, int]]:
    """Which of these messages the target has already, by Message-ID and size: its UIDVALIDITY, and their UIDs there by those here.

    The folder is selected before and after.
    """
    asked = b"(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
    reply = await connection.run(b"UID FETCH ", some.text(), b" ", asked, doing="to look at messages")
    ours: dict[int, tuple[bytes, int]] = {}
    for one in reply.data:
        if (told := content.uid_of(one)) is None:
            continue
        uid, items = told
        field = next((raw(value) or b"" for name, value in items.items() if name.startswith("BODY[HEADER")), b"")
        message_id, size = field.partition(b":")[2].strip(), number(items.get("RFC822.SIZE"))
        if message_id and size:
            ours[uid] = (message_id, size)
    opened = await connection.run(b"EXAMINE ", quoted(target.raw), doing="to open a folder")
    found: dict[int, int] = {}
    for uid, (message_id, size) in ours.items():
        same = uids_found(
            await connection.run(b"UID SEARCH HEADER Message-ID ", quoted(message_id), doing="to look for a message")
        )
        if not same:
            continue
        reply = await connection.run(b"UID FETCH ", same, b" (UID RFC822.SIZE)", doing="to look at messages")
        sizes = {told[0]: number(told[1].get("RFC822.SIZE")) for one in reply.data if (told := content.uid_of(one))}
        # each copy there stands for one message here
        copies = [copy for copy, its in sorted(sizes.items()) if its == size and copy not in found.values()]
        if copies:
            found[uid] = copies[-1]
    await connection.run(b"SELECT ", quoted(folder.raw), doing="to open a folder")
    return number(opened.code("UIDVALIDITY") or b"", 2**32 - 1) or 0, found


async def _opened(connection: Connection, folder: Folder, validity: int, uids: Iterable[int]) -> AsyncIterator[UidSet]:
    """Select a folder for writing and give the messages in it, as many as a command takes; none when it was numbered anew.

    Raises Refused for a folder that can only be read.
    """
    reply = await connection.run(b"SELECT ", quoted(folder.raw), doing="to open a folder")
    if number(reply.code("UIDVALIDITY") or b"") != validity:
        return
    if reply.code("READ-ONLY") is not None:
        raise Refused("This folder can only be read.", provider_code="read-only")
    whole = UidSet.of(uids)
    while whole:
        some = whole.oldest(AT_ONCE)
        whole = whole - some
        yield some


async def _made(connection: Connection, role: FolderRole) -> Folder:
    """A new folder for a role, in the user's own namespace (RFC 2342)."""
    if role not in MADE:
        raise Refused("The server has no folder for this.", provider_code="no-folder")
    name, use = MADE[role]
    if connection.has("NAMESPACE", "IMAP4REV2"):
        reply = await connection.run(b"NAMESPACE", doing="to tell where folders are made")
        own = next((one.values[0] for one in reply.data if one.name == "NAMESPACE" and one.values), None)
        if isinstance(own, list) and own and isinstance(own[0], list) and own[0]:
            name = (raw(own[0][0]) or b"") + name
    uses = b" (USE (" + use + b"))" if connection.has("CREATE-SPECIAL-USE") else b""
    reply = await connection.attempt(b"CREATE ", quoted(name), uses)
    if reply.end.status != "OK" and reply.end.code != "ALREADYEXISTS":
        text = f"{connection.host} has no folder for this and does not let one be made: {reply.end.text}"
        raise Refused(text, provider_code="no-folder")
    await connection.attempt(b"SUBSCRIBE ", quoted(name))  # other mail programs show only these
    found = next((folder for folder in await folders.listed(connection) if folder.raw == name), None)
    if found is None:
        raise Refused(f"{connection.host} does not show the folder that it made.", provider_code="no-folder")
    return found


def _copied(argument: bytes | None) -> tuple[int, list[tuple[int, int]]]:
    """COPYUID (RFC 4315 §3): the target's UIDVALIDITY, and old and new UIDs in the order in which they were copied."""
    words = (argument or b"").split()
    if len(words) != 3 or (validity := number(words[0], 2**32 - 1)) is None:
        return 0, []
    old, new = _expanded(words[1]), _expanded(words[2])
    return (validity, list(zip(old, new, strict=True))) if len(old) == len(new) else (0, [])


def _expanded(text: bytes) -> list[int]:
    """The UIDs of a set in its own order; none when they are more than were asked for."""
    found: list[int] = []
    for part in text.split(b","):
        first, colon, last = part.partition(b":")
        one = number(first, 2**32 - 1)
        other = number(last, 2**32 - 1) if colon else one
        if one is None or other is None or abs(other - one) + len(found) >= AT_ONCE:
            return []
        found += range(one, other + 1) if one <= other else range(one, other - 1, -1)
    return found
