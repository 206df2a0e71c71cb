"""From FETCH to records (RFC 9051 §7.5.2): which items are asked for, what flags mean, and a message made of what came.

Small messages, nearly all, come whole in one answer. What is longer than `WHOLE` is cut there by the server and read again
by its parts (`large.py`), so that an attachment of 30 MB is never carried here for its text. Knows what a folder is for:
what lies in the junk folder is junk. The text itself is read by `formats/mime.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import msgspec

from providers import records
from providers.formats import mail_state, mime
from providers.imap4 import mailbox_name
from providers.imap4.connection import Connection
from providers.imap4.folders import Folder
from providers.imap4.marks import key
from providers.imap4.syntax import Data, Value, number, pairs, raw, text

WHOLE: Final = 256 * 1024
MAX_LABELS: Final = 100
UNREADABLE: Final = "The server lists this message and does not hand it over. It is asked for again."
_JUNK_FOLDER: Final = "It lies in the folder for junk mail."
_JUNK_FLAG: Final = "It was marked as junk in a mail program."
_JUNK: Final = frozenset({"$junk", "junk", "$phishing"})
_NOT_JUNK: Final = frozenset({"$notjunk", "notjunk", "nonjunk"})
#: What folders are for, as records say it; All Mail is where Gmail archives.
ROLES: Final[dict[str, records.FolderRole]] = {
    "INBOX": "INBOX", "ARCHIVE": "ARCHIVE", "ALL": "ARCHIVE", "TRASH": "TRASH", "JUNK": "SPAM", "SENT": "SENT", "DRAFTS": "DRAFTS",
}  # fmt: skip
_GMAIL_ROLES: Final[dict[str, records.FolderRole]] = {
    "\\draft": "DRAFTS", "\\drafts": "DRAFTS", "\\inbox": "INBOX", "\\sent": "SENT",
}  # fmt: skip
#: How Gmail spells its own labels in X-GM-LABELS; all others are spelled as their folders are.
GMAIL_LABELS: Final[dict[str, str]] = {"INBOX": "\\Inbox", "SENT": "\\Sent", "DRAFTS": "\\Draft"}
OWN_LABELS: Final = frozenset(GMAIL_LABELS.values())
_MONTHS: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
_DATE: Final = re.compile(r" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")


class Fetched(msgspec.Struct, kw_only=True):
    """What came of one message; servers may tell it in several responses."""

    uid: int
    flags: tuple[str, ...] | None = None
    arrived: datetime | None = None
    body: bytes | None = None
    thread: str | None = None
    labels: tuple[str, ...] | None = None
    modseq: int | None = None
    structure: Value = None
    told: bool = False

    def take(self, found: dict[str, Value]) -> None:
        """Adds what one FETCH response says."""
        flags = found.get("FLAGS")
        if isinstance(flags, list):
            self.flags = tuple(flag for flag in map(text, flags) if flag)
        if (date := found.get("INTERNALDATE")) is not None:
            self.arrived = internal_date(text(date))
        for name, value in found.items():
            if name.startswith("BODY[]") and isinstance(value, bytes):
                self.body = value
        for name in ("X-GM-THRID", "THREADID"):
            given = found.get(name)
            if word := text(given[0] if isinstance(given, list) and given else given):
                self.thread = word[:200]
        labels = found.get("X-GM-LABELS")
        if isinstance(labels, list):
            shown = (mailbox_name.decode(raw(label) or b"") for label in labels[:MAX_LABELS])
            self.labels = tuple(label for label in shown if label)
        if isinstance(modseq := found.get("MODSEQ"), list) and modseq:
            self.modseq = number(modseq[0])
        if "BODYSTRUCTURE" in found:
            self.structure = found["BODYSTRUCTURE"]


def uid_of(one: Data) -> tuple[int, dict[str, Value]] | None:
    """The UID and the items of a FETCH response; None for other data and for updates that bear no UID."""
    if one.name not in ("FETCH", "UIDFETCH") or not one.values:
        return None
    found = pairs(one.values[0])
    uid = number(found.get("UID") if one.name == "FETCH" else str(one.number), 2**32 - 1)
    return (uid, found) if uid else None


def items(connection: Connection, *, gmail: bool) -> bytes:
    """What is asked of a message that is taken in: whole up to WHOLE, never marked as read (PEEK)."""
    # BODY.PEEK[], not RFC822: iCloud answers that with nothing at all
    found = b"UID FLAGS INTERNALDATE BODY.PEEK[]<0.%d>" % WHOLE
    return b"(%s%s)" % (found, _extra(connection, gmail=gmail))


def state_items(*, gmail: bool) -> bytes:
    """What is asked of a message that is known already."""
    return b"(UID FLAGS X-GM-LABELS)" if gmail else b"(UID FLAGS)"


def _extra(connection: Connection, *, gmail: bool) -> bytes:
    if gmail:
        return b" X-GM-THRID X-GM-LABELS"
    return b" THREADID" if connection.has("OBJECTID") else b""


def is_deleted(flags: Collection[str]) -> bool:
    """RFC 9051 §2.3.2: marked for removal, which people and mail programs take for removed."""
    return any(flag.lower() == "\\deleted" for flag in flags)


def message(found: Fetched, folder: Folder, validity: int, own: frozenset[str], data: bytes) -> records.Row:
    """A row with the message, or with why it could not be read. Never raises."""
    flags = {flag.lower() for flag in found.flags or ()}
    name = key(folder.ident, validity, found.uid)
    marks = mail_state.State(
        unread="\\seen" not in flags,
        flagged="\\flagged" in flags,
        answered="\\answered" in flags,
        draft="\\draft" in flags or folder.role == "DRAFTS",
    )
    try:
        made = mime.message(
            data,
            container=folder.name,
            own=own,
            key=name,
            conversation_key=found.thread,
            arrived=found.arrived,
            state=marks,
        )
    except Exception as error:  # a mail is a stranger's text: whatever it does, the next one is read
        return records.Row(item=unreadable(name, folder, f"The mail could not be understood ({type(error).__name__})."))
    more: dict[str, object] = {
        "labels": labels(found, folder), "label_keys": label_keys(found, folder), "role": role(found, folder),
    }  # fmt: skip
    if folder.role == "JUNK" and not flags & _NOT_JUNK:
        more |= {"category": "SPAM", "category_reason": _JUNK_FOLDER}
    elif flags & _JUNK and not flags & _NOT_JUNK:
        more |= {"category": "SPAM", "category_reason": _JUNK_FLAG}
    return records.Row(item=msgspec.structs.replace(made, **more))


def state(found: Fetched, folder: Folder, validity: int) -> records.Row:
    """A row with what is new of a message that is known."""
    flags = {flag.lower() for flag in found.flags or ()}
    return records.Row(
        item=records.MessageState(
            key=key(folder.ident, validity, found.uid),
            container=folder.name,
            unread="\\seen" not in flags,
            flagged="\\flagged" in flags,
            answered="\\answered" in flags,
            draft="\\draft" in flags or folder.role == "DRAFTS",
            labels=labels(found, folder),
            label_keys=label_keys(found, folder),
            role=role(found, folder),
        )
    )


def unreadable(name: str, folder: Folder, why: str) -> records.Unreadable:
    """The row of a message that is there and could not be had."""
    return records.Unreadable(key=name, outcome="FAILED", reason="UNREADABLE", message=why, container=folder.name)


def labels(found: Fetched, folder: Folder) -> tuple[str, ...]:
    """The folder's name, then the message's own keywords; with Gmail its labels stand for the folder."""
    keywords = [flag for flag in found.flags or () if not flag.startswith("\\")]
    places = [folder.name] if found.labels is None else list(found.labels)
    return tuple(dict.fromkeys([*places, *keywords]))[:MAX_LABELS]


def label_keys(found: Fetched, folder: Folder) -> tuple[str, ...]:
    """The folder, or in All Mail Gmail's labels: what `listed` tells of."""
    if folder.role != "ALL" or found.labels is None:
        return (folder.ident,)
    own = {place.lower(): place for place in OWN_LABELS}
    shown = (own.get(label.lower(), label) for label in found.labels)
    return tuple(dict.fromkeys(label for label in shown if label in OWN_LABELS or not label.startswith("\\")))


