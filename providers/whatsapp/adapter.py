"""WhatsApp Business, mirrored: the chats of a business's number, from the moment it is linked.

Speaks the Cloud API with a system user's token. WhatsApp tells messages by calling alone (webhooks, signed with the app's secret): nothing
can be asked for, neither what was before nor what was missed, so what is called in is kept before it is acknowledged (`Session.inbox`)
and taken in here.
What a phone exports is another account (`archives/whatsapp.py`): its messages have no ids by which they could be known again. Calls and
errors are in `meta/api.py` and `sending.py`, field maps in `item.py`. Knows nothing of templates, catalogues and calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import msgspec

from providers import cursors
from providers.archives.whatsapp import KEY, WhatsAppArchive
from providers.base import Adapter, FormField, LinkForm, Provider, SignedIn
from providers.entries import readable
from providers.errors import Malformed, Refused
from providers.formats import charset, phone_number
from providers.http import Session
from providers.meta import api as meta_api
from providers.meta.api import CONSOLE, GRAPH, Edge, Graph
from providers.meta.webhook import Operator, check
from providers.push import Call, Heard, Line, Subscription
from providers.quota import Quota
from providers.records import (
    Gone,
    OutgoingChat,
    OutgoingReaction,
    OwnAddress,
    Page,
    Profile,
    Reacted,
    Row,
    Submitted,
    Undelivered,
    Unreadable,
)
from providers.session import Kept, Secret
from providers.told_once import ToldOnce
from providers.whatsapp import sending as whatsapp_sending
from providers.whatsapp.item import (
    GROUP,
    Change,
    History,
    Notice,
    Person,
    Said,
    Standing,
    Status,
    Synced,
    Value,
    address,
    contact,
    digits,
    message,
    participant,
    reaction,
    reaction_key,
    says_something,
)
from providers.whatsapp.sending import DIALECT, undelivered

OBJECT: Final = "whatsapp_business_account"
LISTED: Final = 50  # calls at a time, of which each may hold several messages
MAX_PAGES: Final = 100
FILE_BYTES: Final = 64 * 1024 * 1024
PIECE: Final = 256 * 1024
#: Where files lie: the token goes there, too.
FILES: Final = ("fbsbx.com",)
PEOPLE: Final = 20_000  # whose names are remembered
REVOKED: Final = 1_000
FAILURES: Final = 20
SHOWN: Final = timedelta(days=7)  # so long a failure is said
SETTLING: Final = timedelta(minutes=10)  # in which a subscription comes about
PROMISED: Final = timedelta(days=1)  # a subscription stays; it is looked after so often
#: Fields of the form that are no secrets.
NUMBER_ID, ACCOUNT_ID, APP_SECRET = "phone_number_id", "waba_id", "app_secret"
NOWHERE: Final = (
    "Nothing arrives: WhatsApp tells messages only by calling, and does not know where. Kith needs a public address (KITH_PUBLIC_URL, https), "
    "the token the permission whatsapp_business_management, and the app to be connected to the business account."
)
SCOPES: Final = ("whatsapp_business_messaging", "whatsapp_business_management")


class Called(msgspec.Struct, frozen=True):
    """Where a number's messages are called out to; empty: where those of the whole business account are."""

    phone_number: str = ""


class Number(msgspec.Struct, frozen=True):
    """GET /{phone number id}."""

    id: str
    display_phone_number: str = ""
    verified_name: str = ""
    webhook_configuration: Called | None = None

    @property
    def called_at(self) -> str:
        return self.webhook_configuration.phone_number if self.webhook_configuration is not None else ""


class Listed(msgspec.Struct, frozen=True):
    id: str


class Medium(msgspec.Struct, frozen=True):
    url: str = ""


class Done(msgspec.Struct, frozen=True):
    success: bool = True


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """A message that was taken and not delivered."""

    id: str
    at: float
    to: str
    why: str


