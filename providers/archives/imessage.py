"""Apple's Messages: the database `chat.db` of a Mac, or `sms.db` of an unencrypted iPhone backup, with iMessage, SMS and RCS.

There is no published contract; columns differ by release, and what a database has is read. It is a stranger's: opened read-only,
nothing in its schema is trusted, a query that works for too long is given up. Texts stand in `text` or, since macOS 13, in an archived
attributed string (`formats/typedstream.py`). Taken from the command line, where the files are. Knows no attachments' bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from providers import records
from providers.archives import export, files
from providers.archives.export import Export, Part, Stood
from providers.base import ArchiveFormat, Provider
from providers.formats import charset, email_address, file_kind, file_name, phone_number, typedstream

KEY: Final = "imessage"
OWN: Final = "this device"  # who the user is where no address says it
MAX_TEXT: Final = 100_000
MAX_CELL: Final = 16 * 1024 * 1024  # bytes of one value
MAX_STEPS: Final = 200  # times STEPS instructions of SQLite's machine, without one row
STEPS: Final = 1_000_000
MAX_PEOPLE: Final = 100
BESIDE: Final = ("-wal", "-shm")  # what SQLite keeps beside a database: the latest changes
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)
_NANOSECONDS: Final = 10**12  # a larger moment is one in nanoseconds, as since 2017
_TABLES: Final = frozenset({"message", "chat", "handle", "chat_message_join"})
_COLUMNS: Final = (
    "guid", "text", "attributedBody", "handle_id", "is_from_me", "is_read", "date", "date_edited", "date_retracted", "item_type",
    "thread_originator_guid", "associated_message_type", "associated_message_guid", "associated_message_emoji",
    "destination_caller_id", "account", "subject",
)  # fmt: skip
_GROUP_STYLE: Final = 43
#: Tapbacks by the type of their row; 1,000 more takes one back.
_SIGNS: Final = {2000: "❤️", 2001: "👍", 2002: "👎", 2003: "😂", 2004: "‼️", 2005: "❓"}
_OWN_SIGN: Final = 2006
_REACTIONS: Final = range(2000, 4000)
_TAKEN_BACK: Final = 1000
_INLINE: Final = "\ufffc"  # stands for a file in the text

_NOTICE: Final = "It says what happened to the conversation, and is no message."
_EMPTY: Final = "There is no text in it that can be read, and no file."
_NO_TIME: Final = "It has no moment that is understood. It is left out."
_DAMAGED: Final = (
    "The database is damaged here ({error}). Quit Messages, copy chat.db together with chat.db-wal and chat.db-shm, and import the copy; what was "
    "taken already stays as it is."
)


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation: what it is called and who is in it, by their addresses as they stand."""

    key: str
    title: str | None
    group: bool
    people: tuple[str, ...] = ()


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What one database says besides its messages."""

    handles: dict[int, str] = {}
    chats: dict[int, Chat] = {}
    reactions: dict[str, dict[tuple[str, int], str]] = {}  # of a message, by who and which row's type
    own: tuple[str, ...] = ()
    memory: export.Memory = msgspec.field(default_factory=export.Memory)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The databases of an import by what they are called, whose they are, and where their numbers are read."""

    books: dict[str, Book]
    own: tuple[records.OwnAddress, ...]
    region: str | None = None