def role(found: Fetched, folder: Folder) -> records.FolderRole:
    """What the folder is for; in All Mail Gmail's labels say where a message lies."""
    if folder.role == "ALL" and found.labels is not None:
        borne = {label.lower() for label in found.labels}
        return next((role for label, role in _GMAIL_ROLES.items() if label in borne), "ARCHIVE")
    return ROLES.get(folder.role, "OTHER")


def listed(everything: Iterable[Folder], mirrored: Collection[Folder], *, gmail: bool) -> tuple[records.Label, ...]:
    """The folders as people know them. With Gmail's extensions all but junk and trash are labels of what lies in All Mail."""
    found = [
        records.Label(key=folder.ident, name=folder.path, place=folder.name, role=ROLES.get(folder.role, "OTHER"))
        for folder in mirrored
        if not gmail or folder.role in ("JUNK", "TRASH")
    ]
    if not gmail:
        return tuple(found)
    for folder in everything:
        if folder.role not in ("JUNK", "TRASH", "ALL", "FLAGGED"):
            place = GMAIL_LABELS.get(folder.role, folder.name)
            known = ROLES.get(folder.role, "OTHER")
            writable = known not in ("SENT", "DRAFTS")
            found.append(records.Label(key=place, name=folder.path, place=place, role=known, folder=False, writable=writable))
    return tuple(found)


def internal_date(words: str) -> datetime | None:
    """INTERNALDATE (RFC 9051 §9 date-time) in UTC; None for what is none."""
    match = _DATE.match(words)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    offset = timedelta(minutes=(int(hours) * 60 + int(minutes)) * (1 if sign == "+" else -1))
    place = _MONTHS.find(month.lower())
    try:
        moment = datetime(
            int(year),
            place // 3 + 1 if place >= 0 and place % 3 == 0 else 0,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=timezone(offset),
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
