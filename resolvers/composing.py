"""What a message will say and to whom, from what the caller asked and what the store knows: no byte leaves here.

Answers go to Reply-To, else to the author (RFC 5322 §3.6.2), and name what they answer (§3.6.4); own addresses are left out of an answer
to everybody; prefixes of subjects do not pile up. Everything is checked before anything is written: a mistake names its place in
the input.
"""

from __future__ import annotations

import secrets
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from providers.formats import email_address, html_text, mail_header, mime, safe_html, subject
from providers.formats.mail_writing import Letter, Mailbox, Unwritable, on_the_wire
from resolvers import enclosing, messages, people
from resolvers.enclosing import Attached, Chosen
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.writing import Mistaken
from store import ids
from store.tables import account, conversation_source, message, message_participant, message_source, own_address

MAX_RECIPIENTS: Final = 500
MAX_TEXT: Final = 1_000_000  # characters of a text or a page
MAX_SUBJECT: Final = 500


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One way to name a recipient; exactly one is set."""

    person_id: str | None = None
    email: str | None = None
    phone: str | None = None
    handle: str | None = None
    conversation_id: str | None = None


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    account_id: str
    to: tuple[Recipient, ...]
    from_address: str | None = None
    cc: tuple[Recipient, ...] = ()
    bcc: tuple[Recipient, ...] = ()
    subject: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    message_id: str
    all: bool = False
    from_address: str | None = None
    add_to: tuple[Recipient, ...] = ()
    cc: tuple[Recipient, ...] = ()
    in_thread: bool = False


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    message_id: str
    to: tuple[Recipient, ...]
    account_id: str | None = None
    include_attachments: bool = True


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asked for; `attachments` in their order."""

    begin: NewMessage | Answer | Forward
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attached, ...] = ()
    send_at: datetime | None = None
    undo_seconds: int = 10


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A letter, the account it leaves by, the network's own thread that it belongs to, and its files."""

    account_id: str
    letter: Letter
    thread: str | None = None
    files: tuple[Chosen, ...] = ()


def compose(
    conn: Connection, viewer: str, providers: Mapping[str, Provider], draft: Draft, date: datetime, now: datetime
) -> Composed:
    """The letter of a draft, dated `date`. The uploads that it takes along stay until the transaction ends. Raises Mistaken."""
    senders = senders_of(conn, viewer, providers)
    begin, files = draft.begin, draft.attachments
    if isinstance(begin, NewMessage):
        at: tuple[str, ...] = ("compose", "newMessage")
        found = _new(conn, viewer, senders, draft, begin, at, date)
    else:
        at = ("compose", "reply" if isinstance(begin, Answer) else "forward")
        original = original_of(conn, viewer, begin.message_id, (*at, "messageId"))
        if isinstance(begin, Answer):
            found = _answer(conn, viewer, senders, draft, begin, at, original, date)
        else:
            found = _forward(conn, viewer, senders, draft, begin, at, original, date)
            files = (*files, *enclosing.of_message(conn, viewer, original.id)) if begin.include_attachments else files
    _check_recipients(found.letter, at)
    found = msgspec.structs.replace(found, files=enclosing.choose(conn, viewer, files, now))
    if not found.letter.text.strip() and not found.letter.html and not found.files:
        raise wrong("REQUIRED", "A message needs a text, a page or a file.", "text")
    return found


# --- the three ways to begin ------------------------------------------------------------------------------------------------


def _new(
    conn: Connection, viewer: str, senders: Senders, draft: Draft, begin: NewMessage, at: tuple[str, ...], date: datetime
) -> Composed:
    account_id = senders.account(begin.account_id, (*at, "accountId"))
    sender = senders.address(account_id, begin.from_address, (), (*at, "fromAddress"))
    text, html = body_of(draft, "")
    letter = Letter(
        message_id=_message_id(sender.address), date=date, sender=sender, subject=_subject(begin.subject or "", (*at, "subject")),
        to=_recipients(conn, viewer, begin.to, (*at, "to")), cc=_recipients(conn, viewer, begin.cc, (*at, "cc")),
        bcc=_recipients(conn, viewer, begin.bcc, (*at, "bcc")), text=text, html=html,
    )  # fmt: skip
    return Composed(account_id=account_id, letter=letter)


