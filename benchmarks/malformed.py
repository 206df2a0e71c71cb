"""Archives of every form with items that are wrong in every way: what stands in them of another type, missing, out of any calendar, endless.

Each archive is first written whole (`exports.py`, `chat_exports.py`); then, behind the items of each of its files, an item is put once more
for every value that stands in it and every way in which that value can be wrong. So one archive holds hundreds of wrong items beside
right ones, and how many there are of each is known here.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import chat_exports, exports
from benchmarks.exports import World

DEEP: Final = "@@deep@@"  # stands for brackets within brackets, which no writer of JSON writes
NESTED: Final = 3_000
ENDLESS: Final = 20_000  # characters of a text that does not end
GONE: Final = object()  # the value is not there at all
#: What a value may be instead of what it should be. Texts are of other calendars, languages and lengths, and none at all.
WRONG: Final[tuple[Any, ...]] = (
    GONE, None, True, -1, 10**30, 1e300, "", " ", "\x00", "99/99/9999 99:99", "2024-02-31T25:61:61Z", "\ud83d", "<b>&amp;", "x" * ENDLESS,
    [], {}, [None, [1], {"a": 2}], {"text": {"text": []}}, DEEP,
)  # fmt: skip
MAX_PLACES: Final = 24  # values of an item that are made wrong
Pattern = tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """An archive of a provider: how it is written whole, and where in its files items stand.

    `lists` are JSON files by the ends of their names (empty for the archive itself), with the path to their items; `tables` are tables. `facts` are
    files that only say something of the others.
    """

    provider: str
    write: Callable[[World, Path], Path]
    lists: tuple[tuple[str, Pattern], ...] = ()
    tables: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


def _zip(write: Callable[..., Path], **how: Any) -> Callable[[World, Path], Path]:
    return lambda world, folder: write(world, folder / "export.zip", **how)


def _texts(world: World, folder: Path) -> Path:
    chats = folder / "chats"
    chats.mkdir()
    for talk in world.conversations():
        chat_exports.whatsapp(world, talk, chats, chat_exports.PHONES[0])
    return chats


_TALKS: Final = ("*", "dmConversation", "messages", "*")
FORMS: Final = (
    Form("linkedin", _zip(exports.linkedin),
         tables=("Connections.csv", "messages.csv", "Invitations.csv", "Shares.csv", "Comments.csv", "Reactions.csv"), facts=("Profile.csv",)),
    Form("x", _zip(exports.x_twitter), (
        ("/following.js", ("*", "following")), ("/follower.js", ("*", "follower")), ("/contact.js", ("*", "contact")), ("/like.js", ("*", "like")),
        ("/direct-messages.js", _TALKS), ("/direct-messages-group.js", _TALKS), ("/tweets.js", ("*",)),
    ), facts=("/account.js", "/manifest.js")),
    Form("facebook", _zip(exports.facebook), (
        ("your_friends.json", ("friends_v2", "*")), ("who_you've_followed.json", ("following_v3", "*")), ("message_1.json", ("messages", "*")),
        ("_from_your_phone.json", ("address_book_v2", "address_book", "*")), ("and_videos_1.json", ("*",)),
        ("/comments.json", ("comments_v2", "*")), ("likes_and_reactions_1.json", ("*",)),
        ("event_responses.json", ("event_responses_v2", "events_joined", "*")),
    ), facts=("profile_information.json",)),
    Form("instagram", _zip(exports.instagram), (
        ("/following.json", ("relationships_following", "*")), ("followers_1.json", ("*",)), ("message_1.json", ("messages", "*")),
        ("synced_contacts.json", ("contacts_contact_info", "*")), ("posts_1.json", ("*",)), ("liked_posts.json", ("likes_media_likes", "*")),
        ("post_comments_1.json", ("*",)),
    ), facts=("personal_information.json",)),
    Form("mastodon", _zip(exports.mastodon), (("outbox.json", ("orderedItems", "*")), ("likes.json", ("orderedItems", "*"))),
         tables=("following_accounts.csv",), facts=("actor.json",)),
    Form("google_chat", _zip(exports.google_chat), (("group_info.json", ("members", "*")), ("messages.json", ("messages", "*"))),
         facts=("user_info.json",)),
    Form("slack", _zip(chat_exports.slack), (("users.json", ("*",)), ("-07.json", ("*",))),
         facts=("channels.json", "dms.json", "mpims.json")),
    Form("discord", _zip(chat_exports.discord), (("user.json", ("relationships", "*")), ("/messages.json", ("*",))),
         facts=("/channel.json", "Messages/index.json")),
    Form("discord", _zip(chat_exports.discord, age="oldest"), tables=("/messages.csv",)),
    Form("telegram", lambda world, folder: chat_exports.telegram(world, folder / "result.json"),
         (("", ("contacts", "list", "*")), ("", ("chats", "list", "*", "messages", "*")))),
    Form("imessage", lambda world, folder: chat_exports.imessage(world, folder / "chat.db")),
    Form("android_sms", lambda world, folder: chat_exports.android_sms(world, folder / "sms.xml")),
    Form("evernote", lambda world, folder: chat_exports.evernote(world, folder / "cards.enex")),
    Form("whatsapp", _texts),
)  # fmt: skip


def spoiled(form: Form, whole: Path, into: Path) -> int:
    """A copy of an archive with wrong items in all its files, and how many were put in."""
    if form.provider == "imessage":
        return _rows(whole, into)
    if form.provider in ("android_sms", "evernote"):
        return _elements(whole, into, b"sms" if form.provider == "android_sms" else b"note")
    if form.provider == "whatsapp":
        return _lines(whole, into)
    if not form.tables and all(not name for name, _ in form.lists):
        text, count = whole.read_text(encoding="utf-8"), 0
        for _, pattern in form.lists:
            text, added = _listed(text, pattern)
            count += added
        text = _deepened(text)
        into.write_text(text, encoding="utf-8", errors="surrogatepass")
        return count
    count = 0
    done: set[str] = set()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            for end, pattern in form.lists:
                if info.filename.endswith(end) and end not in done:
                    done.add(end)
                    text, added = _listed(data.decode("utf-8"), pattern)
                    data, count = _deepened(text).encode("utf-8", "surrogatepass"), count + added
            for end in form.tables:
                if info.filename.endswith(end) and end not in done:
                    done.add(end)
                    data, added = _table(data)
                    count += added
            new.writestr(info.filename, data)
    missing = {end for end, _ in form.lists} | set(form.tables)
    assert done == missing, f"no such file: {missing - done}"
    return count


def wrong_facts(form: Form, whole: Path, folder: Path) -> Iterator[Path]:
    """Copies of an archive in which what is said of the account and of conversations is wrong in one way each."""
    for n, wrong in enumerate(WRONG):
        if wrong is GONE:
            continue

        def spoil(name: str, data: bytes, wrong: Any = wrong) -> bytes:
            if not name.endswith(form.facts):
                return data
            if name.endswith(".csv"):
                return data.partition(b"\n")[0] + b"\n" + _said(wrong).encode("utf-8", "surrogatepass") + b",\n"
            head, document = _parsed(data.decode("utf-8"))
            return _deepened(_written(head, _with_all(document, wrong))).encode("utf-8", "surrogatepass")

        yield rewritten(whole, folder / f"facts-{n}.zip", spoil)


def rewritten(whole: Path, into: Path, spoil: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a zip archive with the bytes of its files changed."""
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, spoil(info.filename, old.read(info)))
    return into