class Messages(Part[About]):
    """The database."""

    kind = "MESSAGE"

    def begins(self, head: bytes, path: Path) -> bool:
        if not head.startswith(b"SQLite format 3\x00") or not path.is_file():
            return False
        try:
            with _opened(path, unchanged=True) as database:
                return {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} >= _TABLES
        except (OSError, sqlite3.Error):
            return False

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        book = about.books.get(source.shown, Book())
        position, row_id = mark.position, mark.offset
        told: set[str] = set()
        try:
            with _opened(source.path) as database:
                attachments = _Attachments(database, mark.offset)
                for row in _messages(database, mark.offset):
                    position, row_id = position + 1, row["id"]
                    stood = Stood(position, max(row_id, 1), row_id, max(row_id, 1))
                    chat = book.chats.get(row["chat"])
                    try:
                        item = _item(attachments, row, chat, book, source, position, about)
                    except (ValueError, TypeError, OverflowError) as error:  # a row is a stranger's
                        item = export.unreadable(
                            source, position, f"The message could not be understood ({type(error).__name__}).", b""
                        )
                    yield stood, item, export.weight(item)
                    if isinstance(item, records.Message) and chat is not None and chat.key not in told:
                        if len(told) < export.MAX_TOLD:
                            told.add(chat.key)
                        yield stood, _whole(chat, item, about), export.ITEM_WEIGHT
        except sqlite3.Error as error:
            position += 1
            stood = Stood(position, max(row_id, 1), row_id, max(row_id, 1))
            yield stood, export.unreadable(source, position, _DAMAGED.format(error=str(error)[:100]), b""), export.ITEM_WEIGHT

    def counted(self, path: Path) -> int:
        """By SQLite itself."""
        try:
            with _opened(path) as database:
                columns = _columns(database)
                there = f"WHERE {_no_reaction(columns)}"
                return int(database.execute(f"SELECT count(*) FROM message m {there}").fetchone()[0])  # noqa: S608  names are ours
        except sqlite3.Error as error:
            raise OSError(str(error)) from error


class IMessageArchive(Export[About]):
    """The Archive contract for the databases of Apple's Messages."""

    format: ArchiveFormat = "IMESSAGE"
    parts = (Messages(),)

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        books = {source.shown: _book(source.path) for _, source in sources}
        found = [address for book in books.values() for value in book.own if (address := _own(value)) is not None]
        found += [address for value in sorted(own) if (address := _own(value)) is not None and address not in found]
        if not found:
            found = [records.OwnAddress(value=OWN, kind="HANDLE")]
        first, *others = dict.fromkeys(found)
        return About(books=books, own=(msgspec.structs.replace(first, primary=True), *others))

    def settled(self, about: About, region: str | None) -> About:
        return msgspec.structs.replace(about, region=region)

    def profile(self, about: About) -> records.Profile | None:
        return records.Profile(user_id="", label=about.own[0].value, own_addresses=about.own)

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        return (export.FULL,) if any(book.memory.full for book in about.books.values()) else ()

    def beside(self, path: Path) -> list[Path]:
        """The files that hold a database's latest changes."""
        return [beside for ending in BESIDE if (beside := path.with_name(path.name + ending)).is_file()]


# --- the database ---------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, *, unchanged: bool = False) -> Iterator[sqlite3.Connection]:
    """A stranger's database, read-only. `unchanged`: nothing is written beside it either, and its latest changes are not seen.

    Raises sqlite3.Error; OperationalError for a query that gives no row for too long.
    """
    with files.open_file(path):
        pass  # a regular file, which can be read
    name = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if unchanged else ''}"
    # pages are read by whatever thread asks for the next one
    with closing(sqlite3.connect(name, uri=True, check_same_thread=False, isolation_level=None)) as database:
        left = MAX_STEPS

        def tick() -> int:
            nonlocal left
            left -= 1
            return left < 0

        def renewed(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> sqlite3.Row:
            nonlocal left
            left = MAX_STEPS
            return sqlite3.Row(cursor, row)

        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL)
        database.set_progress_handler(tick, STEPS)
        database.row_factory = renewed
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        # sqlite.org/security.html: nothing that the schema itself asks for is run
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA query_only = ON")
        database.execute("PRAGMA cell_size_check = ON")
        yield database


def _columns(database: sqlite3.Connection) -> frozenset[str]:
    return frozenset(row["name"] for row in database.execute("PRAGMA table_info(message)"))


def _no_reaction(columns: frozenset[str]) -> str:
    if "associated_message_type" not in columns:
        return "m.ROWID > 0"
    between = f"{_REACTIONS.start} AND {_REACTIONS.stop - 1}"
    return f"m.ROWID > 0 AND coalesce(m.associated_message_type, 0) NOT BETWEEN {between}"


