"""A repository of the AT Protocol as a file, of the invented people of `exports.py`: CAR version 1, DAG-CBOR, a tree of keys.

Written from ipld.io/specs/transport/car/carv1, RFC 8949 §4.2.1 as DAG-CBOR narrows it, and atproto.com/specs/repository ("MST
Structure"). Encoder and tree are of this file alone, so that writer and reader share nothing. It is not signed: no reader here looks.
"""

from __future__ import annotations

import hashlib
import random
import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.exports import BEGIN, TRAPS, World
from benchmarks.universe import MY_NAME

DID: Final = "did:plc:robinvaleofthequay234567"
_LETTERS: Final = "234567abcdefghijklmnopqrstuvwxyz"  # of record keys that are times (atproto.com/specs/tid)
_BLOG: Final = "com.whtwnd.blog.entry"  # other programs keep their records in the same repository; theirs may be long


@dataclass(frozen=True)
class Link:
    """A CID, as DAG-CBOR holds it: tag 42."""

    cid: bytes


def repository(world: World, path: Path, *, records: int, filling: int = 0) -> Path:
    """`repo.car` with so many posts, reposts, likes and follows in turn, and about `filling` bytes that another program keeps there."""
    long = max(1, min(100_000, filling // 50)) if filling else 0
    kept = [*_own(world, records), *((f"{_BLOG}/{_tid(n)}", n) for n in range(filling // long if long else 0))]
    links = {key: _cid(_block(world, key, number, long)) for key, number in kept}
    keys = sorted(links, key=str.encode)
    nodes: dict[bytes, bytes] = {}
    root = _tree([(key.encode(), links[key]) for key in keys], nodes)
    commit = encoded({"did": DID, "version": 3, "data": Link(root), "rev": _tid(records), "prev": None, "sig": b"\0" * 64})
    with path.open("wb") as out:
        head = encoded({"roots": [Link(_cid(commit))], "version": 1})
        out.write(_varint(len(head)) + head)
        for data in (commit, *nodes.values()):
            out.write(_framed(data))
        for key, number in kept:
            out.write(_framed(_block(world, key, number, long)))
    return path


def _own(world: World, records: int) -> Iterator[tuple[str, int]]:
    kinds = ("app.bsky.feed.post", "app.bsky.feed.repost", "app.bsky.feed.like", "app.bsky.graph.follow")
    yield "app.bsky.actor.profile/self", 0
    for number in range(records):
        yield f"{kinds[number % 4]}/{_tid(number)}", number


def _block(world: World, key: str, number: int, long: int) -> bytes:
    """A record, the same each time it is asked for: a repository is named by what its records hash to, before they are written."""
    collection = key.partition("/")[0]
    value: dict[str, Any] = {"$type": collection, "createdAt": f"{BEGIN + timedelta(minutes=number):%Y-%m-%dT%H:%M:%S}.000Z"}
    somebody = world.person(number % world.people)
    theirs = f"did:plc:{hashlib.sha256(somebody.name.encode()).hexdigest().translate(str.maketrans('0189', 'wxyz'))[:24]}"
    match collection:
        case "app.bsky.actor.profile":
            value["displayName"] = MY_NAME
        case "app.bsky.feed.post":
            value |= {"text": f"{TRAPS[number % len(TRAPS)]} {number}", "langs": ["en"]}
        case "app.bsky.graph.follow":
            value["subject"] = theirs
        case "com.whtwnd.blog.entry":
            value |= {"content": random.Random(number).randbytes(long // 2).hex(), "title": f"From the quay, {number}"}
        case _:
            post = f"at://{theirs}/app.bsky.feed.post/{_tid(number)}"
            value["subject"] = {"uri": post, "cid": "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454"}
    return encoded(value)


def _tid(number: int) -> str:
    """A time as a key: microseconds since 1970 and the number of a clock, 13 letters that sort as they go."""
    value = (int(BEGIN.timestamp()) * 1_000_000 + number * 60_000_000) << 10
    return "".join(_LETTERS[value >> shift & 31] for shift in range(60, -1, -5))


# --- the tree -------------------------------------------------------------------------------------------------------------


def _layer(key: bytes) -> int:
    """Leading zeros of the key's hash, two bits each."""
    return (256 - int.from_bytes(hashlib.sha256(key).digest(), "big").bit_length()) // 2


def _tree(entries: list[tuple[bytes, bytes]], nodes: dict[bytes, bytes]) -> bytes:
    """The root of the tree over sorted keys."""
    return _node(entries, [_layer(key) for key, _ in entries], max(_layer(key) for key, _ in entries), nodes)


def _node(entries: list[tuple[bytes, bytes]], layers: list[int], layer: int, nodes: dict[bytes, bytes]) -> bytes:
    """One node: the keys of its layer, and between them those of the layers below."""
    here = [n for n, one in enumerate(layers) if one == layer]
    ends = [*here, len(entries)]
    begins = [0, *(n + 1 for n in here)]
    below = [
        Link(_node(entries[begin:end], layers[begin:end], layer - 1, nodes)) if begin < end else None
        for begin, end in zip(begins, ends, strict=True)
    ]
    listed: list[dict[str, Any]] = []
    before = b""
    for n, right in zip(here, below[1:], strict=True):
        key, cid = entries[n]
        shared = _shared(before, key)
        listed.append({"p": shared, "k": key[shared:], "v": Link(cid), "t": right})
        before = key
    data = encoded({"l": below[0], "e": listed})
    nodes[name := _cid(data)] = data
    return name


def _shared(one: bytes, other: bytes) -> int:
    """Length of the common beginning."""
    longest = min(len(one), len(other))
    return bisect_left(range(longest), True, key=lambda n: one[: n + 1] != other[: n + 1])


# --- bytes ----------------------------------------------------------------------------------------------------------------


def encoded(value: Any) -> bytes:
    """DAG-CBOR: shortest heads, keys of a map by length and then by bytes."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, Link):
        return b"\xd8\x2a" + encoded(b"\0" + value.cid)
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encoded, value))
    named = sorted(((name.encode(), inner) for name, inner in value.items()), key=lambda one: (len(one[0]), one[0]))
    return _head(5, len(named)) + b"".join(_head(3, len(name)) + name + encoded(inner) for name, inner in named)


def _head(kind: int, number: int) -> bytes:
    """RFC 8949 §3: major type and argument."""
    if number < 24:
        return bytes([kind << 5 | number])
    for code, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if number < 1 << 8 * struct.calcsize(form):
            return bytes([kind << 5 | code]) + struct.pack(form, number)
    raise ValueError(number)


def _cid(data: bytes) -> bytes:
    """Version 1, DAG-CBOR, SHA-256 (atproto.com/specs/data-model#link-and-cid-formats)."""
    return b"\x01\x71\x12\x20" + hashlib.sha256(data).digest()


def _framed(data: bytes) -> bytes:
    return _varint(36 + len(data)) + _cid(data) + data


def _varint(number: int) -> bytes:
    """An unsigned LEB128 number."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
