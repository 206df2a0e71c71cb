"""One mail, as bytes, to a Message: the place where header, addresses, dates, body and category come together.

Speaks RFC 5322 and MIME through the modules beside it; reads what is there, never raises and never drops: a mail that cannot
be understood is a Message whose body is UNPARSABLE. The key is the Message-ID with a short hash of the content, so that the
same mail found twice is the same, and two mails that share an id are not. Knows no files, folders or protocols; whether the
sender is who it says cannot be seen in a file and is UNKNOWN unless the caller heard it from the receiving host.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime

from providers import records
from providers.formats import address_list, invitation, mail_body, mail_category, mail_date, mail_header, mail_state, mail_verdict

MAX_PARTICIPANTS = 1000
MAX_REFERENCES = 1000
MAX_ID = 998  # characters, the length of a line (RFC 5322 §2.1.1)
MAX_SUBJECT = 2000

_ROLES: tuple[tuple[str, records.Role], ...] = (
    ("from", "FROM"),
    ("sender", "SENDER"),
    ("to", "TO"),
    ("cc", "CC"),
    ("bcc", "BCC"),
    ("reply-to", "REPLY_TO"),
)
_BRACKETED = re.compile(r"<([^<>]*)>")
_FROM_QUOTED = re.compile(rb"^>+(?=From )", re.M)
_THREAD_INDEX_ROOT = 22  # bytes: what all mails of an Outlook conversation have in common (MS-OXOMSG §2.2.1.3)


def message(
    data: bytes,
    *,
    container: str = "",
    own: frozenset[str] = frozenset(),
    key: str | None = None,
    conversation_key: str | None = None,
    arrived: datetime | None = None,
    envelope: datetime | None = None,
    state: mail_state.State | None = None,
    authentication: records.Authentication = "UNKNOWN",
    receiver: str | None = None,
) -> records.Message:
    """The mail in `data`. Never raises.

    `key` is the network's own, else `message_key`. `arrived` is the receiving host's time, which outranks the Received fields;
    `envelope` an mbox separator's, which nothing outranks less. `state` replaces the marks in the header. `own` are addresses of
    the account's user, in lower case. `receiver` names the IMAP server of the mailbox: then the receiving host's own verdict in the
    header is the authentication.
    """
    fields, start = mail_header.split(data)
    body = mail_body.read(data, fields, start)
    participants = _participants(fields)
    sender = next((item.address for item in participants if item.role == "FROM"), "")
    category, reason = mail_category.categorise(fields, sender.lower(), body.media_type, body.report_type, own)
    claimed = mail_date.parsed(fields.get("date")) if "date" in fields else None
    last_hop, first_hop = mail_date.received(fields.all("received"))
    arrival = arrived or last_hop
    internet_id = message_id(fields)
    marks = state or mail_state.from_header(fields)
    if receiver is not None:
        authentication = mail_verdict.of_mailbox(fields, receiver, sender)
    return records.Message(
        key=key or _key(internet_id, fields, data, start),
        sent_at=mail_date.sent(claimed, arrival, first_hop, envelope),
        received_at=mail_date.arrived(claimed, arrival, envelope),
        container=container,
        conversation_key=conversation_key,
        internet_message_id=internet_id,
        references=references(fields, internet_id),
        subject=fields.text("subject")[:MAX_SUBJECT] if "subject" in fields else None,
        text=body.text,
        body_state=body.state if fields.items else "UNPARSABLE",
        participants=participants,
        headers=fields.kept(),
        category=category,
        category_reason=reason,
        authentication=authentication,
        unread=marks.unread,
        flagged=marks.flagged,
        answered=marks.answered,
        draft=marks.draft,
        attachment_count=body.attachments,
        attachments=body.files,
        invitations=invitation.read(*body.calendar) if body.calendar is not None else (),
        html=body.html,
    )


def message_key(data: bytes) -> str:
    """What a mail is known by in its account: its Message-ID and a hash of sender, date, subject and body.

    Line ends, the quoting of `From ` lines and the marks that programs add to headers make no difference.
    """
    fields, start = mail_header.split(data)
    return _key(message_id(fields), fields, data, start)


def _key(internet_id: str | None, fields: mail_header.Fields, data: bytes, start: int) -> str:
    body = data[start:]
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    if b">From " in body:
        body = _FROM_QUOTED.sub(b"", body)
    heads = "\n".join(" ".join(fields.get(name).split()) for name in ("from", "date", "subject"))
    digest = hashlib.blake2b(heads.encode("utf-8", "replace") + b"\n\n" + body.rstrip(), digest_size=8).hexdigest()
    return f"{internet_id[:500]}#{digest}" if internet_id else f"#{digest}"


def message_id(fields: mail_header.Fields) -> str | None:
    """The Message-ID without angle brackets (RFC 5322 §3.6.4); None when it is missing or empty."""
    value = fields.get("message-id")
    bracketed = _BRACKETED.search(value)
    found = "".join((bracketed[1] if bracketed else value.strip("<> \t")).split())
    return found if found and len(found) <= MAX_ID else None


def references(fields: mail_header.Fields, own_id: str | None) -> tuple[str, ...]:
    """The ids that a mail refers to, oldest first, each once, never itself (RFC 5322 §3.6.4).

    In-Reply-To comes last, for some programs cut it from References; of several ids in it the first counts, since the rest may
    be addresses. Outlook's Thread-Index stands in where there is nothing else: as an id of the conversation it began.
    """
    found = _ids(fields.get("references"))
    replied_to = _ids(fields.get("in-reply-to"))[:1]
    if replied_to and replied_to[0] not in found:
        found.append(replied_to[0])
    if not found and (root := _thread_index(fields)):
        found = [root]
    found = [item for item in dict.fromkeys(found) if item != own_id]
    if len(found) > MAX_REFERENCES:  # the beginning names the thread, the end the parent
        found = [found[0], *found[-(MAX_REFERENCES - 1) :]]
    return tuple(found)


def _ids(value: str) -> list[str]:
    if not value:
        return []
    bracketed = _BRACKETED.findall(value)
    if not bracketed:  # brackets forgotten: a word counts when it looks like an id
        bracketed = [word for word in value.replace(",", " ").split() if word.count("@") == 1]
    return [word for item in bracketed if (word := "".join(item.split())) and len(word) <= MAX_ID]


def _thread_index(fields: mail_header.Fields) -> str | None:
    if "thread-index" not in fields:
        return None
    try:
        data = binascii.a2b_base64(fields.get("thread-index")[:4000])
    except binascii.Error:
        return None
    if len(data) < _THREAD_INDEX_ROOT:
        return None
    root = base64.b32encode(data[:_THREAD_INDEX_ROOT]).decode("ascii").rstrip("=").lower()
    return f"{root}@thread-index.invalid"


def _participants(fields: mail_header.Fields) -> tuple[records.Participant, ...]:
    found: dict[tuple[records.Role, str], records.Participant] = {}
    for name, role in _ROLES:
        if name not in fields:
            continue
        for value in fields.all(name):
            for shown, address in address_list.mailboxes(value):
                if len(found) >= MAX_PARTICIPANTS:
                    return tuple(found.values())
                found.setdefault((role, address.lower()), records.Participant(role=role, address=address, name=shown))
    return tuple(found.values())