def _answer(
    conn: Connection,
    viewer: str,
    senders: Senders,
    draft: Draft,
    begin: Answer,
    at: tuple[str, ...],
    original: Any,
    date: datetime,
) -> Composed:
    people_on_it = _people(conn, viewer, original.id)
    own = senders.own
    account_id = senders.for_message(conn, viewer, original, people_on_it, (*at, "messageId"))
    sender = senders.address(account_id, begin.from_address, [p.address for p in people_on_it], (*at, "fromAddress"))
    authors = [p for p in people_on_it if p.role == "FROM"]
    if original.direction == "OUTBOUND":  # going on with what one wrote oneself: to the same people
        to = [p for p in people_on_it if p.role == "TO"]
    else:
        to = [p for p in people_on_it if p.role == "REPLY_TO"] or authors
    others = [p for p in people_on_it if p.role in ("TO", "CC")] if begin.all else []
    to = [p for p in to if p.address.casefold() not in own] or to
    addressed = {p.address.casefold() for p in to}
    cc = [p for p in others if p.address.casefold() not in own | addressed]
    text, html = body_of(draft, "")
    letter = Letter(
        message_id=_message_id(sender.address), date=date, sender=sender, subject=_prefixed("Re: ", original.subject, answers=True),
        to=_once([*_mailboxes(to), *_recipients(conn, viewer, begin.add_to, (*at, "addTo"))]),
        cc=_once([*_mailboxes(cc), *_recipients(conn, viewer, begin.cc, (*at, "cc"))]),
        in_reply_to=_writable_id(original.internet_message_id), references=_references(original), text=text, html=html,
    )  # fmt: skip
    return Composed(account_id=account_id, letter=letter, thread=thread_of(conn, viewer, original, account_id))


def _forward(
    conn: Connection,
    viewer: str,
    senders: Senders,
    draft: Draft,
    begin: Forward,
    at: tuple[str, ...],
    original: Any,
    date: datetime,
) -> Composed:
    people_on_it = _people(conn, viewer, original.id)
    if begin.account_id is not None:
        account_id = senders.account(begin.account_id, (*at, "accountId"))
    else:
        account_id = senders.for_message(conn, viewer, original, people_on_it, (*at, "messageId"))
    sender = senders.address(account_id, None, [p.address for p in people_on_it], (*at, "accountId"))
    text, html = body_of(draft, _forwarded(original, people_on_it))
    letter = Letter(
        message_id=_message_id(sender.address), date=date, sender=sender,
        subject=_prefixed("Fwd: ", original.subject, answers=False), to=_recipients(conn, viewer, begin.to, (*at, "to")),
        references=_references(original), text=text, html=html,
    )  # fmt: skip
    return Composed(account_id=account_id, letter=letter)


def _check_recipients(letter: Letter, at: tuple[str, ...]) -> None:
    everybody = [*letter.to, *letter.cc, *letter.bcc]
    if not everybody:
        raise wrong("REQUIRED", "Say to whom it goes: there is no address to send to.", *at, "to")
    if len(everybody) > MAX_RECIPIENTS:
        raise wrong("LIMIT_REACHED", f"A message goes to at most {MAX_RECIPIENTS} recipients.", *at, "to")


# --- by which account, from which address -------------------------------------------------------------------------------------


