"""A repository of the AT Protocol as a file: what somebody posted, reposted, liked and whom they followed, with the days.

CAR version 1 (ipld.io/specs/transport/car/carv1): blocks of DAG-CBOR, each named by the hash of its bytes. The root is the commit,
which names whose it is and a tree of keys (atproto.com/specs/repository, "MST Structure"); what is not in the tree is no record, though
its block may still lie there. The tree is put into a temporary database, so that a file of any size takes little memory. A block
is believed when its hash is right; the commit's signature is not checked. Names and profiles of others are not in a repository, nor is chat.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from providers import atproto, records
from providers.archives import export, files
from providers.archives.export import Export, Part, Stood
from providers.base import ArchiveFormat
from providers.bluesky.post import POSTS, Author, Record, own_activity, post_url, profile_url, short
from providers.formats import at_identifier

FOLLOWS: Final = "app.bsky.graph.follow"
REPOSTS: Final = "app.bsky.feed.repost"
LIKES: Final = "app.bsky.feed.like"
PROFILE: Final = "app.bsky.actor.profile/self"
#: Collections whose records are taken.
TAKEN: Final = (POSTS, REPOSTS, LIKES, FOLLOWS)
MAX_BLOCK: Final = 4 * 1024 * 1024  # servers take blocks of at most two
MAX_READ: Final = 1024 * 1024  # bytes of a block that is looked into: of records servers take at most as many
MAX_KEYS: Final = 100  # under which the same bytes may be listed: what is said at one moment in the same words
NAME: Final = 36  # bytes of a CID
STEP: Final = 1 << 20
_BEGINS: Final = re.compile(rb"[\x0a-\x7f]\xa2eroots\x81\xd8\x2a\x58")
#: What a record of each collection begins with somewhere: its `$type` (DAG-CBOR sorts keys by length, so it may stand anywhere).
_TYPES: Final = tuple(b"e$type" + bytes([0x60 + len(name)]) + name.encode() for name in TAKEN)
_CUT: Final = "The file ends in the middle of a record. Export the repository again; what was taken already stays as it is."
_BROKEN: Final = (
    "The bytes of this record are not those that its name stands for: the file is damaged. Export the repository again."
)
_ABSENT: Final = "The repository lists this record, and it is not in the file. Export the repository again."
_UNLISTED: Final = (
    "A part of the repository's list is not in the file, so that some records have no place. Export the repository again."
)
_OFTEN: Final = f"The same record is listed more than {MAX_KEYS} times, as no app writes it. It is left out."
_STRANGE: Final = "This record is not as its lexicon describes it. It is left out."


class Repository:
    """Whose it is, and where its records lie: `wanted` has (key, cid, place, length), the last two empty for what is not in the file."""

    def __init__(self) -> None:
        self.did = ""
        self.name = ""
        self.others = 0
        self.torn = 0
        self.index = sqlite3.connect("", check_same_thread=False, isolation_level=None)  # a file that goes with the connection
        self.index.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;"
            "CREATE TABLE node(cid BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID;"
            "CREATE TABLE waiting(number INTEGER PRIMARY KEY, cid BLOB);"
            "CREATE TABLE wanted(key TEXT PRIMARY KEY, cid BLOB, place INTEGER, length INTEGER) WITHOUT ROWID;"
        )


class Car(Part[Repository]):
    """A repository's file."""

    kind = "ACTIVITY"

    def begins(self, head: bytes, path: Path) -> bool:
        return _BEGINS.match(head) is not None

    def read(self, source: files.Source, mark: files.Mark, about: Repository) -> Iterator[files.Read]:
        position, number = (
            mark.position,
            mark.offset,
        )  # the same bytes may be listed at two keys: a place in the file is no place among the items
        found = about.index.execute(
            "SELECT key, cid, place, length FROM wanted ORDER BY place IS NULL, place, key LIMIT -1 OFFSET ?", (number,)
        )
        last, times = -1, 0
        block = Block(b"", b"")
        with files.open_file(source.path) as handle:
            for key, cid, place, length in found:
                position, number = position + 1, number + 1
                last, times = place, times + 1 if place == last else 1
                if place is None or times > MAX_KEYS:
                    item: records.Activity | records.Unreadable = export.unreadable(
                        source, position, _ABSENT if place is None else _OFTEN, key.encode()
                    )
                else:
                    if times == 1:
                        handle.seek(place)
                        block = Block(cid, handle.read(length))
                    item = _item(source, position, key, block, about)
                yield Stood(position, 1, number, 1), item, export.weight(item)
        listed = about.index.execute("SELECT count(*) FROM wanted").fetchone()[0]
        if (about.torn or not about.did) and number <= listed:
            yield (
                Stood(position + 1, 1, listed + 1, 1),
                export.unreadable(source, position + 1, _UNLISTED, b""),
                export.ITEM_WEIGHT,
            )

    def counted(self, path: Path) -> int:
        """The marks of records, wherever they stand."""
        count, rest = 0, b""
        longest = max(map(len, _TYPES))
        with files.open_file(path) as handle:
            while piece := handle.read(STEP):
                window = rest + piece
                count += sum(window.count(mark) for mark in _TYPES)
                # what is complete in the rest was counted already
                rest = window[-(longest - 1) :]
                count -= sum(rest.count(mark) for mark in _TYPES)
        return count + sum(rest.count(mark) for mark in _TYPES)