class Position(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The cursor. `heard` is the last call of the inbox that is stored. `people` are names by key; `known` are keys by the other ids and numbers
    of the same people, `numbers` their numbers. `revoked` are messages that were taken back. `since` is when the account was first looked at
    (POSIX seconds).
    """

    version: int = 1
    heard: int = 0
    since: float = 0.0
    people: dict[str, str] = {}
    known: dict[str, str] = {}
    revoked: list[str] = []
    failures: list[Failure] = []


class WhatsApp(ToldOnce):
    """A business's number."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.realm = FILES
        self._graph = Graph(session, DIALECT)
        self._number = session.account.settings.get(NUMBER_ID, "").strip()
        self._account = session.account.settings.get(ACCOUNT_ID, "").strip()
        self._me = ""
        self._name = ""

    async def profile(self) -> Profile:
        """Whose number it is. Raises Refused where it is not one of the business account's."""
        if not (_is_id(self._number) and _is_id(self._account)):
            text = "Enter both ids as WhatsApp Manager shows them under API setup: digits alone."
            raise Refused(text, provider_code="id")
        found = await self._whose()
        if not await self._is_listed():
            text = f"The business account {self._account} has no number with the id {self._number}: check both ids."
            raise Refused(text, provider_code="id")
        number = phone_number.read(f"+{self._me}", None).number
        phones = (OwnAddress(value=number, kind="PHONE"),) if number is not None else ()
        return Profile(
            user_id=found.id,
            label=f"{self._name} ({found.display_phone_number})" if self._name else found.display_phone_number or found.id,
            own_addresses=(OwnAddress(value=address(self._me), kind="HANDLE", primary=True), *phones),
            base_url=self._session.account.base_url,
            contact=contact(self._me, self._name, self._me, "PROFILE"),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """What was called in since, in its order; then what the account has to be told."""
        place = cursors.read(cursor, Position) or Position(since=self._now().timestamp())
        if place.heard:
            await self._session.inbox.forget(place.heard)
        number = await self._whose()
        while kept := await self._session.inbox.after(place.heard, LISTED):
            rows = self._rows(kept, place)
            place.heard = kept[-1].position
            place.people, place.known = _latest(place.people), _latest(place.known)
            yield Page(rows=tuple(rows), cursor=cursors.written(place))
        warnings = [*await self._unheard(place, number.called_at), *self._failed(place)]
        yield Page(rows=tuple(warnings), cursor=cursors.written(place), done=True)

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The bytes of a file, by its id. Raises Refused (`not-found`): WhatsApp keeps them for 30 days."""
        gone = "WhatsApp does not have this file any more: it keeps files for 30 days."
        try:
            found = await self._graph.ask(meta_api.part(part), Medium, [(NUMBER_ID, self._number)])
            if not found.url:
                raise Refused(gone, provider_code="not-found")
            content = (await self._session.request("GET", found.url, max_bytes=FILE_BYTES)).content
        except Refused as error:
            if error.provider_code in ("not-found", "100"):
                raise Refused(gone, provider_code="not-found") from error
            raise
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    async def say(self, message: OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Write to somebody (sending.py)."""
        return await whatsapp_sending.say(self._graph, self._number, message, note)

    async def was_said(self, message: OutgoingChat, step: bytes) -> Submitted:
        """Nobody can tell."""
        return await whatsapp_sending.was_said(message, step)

    async def react(self, reaction: OutgoingReaction) -> str | None:
        """React to a message, or take that back."""
        await self._whose()
        return await whatsapp_sending.react(self._graph, self._number, reaction, self._me)

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Show others that they were read."""
        await whatsapp_sending.read_up_to(self._graph, self._number, latest)

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Have WhatsApp call `url` for this number, whatever the app's own address is. It asks there at once whether that is right.

        Raises Refused where it calls somebody else for this number.
        """
        there = (await self._whose()).called_at
        if there not in ("", url, known):
            raise Refused(_elsewhere(there), provider_code="webhook")
        await self._graph.tell(f"{meta_api.part(self._account)}/subscribed_apps", Done, {})
        await self._call_at(url, secret)
        return Subscription(key=url, expires_at=self._now() + PROMISED)

    async def leave(self) -> None:
        """Have it call the app's own address again."""
        if (await self._whose()).called_at == await self._session.inbox.subscription():
            await self._call_at("", None)

    # --- what was called in -------------------------------------------------------------------------------------------

    def _rows(self, kept: Iterable[Kept], place: Position) -> list[Row]:
        rows: list[Row] = []
        for call in kept:
            notice = msgspec.json.decode(call.body, type=Notice)  # it was judged when it came
            for change in (change for entry in notice.entry for change in entry.changes):
                rows += self._changed(change, place)
        return rows

    def _changed(self, change: Change, place: Position) -> list[Row]:
        values, rows = readable([change.value], Value, change.field)
        for value in values:
            if value.metadata is None or value.metadata.phone_number_id != self._number:
                continue  # another number of the business account
            for person in value.contacts:
                rows += self._met(person, place)
            for raws, mine in ((value.messages, False), (value.message_echoes, True)):
                found, broken = readable(raws, Said, change.field)
                rows += broken
                for said in found:
                    rows += self._said(said, place, mine=mine)
            statuses, broken = readable(value.statuses, Status, change.field)
            rows += broken
            for status in statuses:
                self._heed(status, place)
            for past in value.history:
                rows += self._past(past, place)
            for synced in value.state_sync:
                rows += self._synced(synced, place)
        return rows

    def _said(self, said: Said, place: Position, *, mine: bool, other: str = "", past: bool = False) -> list[Row]:
        """A message or what changes one; `other` is whom a past chat is with."""
        theirs = (said.recipient, said.to_user_id) if mine else (said.sender, said.from_user_id)
        who = other or self._key(*theirs, place)
        if not who:
            return [_left_out(said, "It does not say who wrote it.")]
        if said.reaction is not None:
            actor = self._me if mine else who
            if not said.reaction.emoji:
                return [Row(item=Gone(kind="REACTION", key=reaction_key(said.reaction.message_id, actor)))]
            given = reaction(said, said.reaction, participant(actor, self._called(actor, place), "MEMBER"))
            return [Row(item=Reacted(message=said.reaction.message_id, reaction=given))]
        if said.revoke is not None:
            place.revoked = [*place.revoked, said.revoke.original_message_id][-REVOKED:]
            return [Row(item=Gone(kind="MESSAGE", key=said.revoke.original_message_id, deleted_at=said.at))]
        if said.id in place.revoked:
            return []  # it was called again after it had been taken back
        if not says_something(said):
            faults = "; ".join(charset.line(fault.title or fault.message) for fault in said.errors)
            kind = charset.line(said.type)[:40]
            text = f"WhatsApp does not give this kind of message to programs ({faults or kind})."
            return [] if said.type == "system" else [_left_out(said, text)]
        group = f"{GROUP}{said.group_id}" if said.group_id else ""
        writer, to = (self._me, who) if mine else (who, self._me)
        at = Standing(
            conversation=group or who,
            kind="GROUP" if group else "DIRECT",
            writer=participant(writer, self._called(writer, place), "FROM"),
            other=None if group and mine else participant(to, self._called(to, place), "TO"),
            unread=not mine and not past,
        )
        return [Row(item=message(said, at))]

    def _past(self, past: History, place: Position) -> list[Row]:
        """What a phone hands over of its chats when its number is connected: up to six months, once."""
        rows: list[Row] = []
        for thread in past.threads:
            other = self._key(thread.id, "", place)
            found, broken = readable(thread.messages, Said, "history")
            rows += broken
            for said in found:
                rows += self._said(said, place, mine=digits(said.sender) == self._me, other=other, past=True)
        return rows

    def _synced(self, synced: Synced, place: Position) -> list[Row]:
        """An entry of the phone's address book; somebody who was taken out of it stays whom one had to do with."""
        number = digits(synced.contact.phone_number)
        if synced.type != "contact" or not number:
            return []
        key = self._key(number, "", place)
        name = charset.line(synced.contact.full_name or synced.contact.first_name) or place.people.get(key, "")
        place.people[key] = name
        return [Row(item=contact(key, name, number, "CORRESPONDENT" if synced.action == "remove" else "ADDRESS_BOOK"))]

    def _met(self, person: Person, place: Position) -> list[Row]:
        """Who writes: told when their name is news."""
        key, name = self._key(person.wa_id, person.user_id, place), charset.line(person.profile.name)
        if not key or place.people.get(key) == name:
            return []
        place.people[key] = name
        return [Row(item=contact(key, name, digits(person.wa_id)))]

    def _key(self, number: str, user_id: str, place: Position) -> str:
        """Whom a number and an id mean: the same, by which of both they were first known."""
        names = [each for each in (digits(number), charset.line(user_id)[:200]) if each]
        key = next((place.known[each] for each in reversed(names) if each in place.known), names[0] if names else "")
        place.known.update((each, key) for each in names)
        return key

    def _called(self, key: str, place: Position) -> str:
        return self._name if key == self._me else place.people.get(key, "")

    def _heed(self, status: Status, place: Position) -> None:
        """A message that was taken and not delivered is remembered; that one was delivered or read is nothing to say."""
        if status.status != "failed" or any(each.id == status.id for each in place.failures):
            return
        faults = dict.fromkeys(undelivered(each.code, charset.line(each.title or each.message)) for each in status.errors)
        at = int(status.timestamp) if status.timestamp.isdigit() and len(status.timestamp) < 12 else 0
        place.failures.append(Failure(id=status.id, at=float(at), to=digits(status.recipient_id), why=" ".join(faults)[:300]))
        del place.failures[:-FAILURES]

    def _failed(self, place: Position) -> list[Row]:
        """What was not delivered in the last days: at the messages, and for those that were not sent from here at the account."""
        now = self._now()
        place.failures = [each for each in place.failures if now.timestamp() - each.at < SHOWN.total_seconds()]
        rows = []
        for each in reversed(place.failures):
            when = f"{datetime.fromtimestamp(each.at, UTC):%Y-%m-%d %H:%M} UTC"
            text = f"WhatsApp took a message to +{each.to} and did not deliver it ({when}). {each.why}".strip()
            rows.append(Row(item=Unreadable(key=each.id, outcome="SKIPPED", reason="FORBIDDEN", message=text)))
            why = f"WhatsApp took this message and did not deliver it. {each.why}".strip()
            rows.append(Row(item=Undelivered(key=each.id, message=why)))
        return rows

    async def _unheard(self, place: Position, called_at: str) -> list[Row]:
        """Said where WhatsApp cannot call, or calls somebody else: then nothing arrives."""
        ours = await self._session.inbox.subscription()
        settling = self._now().timestamp() - place.since < SETTLING.total_seconds()
        if settling or (ours is not None and ours == called_at):
            return []
        text = _elsewhere(called_at) if called_at else NOWHERE
        return [Row(item=Unreadable(key="webhook", outcome="SKIPPED", reason="FORBIDDEN", message=text))]

    # --- whose it is --------------------------------------------------------------------------------------------------

    async def _whose(self) -> Number:
        found = await self._graph.ask(
            meta_api.part(self._number), Number, [("fields", "id,display_phone_number,verified_name,webhook_configuration")]
        )
        self._me, self._name = digits(found.display_phone_number) or found.id, charset.line(found.verified_name)
        return found

    async def _is_listed(self) -> bool:
        """Whether the number is one of the business account's."""
        after = ""
        for _ in range(MAX_PAGES):
            more = [("after", after)] if after else []
            page = await self._graph.ask(
                f"{meta_api.part(self._account)}/phone_numbers", Edge, [("fields", "id"), ("limit", "100"), *more]
            )
            if any(each.id == self._number for each in readable(page.data, Listed, "numbers")[0]):
                return True
            if not page.after or page.after == after:
                return False
            after = page.after
        return False

    async def _call_at(self, url: str, secret: str | None) -> None:
        token = {} if secret is None else {"verify_token": secret}
        await self._graph.tell(
            meta_api.part(self._number), Done, {"webhook_configuration": {"override_callback_uri": url, **token}}
        )

    def _now(self) -> datetime:
        return self._session.clock.now()


async def hear(session: Session, call: Call, secret: str) -> Heard:
    """Judge a call: the app's secret signed its bytes; or the question whether the address is ours, by the token that was given. Raises
    Forged, Malformed."""
    proof = (await session.credentials()).client_secret or ""
    if "hub.mode" in call.query:
        return Heard(echo=Operator(Line(url="", topic="", secret=proof, audience=secret), OBJECT).challenge(call))
    check(proof, call.body, call.headers.get("x-hub-signature-256", ""))
    try:
        notice = msgspec.json.decode(call.body, type=Notice)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("This is no notification of WhatsApp's.", provider_code="push") from None
    if notice.object != OBJECT:
        raise Malformed("This notification is of another kind of object.", provider_code="push")
    return Heard(hint=True)


async def sign_in(session: Session) -> SignedIn:
    """The token as it is used, with the app's secret that proves calls in both directions."""
    typed = await session.credentials()
    secret = Secret(
        access_token=(typed.access_token or "").strip(), client_secret=typed.extra.get(APP_SECRET, "").strip() or None
    )
    return SignedIn(secret=secret, base_url=session.account.base_url)


def _elsewhere(url: str) -> str:
    host = urlsplit(url).hostname or "another address"
    return (
        f"Nothing arrives: this number's messages are called out to {host} (its webhook_configuration), and only one can get them. Take it away "
        "there, or unlink the number there."
    )


def _left_out(said: Said, text: str) -> Row:
    return Row(item=Unreadable(key=said.id, outcome="SKIPPED", reason="UNSUPPORTED", message=text))


def _latest(table: dict[str, str]) -> dict[str, str]:
    return dict(list(table.items())[-PEOPLE:])


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 30


def _open(session: Session) -> Adapter:
    return WhatsApp(session)


PROVIDER = Provider(
    key=KEY,
    name="WhatsApp",
    kind="CHAT",
    mode="MIRRORED",
    capabilities=frozenset(
        {"CONTACTS", "CONVERSATIONS", "ATTACHMENTS", "SEND", "REPLY", "REACT", "READ_STATE", "DELTA", "PUSH", "IMPORT", "MIRROR"}
    ),
    marks=frozenset({"READ"}),
    limitations=(
        "Only a business's number can be linked; of private accounts a phone exports one chat at a time, at most 40,000 messages.",
        "WhatsApp tells a business's messages only by calling: Kith needs a public https address, and nothing from before is given.",
        "A text can be sent within 24 hours of the other's last message; later only approved templates, which Kith does not send.",
        "What was exported and what is linked are two accounts: messages of an export have no ids by which they could be known again.",
        "In an export people are known as the phone calls them, times have no zone, and files are named, not kept.",
    ),
    link_forms=(
        LinkForm(
            method="TOKEN",
            label="Business number (Cloud API)",
            fields=(
                FormField(name="access_token", label="System user token", kind="PASSWORD", secret=True, placeholder="EAA…"),
                FormField(
                    name=APP_SECRET,
                    label="App secret",
                    kind="PASSWORD",
                    secret=True,
                    help="App settings → Basic. It proves that it is WhatsApp that calls.",
                ),
                FormField(name=NUMBER_ID, label="Phone number id", placeholder="106540352242922"),
                FormField(name=ACCOUNT_ID, label="WhatsApp Business Account id", placeholder="102290129340398"),
            ),
            help="From an app of your own at Meta: WhatsApp → API setup, and a system user of the business.",
            help_url=CONSOLE,
            scopes=SCOPES,
        ),
    ),
    archive_formats=("WHATSAPP",),
    quota=Quota(
        calls=80,
        seconds=1.0,
        sentence="WhatsApp takes 80 messages a second of a number, and one in six seconds to the same person.",
    ),
    docs_path="docs/providers/whatsapp.md",
    poll_seconds=3600,
    default_url=GRAPH,
    open=_open,
    hear=hear,
    keeps=True,
    single_reaction=True,
    call_bytes=4 * 1024 * 1024,
    sign_in=sign_in,
    archive=WhatsAppArchive(),
)