class Senders:
    """The accounts that can send, and the viewer's own addresses."""

    def __init__(
        self, rows: Sequence[Any], addresses: Sequence[Any], providers: Mapping[str, Provider], names: dict[str, str]
    ) -> None:
        self._rows = {row.id: row for row in rows}
        self._addresses = addresses
        self._providers = providers
        self._names = names
        self.own = frozenset(row.value.casefold() for row in addresses)

    def provider(self, account_id: str) -> Provider | None:
        """The network of an account."""
        row = self._rows.get(account_id)
        return None if row is None else self._providers.get(row.provider)

    def account(self, account_id: str, field: tuple[str, ...]) -> str:
        """The account that is named, if it can send. Raises Mistaken."""
        row = self._rows.get(account_id)
        if row is None:
            raise Mistaken(not_found(account_id, *field))
        if (trouble := self._trouble(row)) is not None:
            raise Mistaken(NodeMistake(code=trouble[0], message=trouble[1], field=field, node_id=account_id))
        return account_id

    def for_message(self, conn: Connection, viewer: str, original: Any, on_it: Sequence[Any], field: tuple[str, ...]) -> str:
        """The account by which a message is answered: one that has it and was addressed, else one of both. Raises Mistaken."""
        held = select(message_source.c.account_id).where(
            message_source.c.viewer_id == viewer, message_source.c.message_id == original.id
        )
        places = set(conn.execute(held).scalars())
        named = {p.address.casefold() for p in on_it}
        addressed = {row.account_id for row in self._addresses if row.value.casefold() in named}
        ranked = sorted(
            (i not in places or i not in addressed, i not in places, i) for i in places | addressed if self._is_mailbox(i)
        )
        for *_, account_id in ranked:
            if self._trouble(self._rows[account_id]) is None:
                return str(account_id)
        for *_, account_id in ranked:
            self.account(account_id, field)
        raise Mistaken(
            NodeMistake(
                code="NOT_WRITABLE", message="No linked account can answer this message.", field=field, node_id=original.id
            )
        )

    def address(self, account_id: str, wanted: str | None, addressed: Sequence[str], field: tuple[str, ...]) -> Mailbox:
        """The own address to send from: as wanted, the one that was addressed, else the account's first. Raises Mistaken."""
        mine = [row.value for row in self._addresses if row.account_id == account_id]
        if wanted is not None:
            address = email_address.normalised(wanted) or wanted
            found = next((one for one in mine if one.casefold() == address.casefold()), None)
            if found is None:
                raise wrong("INVALID", "This is not one of the account's own addresses.", *field)
        else:
            named = {one.casefold() for one in addressed}
            found = next((one for one in mine if one.casefold() in named), mine[0] if mine else None)
            if found is None:
                raise wrong("REQUIRED", "This account has no address to send from; add one with setOwnAddress.", *field)
        return _checked(Mailbox(address=found, name=self._names.get(found.casefold(), "")), field)

    def granted(self, account_id: str) -> frozenset[str]:
        """The scopes that an account was given; empty where its network has none."""
        return frozenset(self._rows[account_id].granted_scopes.split())

    def _is_mailbox(self, account_id: str) -> bool:
        provider = self.provider(account_id)
        return account_id in self._rows and (provider is None or provider.kind == "MAIL")

    def _trouble(self, row: Any) -> tuple[str, str] | None:
        provider = self._providers.get(row.provider)
        if provider is None or "SEND" not in provider.capabilities:
            return "NOT_WRITABLE", "Nothing can be sent by this account: its network or format has no way to."
        if row.status in ("PAUSED", "UNLINKING"):
            return "NOT_WRITABLE", "This account is paused or being unlinked."
        if provider.send_scopes and not provider.send_scopes & set(row.granted_scopes.split()):
            return "REAUTH_REQUIRED", "This account was linked without the permission to send. Link it again and allow it."
        return None


def senders_of(conn: Connection, viewer: str, providers: Mapping[str, Provider]) -> Senders:
    rows = conn.execute(select(account).where(account.c.viewer_id == viewer)).all()
    addresses = conn.execute(
        select(own_address)
        .where(own_address.c.viewer_id == viewer, own_address.c.mine, own_address.c.kind == "EMAIL")
        .order_by(own_address.c.primary.desc(), own_address.c.value)
    ).all()
    written = (
        select(message_participant.c.address, message_participant.c.name)
        .where(message_participant.c.viewer_id == viewer, message_participant.c.role == sa.literal_column("'FROM'"),  # as in its index
               message_participant.c.name != "",
               message_participant.c.kind == "EMAIL", message_participant.c.address == sa.bindparam("address"))
        .order_by(message_participant.c.sent_at.desc())
        .limit(1)
    )  # fmt: skip
    names = {}
    for value in {row.value for row in addresses}:
        if (last := conn.execute(written, {"address": value}).one_or_none()) is not None:
            names[value.casefold()] = last.name
    return Senders(rows, addresses, providers, names)


