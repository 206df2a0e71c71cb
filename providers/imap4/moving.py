"""Messages moved between folders by what these are for: MOVE (RFC 6851), else COPY, \\Deleted and EXPUNGE (RFC 4315).

COPYUID says under which UIDs they are there, so that a message keeps its place in what was mirrored. Without UIDPLUS what was copied
only stays marked as deleted: a plain EXPUNGE would delete what others have marked. A folder that the server has not got is made, as
mail programs do (RFC 6154 §3). Gmail's inbox and archive are labels and not moved to by IMAP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from providers.errors import Refused
from providers.imap4 import content, folders
from providers.imap4.connection import Connection, quoted, uids_found
from providers.imap4.folders import Folder
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
    places: dict[tuple[str, int], list[int]] = {}
    for each in keys:
        if place := parsed(each):
            places.setdefault(place[:2], []).append(place[2])
    if not places:
        return {}
    connection = await connect()
    try:
        everything = await folders.listed(connection)
        if connection.has("X-GM-EXT-1") and role not in ("TRASH", "SPAM"):
            text = "Gmail's inbox and archive are labels: link the account as Gmail, not by IMAP, to move mail there."
            raise Refused(text, provider_code="gmail-labels")
        target = next((folder for folder in everything if content.ROLES.get(folder.role) == role), None)
        if target is None:
            target = await _made(connection, role)
            everything.append(target)
        ids = await folders.ids(connection)
        known = {folder.ident: folder for folder in everything}  # by name
        known |= {folders.ident(folder.raw, ids.get(folder.raw)): folder for folder in everything}
        into = folders.ident(target.raw, ids.get(target.raw))
        found: dict[str, Moved] = {}
        for (ident, validity), uids in sorted(places.items()):
            folder = known.get(ident)
            if folder is None:
                continue
            if folder.raw == target.raw:
                names = (key(ident, validity, uid) for uid in uids)
                found |= {name: Moved(key=name, container=folder.name) for name in names}
                continue
            if not await _opened(connection, folder, validity):
                continue
            whole = UidSet.of(uids)
            while whole:
                some = whole.oldest(AT_ONCE)
                whole = whole - some
                new_validity, pairs = await _move(connection, folder, target, some, again=again)
                for old, new in pairs:
                    found[key(ident, validity, old)] = Moved(
                        key=key(into, new_validity, new),
                        container=target.name,
                        labels_added=(target.name,),
                        labels_removed=(folder.name,),
                    )
        return found
    finally:
        await connection.logout()


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


async def _opened(connection: Connection, folder: Folder, validity: int) -> bool:
    """Select a folder for writing; False when it was numbered anew. Raises Refused for one that can only be read."""
    reply = await connection.run(b"SELECT ", quoted(folder.raw), doing="to open a folder")
    if number(reply.code("UIDVALIDITY") or b"") != validity:
        return False
    if reply.code("READ-ONLY") is not None:
        raise Refused("This folder can only be read.", provider_code="read-only")
    return True


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