class CarArchive(Export[Repository]):
    """The Archive contract for repositories."""

    format: ArchiveFormat = "BLUESKY_CAR"
    parts = (Car(),)

    def look(self, sources: Sequence[tuple[Part[Repository], files.Source]], own: frozenset[str]) -> Repository:
        about = Repository()
        for _, source in sources[:1]:
            try:
                with files.open_file(source.path) as handle:
                    _listed(handle, about)
                with files.open_file(source.path) as handle:
                    _placed(handle, about)
                with files.open_file(source.path) as handle:
                    _named(handle, about)
            except OSError:
                pass  # it says so when it is read
        about.index.execute("COMMIT")
        return about

    def profile(self, about: Repository) -> records.Profile | None:
        if not about.did:
            return None
        own = records.OwnAddress(value=about.did, kind="HANDLE")
        return records.Profile(user_id=about.did, label=about.name or about.did, own_addresses=(own,))

    def remarks(self, about: Repository, sources: Sequence[files.Source]) -> tuple[str, ...]:
        said = []
        if about.others:
            said.append(f"{about.others:,} records of other kinds (profile, lists, blocks, settings) are left out.")
        if len(sources) > 1:
            said.append("Only the first repository is read. Import them one by one.")
        return tuple(said)


# --- the file -------------------------------------------------------------------------------------------------------------