# --- to whom --------------------------------------------------------------------------------------------------------------


def _recipients(conn: Connection, viewer: str, asked: Iterable[Recipient], at: tuple[str, ...]) -> tuple[Mailbox, ...]:
    return _once(_recipient(conn, viewer, one, (*at, str(n))) for n, one in enumerate(asked))


def _recipient(conn: Connection, viewer: str, asked: Recipient, at: tuple[str, ...]) -> Mailbox:
    if asked.email is not None:
        return _checked(Mailbox(address=asked.email), (*at, "email"))
    if asked.person_id is None:
        text = "This account sends mail: name a person or an e-mail address."
        raise wrong("UNSUPPORTED", text, *at)
    found = people.by_id(conn, viewer, [asked.person_id]).get(asked.person_id)
    if not isinstance(found, people.Person):
        raise Mistaken(not_found(asked.person_id, *at, "personId"))
    best = next((one.address for one in found.emails if one.address and not one.shared), None)
    best = best or next((one.address for one in found.emails if one.address), None)
    if best is None:
        text = f"No e-mail address of {found.name or 'this person'} is known."
        raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=(*at, "personId"), node_id=asked.person_id))
    return _checked(Mailbox(address=best, name=_plain_name(found.name)), (*at, "personId"))


def _checked(one: Mailbox, field: tuple[str, ...]) -> Mailbox:
    try:
        address = on_the_wire(one.address)
    except Unwritable:
        address = ""
    if email_address.normalised(one.address) is None or any(c in address for c in "<> \t,") or not address:
        raise wrong("INVALID", "No mail can be sent to this address.", *field)
    return one


