"""What the mail formats beside it have in common: bytes of one mail to the item of a row, whatever the bytes are.

A mail that its owner has deleted is left out and said so; what is no mail is reported with its beginning. Knows no file format.
"""

from __future__ import annotations

from datetime import datetime

from providers import records
from providers.archives import files
from providers.formats import mail_header, mail_state, mime
from providers.formats.own_address import OwnAddressInference

_NO_MAIL = "There is no mail here: no sender, date or subject can be made out. Open it in a mail program and export it again."
_EMPTY = "The file is empty. If there should be a mail in it, copy it again from where it comes from."
_DELETED = "It is marked as deleted in the mail program that it comes from. Restore it there and export again to have it."
_HEADERS_OF_MAIL = (
    "from",
    "date",
    "message-id",
    "subject",
    "to",
    "received",
    "return-path",
    "x-unsent",
    "cc",
    "delivered-to",
    "sender",
)


def item(
    data: bytes,
    *,
    container: str,
    fallback_key: str,
    own: frozenset[str],
    envelope: datetime | None = None,
    state: mail_state.State | None = None,
) -> records.Message | records.Unreadable:
    """A Message, or why there is none. `fallback_key` names an item that has no key of its own."""
    try:
        if not data.strip():
            return records.Unreadable(key=fallback_key, outcome="SKIPPED", reason="EMPTY", message=_EMPTY, container=container)
        fields, _ = mail_header.split(data)
        if not looks_like_mail(fields):
            return unreadable(fallback_key, data, container, _NO_MAIL)
        marks = state or mail_state.from_header(fields)
        if marks.deleted:
            return records.Unreadable(
                key=fallback_key,
                outcome="SKIPPED",
                reason="EXCLUDED",
                message=_DELETED,
                excerpt=files.excerpt(fields.text("subject").encode()) or None,
                container=container,
            )
        return mime.message(data, container=container, own=own, envelope=envelope, state=marks)
    except Exception as error:  # a mail is a stranger's text: whatever it does, the next one is read
        message = (
            f"The mail could not be understood ({type(error).__name__}). Its beginning is shown; the rest of the file was read."
        )
        return unreadable(fallback_key, data, container, message)


def looks_like_mail(fields: mail_header.Fields) -> bool:
    """Whether a header has any field that a mail has (RFC 5322 §3.6)."""
    return any(name in fields for name in _HEADERS_OF_MAIL)


def unreadable(key: str, data: bytes, container: str, message: str) -> records.Unreadable:
    """The item that stands for what could not be read."""
    return records.Unreadable(
        key=key, outcome="FAILED", reason="UNREADABLE", message=message, excerpt=files.excerpt(data) or None, container=container
    )


def unopened(key: str, container: str, error: OSError) -> records.Unreadable:
    """The item that stands for a mail whose file cannot be read."""
    message = f"The file cannot be read ({error.strerror or error}). Check that it is there and readable, and import it again."
    return records.Unreadable(key=key, outcome="FAILED", reason="UNREADABLE", message=message, container=container)


def weight(found: records.Message | records.Unreadable) -> int:
    """About how many bytes an item takes in a page."""
    if not isinstance(found, records.Message):
        return 2000
    return 2000 + len(found.text) + len(found.html or "") + sum(len(header.value) for header in found.headers)


def feed(inference: OwnAddressInference, fields: mail_header.Fields) -> None:
    """Tells the inference of one mail."""
    inference.feed(fields.get("from"), [*fields.all("to"), *fields.all("cc")], list(fields.all("delivered-to")))