def _blocks(handle: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each block; ends where the file does, or where it is no CAR any more."""
    header = _varint(handle)
    if header is None or header > MAX_BLOCK:
        return
    handle.seek(header, 1)
    while (length := _varint(handle)) is not None and length <= MAX_BLOCK:
        start = handle.tell()
        cid = _name(handle.read(NAME))
        if cid is None or length < NAME:
            return
        place = start + len(cid)
        yield cid, place, length - len(cid)
        handle.seek(start + length)


def _varint(handle: BinaryIO) -> int | None:
    """An unsigned LEB128 number (github.com/multiformats/unsigned-varint)."""
    number = 0
    for shift in range(0, 35, 7):
        byte = handle.read(1)
        if not byte:
            return None
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    return None


def _name(data: bytes) -> bytes | None:
    """The CID that a block begins with: version 1, DAG-CBOR or raw, SHA-256 (atproto.com/specs/data-model#link-and-cid-formats)."""
    return data if len(data) == NAME and data[0] == 1 and data[1] in (0x71, 0x55) and data[2:4] == b"\x12\x20" else None


def _listed(handle: BinaryIO, about: Repository) -> None:
    """Keep the commit and the nodes of the tree, and walk it: which records there are."""
    header_length = _varint(handle) or 0
    header = _map(handle.read(min(header_length, MAX_BLOCK)))
    roots = header.get("roots")
    root = roots[0] if isinstance(roots, list) and roots else None
    handle.seek(0)
    commit: dict[str, Any] = {}
    for cid, _, length in _blocks(handle):
        data = handle.read(length)
        if cid == root:
            commit = _map(data) if _right(cid, data) else {}
        elif (
            data[:3] in (b"\xa2ae", b"\xa2al") and length <= MAX_READ and _right(cid, data)
        ):  # a node has `e` and `l` and nothing else
            about.index.execute("INSERT OR IGNORE INTO node VALUES (?, ?)", (cid, data))
    did, data_root = commit.get("did"), commit.get("data")
    if not isinstance(did, str) or not at_identifier.DID.fullmatch(did) or not isinstance(data_root, bytes):
        return
    about.did = did
    about.index.execute("INSERT INTO waiting(cid) VALUES (?)", (data_root,))
    # in the database, too: a list of its own may name as many nodes as the file has bytes to name them
    while found := about.index.execute(
        "DELETE FROM waiting WHERE number = (SELECT max(number) FROM waiting) RETURNING cid"
    ).fetchone():
        (cid,) = found
        row = about.index.execute("DELETE FROM node WHERE cid = ? RETURNING data", (cid,)).fetchone()
        if row is None:  # missing, or met before: a tree has each node once
            about.torn += 1
            continue
        below = _entries(_map(row[0]), about)
        about.index.executemany("INSERT INTO waiting(cid) VALUES (?)", ((one,) for one in below))


def _entries(node: dict[str, Any], about: Repository) -> list[bytes]:
    """Note the records of a node; the nodes below it. Keys share the beginning of the one before ("MST Structure")."""
    below = [node["l"]] if isinstance(node.get("l"), bytes) else []
    entries, key = node.get("e"), b""
    for entry in entries if isinstance(entries, list) else ():
        shared, tail, cid = (entry.get(name) for name in ("p", "k", "v")) if isinstance(entry, dict) else (None, None, None)
        if (
            not isinstance(shared, int)
            or not 0 <= shared <= len(key)
            or not isinstance(tail, bytes)
            or not isinstance(cid, bytes)
        ):
            about.torn += 1
            break
        key = key[:shared] + tail
        text = key.decode("ascii", "replace")
        if text.partition("/")[0] in TAKEN or text == PROFILE:
            about.index.execute("INSERT OR IGNORE INTO wanted(key, cid) VALUES (?, ?)", (text, cid))
        if text.partition("/")[0] not in TAKEN:
            about.others += 1
        if isinstance(entry.get("t"), bytes):
            below.append(entry["t"])
    return below


def _placed(handle: BinaryIO, about: Repository) -> None:
    """Note where in the file the records lie. The same words at two keys are one block."""
    about.index.execute("CREATE INDEX by_cid ON wanted(cid)")
    for cid, place, length in _blocks(handle):
        about.index.execute("UPDATE wanted SET place = ?, length = ? WHERE cid = ? AND place IS NULL", (place, length, cid))


def _named(handle: BinaryIO, about: Repository) -> None:
    """The name that the account shows, by its profile, which is no record to take."""
    row = about.index.execute("DELETE FROM wanted WHERE key = ? RETURNING place, length", (PROFILE,)).fetchone()
    if row is not None and row[0] is not None:
        handle.seek(row[0])
        about.name = short(_map(handle.read(row[1])).get("displayName"))


def _right(cid: bytes, data: bytes) -> bool:
    return hashlib.sha256(data).digest() == cid[4:]


def _map(data: bytes) -> dict[str, Any]:
    """A block's map, empty for what is none. The library may raise anything at a stranger's bytes."""
    import libipld  # with the first block of a repository

    try:
        found = libipld.decode_dag_cbor(data)
    except Exception:
        return {}
    return found if isinstance(found, dict) else {}


# --- records --------------------------------------------------------------------------------------------------------------


class Block:
    """A record's bytes, read and judged once, at however many keys they are listed."""

    __slots__ = ("data", "right", "value")

    def __init__(self, cid: bytes, data: bytes) -> None:
        self.data = data
        self.right = _right(cid, data)
        self.value = _map(data) if self.right and len(data) <= MAX_READ else {}


def _item(
    source: files.Source, position: int, key: str, block: Block, about: Repository
) -> records.Activity | records.Unreadable:
    value, data = block.value, block.data
    if not block.right:
        return export.unreadable(source, position, _BROKEN if data else _CUT, data)
    collection, _, _ = key.partition("/")
    if value.get("$type") != collection:  # as atproto.com/specs/record-key has it, a key's first part is its record's type
        return export.unreadable(source, position, _STRANGE, data)
    uri = f"at://{about.did}/{key}"
    author = Author(did=about.did, handle="", displayName=about.name or None)
    try:
        original = msgspec.json.encode(_plain(value))
        made = atproto.claimed(value.get("createdAt"), None)
        match collection:
            case "app.bsky.feed.post" if isinstance(value.get("text"), str):
                record = Record(uri=uri, cid="", value=msgspec.Raw(original))
                item = own_activity(record, author, made or datetime.now(UTC))
            case _:
                item = _towards(collection, uri, value, author, original)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return export.unreadable(source, position, _STRANGE, data)
    return msgspec.structs.replace(item, container=source.shown, occurred_at=made)


def _towards(collection: str, uri: str, value: dict[str, Any], author: Author, original: bytes) -> records.Activity:
    """A follow of somebody, a repost or like of something. Raises KeyError or TypeError for what names neither."""
    actor = records.Actor(uri=author.did, name=author.displayName or "", key=author.did, url=profile_url(author.did))
    if collection == FOLLOWS:
        who = value["subject"]
        if not isinstance(who, str) or not at_identifier.DID.fullmatch(who):
            raise TypeError(who)
        thing = records.ActivityObject(kind="PROFILE", uri=who, url=profile_url(who))
    else:
        what = value["subject"]["uri"]
        if not isinstance(what, str) or not what.startswith("at://"):
            raise TypeError(what)
        thing = records.ActivityObject(kind="NOTE", uri=what, url=post_url(what))
    verbs: dict[str, records.ActivityVerb] = {FOLLOWS: "FOLLOW", REPOSTS: "ANNOUNCE", LIKES: "LIKE"}
    return records.Activity(key=uri, actor=actor, verb=verbs[collection], object=thing, original=original, url=thing.url)


def _plain(value: Any) -> Any:
    """The data model's JSON (atproto.com/specs/data-model#json-representation): links and bytes have objects of their own."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes):
        if _name(value) is not None:
            import libipld

            return {"$link": libipld.encode_cid(value)}
        return {"$bytes": base64.b64encode(value).decode().rstrip("=")}
    return value
