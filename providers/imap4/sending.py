"""Sending for a mailbox: by the submission server beside it (RFC 6409), then a copy in Sent where the server files none.

Whether a message was taken when the line was cut is asked of the mailbox's own Sent folder: a server that files what it sends shows it
there under our Message-ID, and what is there was taken. That it is not there says nothing. What was taken is noted before it is filed, so
that a crash between the two costs no second copy to anybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, cast

from providers import mail_settings, smtp
from providers.errors import ProviderError, Refused
from providers.http import Session
from providers.imap4 import folders
from providers.imap4.connection import Connection, Literal, quoted, uids_found
from providers.imap4.folders import Folder
from providers.records import Outgoing, Submitted
from providers.smtp import Place
from providers.stream import Security

TAKEN: Final = b"taken"  # the step noted once the server has taken the message
PORTS: Final[dict[str, int]] = {"TLS": 465, "STARTTLS": 587, "NONE": 25}  # RFC 8314 §3.3, RFC 6409 §3.1
#: Servers that file what they send; all others are looked at once before a copy is put there.
FILING: Final = frozenset({"smtp.gmail.com", "smtp.office365.com", "smtp-mail.outlook.com"})
FILING_SECONDS: Final = 2.0  # that a server may take to file a message before we do it
Connect = Callable[[], Awaitable[Connection]]


async def send(
    session: Session, connect: Connect, place: Place, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]
) -> Submitted:
    """Hand a message over and file it. Raises ProviderError when it was certainly not taken."""
    sent = await smtp.submit(session, place, mail, note)
    if sent.fate != "TAKEN":
        return sent
    await note(TAKEN)
    if place.host.lower() in FILING:
        return sent
    await session.clock.sleep(FILING_SECONDS)
    return Submitted(fate="TAKEN", evidence=f"{sent.evidence} {await _filed(connect, mail)}".strip())


async def look_up(connect: Connect, place: Place, mail: Outgoing, step: bytes) -> Submitted:
    """Whether a message was taken; one that is known to be is filed if it was not yet. Raises ProviderError."""
    if step == TAKEN:
        return Submitted(fate="TAKEN", evidence="" if place.host.lower() in FILING else await _filed(connect, mail))
    connection = await connect()
    try:
        folder = await _sent_folder(connection)
        if folder is not None and await _is_in(connection, folder, mail):
            return Submitted(fate="TAKEN", evidence=f"It is in {folder.name}.")
    finally:
        await connection.logout()
    where = "there is no folder for sent mail" if folder is None else f"it is not in {folder.name}"
    text = f"The line was cut before {place.host} said whether it took the message, and {where}, which it files only perhaps."
    return Submitted(fate="UNKNOWN", evidence=text)


async def place_of(session: Session, imap_host: str, user: str) -> Place:
    """The submission server: as it was entered, else as it is found from server and address. Raises Refused."""
    settings = dict(session.account.settings)
    if not settings.get("smtp_host"):
        address = settings.get("address") or session.account.user_id or user
        for known in ({"address": address, "host": imap_host}, {"address": address}):
            async for found in mail_settings.discover(session, known):
                if found.succeeded and found.values.get("smtp_host") and not found.foreign:
                    settings |= {name: value for name, value in found.values.items() if name.startswith("smtp_")}
                    break
            if settings.get("smtp_host"):
                break
    host = settings.get("smtp_host", "").strip()
    if not host:
        text = "Nobody knows this mailbox's SMTP server. Link it again and enter the one that your provider's help names."
        raise Refused(text, provider_code="no-smtp")
    security = settings.get("smtp_security", "").strip().upper() or "TLS"
    port = settings.get("smtp_port", "").strip()
    if security not in PORTS or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)):
        raise Refused("The SMTP server's port or encryption is none. Link the mailbox again.", provider_code="smtp")
    return Place(
        host=host, port=int(port) if port else PORTS[security], security=cast(Security, security),
        user=settings.get("smtp_user", "").strip() or user,
    )  # fmt: skip


async def _filed(connect: Connect, mail: Outgoing) -> str:
    """Put a copy into Sent unless it is there. What goes wrong is told, for the message has left all the same."""
    if not mail.data:
        return "Its copy could not be written again for Sent."
    try:
        connection = await connect()
        try:
            folder = await _sent_folder(connection)
            if folder is None:
                return "There is no folder for sent mail to file it in."
            if not await _is_in(connection, folder, mail):
                await connection.run(
                    b"APPEND ", quoted(folder.raw), b" (\\Seen) ", Literal(mail.data), doing="to file what was sent"
                )
            return f"It is in {folder.name}."
        finally:
            await connection.logout()
    except ProviderError as error:
        return f"It could not be filed: {error.message}"


async def _sent_folder(connection: Connection) -> Folder | None:
    return next((folder for folder in await folders.listed(connection) if folder.role == "SENT"), None)


async def _is_in(connection: Connection, folder: Folder, mail: Outgoing) -> bool:
    await connection.run(b"EXAMINE ", quoted(folder.raw), doing="to open the folder for sent mail")
    wanted = quoted(f"<{mail.message_id}>")
    return bool(uids_found(await connection.run(b"UID SEARCH HEADER Message-ID ", wanted, doing="to look for what was sent")))
