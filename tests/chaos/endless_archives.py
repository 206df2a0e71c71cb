"""Archives without end: ten million files, rows, names, brackets within brackets. Each is refused with the reason, or read in bounded memory.

Each archive is read by a process of its own (`python -m tests.chaos.endless_archives PATH`), as an import reads it: recognised, looked at, counted,
read page by page. What that process says is what an import would say; its peak memory is the system's own figure.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from benchmarks.processes import peak_mib
from tests.chaos.report import Report

MEMORY: Final = 300  # MiB
BATCH: Final = 10_000


@dataclass(frozen=True)
class Endless:
    """An archive without end: how it is written, `size` being how much there is of it, and what is said of it when it is refused."""

    name: str
    write: Callable[[Path, int], None]
    refusal: str = ""


# --- zip archives and folders ---------------------------------------------------------------------------------------------------


def _honest(path: Path, size: int) -> None:
    """Says how many files it has."""
    with path.open("wb") as out:
        _zip(out, size, lambda n: b"%08x.vcf" % n)


def _modest(path: Path, size: int) -> None:
    """Says that it has three, beside a directory of as many as fit into what a directory may be long."""
    with path.open("wb") as out:
        _zip(out, min(size, 1_200_000), lambda n: b"%x" % n, said=3)


def _two_faced(path: Path, size: int) -> None:
    """Has two zip64 records: its locator leads to a modest one, the one right before it says the truth."""
    with path.open("wb") as out:
        _zip(out, size, lambda n: b"%08x.vcf" % n, decoy=True)


def _nested(path: Path, size: int) -> None:
    """Has few files, each within folders of its own."""
    with path.open("wb") as out:
        _zip(out, min(size // 30, 190_000), lambda n: b"/".join(b"%x" % (n * 30 + level) for level in range(30)) + b"/a.vcf")


def _zip(out: BinaryIO, count: int, name: Callable[[int], bytes], *, said: int | None = None, decoy: bool = False) -> None:
    """A zip archive of empty files (PKWARE's APPNOTE 4.3)."""
    at, length = 0, 0
    for part in _batches(count):
        local = b"".join(
            struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(one := name(n)), 0) + one for n in part
        )
        at += out.write(local)
    begin, header = at, 0
    for part in _batches(count):
        pieces = []
        for n in part:
            one = name(n)
            pieces.append(
                struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(one), 0, 0, 0, 0, 0, header) + one
            )
            header += 30 + len(one)
        length += out.write(b"".join(pieces))
    stated = count if said is None else said
    record = begin + length
    if decoy:
        out.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 3, 3, 200, begin))
    if said is None:
        out.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, stated, stated, length, begin))
        out.write(struct.pack("<4sIQI", b"PK\6\7", 0, record, 1))
    small = said is not None
    out.write(
        struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, stated if small else 0xFFFF, stated if small else 0xFFFF, length if small else 2**32 - 1,
                    begin if small else 2**32 - 1, 0)
    )  # fmt: skip


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


def _crowded(path: Path, size: int) -> None:
    path.mkdir()
    for n in range(size):
        os.close(os.open(path / f"{n:x}", os.O_CREAT | os.O_WRONLY))


def _crowded_maildir(path: Path, size: int) -> None:
    for shelf in ("cur", "tmp"):
        (path / shelf).mkdir(parents=True)
    _crowded(path / "new", size)


# --- brackets within brackets -----------------------------------------------------------------------------------------------------


def _deep_posts(path: Path, size: int) -> None:
    _pieces(path, b'window.YTD.tweets.part0 = [{"tweet":{"id_str":"1"}},', b"[", size, b"")


def _deep_item(path: Path, size: int) -> None:
    depth = min(size, 7_000_000)
    _pieces(
        path,
        b'{"friends_v2":[{"name":"Ada","timestamp":1},{"name":',
        b"[",
        depth,
        b"]" * depth + b',"timestamp":2},{"name":"Bo","timestamp":3}]}',
    )


