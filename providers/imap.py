"""Any mailbox that speaks IMAP, mirrored (RFC 3501, RFC 9051): every message, its flags and folders, kept in step.

Signs in with a password, an app password or an OAuth token, over TLS or a STARTTLS that must succeed. How a mailbox is kept in
step is in `imap4/mirror.py`; this module says what there is to enter, and hands the network's pieces to each other. A
message is known by folder, UIDVALIDITY and UID. Knows nothing of MIME; servers are found from an address by `mail_settings.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

from providers import mail_settings
from providers.base import FormField, LinkForm, Provider
from providers.errors import Refused
from providers.http import Session
from providers.imap4 import marks, parts, sending, watching
from providers.imap4.connection import Connection
from providers.imap4.login import sign_in
from providers.imap4.marking import marked
from providers.imap4.mirror import Mirror
from providers.imap4.moving import filed, moved
from providers.imap4.uid_set import UidSet
from providers.quota import Quota
from providers.records import FolderRole, Marking, Moved, Outgoing, OwnAddress, Page, Profile, Statement, Submitted
from providers.stream import Security

#: Schemes of an account's address, and the port that each has by default (RFC 8314 §3.2, RFC 9051 §2.1).
SCHEMES: Final[dict[str, tuple[Security, int]]] = {"imaps": ("TLS", 993), "imap": ("STARTTLS", 143), "imap-plain": ("NONE", 143)}
#: Hosts that show only the latest messages of a folder, and how many; an account that is cut off there says so in its ledger.
VISIBLE: Final = {"imap.mail.yahoo.com": 10_000, "imap.aol.com": 10_000}
#: Pages read ahead while the last one is being stored.
AHEAD: Final = 2


class Imap:
    """A mailbox at an IMAP server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def profile(self) -> Profile:
        """The mailbox that the password opens: the address that was entered. Raises ReauthRequired when it does not."""
        host, port, security = self._place()
        user = await self._user()
        connection = await self._connect()
        try:
            await connection.run(b"EXAMINE INBOX", doing="to open the inbox")
        finally:
            await connection.logout()
        address = self._session.account.settings.get("address", "").strip() or user
        known = {value.lower(): value for value in (user, address) if "@" in value}
        own = tuple(OwnAddress(value=value, primary=value == address) for value in known.values())
        scheme = next(name for name, (kind, _) in SCHEMES.items() if kind == security)
        return Profile(user_id=address.lower(), label=address, own_addresses=own, base_url=_url(scheme, host, port))

    async def pages(self, cursor: bytes | None) -> AsyncGenerator[Page]:
        """What is new, newest first; read ahead while the last page is being stored. Raises CursorExpired, ProviderError."""
        found = marks.decoded(cursor)
        own = frozenset(address.lower() for address in self._session.account.own_addresses)
        mirror = Mirror(self._connect, self._session.clock, found, own, visible=VISIBLE.get(self._place()[0]))
        queue: asyncio.Queue[Page | BaseException | None] = asyncio.Queue(maxsize=AHEAD)

        async def read() -> None:
            try:
                async with aclosing(mirror.pages()) as made:
                    async for page in made:
                        await queue.put(page)
            except Exception as error:
                await queue.put(error)
            else:
                await queue.put(None)

        reading = asyncio.create_task(read())
        try:
            while (page := await queue.get()) is not None:
                if isinstance(page, BaseException):
                    raise page
                yield page
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def watch(self) -> AsyncGenerator[None]:
        """Hints that `pages` has something to tell. Raises Refused with the code `no-push` where the server cannot."""
        async with aclosing(watching.hints(self._connect)) as hints:
            async for _ in hints:
                yield None

    async def listing(self) -> AsyncGenerator[Statement]:
        """What the server says that each folder holds, with all keys. Raises ProviderError."""
        async with aclosing(self._mirror().listing()) as found:
            async for statement in found:
                yield statement

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncGenerator[Page]:
        """These messages again, of any folder. Raises ProviderError."""
        wanted: dict[tuple[str, int], list[int]] = {}
        for key in keys:
            if place := marks.parsed(key):
                wanted.setdefault(place[:2], []).append(place[2])
        async with aclosing(self._mirror().again({place: UidSet.of(uids) for place, uids in wanted.items()})) as found:
            async for page in found:
                yield page

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The decoded bytes of a part of a message. Raises Refused (`not-found`) when it is gone."""
        if not part:
            raise Refused("There is no such part.", provider_code="not-found")
        return await parts.opened(self._connect, key, part)

    async def raw(self, key: str) -> AsyncIterator[bytes]:
        """A whole message as it was received. Raises Refused (`not-found`) when it is gone."""
        return await parts.opened(self._connect, key, "")

    async def send(self, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Hand a message over by SMTP and see to its copy in Sent (imap4/sending.py)."""
        place = await sending.place_of(self._session, self._place()[0], await self._user())
        return await sending.send(self._session, self._connect, place, mail, note)

    async def look_up(self, mail: Outgoing, step: bytes) -> Submitted:
        """Whether a message is in Sent."""
        place = await sending.place_of(self._session, self._place()[0], await self._user())
        return await sending.look_up(self._connect, place, mail, step)

    async def mark(self, keys: Sequence[str], marking: Marking) -> None:
        """Sets or takes off \\Seen and \\Flagged. Raises ProviderError."""
        await marked(self._connect, keys, marking)

    async def move(self, keys: Sequence[str], role: FolderRole, *, again: bool) -> dict[str, Moved]:
        """Moves messages to the folder for a role. Raises ProviderError."""
        return await moved(self._connect, keys, role, again=again)

    async def file(self, keys: Sequence[str], added: Sequence[str], removed: Sequence[str], *, again: bool) -> dict[str, Moved]:
        """Moves messages to a folder; labels them at Gmail's servers. Raises ProviderError."""
        return await filed(self._connect, keys, added, removed, again=again)

    def _mirror(self) -> Mirror:
        own = frozenset(address.lower() for address in self._session.account.own_addresses)
        return Mirror(self._connect, self._session.clock, marks.Marks(), own, visible=VISIBLE.get(self._place()[0]))

    async def _connect(self) -> Connection:
        host, port, security = self._place()
        return await sign_in(self._session, host, port, security, await self._user())

    async def _user(self) -> str:
        """Whom to sign in: the user name, or else the address."""
        account = self._session.account
        secret = await self._session.credentials()
        return secret.username or account.settings.get("address", "").strip() or account.user_id or ""

    def _place(self) -> tuple[str, int, Security]:
        """Host, port and encryption from the account's address. Raises Refused."""
        try:
            parts = urlsplit(self._session.account.base_url)
            security, usual = SCHEMES[parts.scheme]
            host, port = parts.hostname or "", parts.port or usual
        except (KeyError, ValueError):
            host, port, security = "", 0, "TLS"
        if not host:
            raise Refused("This is no address of an IMAP server. Enter its name and port again.", provider_code="not-a-server")
        return host, port, security


