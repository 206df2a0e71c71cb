"""Gmail's entities as its API describes them, as far as they are used, and the records that a message comes to.

Speaks the Gmail API v1. A message is the bytes that were received (`format=raw`), read by the parser of all
mail, so that it equals its copy from IMAP or an archive; what is too large for that is put together from its parts
(`format=full`). Knows no calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from providers.formats import mail_header, mail_outline, mail_state, mail_verdict, mime
from providers.google.api import base64url
from providers.records import Attachment, FolderRole, LabelRole, Message, MessageState
from providers.session import Account

#: The places that do not overlap, after the labels that decide, in this order.
TRASH, SPAM, ALL = "Trash", "Spam", "All Mail"
PLACES = {"TRASH": TRASH, "SPAM": SPAM}
#: Which of a message's labels says where it lies: the first of these that it bears. Without any of them it is archived.
ROLES: dict[str, FolderRole] = {"TRASH": "TRASH", "SPAM": "SPAM", "DRAFT": "DRAFTS", "INBOX": "INBOX", "SENT": "SENT"}
#: Labels of Gmail's own that are shown as such. UNREAD and STARRED are flags, and what Gmail sorts mail into by itself (CATEGORY_…) is
#: nobody's label.
OWN: dict[str, LabelRole] = {**ROLES, "IMPORTANT": "IMPORTANT"}
#: Labels that are flags here; the rest are shown by name.
FLAGS = frozenset({"UNREAD", "STARRED"})
#: Whose Authentication-Results count (RFC 8601 §2.5).
AUTHORITY = frozenset({"mx.google.com"})
MAX_PARTS = 1000


class Header(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class Body(msgspec.Struct, frozen=True, rename="camel"):
    """MessagePartBody; a file has an id instead of data."""

    attachment_id: str | None = None
    size: int | None = None
    data: str | None = None


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """MessagePart. Attachment ids differ at each call."""

    mime_type: str = ""
    headers: list[Header] = []
    body: Body | None = None
    parts: list[Payload] = []


class Mail(msgspec.Struct, frozen=True, rename="camel"):
    """Message. `internal_date` (milliseconds) is when Google accepted it; no `label_ids` when it has none."""

    id: str
    thread_id: str | None = None
    label_ids: list[str] | None = None
    internal_date: str | None = None
    raw: str | None = None
    payload: Payload | None = None


class Listed(msgspec.Struct, frozen=True):
    id: str


class Listing(msgspec.Struct, frozen=True, rename="camel"):
    """ListMessagesResponse; without `messages` when there are none."""

    messages: list[Listed] = []
    next_page_token: str | None = None


class Me(msgspec.Struct, frozen=True, rename="camel"):
    """Profile. `history_id` is a number of 64 bits in a string."""

    email_address: str
    history_id: str
    messages_total: int | None = None


class Label(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    name: str | None = None
    type: str | None = None
    messages_total: int | None = None


class Labels(msgspec.Struct, frozen=True):
    labels: list[Label] = []


class SendAs(msgspec.Struct, frozen=True, rename="camel"):
    send_as_email: str | None = None
    is_primary: bool | None = None
    verification_status: str | None = None


class Identities(msgspec.Struct, frozen=True, rename="camel"):
    send_as: list[SendAs] = []


class Change(msgspec.Struct, frozen=True):
    message: Mail


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """History."""

    id: str | None = None
    messages_added: list[Change] = []
    messages_deleted: list[Change] = []
    labels_added: list[Change] = []
    labels_removed: list[Change] = []


class History(msgspec.Struct, frozen=True, rename="camel"):
    """ListHistoryResponse; a page may have a token and no history."""

    history_id: str
    history: list[Record] = []
    next_page_token: str | None = None


class Content(msgspec.Struct, frozen=True):
    """MessagePartBody of an attachment."""

    data: str


def message(account: Account, names: Mapping[str, str], id_: str, mail: Mail) -> Message:
    """The record of a message fetched raw or in full; `names` are the labels' by id. Raises Malformed."""
    data = base64url(mail.raw) if mail.raw else mail_outline.put_together(_outline(mail.payload or Payload()))
    now = state(names, id_, mail.label_ids or ())
    found = mime.message(
        data,
        container=now.container,
        own=frozenset(address.lower() for address in account.own_addresses),
        key=id_,
        envelope=_instant(mail.internal_date),  # as in an archive of Google's: it must not make another message of a copy
        state=mail_state.State(unread=now.unread, flagged=now.flagged, draft=now.draft),
    )
    fields, _ = mail_header.split(data)
    sender = next((each.address for each in found.participants if each.role == "FROM"), "")
    spam = "SPAM" in (mail.label_ids or ())
    return msgspec.structs.replace(
        found,
        labels=now.labels or (),
        label_keys=now.label_keys,
        role=now.role,
        references=(*_thread(account, mail), *found.references),
        authentication=mail_verdict.verdict(fields, AUTHORITY, sender),
        category="SPAM" if spam else found.category,
        category_reason="Gmail put it into spam." if spam else found.category_reason,
        attachments=_sized(found, mail.payload),
        url=f"https://mail.google.com/mail/#all/{id_}",
    )