def _messages(database: sqlite3.Connection, after: int) -> Iterator[sqlite3.Row]:
    """Messages in the order in which they came to the device. One may be in two chats, of SMS and of iMessage: the first counts."""
    columns = _columns(database)
    wanted = ", ".join(f"m.{name}" if name in columns else f"NULL AS {name}" for name in _COLUMNS)
    # grouped once: a join that has no index of its own would be walked through for each message
    homes = "(SELECT message_id, min(chat_id) AS chat FROM chat_message_join GROUP BY message_id)"
    query = (
        f"SELECT m.ROWID AS id, h.chat, {wanted} FROM message m LEFT JOIN {homes} h ON h.message_id = m.ROWID "  # noqa: S608  names are ours
        f"WHERE {_no_reaction(columns)} AND m.ROWID > ? ORDER BY m.ROWID"
    )
    yield from database.execute(query, (after,))


def _book(path: Path) -> Book:
    """What a database says besides its messages; one that cannot be read says nothing, which is told when it is read."""
    book = Book()
    try:
        with _opened(path) as database:
            for row in database.execute("SELECT ROWID AS id, id AS address FROM handle"):
                if book.memory.takes(address := charset.line(row["address"])):
                    book.handles[row["id"]] = address
            _chats(database, book)
            columns = _columns(database)
            if "associated_message_type" in columns:
                _reactions(database, book, columns)
            named = [name for name in ("destination_caller_id", "account") if name in columns]
            own = [
                str(row["value"])
                for name in named
                for row in database.execute(
                    f"SELECT {name} AS value, count(*) AS n FROM message WHERE {name} > '' GROUP BY 1 ORDER BY n DESC LIMIT 10"  # noqa: S608  names are ours
                )
            ]
            return msgspec.structs.replace(book, own=tuple(own))
    except (OSError, sqlite3.Error):
        return book


