"""What a mail's owner did with it, where the file that it came from keeps that: read, answered, flagged, draft, deleted.

Each program writes its own: mbox `Status` and `X-Status` (mutt, Dovecot, Pine), Mozilla's bit field, Gmail's labels in a Takeout
file, Outlook's `X-Unsent`, and the letters after `:2,` in a Maildir file name. Unread is None where nothing of that is there.
"""

from __future__ import annotations

import csv
import re

import msgspec

from providers.formats import mail_header

_MOZILLA_READ, _MOZILLA_REPLIED, _MOZILLA_MARKED, _MOZILLA_EXPUNGED = 0x0001, 0x0002, 0x0004, 0x0008
_MAILDIR_INFO = re.compile(r"[:;!,]2,([A-Za-z]*)\Z")


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The marks on a mail; `unread` is None where nobody kept it."""

    unread: bool | None = None
    flagged: bool = False
    answered: bool = False
    draft: bool = False
    deleted: bool = False


def from_header(fields: mail_header.Fields) -> State:
    """The marks that a header bears."""
    if "x-mozilla-status" in fields:
        word = fields.get("x-mozilla-status").strip()
        bits = int(word, 16) if re.match(r"[0-9A-Fa-f]{1,8}\Z", word) else 0
        return State(
            unread=not bits & _MOZILLA_READ,
            flagged=bool(bits & _MOZILLA_MARKED),
            answered=bool(bits & _MOZILLA_REPLIED),
            deleted=bool(bits & _MOZILLA_EXPUNGED),
        )
    if "status" in fields or "x-status" in fields:
        status, more = fields.get("status").upper()[:20], fields.get("x-status").upper()[:20]
        if re.match(r"[RONUDAFT ]*\Z", status):  # other things are called Status too
            return State(
                unread="R" not in status if "status" in fields else None,
                flagged="F" in more,
                answered="A" in more,
                draft="T" in more,
                deleted="D" in more or "D" in status,
            )
    if "x-gmail-labels" in fields:
        labels = gmail_labels(fields.text("x-gmail-labels"))
        unread = True if "unread" in labels else False if "opened" in labels else None
        return State(unread=unread, flagged="starred" in labels, draft="drafts" in labels or "draft" in labels)
    return State(draft=fields.get("x-unsent").strip() == "1")


def gmail_labels(value: str) -> frozenset[str]:
    """The labels of a Takeout mail in lower case; those that hold commas are quoted."""
    row = next(csv.reader([value[:4000].replace("\n", " ")], skipinitialspace=True), [])
    return frozenset(label.strip().lower() for label in row if label.strip())


def from_maildir(name: str, new: bool) -> State:
    """The marks in a Maildir file name; what lies in `new` nobody has seen."""
    info = _MAILDIR_INFO.search(name)
    letters = info[1] if info else ""
    return State(
        unread=new or "S" not in letters,
        flagged="F" in letters,
        answered="R" in letters,
        draft="D" in letters,
        deleted="T" in letters,
    )