def _recoded(charset: str) -> Callable[[bytes], bytes]:
    return lambda data: data.decode("utf-8", "replace").encode(charset, "replace")


def _put_in(piece: bytes, *, last: bool = False) -> Callable[[bytes], bytes]:
    return lambda data: data[: len(data) // 2] + piece + (b"" if last else data[len(data) // 2 :])


#: Ways in which a file's bytes can be as no program writes them.
WAYS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "cut": lambda data: data[: len(data) // 2],
    "a hole of zeros": lambda data: data[: len(data) // 2] + bytes(4_000) + data[len(data) // 2 + 4_000 :],
    "another charset": _recoded("cp1252"),
    "UTF-16 without its mark": _recoded("utf-16-le"),
    "UTF-16": _recoded("utf-16"),
    "bytes of no charset": _put_in(b"\xff\xfe\xc0\x80\xed\xa0\x80"),
    "other line ends": lambda data: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
    "twice": lambda data: data + data,
    "brackets without end": _put_in(b"[{" * 20_000, last=True),
    "one endless word": _put_in(b"x" * 300_000, last=True),
    "quotation marks": _put_in(b'"' * 10_001),
}


# --- JSON -------------------------------------------------------------------------------------------------------------------


def _listed(text: str, pattern: Pattern) -> tuple[str, int]:
    """A document with wrong items behind those of one of its lists."""
    head, document = _parsed(text)
    star = len(pattern) - 1 - pattern[::-1].index("*")
    home = document
    for key in pattern[:star]:
        home = home[0] if key == "*" else home[key]
    inner = pattern[star + 1 :]
    added = []
    for wrong in _wrong_ones(home[0] if not inner else home[0][inner[0]]):
        added.append(wrong if not inner else {**home[0], inner[0]: wrong})
    home.extend(added)
    return _written(head, document), len(added)


def _wrong_ones(item: Any) -> Iterator[Any]:
    """An item with each of its values wrong in each way, and what is no item at all."""
    yield from (wrong for wrong in WRONG if wrong is not GONE)
    for place in list(_places(item))[:MAX_PLACES]:
        for wrong in WRONG:
            found = copy.deepcopy(item)
            home = found
            for key in place[:-1]:
                home = home[key]
            if wrong is GONE:
                del home[place[-1]]
            else:
                home[place[-1]] = wrong
            yield found


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (key,)
        yield from ((key, *rest) for rest in _places(one))


def _with_all(value: Any, wrong: Any) -> Any:
    """A document with all its values wrong, and its keys as they were: what it is can still be told."""
    if isinstance(value, dict):
        return {key: _with_all(one, wrong) for key, one in value.items()}
    return [_with_all(one, wrong) for one in value] if isinstance(value, list) else wrong


def _parsed(text: str) -> tuple[str, Any]:
    """A script's assignment, and the document."""
    match = re.match(r"\s*window\.[\w.]+\s*=\s*", text)
    head = match[0] if match else ""
    return head, json.loads(text[len(head) :])


def _written(head: str, document: Any) -> str:
    return head + json.dumps(document, ensure_ascii=False)


def _deepened(text: str) -> str:
    """Text of JSON with what stands for brackets within brackets as that."""
    return text.replace(json.dumps(DEEP), "[" * NESTED + "]" * NESTED)


def _said(wrong: Any) -> str:
    """A wrong value where there are texts only."""
    return "" if wrong is GONE or wrong is None else str(wrong)


# --- tables, XML, SQLite, text ------------------------------------------------------------------------------------------------


def _table(data: bytes) -> tuple[bytes, int]:
    """A table with wrong rows: each cell in each way, too few of them, too many."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    columns = next(n for n, row in enumerate(rows) if len(row) > 2)
    right = rows[columns + 1]
    texts = [_said(wrong).replace("\x00", "0").replace("\ud83d", "?") for wrong in WRONG if wrong is not GONE]
    wrong = [[*right[:n], text, *right[n + 1 :]] for n in range(len(right)) for text in texts]
    wrong += [right[:2], [*(cell.replace("\n", " ") for cell in right), "too", "many"]]
    wrong = [row for row in wrong if any(cell.strip() for cell in row)]
    out = io.StringIO()
    csv.writer(out).writerows(wrong)
    return data + out.getvalue().encode(), len(wrong)


def _elements(whole: Path, into: Path, name: bytes) -> int:
    """An XML file with wrong elements: each attribute and each text in each way."""
    data = whole.read_bytes()
    match = re.search(rb"<%s\b.*?(?:/>|</%s>)" % (name, name), data, re.DOTALL)
    assert match is not None
    right = match[0]
    wrong: list[bytes] = [
        b"<%s/>" % name,
        b"<%s></%s>" % (name, name),
        right.replace(b">", b"><a>" * NESTED + b"</a>" * NESTED, 1),
    ]
    texts = [_said(one).encode("utf-8", "replace") for one in WRONG if isinstance(one, str)]
    for value in list(re.finditer(rb'="([^"]*)"|>([^<>]+)<', right))[:MAX_PLACES]:
        begin, end = value.span(1 if value[1] is not None else 2)
        wrong += [right[:begin] + text + right[end:] for text in (*texts, b"&nothing;", b"&#xd83d;&#0;", b"\xff\xfe")]
    closing_tag = data.rindex(b"</")
    into.write_bytes(data[:closing_tag] + b"\n".join(wrong) + b"\n" + data[closing_tag:])
    return len(wrong)


def _rows(whole: Path, into: Path) -> int:
    """A database with wrong rows: each column of each table of another type, and out of any range."""
    values: tuple[object, ...] = (None, "99/99/9999", -1, 2**62, 1e300, b"\x04\x0bstreamtyped\x81\xff", "x" * ENDLESS)
    count = 0
    with closing(sqlite3.connect(whole)) as old, closing(sqlite3.connect(into)) as new:
        old.backup(new)
        columns = [row[1] for row in new.execute("PRAGMA table_info(message)")]
        for n, column in enumerate(one for one in columns if one not in ("ROWID", "guid")):
            for value in values:
                count += 1
                others = ", ".join(one for one in columns if one not in ("ROWID", "guid", column))
                new.execute(
                    f"INSERT INTO message (guid, {column}, {others}) SELECT ?, ?, {others} FROM message WHERE ROWID = 1",
                    (f"WRONG-{n}-{count}", value),
                )
                new.execute("INSERT INTO chat_message_join SELECT 1, max(ROWID) FROM message")
        for table, column in (
            ("chat", "display_name"),
            ("chat", "chat_identifier"),
            ("chat", "style"),
            ("handle", "id"),
            ("attachment", "total_bytes"),
        ):
            for n, value in enumerate(values):
                new.execute(f"UPDATE {table} SET {column} = ? WHERE ROWID = ?", (value, n + 2))
        new.commit()
    return count


def _lines(whole: Path, into: Path) -> int:
    """Chats with wrong lines behind them: dates of no calendar, senders without names, endless ones."""
    into.mkdir()
    wrong = (
        "99/99/99, 7:02 PM - Ada: no day", "1/4/23, 99:99 PM - Ada: no time", "1/4/23, 7:02 PM - : nobody",
        "1/4/23, 7:02 PM - " + "x" * ENDLESS + ": long",
        "1/4/23, 7:02 PM - Ada: " + "x" * 300_000, "99999999999999999999/1/1, 7:02 PM - Ada: far", "1/4/23, 7:02 PM", "1/4/23, 7:02 PM - ",
    )  # fmt: skip
    for file in sorted(whole.rglob("*")):
        if file.is_file() and file.suffix == ".txt":
            (into / file.name).write_text(file.read_text(encoding="utf-8") + "\n".join(wrong) + "\n", encoding="utf-8")
    return 0