def _deep_settings(path: Path, size: int) -> None:
    _pieces(
        path,
        b'{"chats":{"list":[{"name":',
        b'{"a":',
        size // 4,
        b"}" * (size // 4) + b',"type":"personal_chat","id":1,"messages":[]}]}}',
    )


def _deep_note(path: Path, size: int) -> None:
    _pieces(path, b"<en-export><note><title>a</title>", b"<a>", size, b"</note></en-export>")


def _deep_card(path: Path, size: int) -> None:
    _pieces(path, b"", b"BEGIN:VCARD\nVERSION:2.1\nN:A\nAGENT:\n", size // 30, b"END:VCARD\n")


def _deep_repository(path: Path, size: int) -> None:
    _repository(path, [b"\x81" * 1_000_000 + b"\x80"])


def _wide_repository(path: Path, size: int) -> None:
    """A tree whose nodes name more nodes than there are, each at a great many places."""
    nodes = []
    below = b"\x01\x71\x12\x20" + bytes(32)
    for n in range(max(1, size // 10_000)):
        entries = b"".join(_entry(b"app.bsky.feed.post/%08d%05d" % (n, m), below) for m in range(8_000))
        node = b"\xa2ae\x99" + struct.pack(">H", 8_000) + entries + b"al" + _link(below)
        nodes.append(node)
        below = b"\x01\x71\x12\x20" + sha256(node).digest()
    _repository(path, nodes)


def _repository(path: Path, nodes: list[bytes]) -> None:
    """A CAR file whose commit names the last node."""
    root = b"\x01\x71\x12\x20" + sha256(nodes[-1]).digest()
    commit = (
        b"\xa6cdid"
        + b"\x78\x20did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
        + b"crev\x61a"
        + b"csig\x41a"
        + b"ddata"
        + _link(root)
        + b"dprev\xf6gversion\x03"
    )
    name = b"\x01\x71\x12\x20" + sha256(commit).digest()
    header = b"\xa2eroots\x81" + _link(name) + b"gversion\x01"
    with path.open("wb") as out:
        out.write(_varint(len(header)) + header)
        for block in (commit, *nodes):
            out.write(_varint(36 + len(block)) + b"\x01\x71\x12\x20" + sha256(block).digest() + block)


def _link(cid: bytes) -> bytes:
    return b"\xd8\x2a\x58\x25\x00" + cid


def _entry(key: bytes, cid: bytes) -> bytes:
    """An entry of a node: a key whose record and whose following node are the same."""
    return b"\xa4ak\x58" + bytes([len(key)]) + key + b"ap\x00at" + _link(cid) + b"av" + _link(cid)


def _varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


# --- rows and names -----------------------------------------------------------------------------------------------------------------


def _followers(path: Path, size: int) -> None:
    _rows(path, b"window.YTD.follower.part0 = [", lambda n: b'{"follower":{"accountId":"%d"}}' % (10**15 + n), size, b"]")


def _friends(path: Path, size: int) -> None:
    _rows(path, b'{"friends_v2":[', lambda n: b'{"name":"Ada %d","timestamp":%d}' % (n, 10**9 + n), size, b"]}")


def _members(path: Path, size: int) -> None:
    _rows(
        path,
        b"[",
        lambda n: b'{"id":"U%09d","team_id":"T1","name":"ada%d","profile":{"real_name":"Ada %d"}}' % (n, n, n),
        size,
        b"]",
    )


def _one_huge_item(path: Path, size: int) -> None:
    _rows(
        path,
        b'{"friends_v2":[{"timestamp":1,"name":"Ada"},{"timestamp":1,"name":[',
        lambda n: b"{}",
        min(size, 5_000_000),
        b"]}]}",
    )


def _talks(path: Path, size: int) -> None:
    head = b"CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,SUBJECT,CONTENT,FOLDER\n"
    row = (
        b"c%d,,Ada %d,https://www.linkedin.com/in/ada-%d,Bo,https://www.linkedin.com/in/bo-%d,2024-01-02 03:04:05 UTC,,hi,INBOX\n"
    )
    _rows(path, head, lambda n: row % (n, n, n, n), size, b"", between=b"")


def _speakers(path: Path, size: int) -> None:
    _rows(path, b"", lambda n: b"1/4/23, 7:02 PM - Ada %d: hello %d\n" % (n, n), size, b"", between=b"")


def _texts(path: Path, size: int) -> None:
    row = b'<sms protocol="0" address="+4477009%05d" date="1646640000000" type="1" body="hi %d" read="1" date_sent="0" />'
    _rows(
        path,
        b"<?xml version='1.0' encoding='UTF-8' ?><smses count=\"1\">",
        lambda n: row % (n % 100_000, n),
        size,
        b"</smses>",
        between=b"\n",
    )


def _handles(path: Path, size: int) -> None:
    with closing(sqlite3.connect(path)) as out:
        out.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, handle_id INTEGER, is_from_me INTEGER, is_read INTEGER,"
            " date INTEGER, item_type INTEGER, associated_message_type INTEGER, associated_message_guid TEXT);"
            "CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT);"
            "CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT, display_name TEXT);"
            "CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER);"
            "CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER);"
            "CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, filename TEXT);"
            "CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);"
        )
        for part in _batches(size):
            out.executemany("INSERT INTO handle VALUES (?, ?)", ((n + 1, f"+4477{n:08}") for n in part))
            out.executemany("INSERT INTO chat VALUES (?, 'g', 45, ?, 'Ada')", ((n + 1, f"+4477{n:08}") for n in part))
            out.executemany("INSERT INTO chat_handle_join VALUES (?, ?)", ((n + 1, n + 1) for n in part))
            out.executemany(
                "INSERT INTO message VALUES (?, ?, 'hi', ?, 0, 1, 700000000, 0, ?, ?)",
                ((n + 1, f"g{n}", n + 1, 2000 if n % 2 else 0, f"p:0/g{n - 1}") for n in part),
            )
            out.executemany("INSERT INTO chat_message_join VALUES (?, ?)", ((n + 1, n + 1) for n in part))
        out.commit()


def _pieces(path: Path, head: bytes, piece: bytes, count: int, tail: bytes) -> None:
    with path.open("wb") as out:
        out.write(head)
        for part in _batches(count):
            out.write(piece * len(part))
        out.write(tail)


def _rows(path: Path, head: bytes, row: Callable[[int], bytes], count: int, tail: bytes, *, between: bytes = b",") -> None:
    with path.open("wb") as out:
        out.write(head)
        for part in _batches(count):
            out.write((between if part.start else b"") + between.join(map(row, part)))
        out.write(tail)


#: Files of an archive cost their number in the directory; what is many within one file costs the reading of it.
FILES: Final = (
    Endless("zip that says how many files it has", _honest, "more than 200,000 files"),
    Endless("zip that says it has three", _modest, "more than 200,000 files"),
    Endless("zip with two directories", _two_faced, "broken"),
    Endless("zip of folders within folders", _nested, "more than 100,000 folders"),
)
FOLDERS: Final = (
    Endless("folder", _crowded, "more than 500,000 entries"),
    Endless("Maildir", _crowded_maildir, "more than 500,000 entries"),
)
DEPTHS: Final = (
    Endless("X: brackets that never close", _deep_posts),
    Endless("Facebook: an item of brackets", _deep_item),
    Endless("Telegram: a chat's name of brackets", _deep_settings),
    Endless("Evernote: elements that never close", _deep_note),
    Endless("vCard: cards within cards", _deep_card),
    Endless("Bluesky: lists within lists", _deep_repository),
    Endless("Bluesky: a tree that names more than there is", _wide_repository),
    Endless("Facebook: an item of nothings", _one_huge_item),
)
ROWS: Final = (
    Endless("X: followers", _followers),
    Endless("Facebook: friends", _friends),
    Endless("Slack: members", _members),
    Endless("LinkedIn: conversations", _talks),
    Endless("WhatsApp: senders in one minute", _speakers),
    Endless("Android: texts", _texts),
    Endless("iMessage: people, chats, reactions", _handles),
)


def meet_the_endless(home: Path, *, entries: int, crowd: int, depth: int, rows: int) -> Report:
    """Zip archives of `entries` files, folders of `crowd`, nesting `depth` deep, files of `rows` rows."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)
    for kinds, size in ((FILES, entries), (FOLDERS, crowd), (DEPTHS, depth), (ROWS, rows)):
        for one in kinds:
            if size:
                _meet(report, home, one, size)
    return report


def _meet(report: Report, home: Path, one: Endless, size: int) -> None:
    path = home / "endless"
    one.write(path, size)
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.endless_archives", str(path)], capture_output=True, text=True, check=False
    )
    report.hold(f"{one.name}: the reader ended with {done.returncode}: {done.stderr[-300:]}", done.returncode == 0)
    if done.returncode == 0:
        said = json.loads(done.stdout)
        report.figures[f"{one.name}, {size:,}: rows, of them named as broken, MiB at most, s"] = (
            f"{said['rows']:,}, {said['broken']:,}, {said['peak']}, {said['seconds']}"
        )
        report.hold(f"{one.name}: {said['peak']} MiB, not less than {MEMORY}", said["peak"] < MEMORY)
        whole = one in ROWS or one in FILES
        report.hold(
            f"{one.name}: {said['rows']} rows read, {said['expected']} counted", said["rows"] == said["expected"] or not whole
        )
        if one.refusal:
            report.expect(f"{one.name}: rows read of what is refused", said["rows"], 0)
            report.hold(f"{one.name}: the reason is {said['refused']}", any(one.refusal in reason for reason in said["refused"]))
    if path.is_dir():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    else:
        path.unlink()


def main() -> None:
    """Read the archive that is named, and say what became of it as JSON."""
    from providers import records
    from providers.archives.recognition import recognise

    path = Path(sys.argv[1])
    found = recognise([path])
    rows = broken = expected = 0
    for provider, paths in found.groups:
        assert provider.archive is not None
        expected += sum(provider.archive.scan(paths, frozenset()).expected.values())
        for page in provider.archive.pages(paths, None, own=frozenset(), region="GB"):
            placed = [row for row in page.rows if row.place is not None]
            rows += len(placed)
            broken += sum(isinstance(row.item, records.Unreadable) for row in placed)
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "rows": rows, "broken": broken, "expected": expected, "refused": [reason for _, reason in found.unrecognised][:3],
        "peak": round(peak_mib(os.getpid())), "seconds": round(used.ru_utime + used.ru_stime, 1),
    }  # fmt: skip
    print(json.dumps(said))


if __name__ == "__main__":
    main()