def state(names: Mapping[str, str], id_: str, labels: Sequence[str]) -> MessageState:
    """What its labels say of a message."""
    return MessageState(
        key=id_,
        container=next((place for label, place in PLACES.items() if label in labels), ALL),
        unread="UNREAD" in labels,
        flagged="STARRED" in labels,
        draft="DRAFT" in labels,
        labels=tuple(sorted({shown(names.get(label, label)) for label in labels if label not in FLAGS})),
        label_keys=tuple(label for label in labels if label in OWN or names.get(label) != label),
        role=next((role for label, role in ROLES.items() if label in labels), "ARCHIVE"),
    )


def shown(name: str) -> str:
    """A label's name as messages bear it: one line."""
    return name.replace("\n", " ")


def numbered(payload: Payload) -> dict[str, Payload]:
    """The parts by section number: a mail of one part is its part 1 (RFC 9051 §6.4.5.1)."""
    if not payload.parts:
        return {"1": payload}
    found: dict[str, Payload] = {}
    pending = [("", payload)]
    while pending and len(found) < MAX_PARTS:
        number, parent = pending.pop()
        for n, each in enumerate(parent.parts, 1):
            name = f"{number}.{n}" if number else str(n)
            found[name] = each
            pending.append((name, each))
    return found


def _thread(account: Account, mail: Mail) -> tuple[str, ...]:
    """Gmail's thread as the oldest reference of its mails: an id that nobody outside of this mailbox can know."""
    if not mail.thread_id:
        return ()
    owner = hashlib.blake2s((account.user_id or "").encode(), digest_size=8).hexdigest()
    return (f"{mail.thread_id[:100]}.{owner}@thread.gmail.invalid",)


def _outline(payload: Payload, depth: int = 0) -> mail_outline.Piece:
    """A payload whose files stayed at Gmail."""
    body = payload.body
    inner = payload.parts if depth < mail_outline.MAX_DEPTH else []
    return mail_outline.Piece(
        headers=tuple((each.name, each.value) for each in payload.headers),
        media_type=payload.mime_type or "text/plain",
        content=base64url(body.data) if body is not None and body.data else None,
        pieces=tuple(_outline(each, depth + 1) for each in inner),
    )


def _sized(found: Message, payload: Payload | None) -> tuple[Attachment, ...]:
    """The files of a mail; those that stayed at Gmail have the size that it says."""
    if payload is None:
        return found.attachments
    sizes = {name: each.body.size for name, each in numbered(payload).items() if each.body and each.body.attachment_id}
    return tuple(
        msgspec.structs.replace(each, size=sizes[each.part], sha256=None) if each.part in sizes else each
        for each in found.attachments
    )


def _instant(milliseconds: str | None) -> datetime | None:
    text = (milliseconds or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 14:
        return None
    return datetime.fromtimestamp(int(text) / 1000, UTC)
