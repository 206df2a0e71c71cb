"""How far a mailbox is mirrored: the cursor. A mark for every folder, small enough to be stored with every page.

Keys of messages are `folder ident / UIDVALIDITY / UID`, so that a prefix names a folder under one numbering (RFC 9051
§2.3.1.1). UIDs stand as ranges. What is in a mark has been handed over, or is in `todo` or `gone`, which still have to be:
whoever goes on from a cursor loses nothing. Knows no server.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.errors import CursorExpired
from providers.imap4.uid_set import UidSet

VERSION: Final = 1


class Mark(msgspec.Struct, omit_defaults=True):
    """How far one folder is mirrored, under one UIDVALIDITY.

    `uids` are the messages that the server was seen to have, `todo` those of them not handed over yet, `deleted` those that
    bear \\Deleted and are taken for gone, `gone` those that were handed over and are there no more: told when all folders have
    been looked through, because they may have moved. `next`, `modseq`, `messages`, `unseen` are the server's figures when we
    last looked; equal figures mean that nothing happened. `oldest` is the time of the oldest message of the latest window,
    `sums` fingerprints of the flags in windows of UIDs, for servers without CONDSTORE, `sweep` where their rotation stands.
    """

    name: str
    validity: int
    uids: UidSet = msgspec.field(default_factory=UidSet)
    todo: UidSet = msgspec.field(default_factory=UidSet)
    deleted: UidSet = msgspec.field(default_factory=UidSet)
    gone: UidSet = msgspec.field(default_factory=UidSet)
    next: int = 1
    modseq: int | None = None
    messages: int | None = None
    unseen: int | None = None
    oldest: int | None = None
    sums: dict[int, int] = {}
    sweep: int = 0

    def differs(self, name: str, validity: int | None, messages: int | None, following: int | None) -> bool:
        """Whether a folder's figures show that something happened; a server that tells no UIDNEXT is taken at the rest."""
        if following is not None and following != self.next:
            return True
        return (name, validity, messages) != (self.name, self.validity, self.messages)


class Void(msgspec.Struct, frozen=True):
    """A folder under a numbering that is no more: its keys go when its messages have been handed over anew."""

    container: str
    prefix: str


class Marks(msgspec.Struct):
    """The cursor: marks by the ident of their folder, and old numberings that are still to be told."""

    folders: dict[str, Mark] = {}
    voids: list[Void] = []
    turn: int = 0

    def encoded(self) -> bytes:
        return _ENCODER.encode((VERSION, self))


def decoded(cursor: bytes | None) -> Marks:
    """The marks in a cursor; fresh ones for None. Raises CursorExpired for what is no cursor of ours."""
    if cursor is None:
        return Marks()
    try:
        version, found = _DECODER.decode(cursor)
    except (msgspec.DecodeError, ValueError, RecursionError):
        version, found = 0, Marks()
    if version != VERSION:
        raise CursorExpired("The place up to which this mailbox was read cannot be made out.", provider_code="cursor")
    return found


def prefix(ident: str, validity: int) -> str:
    """What every key of a folder under this numbering begins with, and no other key."""
    return f"{ident}/{validity}/"


def key(ident: str, validity: int, uid: int) -> str:
    return f"{ident}/{validity}/{uid}"


def parsed(key: str) -> tuple[str, int, int] | None:
    """(ident, UIDVALIDITY, UID) of a key; None for what is none of ours."""
    ident, slash, rest = key.partition("/")
    validity, another, uid = rest.partition("/")
    if not slash or not another or not ident:
        return None
    if not all(word.isascii() and word.isdigit() and len(word) <= 10 for word in (validity, uid)):
        return None
    return ident, int(validity), int(uid)


def _pack(value: object) -> object:
    if isinstance(value, UidSet):
        return value.pack()
    raise TypeError(type(value))


def _unpack(kind: type, value: object) -> object:
    if kind is UidSet and isinstance(value, bytes):
        return UidSet.unpack(value)
    raise ValueError("not a packed set")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_pack)
_DECODER = msgspec.msgpack.Decoder(tuple[int, Marks], dec_hook=_unpack)
