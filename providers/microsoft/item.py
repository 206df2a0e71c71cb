"""Outlook's items as records: a message from its MIME text, what changed about one, and a contact.

Speaks `message` and `contact` of Microsoft Graph v1.0. A message is the MIME text that Graph gives (`$value`), read by the parser of
all mail, so that it equals its copy from IMAP or an archive; what is too large for that is put together from its fields. Knows no
calls and no folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr

import msgspec

from providers.formats import email_address, mail_header, mail_outline, mail_state, mail_verdict, mime, phone_number
from providers.formats.vcard import web_address
from providers.microsoft.graph import Removed
from providers.records import (
    Address,
    Contact,
    Email,
    FolderRole,
    Handle,
    Message,
    MessageState,
    Name,
    Organization,
    PartialDate,
    Url,
)
from providers.session import Account

#: What is asked of a message besides its text, of a message too large for its text, and of a contact.
STATE = "parentFolderId,receivedDateTime,isRead,isDraft,flag,categories,hasAttachments,webLink"
WHOLE = (
    STATE + ",internetMessageHeaders,internetMessageId,subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,"
    "sentDateTime,body"
)
FIELDS = (
    "parentFolderId,displayName,givenName,middleName,surname,title,generation,nickName,fileAs,yomiGivenName,yomiSurname,"
    "emailAddresses,businessPhones,homePhones,mobilePhone,businessAddress,homeAddress,otherAddress,companyName,department,jobTitle,"
    "birthday,personalNotes,imAddresses,businessHomePage,categories,lastModifiedDateTime,createdDateTime"
)
#: Exchange Online writes Authentication-Results without the name of its host (RFC 8601 §2.5 notwithstanding).
AUTHORITY = frozenset({""})
#: Years that stand for "unknown" at Outlook and Apple.
NO_YEAR = frozenset({1, 1604})
MAX_SHORT = 1_000
MAX_TEXT = 100_000
MAX_VALUES = 100
#: Senders of old mails inside an organisation are named by its directory, not by an address.
INTERNAL = re.compile(r"/o=", re.I)
_HEADERS_OF_MAIL = ("from", "date", "message-id", "subject", "to", "received", "mime-version")


class Who(msgspec.Struct, frozen=True):
    """EmailAddress."""

    name: str | None = None
    address: str | None = None


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    email_address: Who | None = None


class Flag(msgspec.Struct, frozen=True, rename="camel"):
    flag_status: str | None = None


class ItemBody(msgspec.Struct, frozen=True, rename="camel"):
    content_type: str | None = None
    content: str | None = None


class Header(msgspec.Struct, frozen=True):
    name: str | None = None
    value: str | None = None


class Outlook(msgspec.Struct, frozen=True, rename={
    "parent_folder_id": "parentFolderId", "received": "receivedDateTime", "is_read": "isRead", "is_draft": "isDraft",
    "has_attachments": "hasAttachments", "web_link": "webLink", "headers": "internetMessageHeaders", "from_": "from",
    "internet_message_id": "internetMessageId", "to": "toRecipients", "cc": "ccRecipients", "bcc": "bccRecipients",
    "reply_to": "replyTo", "sent": "sentDateTime", "removed": "@removed",
}):  # fmt: skip
    """Message. Changes are told in part: what is None was not mentioned."""

    id: str
    removed: Removed | None = None
    parent_folder_id: str | None = None
    received: str | None = None
    is_read: bool | None = None
    is_draft: bool | None = None
    flag: Flag | None = None
    categories: list[str] | None = None
    has_attachments: bool | None = None
    web_link: str | None = None
    headers: list[Header] | None = None
    internet_message_id: str | None = None
    subject: str | None = None
    from_: Recipient | None = None
    sender: Recipient | None = None
    to: list[Recipient] | None = None
    cc: list[Recipient] | None = None
    bcc: list[Recipient] | None = None
    reply_to: list[Recipient] | None = None
    sent: str | None = None
    body: ItemBody | None = None

    @property
    def whole(self) -> bool:
        """Whether all of its state is told."""
        return None not in (self.is_read, self.is_draft, self.flag, self.categories)


class File(msgspec.Struct, frozen=True, rename="camel"):
    """Attachment, without its content."""

    name: str | None = None
    content_type: str | None = None
    size: int | None = None
    is_inline: bool = False


class PostalAddress(msgspec.Struct, frozen=True, rename="camel"):
    """PhysicalAddress."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    country_or_region: str | None = None
    postal_code: str | None = None