def _chats(database: sqlite3.Connection, book: Book) -> None:
    columns = frozenset(row["name"] for row in database.execute("PRAGMA table_info(chat)"))
    people: dict[int, list[str]] = {}
    try:
        for row in database.execute("SELECT chat_id, handle_id FROM chat_handle_join ORDER BY 1, 2"):
            if row["handle_id"] not in book.handles or len(people.get(row["chat_id"], ())) >= MAX_PEOPLE:
                continue
            if book.memory.takes(cost=export.NOTE // 4):
                people.setdefault(row["chat_id"], []).append(book.handles[row["handle_id"]])
    except sqlite3.OperationalError:
        pass  # no such table: then nobody but those who write is known
    wanted = ", ".join(
        name if name in columns else f"NULL AS {name}" for name in ("chat_identifier", "guid", "display_name", "style")
    )
    for row in database.execute(f"SELECT ROWID AS id, {wanted} FROM chat"):  # noqa: S608  names are ours
        others = tuple(dict.fromkeys(people.get(row["id"], ())))
        named = charset.line(row["chat_identifier"]) or charset.line(row["guid"]).rpartition(";")[2]
        group = row["style"] == _GROUP_STYLE or len(others) > 1
        title = charset.line(row["display_name"]) or None
        if not others and not group and named:
            others = (named,)
        if not book.memory.takes(named, title or ""):
            continue
        book.chats[row["id"]] = Chat(key=named, title=title, group=group, people=others)


def _reactions(database: sqlite3.Connection, book: Book, columns: frozenset[str]) -> None:
    """Signs that stand now: rows in their order put them on and take them off."""
    emoji = "associated_message_emoji" if "associated_message_emoji" in columns else "NULL"
    rows = database.execute(
        f"SELECT associated_message_guid AS target, associated_message_type AS type, {emoji} AS emoji, handle_id, is_from_me FROM message "  # noqa: S608  names are ours
        f"WHERE associated_message_type BETWEEN {_REACTIONS.start} AND {_REACTIONS.stop - 1} ORDER BY ROWID"
    )
    for row in rows:
        kind = row["type"] - _TAKEN_BACK if row["type"] >= _REACTIONS.start + _TAKEN_BACK else row["type"]
        sign = _SIGNS.get(kind) or (charset.line(row["emoji"]) if kind == _OWN_SIGN else "")
        # `p:0/<guid>` names a part of a message, `bp:<guid>` its preview
        target = charset.line(row["target"]).rpartition("/")[2].rpartition(":")[2]
        who = "" if row["is_from_me"] else book.handles.get(row["handle_id"], "")
        if not target or not sign:
            continue
        standing = book.reactions.get(target, {})
        if kind == row["type"] and book.memory.takes(target):
            book.reactions.setdefault(target, standing)[who, kind] = sign
        elif kind != row["type"]:
            standing.pop((who, kind), None)


# --- messages -------------------------------------------------------------------------------------------------------------


def _item(
    attachments: _Attachments,
    row: sqlite3.Row,
    chat: Chat | None,
    book: Book,
    source: files.Source,
    position: int,
    about: About,
) -> records.Message | records.Unreadable:
    def skipped(reason: records.SkipReason, message: str) -> records.Unreadable:
        return export.unreadable(source, position, message, b"", outcome="SKIPPED", reason=reason)

    if row["item_type"]:
        return skipped("EXCLUDED", _NOTICE)
    at = _moment(row["date"])
    guid = charset.line(row["guid"])
    if at is None or not guid:
        return export.unreadable(source, position, _NO_TIME, b"")
    text = charset.storable(_text(row).replace(_INLINE, ""))[:MAX_TEXT].strip()
    attached = attachments.of(row["id"])
    retracted = _moment(row["date_retracted"])
    if not text and not attached and retracted is None:
        return skipped("EMPTY", _EMPTY)
    mine = bool(row["is_from_me"])
    author = book.handles.get(row["handle_id"] or 0, "") or (chat.people[0] if chat is not None and len(chat.people) == 1 else "")
    home = chat or Chat(key=author or OWN, title=None, group=False, people=(author,) if author else ())
    answers = charset.line(row["thread_originator_guid"])
    me = about.own[0]
    own = records.Participant(role="FROM" if mine else "TO", kind=me.kind, address=me.value)
    if mine:
        participants = (own, *(_person("TO", one, about) for one in home.people))
    else:
        participants = (*((_person("FROM", author, about),) if author else ()), own)
    signs = book.reactions.get(guid, {})
    return records.Message(
        key=guid,
        sent_at=at,
        container=source.shown,
        conversation_key=home.key if home.group else _person("TO", home.key, about).address,
        conversation_kind="GROUP" if home.group else "DIRECT",
        internet_message_id=f"{guid}@imessage",
        references=(f"{answers}@imessage",) if answers else (),
        edited_at=_moment(row["date_edited"]),
        deleted_at=retracted,
        subject=charset.line(row["subject"]) or None,
        text="" if retracted is not None else text,
        body_state="DELETED" if retracted is not None else "AVAILABLE" if text else "EMPTY",
        participants=participants,
        category_reason="Somebody wrote it to the members of a conversation.",
        authentication="NOT_CHECKED",
        unread=None if row["is_read"] is None else not mine and not row["is_read"],
        attachment_count=len(attached),
        attachments=attached,
        reactions=tuple(
            records.Reaction(
                emoji=sign, participant=_person("MEMBER", who, about) if who else msgspec.structs.replace(own, role="MEMBER")
            )
            for (who, _), sign in signs.items()
        ),
    )


def _text(row: sqlite3.Row) -> str:
    said, archived = row["text"], row["attributedBody"]
    if isinstance(said, str) and said.strip():
        return said
    return (typedstream.text(archived) if isinstance(archived, bytes) else None) or ""


class _Attachments:
    """The files of messages that are asked for in their order, so that one query gives all of them."""

    def __init__(self, database: sqlite3.Connection, after: int) -> None:
        columns = frozenset(row["name"] for row in database.execute("PRAGMA table_info(attachment)"))
        names = ("transfer_name", "filename", "mime_type", "total_bytes")
        wanted = ", ".join(f"a.{name}" if name in columns else f"NULL AS {name}" for name in names)
        query = (
            f"SELECT j.message_id AS message, {wanted} FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id "  # noqa: S608  names are ours
            "WHERE j.message_id > ? AND typeof(j.message_id) = 'integer' ORDER BY j.message_id, a.ROWID"
        )
        self._rows = database.execute(query, (after,)) if columns else iter(())
        self._next = next(self._rows, None)

    def of(self, message: int) -> tuple[records.Attachment, ...]:
        """The files of a message; no earlier one is asked for any more."""
        found: list[records.Attachment] = []
        while self._next is not None and self._next["message"] <= message:
            if self._next["message"] == message and len(found) < MAX_PEOPLE:
                found.append(_attachment(self._next, len(found) + 1))
            self._next = next(self._rows, None)
        return tuple(found)


def _attachment(row: sqlite3.Row, number: int) -> records.Attachment:
    name = file_name.safe(charset.line(row["transfer_name"]) or charset.line(row["filename"])) or "file"
    size = row["total_bytes"]
    return records.Attachment(
        part=str(number), name=name, media_type=file_kind.said(name, charset.line(row["mime_type"])),
        size=size if isinstance(size, int) and 0 <= size < 2**53 else None,
    )  # fmt: skip


def _person(role: records.Role, address: str, about: About) -> records.Participant:
    """Somebody by number or mail address, or by the name that a service sends under."""
    if (mail := email_address.normalised(address)) is not None:
        return records.Participant(role=role, kind="EMAIL", address=mail)
    number = phone_number.read(address, about.region).number
    if number is not None:
        return records.Participant(role=role, kind="PHONE", address=number)
    digits = phone_number.comparable(address)
    if digits and not any(character.isalpha() for character in address):
        return records.Participant(role=role, kind="PHONE", address=digits)
    return records.Participant(role=role, kind="HANDLE", address=address or OWN, name=address)


def _own(value: str) -> records.OwnAddress | None:
    """`+44…`, `ada@example.org`, `E:ada@example.org` or `P:+44…`."""
    bare = value[2:] if value[:2].upper() in ("E:", "P:") else value
    if (mail := email_address.normalised(bare)) is not None:
        return records.OwnAddress(value=mail)
    number = phone_number.read(bare, None).number
    return None if number is None else records.OwnAddress(value=number, kind="PHONE")


def _whole(chat: Chat, item: records.Message, about: About) -> records.ConversationHead:
    return records.ConversationHead(
        key=item.conversation_key or chat.key, kind=item.conversation_kind, last_activity_at=item.sent_at,
        subject=chat.title if chat.group else None, participants=tuple(_person("MEMBER", one, about) for one in chat.people),
    )  # fmt: skip


def _moment(value: object) -> datetime | None:
    """Seconds or nanoseconds since 2001."""
    if not isinstance(value, int) or value <= 0:
        return None
    try:
        return _EPOCH + (timedelta(microseconds=value // 1000) if value > _NANOSECONDS else timedelta(seconds=value))
    except OverflowError:
        return None


PROVIDER = Provider(
    key=KEY,
    name="Messages (Apple)",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset({"CONTACTS", "CONVERSATIONS", "READ_STATE", "IMPORT", "MIRROR"}),
    limitations=(
        "A database is a snapshot: newer messages arrive with the next import.",
        "Read from the command line, on the Mac or from an unencrypted backup.",
        "People are numbers and mail addresses: their names are in the address book.",
        "Files are named, not kept; earlier texts of changed messages are not taken.",
    ),
    archive_formats=("IMESSAGE",),
    docs_path="docs/providers/imessage.md",
    archive=IMessageArchive(),
)
