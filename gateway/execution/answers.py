"""Answers that are given again: of operations that the store alone answers (keeping.py), until something changes that they were read from.

An answer is a function of the release, what this installation is set to, the document, the operation's name, the variables, the viewer,
the scopes, the viewer's revision (store/revision.py) in those parts that the operation read (resolvers/operation.py notes them), and where
something in it ends by itself, of the time until then. All of that is
its key; the revision and the end stand beside the answer and are compared, so that a new answer takes an old one's place. The revision is read before
and after: only when it is the same in these parts, nothing of them was committed in between and the answer shows one state of them. No message
has to arrive for any of this to be right.

Kept are the bytes of `data`, packed and, of the latest that were asked for, whole, in this process within bounds and in Redis where there is one;
nothing with an error, a source that is missing, or more than the store in it. `extensions` and everything else of a response are new each time. Who
asks for the same while it is being made waits for that one. Keys are made by `cache.for_viewer` alone: there is no way to ask for another viewer's.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from gateway.execution.request import Answer, encoded
from gateway.signin.principal import Principal
from resolvers.operation import Clock, Operation
from store.cache import Cache, ViewerCache
from store.database import Database
from store.revision import Revision, of_parts

LARGEST: Final = 1_048_576  # bytes of an answer that is kept in the process
LARGEST_OUTSIDE: Final = 262_144  # in Redis, packed
SECONDS: Final = 3_600.0  # how long Redis keeps what nobody asks for
OVERHEAD: Final = 700  # bytes that an entry takes besides its answer
WHOLE: Final = 4  # one part in so many of the room is for answers that are whole: unpacking takes a tenth of a millisecond
LEVEL: Final = 4
HEAD: Final = b'{"data":'
GZIP: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952 §2.3: no name, no time, any system
_DIGEST: Final = 9  # bytes; a multiple of three, so that base64 needs no padding
Made = tuple[Answer, Operation]


class Key(NamedTuple):
    """Whose answer to what. `place` names the viewer in front, as every key of the cache does."""

    viewer: str
    place: str
    parts: tuple[str, ...]


class Kept:
    """An answer as it is kept. `parts`: what it was read from; `revision`: what of the viewer's revision is of these. `until`: the last second
    (POSIX) at which it holds; None: as long as the revision does.
    """

    __slots__ = ("_crc", "_head", "_packed", "ahead", "content", "length", "parts", "revision", "until", "viewer")

    def __init__(
        self, viewer: str, parts: int, revision: Revision, until: float | None, head: bytes, packed: bytes | None = None
    ) -> None:
        self.viewer = viewer
        self.ahead = False  # whether nobody has asked for it yet (gateway/prewarming.py)
        self.parts = parts
        self.revision = revision
        self.until = until
        self._head: bytes | None = head
        self.length = len(head)
        self.content = _digest(head)
        self._packed = packed
        self._crc: int | None = None

    @property
    def head(self) -> bytes:
        """The response, up to the end of `data`."""
        return zlib.decompressobj(-15).decompress(self.packed) if self._head is None else self._head

    def fold(self) -> None:
        """Keep it packed alone."""
        if self.packed:
            self._head = None

    def unfold(self) -> None:
        """Keep it whole again."""
        self._head = self.head

    @property
    def packed(self) -> bytes:
        """`head` as DEFLATE blocks (RFC 1951) that end at a byte, so that others can follow."""
        if self._packed is None:
            assert self._head is not None
            packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
            self._packed = packer.compress(self._head) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._packed

    def zipped(self, tail: bytes) -> bytes:
        """`head` and `tail` as one member of gzip (RFC 1952 §2.3), at the cost of the tail alone, which may have 65,535 bytes."""
        if self._crc is None:
            self._crc = zlib.crc32(self.head)
        end = struct.pack("<BHH", 1, len(tail), len(tail) ^ 0xFFFF)  # RFC 1951 §3.2.4: the last block, stored
        whole = (self.length + len(tail)) & 0xFFFFFFFF
        return b"".join((GZIP, self.packed, end, tail, struct.pack("<II", zlib.crc32(tail, self._crc), whole)))

    @property
    def size(self) -> int:
        return OVERHEAD + len(self.packed) + (0 if self._head is None else self.length)

    def holds(self, viewer: str, whole: Revision, now: float) -> bool:
        return (
            self.viewer == viewer and self.revision == of_parts(whole, self.parts) and (self.until is None or now <= self.until)
        )


class _Outside(msgspec.Struct, frozen=True, array_like=True):
    """An answer in Redis."""

    viewer: str
    parts: int
    revision: Revision
    until: float | None
    packed: bytes


_outside = msgspec.msgpack.Decoder(_Outside).decode


class Found(NamedTuple):
    """What there is to say. `kept` None: the answer is new and is not kept. `unchanged`: the client has it already. `revision`: the viewer's
    when it was looked for.
    """

    answer: Answer
    kept: Kept | None = None
    tag: str | None = None
    unchanged: bool = False
    how: str = "made"
    ahead: bool = False  # whether it was made before anybody asked, and this is the first who does
    revision: Revision | None = None


class Answers:
    """One per process. `told` hears how each answer came: unchanged, memory, cache, shared, made or passing."""

    def __init__(
        self,
        database: Database,
        cache: Cache,
        clock: Clock,
        installation: str,
        *,
        room: int,
        told: Callable[[str], None] = lambda how: None,
    ) -> None:
        self._database = database
        self._cache = cache
        self._clock = clock
        self._installation = installation  # release and settings, in short
        self._room = room
        self._told = told
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._whole: OrderedDict[str, Kept] = OrderedDict()  # those of them that are not packed alone
        self._size = 0
        self._whole_size = 0
        self._flights: dict[tuple[str, Revision], asyncio.Future[Kept | None]] = {}

    def key(self, principal: Principal, document: str, operation: str, variables: Mapping[str, Any]) -> Key | None:
        """The key of an answer; None for variables that have none (no JSON comes so)."""
        try:
            given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode() if variables else ""
        except (TypeError, ValueError):
            return None
        parts = ("answer", self._installation, " ".join(sorted(principal.scopes)), document, operation, given)
        return Key(principal.viewer, self._mine(principal.viewer).key(*parts), parts)

    async def answer(self, key: Key, make: Callable[[], Awaitable[Made]], tags: Sequence[str] = ()) -> Found:
        """The answer, made only when it has to be. `tags` are those that the client has (RFC 9110 §13.1.2)."""
        revision = await self._database.revision(key.viewer)
        return (await self._answer(key, revision, make, tags))._replace(revision=revision)

    async def _answer(self, key: Key, revision: Revision, make: Callable[[], Awaitable[Made]], tags: Sequence[str]) -> Found:
        now = self._clock.now()
        if (tag := _still(tags, key, revision, now)) is not None:
            self._told("unchanged")
            return Found(Answer(), tag=tag, unchanged=True, how="unchanged")
        kept = self._remembered(key, revision, now)
        how = "memory"
        if kept is None and (flight := self._flights.get((key.place, revision))) is not None:
            kept, how = await asyncio.shield(flight), "shared"
        if kept is None:
            return await self._make(key, revision, make, tags)
        return self._again(key, kept, how, tags)

    async def ahead(self, key: Key, make: Callable[[], Awaitable[Made]]) -> bool | None:
        """Make an answer that nobody has asked for. False when it cannot be kept, None when it is at hand or being made already."""
        revision = await self._database.revision(key.viewer)
        if self.holds(key, revision) or (key.place, revision) in self._flights:
            return None
        found = await self._make(key, revision, make, (), ahead=True)
        return found.kept is not None

    def holds(self, key: Key, revision: Revision) -> bool:
        """Whether the answer is at hand in this process."""
        return self._remembered(key, revision, self._clock.now()) is not None

    async def _make(
        self, key: Key, revision: Revision, make: Callable[[], Awaitable[Made]], tags: Sequence[str], *, ahead: bool = False
    ) -> Found:
        told = self._told if not ahead else _nobody
        name, leads = (key.place, revision), False
        if name not in self._flights:
            self._flights[name] = asyncio.get_running_loop().create_future()
            leads = True
        kept: Kept | None = None
        try:
            if (kept := await self._from_outside(key, revision)) is not None:
                self._remember(key, kept)
                if ahead:
                    kept.ahead = True
                    return Found(Answer(), kept)
                return self._again(key, kept, "cache", tags)
            answer, operation = await make()
            kept = await self._lasting(key, revision, answer, operation)
            if kept is None:
                told("passing")
                return Found(answer, how="passing")
            kept.ahead = ahead
            self._remember(key, kept)
            await self._to_outside(key, kept)
            answer.head = kept.head
            told("made")
            return self._tagged(key, kept, answer, "made", tags)
        finally:
            if leads:
                self._flights.pop(name).set_result(kept)

    async def _lasting(self, key: Key, revision: Revision, answer: Answer, operation: Operation) -> Kept | None:
        """The answer to be kept; None when it is none: with errors, of more than the store, or of two states of it."""
        spent, parts = operation.spending, operation.parts
        if answer.errors or answer.refused or answer.data is None or operation.passing or spent.made or spent.sources:
            return None
        read_from = of_parts(revision, parts)
        if of_parts(await self._database.revision(key.viewer), parts) != read_from:
            return None
        head = HEAD + encoded(answer.data)
        until = None if operation.until is None else operation.until.timestamp()
        return Kept(key.viewer, parts, read_from, until, head)

    def _again(self, key: Key, kept: Kept, how: str, tags: Sequence[str]) -> Found:
        self._told(how)
        self._asked_for(key.place, kept)
        ahead, kept.ahead = kept.ahead, False
        return self._tagged(key, kept, Answer(head=kept.head), how, tags)._replace(ahead=ahead)

    @staticmethod
    def _tagged(key: Key, kept: Kept, answer: Answer, how: str, tags: Sequence[str]) -> Found:
        until = "" if kept.until is None else f"{int(kept.until):x}"
        tag = f"{_stamp(key, kept.revision)}.{kept.parts:x}.{until}.{kept.content}"
        same = any(t == "*" or t.rpartition(".")[2] == kept.content for t in tags)
        return Found(answer, kept, tag, unchanged=same, how=how)

    # --- the process -----------------------------------------------------------------------------------------------------

    def _remembered(self, key: Key, revision: Revision, now: datetime) -> Kept | None:
        found = self._known.get(key.place)
        if found is None or not found.holds(key.viewer, revision, now.timestamp()):
            return None
        self._known.move_to_end(key.place)
        return found

    def _remember(self, key: Key, kept: Kept) -> None:
        self._forget(key.place)
        if kept.length > LARGEST:
            return
        self._known[key.place] = self._whole[key.place] = kept
        self._size += kept.size
        self._whole_size += kept.length
        self._asked_for(key.place, kept)

    def _asked_for(self, place: str, kept: Kept) -> None:
        """Have it whole, and others that were asked for longer ago packed alone, or no more."""
        if self._known.get(place) is not kept:
            return
        if place not in self._whole:
            kept.unfold()
            self._size += kept.length
            self._whole_size += kept.length
            self._whole[place] = kept
        self._whole.move_to_end(place)
        while self._whole_size > self._room // WHOLE and len(self._whole) > 1:
            _, old = self._whole.popitem(last=False)
            old.fold()
            self._whole_size -= old.length
            self._size -= old.length
        while self._size > self._room and self._known:
            self._forget(next(iter(self._known)))

    def _forget(self, place: str) -> None:
        old = self._known.pop(place, None)
        if old is None:
            return
        self._size -= old.size
        if self._whole.pop(place, None) is not None:
            self._whole_size -= old.length

    # --- Redis -----------------------------------------------------------------------------------------------------------

    async def _from_outside(self, key: Key, revision: Revision) -> Kept | None:
        if self._cache.embedded:
            return None
        found = await self._mine(key.viewer).get(*key.parts)
        if found is None:
            return None
        try:
            said = _outside(found)
            unpacker = zlib.decompressobj(-15)
            head = unpacker.decompress(said.packed, LARGEST)
        except (msgspec.MsgspecError, zlib.error):
            return None
        kept = Kept(said.viewer, said.parts, said.revision, said.until, head, said.packed)
        whole = not unpacker.unconsumed_tail
        return kept if whole and kept.holds(key.viewer, revision, self._clock.now().timestamp()) else None

    async def _to_outside(self, key: Key, kept: Kept) -> None:
        if self._cache.embedded or kept.length > LARGEST or len(kept.packed) > LARGEST_OUTSIDE:
            return
        said = _Outside(kept.viewer, kept.parts, kept.revision, kept.until, kept.packed)
        await self._mine(key.viewer).set(msgspec.msgpack.encode(said), SECONDS, *key.parts)

    def _mine(self, viewer: str) -> ViewerCache:
        return self._cache.for_viewer(viewer)


def _nobody(how: str) -> None:
    """What is made ahead is no answer that anybody was given."""


def _stamp(key: Key, revision: Revision) -> str:
    return _digest("\x00".join((key.place, *map(str, revision))).encode())


def _still(tags: Sequence[str], key: Key, whole: Revision, now: datetime) -> str | None:
    """The tag among those of the client that says by itself that nothing has changed, and whose end is not over."""
    for tag in tags:
        was, _, rest = tag.partition(".")
        parts, _, rest = rest.partition(".")
        until, dot, _ = rest.partition(".")
        try:
            if dot and (not until or now.timestamp() < int(until, 16)) and was == _stamp(key, of_parts(whole, int(parts, 16))):
                return tag
        except ValueError:
            continue
    return None


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.blake2b(data, digest_size=_DIGEST).digest()).decode()
