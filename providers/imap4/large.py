"""Messages too large to be fetched for their text: header, structure and text parts, put together without the files.

The result is a mail as `formats/mime.py` reads it, every part in its place and with its own header, but files are empty; their
sizes come from the server's BODYSTRUCTURE. So attachments have the same section numbers as in the whole message, and are
fetched by them when somebody opens one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers import records
from providers.errors import ReauthRequired, Refused
from providers.imap4 import body_structure
from providers.imap4.body_structure import Part
from providers.imap4.connection import Connection
from providers.imap4.content import uid_of
from providers.imap4.syntax import Value

HEADER: Final = 256 * 1024
#: A text part is fetched up to this; nobody reads further, and search neither.
TEXT: Final = 512 * 1024
#: Text parts of one message that are fetched; the rest counts as files.
TEXTS: Final = 20


class Reduced(msgspec.Struct, frozen=True):
    """A mail without its files, and the decoded sizes of parts by section."""

    data: bytes
    sizes: dict[str, int]


async def reduced(connection: Connection, uid: int, beginning: bytes) -> Reduced:
    """A large message of the selected folder by its parts; its `beginning`, when the server cannot describe it."""
    described = await _items(connection, uid, b"(UID BODYSTRUCTURE)")
    root = body_structure.read(described.get("BODYSTRUCTURE"))
    if root is None:
        return Reduced(beginning, {})
    sizes = {leaf.section: leaf.decoded_size for leaf in root.leaves()}
    if not root.children:
        return Reduced(beginning, sizes)
    leaves = root.leaves()
    texts = [leaf for leaf in leaves if leaf.media_type.startswith("text/") and not leaf.attachment][:TEXTS]
    wanted = [b"BODY.PEEK[HEADER]<0.%d>" % HEADER]
    wanted += [b"BODY.PEEK[%s.MIME]" % leaf.section.encode() for leaf in leaves]
    wanted += [b"BODY.PEEK[%s.MIME]" % node.section.encode() for node in _inner(root)]
    wanted += [b"BODY.PEEK[%s]<0.%d>" % (leaf.section.encode(), TEXT) for leaf in texts]
    found = await _items(connection, uid, b"(UID " + b" ".join(wanted) + b")", keep=TEXT)
    pieces = {name.partition("<")[0]: value for name, value in found.items() if isinstance(value, bytes)}
    header = pieces.get("BODY[HEADER]")
    if header is None:
        return Reduced(beginning, sizes)
    whole = header.rstrip(b"\r\n") + b"\r\n\r\n" + _body(root, pieces)
    return Reduced(whole, {section: size for section, size in sizes.items() if all(leaf.section != section for leaf in texts)})


def sized(item: records.Message, sizes: dict[str, int]) -> records.Message:
    """The message with the sizes of its files as the server has them."""
    if not sizes or not item.attachments:
        return item
    known = tuple(
        msgspec.structs.replace(file, size=sizes[file.part], sha256=None) if file.part in sizes else file
        for file in item.attachments
    )
    return msgspec.structs.replace(item, attachments=known)


async def _items(connection: Connection, uid: int, wanted: bytes, *, keep: int = HEADER) -> dict[str, Value]:
    """What a server says of one message; nothing when it cannot."""
    try:
        reply = await connection.run(b"UID FETCH %d " % uid, wanted, doing="to hand over a message", keep=keep)
    except ReauthRequired:
        raise
    except Refused:
        return {}
    found: dict[str, Value] = {}
    for one in reply.data:
        if (fetched := uid_of(one)) and fetched[0] == uid:
            found.update(fetched[1])
    return found


def _inner(root: Part) -> list[Part]:
    """The multiparts inside, whose header names their boundary."""
    nodes: list[Part] = []
    todo = list(root.children)
    while todo:
        node = todo.pop()
        if node.children:
            nodes.append(node)
            todo += node.children
    return nodes


def _body(node: Part, pieces: dict[str, Value]) -> bytes:
    if not node.children:
        found = pieces.get(f"BODY[{node.section}]")
        return found if isinstance(found, bytes) else b""
    delimiter = b"--" + node.boundary.encode("utf-8", "replace")
    out = bytearray()
    for child in node.children:
        header = pieces.get(f"BODY[{child.section}.MIME]")
        out += delimiter + b"\r\n" + (header.rstrip(b"\r\n") if isinstance(header, bytes) else b"") + b"\r\n\r\n"
        out += _body(child, pieces) + b"\r\n"
    return bytes(out + delimiter + b"--\r\n")