class Card(msgspec.Struct, frozen=True, rename="camel"):
    """Contact, as far as it is used."""

    id: str
    parent_folder_id: str | None = None
    display_name: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    surname: str | None = None
    title: str | None = None
    generation: str | None = None
    nick_name: str | None = None
    file_as: str | None = None
    yomi_given_name: str | None = None
    yomi_surname: str | None = None
    email_addresses: list[Who] | None = None
    business_phones: list[str] | None = None
    home_phones: list[str] | None = None
    mobile_phone: str | None = None
    business_address: PostalAddress | None = None
    home_address: PostalAddress | None = None
    other_address: PostalAddress | None = None
    company_name: str | None = None
    department: str | None = None
    job_title: str | None = None
    birthday: str | None = None
    personal_notes: str | None = None
    im_addresses: list[str] | None = None
    business_home_page: str | None = None
    categories: list[str] | None = None
    last_modified_date_time: str | None = None
    created_date_time: str | None = None
    etag: str | None = msgspec.field(default=None, name="@odata.etag")


def is_mail(text: bytes) -> bool:
    """Whether a text has the header that every mail of Exchange's has."""
    fields, _ = mail_header.split(text)
    return any(name in fields for name in _HEADERS_OF_MAIL)


def message(account: Account, item: Outlook, data: bytes, *, container: str, role: FolderRole) -> Message:
    """The record of a message whose MIME text is `data`."""
    now = state(item, item.parent_folder_id, container, role)
    spam = role == "SPAM"
    found = mime.message(
        data,
        container=container,
        own=frozenset(address.lower() for address in account.own_addresses),
        key=item.id,
        envelope=_instant(item.received),
        state=mail_state.State(unread=now.unread, flagged=now.flagged, draft=now.draft),
    )
    fields, _ = mail_header.split(data)
    sender = next((each.address for each in found.participants if each.role == "FROM"), "")
    return msgspec.structs.replace(
        found,
        labels=now.labels or (),
        label_keys=now.label_keys,
        role=role,
        authentication="NOT_CHECKED" if now.draft else mail_verdict.verdict(fields, AUTHORITY, sender),
        category="SPAM" if spam else found.category,
        category_reason="Outlook put it into junk mail." if spam else found.category_reason,
        participants=tuple(each for each in found.participants if not INTERNAL.match(each.address)),
        url=web_address(item.web_link) if item.web_link else None,
    )


def state(item: Outlook, folder_id: str | None, container: str, role: FolderRole) -> MessageState:
    """What an item tells of a message's state in a folder."""
    return MessageState(
        key=item.id,
        container=container,
        unread=not item.is_read,
        flagged=item.flag is not None and item.flag.flag_status == "flagged",
        draft=bool(item.is_draft),
        labels=tuple(sorted({text for each in item.categories or () if (text := _short(each).replace("\n", " "))})),
        label_keys=(folder_id,) if folder_id else (),
        role=role,
    )


def outline(item: Outlook, files: Iterable[File]) -> bytes:
    """A message too large to be fetched: its fields and text, its files without their content."""
    html = (item.body.content_type or "").lower() == "html" if item.body else False
    text = mail_outline.Piece(
        media_type="text/html" if html else "text/plain", content=((item.body.content if item.body else None) or "").encode()
    )
    left = [
        mail_outline.Piece(
            headers=(("Content-Disposition", f'attachment; filename="{_quoted(each.name)}"'),),
            media_type=each.content_type if each.content_type and "/" in each.content_type else "application/octet-stream",
        )
        for each in files
        if not each.is_inline
    ]
    root = mail_outline.Piece(headers=tuple(_headers(item)), media_type="multipart/mixed", pieces=(text, *left))
    return mail_outline.put_together(root)


def _headers(item: Outlook) -> Iterable[tuple[str, str]]:
    """The header as received; drafts and sent mails have none, so that theirs follows from the fields."""
    received = [(each.name, each.value) for each in item.headers or () if each.name and each.value is not None]
    if received:
        yield from received
        return
    yield "Subject", item.subject or ""
    if item.internet_message_id:
        yield "Message-ID", item.internet_message_id
    if moment := _instant(item.sent or item.received):
        yield "Date", format_datetime(moment)
    roles = (
        ("From", [item.from_] if item.from_ else []), ("To", item.to), ("Cc", item.cc), ("Bcc", item.bcc), ("Reply-To", item.reply_to),
    )  # fmt: skip
    for name, people in roles:
        told = [each.email_address for each in people or () if each.email_address]
        written = [
            formataddr((each.name or "", each.address), "utf-8") for each in told if each.address and each.address.isascii()
        ]
        if written:
            yield name, ", ".join(written)