def _base_url(values: dict[str, str]) -> str:
    """The server that a form names. Raises Refused with what to enter instead."""
    host = values.get("host", "").strip().rstrip(".")
    if not host or any(sign in host for sign in "/@?#\\ ") or not host.isprintable():
        raise Refused("Enter the name of your provider's IMAP server, such as imap.example.org.", provider_code="host")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    chosen = values.get("security", "").strip().upper() or "TLS"
    scheme = next((name for name, (kind, _) in SCHEMES.items() if kind == chosen), None)
    if scheme is None:
        raise Refused("Encryption is TLS, STARTTLS or NONE.", provider_code="security")
    port = values.get("port", "").strip() or str(SCHEMES[scheme][1])
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise Refused("A port is a number from 1 to 65535; 993 for TLS, 143 for STARTTLS.", provider_code="port")
    return _url(scheme, host, int(port))


def _url(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{name}:{port}"


_SERVER = "The name that your provider's help gives for mail programs; found from the address where you leave it empty."
_FIELDS = (
    FormField(name="address", label="E-mail address", kind="EMAIL", placeholder="you@example.org"),
    FormField(
        name="password",
        label="Password or app password",
        kind="PASSWORD",
        secret=True,
        help="Providers with a second step at sign-in want a password made for this program in their security settings.",
    ),
    FormField(name="host", label="IMAP server", required=False, placeholder="imap.example.org", help=_SERVER),
    FormField(
        name="port", label="Port", kind="NUMBER", required=False, help="993 for TLS, 143 for STARTTLS.", pattern="[0-9]{1,5}"
    ),
    FormField(
        name="security",
        label="Encryption",
        required=False,
        placeholder="TLS",
        pattern="TLS|STARTTLS|NONE",
        help="TLS or STARTTLS. NONE is only for servers in the operator's own network.",
    ),
    FormField(name="username", label="User name", required=False, help="Where it is not your e-mail address."),
    # the way out, for whoever sends: kept in the account's settings under these names
    FormField(name="smtp_host", label="SMTP server", required=False, placeholder="smtp.example.org", help=_SERVER),
    FormField(name="smtp_port", label="SMTP port", kind="NUMBER", required=False, help="465 for TLS, 587 for STARTTLS."),
    FormField(name="smtp_security", label="SMTP encryption", required=False, placeholder="TLS", pattern="TLS|STARTTLS|NONE"),
    FormField(name="smtp_user", label="SMTP user name", required=False, help="Where it is not the one for IMAP."),
)

PROVIDER = Provider(
    key="imap",
    name="E-mail (IMAP)",
    kind="MAIL",
    mode="MIRRORED",
    capabilities=frozenset(
        {"CONTACTS", "CONVERSATIONS", "SEND", "REPLY", "READ_STATE", "DELTA", "PUSH", "MIRROR", "LABELS", "ATTACHMENTS"}
    ),
    limitations=(
        "Folders that only show messages of other folders again (All Mail, Flagged) are left out.",
        "Of a message over 256 KB the text is read up to 512 KB a part; files are fetched when somebody opens them.",
        "Servers without NOTIFY tell at once of the inbox only; other folders are looked at every few minutes.",
        "Yahoo and AOL show the latest 10,000 messages of a folder; what is missing stands in the account's ledger.",
        "Servers without CONDSTORE tell of changed flags in old mail only bit by bit.",
    ),
    link_forms=(
        LinkForm(
            method="PASSWORD",
            label="Password or app password",
            fields=_FIELDS,
            help="Enter your address and password; the servers are found from the address.",
        ),
    ),
    quota=Quota(
        calls=120,
        seconds=60.0,
        concurrency=5,
        sentence="Servers allow a few connections at once; Kith opens up to five an account.",
    ),
    docs_path="docs/providers/imap.md",
    poll_seconds=300,
    open=lambda session: Imap(session),
    base_url=_base_url,
    discover=mail_settings.discover,
)
