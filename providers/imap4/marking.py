"""Marks set on messages: \\Seen and \\Flagged, by UID STORE (RFC 9051 §6.4.6, §6.4.9).

A folder is opened for writing only here. A message is one only under the UIDVALIDITY that it was seen under; what is gone is left
out, as the server does with UIDs that it does not know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from providers.errors import Refused
from providers.imap4 import folders
from providers.imap4.connection import Connection, quoted
from providers.imap4.marks import parsed
from providers.imap4.syntax import number
from providers.imap4.uid_set import UidSet
from providers.records import Marking

#: UIDs in one command: a set that is all gaps still fits in any server's line.
AT_ONCE: Final = 500


async def marked(connect: Callable[[], Awaitable[Connection]], keys: Sequence[str], marking: Marking) -> None:
    """Set or take off the marks. Raises Refused for a folder that can only be read."""
    places: dict[tuple[str, int], list[int]] = {}
    for key in keys:
        if place := parsed(key):
            places.setdefault(place[:2], []).append(place[2])
    if not places:
        return
    told = ((b"\\Seen", None if marking.unread is None else not marking.unread), (b"\\Flagged", marking.flagged))
    connection = await connect()
    try:
        names = {ident: folders.name_of(ident) for ident, _ in places}
        if None in names.values():
            known = {folders.ident(raw, id_): raw for raw, id_ in (await folders.ids(connection)).items()}
            names = {ident: name or known.get(ident) for ident, name in names.items()}
        for (ident, validity), uids in sorted(places.items()):
            name = names[ident]
            if name is None:
                continue
            reply = await connection.run(b"SELECT ", quoted(name), doing="to open a folder")
            if number(reply.code("UIDVALIDITY") or b"") != validity:
                continue
            if reply.code("READ-ONLY") is not None:
                raise Refused("This folder can only be read.", provider_code="read-only")
            whole = UidSet.of(uids)
            while whole:
                some = whole.oldest(AT_ONCE)
                whole = whole - some
                for flag, on in told:
                    if on is not None:
                        sign = b"+" if on else b"-"
                        await connection.run(
                            b"UID STORE ", some.text(), b" ", sign, b"FLAGS.SILENT (", flag, b")", doing="to mark messages"
                        )
    finally:
        await connection.logout()