_LINES: tuple[tuple[str, phone_number.LineType], ...] = (("mobile", "MOBILE"), ("home", "FIXED"), ("work", "FIXED"))


def contact(card: Card, *, container: str, region: str | None) -> Contact:
    """The record of a contact. `region` reads numbers that lack a country code."""
    emails = tuple(_emails(card))
    numbers = ([card.mobile_phone] if card.mobile_phone else [], card.home_phones or [], card.business_phones or [])
    phones = tuple(
        phone_number.read(raw, region, label=label, line=line)
        for (label, line), told in zip(_LINES, numbers, strict=True)
        for each in told[:MAX_VALUES]
        if (raw := _short(each))
    )
    company, department, title = _short(card.company_name), _short(card.department) or None, _short(card.job_title) or None
    organizations = (Organization(name=company, department=department, title=title),) if company or department or title else ()
    return Contact(
        key=card.id,
        relation="ADDRESS_BOOK",
        nature="ORGANIZATION"
        if company and not any(map(_short, (card.display_name, card.given_name, card.surname)))
        else "INDIVIDUAL",
        names=_names(card, (company, *(each.raw for each in emails), *(each.raw for each in phones))),
        emails=emails,
        phones=phones,
        urls=(Url(url=url, label="work"),) if (url := web_address(_short(card.business_home_page))) else (),
        handles=tuple(
            Handle(provider="chat", handle=text) for each in (card.im_addresses or [])[:MAX_VALUES] if (text := _short(each))
        ),
        organizations=organizations,
        addresses=tuple(_addresses(card)),
        dates=_birthday(card.birthday),
        groups=tuple(sorted({text for each in card.categories or () if (text := _short(each))})),
        note=(card.personal_notes or "").replace("\x00", "").strip()[:MAX_TEXT] or None,
        etag=card.etag,
        container=container,
        created_at=_instant(card.created_date_time),
        updated_at=_instant(card.last_modified_date_time),
    )


def _names(card: Card, otherwise: Iterable[str]) -> tuple[Name, ...]:
    parts = {
        "prefix": card.title, "given": card.given_name, "middle": card.middle_name, "family": card.surname, "suffix": card.generation,
    }  # fmt: skip
    told = {name: text for name, value in parts.items() if (text := _short(value))}
    nickname = _short(card.nick_name) or None
    candidates = (_short(card.display_name), " ".join(told.values()), _short(card.file_as), nickname or "", *otherwise)
    full = next((text for text in candidates if text), "")
    spoken = " ".join(filter(None, (_short(card.yomi_given_name), _short(card.yomi_surname))))
    return (Name(full=full, nickname=nickname, phonetic=spoken or None, **told),) if full else ()


def _emails(card: Card) -> Iterable[Email]:
    for n, each in enumerate((card.email_addresses or [])[:MAX_VALUES]):
        if (raw := _short(each.address)) and not INTERNAL.match(raw):
            yield Email(raw=raw, address=email_address.normalised(raw), preferred=n == 0 and len(card.email_addresses or ()) > 1)


def _addresses(card: Card) -> Iterable[Address]:
    for label, each in (("home", card.home_address), ("work", card.business_address), ("other", card.other_address)):
        if each is None:
            continue
        street, city, region = _short(each.street), _short(each.city), _short(each.state)
        code, country = _short(each.postal_code), _short(each.country_or_region)
        formatted = "\n".join(filter(None, (street, f"{code} {city}".strip(), region, country)))
        if formatted:
            yield Address(
                formatted=formatted,
                street=street or None,
                locality=city or None,
                region=region or None,
                postal_code=code or None,
                country=country or None,
                label=label,
            )


def _birthday(text: str | None) -> tuple[PartialDate, ...]:
    """The day alone: the time is an accident of Outlook's."""
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)", text or "")
    if found is None:
        return ()
    year, month, day = (int(number) for number in found.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ()
    return (PartialDate(year=None if year in NO_YEAR else year, month=month, day=day, label="birthday"),)


def _instant(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _quoted(name: str | None) -> str:
    return _short(name).replace("\\", "_").replace('"', "'") or "file"


def _short(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:MAX_SHORT]