def _plain_name(name: str) -> str:
    """A name that came from elsewhere, as a header can hold it."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in name).split())[:200]


def _mailboxes(rows: Iterable[Any]) -> list[Mailbox]:
    found = []
    for row in rows:
        try:
            found.append(_checked(Mailbox(address=row.address, name=_plain_name(row.name)), ()))
        except Mistaken:
            continue  # what a stranger wrote into a header and no mail can reach
    return found


def _once(given: Iterable[Mailbox]) -> tuple[Mailbox, ...]:
    found: dict[str, Mailbox] = {}
    for one in given:
        found.setdefault(one.address.casefold(), one)
    return tuple(found.values())


# --- what it says -----------------------------------------------------------------------------------------------------------


def body_of(draft: Draft, below: str) -> tuple[str, str | None]:
    """Plain text and page; each is made from the other where it is missing and `below` is put under both."""
    for name, value in (("text", draft.text), ("html", draft.html)):
        if value is not None and len(value) > MAX_TEXT:
            raise wrong("TOO_LONG", f"A text has at most {MAX_TEXT} characters.", name)
    page = None
    if draft.html is not None:
        page = safe_html.sanitised(
            draft.html, part=lambda cid: None, remote=lambda url: url if url.startswith("https://") else None
        )
    text = draft.text if draft.text is not None else html_text.text_of(page or "")
    text = "".join(c for c in text.replace("\r\n", "\n").replace("\r", "\n") if c in "\n\t" or unicodedata.category(c) != "Cc")
    if below:
        text = f"{text.rstrip()}\n\n{below}".lstrip("\n")
        if page is not None:
            page += f"<br><blockquote>{_escaped(below)}</blockquote>"
    return text, page


def _escaped(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\n", "<br>\n")):
        text = text.replace(sign, entity)
    return text


def _forwarded(original: Any, on_it: Sequence[Any]) -> str:
    def named(role: str) -> str:
        return ", ".join(f"{p.name} <{p.address}>" if p.name else p.address for p in on_it if p.role == role)

    body = zlib.decompressobj().decompress(original.body, MAX_TEXT * 4).decode("utf-8", "replace") if original.body else ""
    lines = ["---------- Forwarded message ---------", f"From: {named('FROM')}", f"Date: {original.sent_at:%Y-%m-%d %H:%M} UTC"]
    lines += [f"Subject: {original.subject or ''}", f"To: {named('TO')}"]
    if copies := named("CC"):
        lines.append(f"Cc: {copies}")
    return "\n".join([*lines, "", body[:MAX_TEXT]])


def _subject(text: str, field: tuple[str, ...]) -> str:
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise wrong("INVALID", "A subject is one line.", *field)
    if len(text) > MAX_SUBJECT:
        raise wrong("TOO_LONG", f"A subject has at most {MAX_SUBJECT} characters.", *field)
    return text.strip()


def _prefixed(prefix: str, original: str | None, *, answers: bool) -> str:
    return (prefix + _plain_subject(subject.bare(original or "", answers=answers)))[:MAX_SUBJECT].strip()


def _plain_subject(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text).split())


# --- what it answers --------------------------------------------------------------------------------------------------------


def original_of(conn: Connection, viewer: str, message_id: str, field: tuple[str, ...]) -> Any:
    if ids.kind_of(message_id) not in ("MESSAGE", None):
        raise Mistaken(NodeMistake(code="WRONG_KIND", message="This is no message.", field=field, node_id=message_id))
    row = conn.execute(select(message).where(message.c.viewer_id == viewer, message.c.id == message_id)).one_or_none()
    if row is None:
        raise Mistaken(not_found(message_id, *field))
    if row.live:
        text = "Messages of this network cannot be answered yet."
        raise Mistaken(NodeMistake(code="UNSUPPORTED", message=text, field=field, node_id=message_id))
    return row


def _people(conn: Connection, viewer: str, message_id: str) -> Sequence[Any]:
    p = message_participant
    query = select(p).where(p.c.viewer_id == viewer, p.c.message_id == message_id, p.c.kind == "EMAIL")
    return conn.execute(query.order_by(p.c.position)).all()


def _references(original: Any) -> tuple[str, ...]:
    """RFC 5322 §3.6.4: the parent's References, or its In-Reply-To, then the parent's own Message-ID."""
    known: list[records.Header] = list(messages.unpacked_headers(original.headers)) if original.headers else []
    fields = mail_header.Fields([(h.name, h.value) for h in known if h.name.casefold() in ("references", "in-reply-to")])
    found = list(mime.references(fields, original.internet_message_id))
    if not found and original.in_reply_to:
        found = [original.in_reply_to]
    return tuple(i for i in (_writable_id(one) for one in (*found, original.internet_message_id)) if i is not None)


def _writable_id(internet_id: str | None) -> str | None:
    """A stranger's Message-ID, if it can be written in a header."""
    if internet_id is None or not internet_id.isascii() or not internet_id.isprintable() or len(internet_id) > 900:
        return None
    return None if any(c in internet_id for c in "<> ") else internet_id


def thread_of(conn: Connection, viewer: str, original: Any, account_id: str) -> str | None:
    """The network's own key of the conversation in this account."""
    c = conversation_source.c
    keys = conn.execute(
        select(c.key)
        .where(c.viewer_id == viewer, c.conversation_id == original.conversation_id, c.account_id == account_id)
        .order_by(c.key)
    )
    return next((key for key in keys.scalars() if ids.kind_of(key) != "CONVERSATION"), None)


def own_handles(conn: Connection, viewer: str, account_id: str) -> Sequence[str]:
    """The account's own handles, the first one first."""
    a = own_address.c
    return (
        conn.execute(
            select(a.value)
            .where(a.viewer_id == viewer, a.account_id == account_id, a.kind == "HANDLE", a.mine)
            .order_by(a.primary.desc(), a.value)
        )
        .scalars()
        .all()
    )


def _message_id(address: str) -> str:
    """A Message-ID that nobody has and nobody guesses, at the sender's domain (RFC 5322 §3.6.4)."""
    return f"{secrets.token_hex(16)}@{on_the_wire(address).rpartition('@')[2]}"


def wrong(code: str, text: str, *field: str) -> Mistaken:
    """A value of the input that cannot be accepted."""
    return Mistaken(Mistake(code=code, message=text, field=field))
