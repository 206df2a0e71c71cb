"""Outlook.com, Hotmail and Microsoft 365, mirrored by Microsoft Graph: mail and contacts of one account.

Speaks Graph v1.0, for personal accounts and those of organisations alike. What is mail is in `mail.py`, what is contacts
in `contacts.py`; here is whose account it is, and what of it was allowed. Mails are threaded by their own references, since
Outlook's conversations are made by subject. Read, flagged, the folder and contacts are written back; sending is in
`sending.py`. Knows nothing of storing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from providers import cursors
from providers.base import Adapter, LinkForm, Provider
from providers.errors import ReauthRequired
from providers.http import Session
from providers.microsoft import push as microsoft_push
from providers.microsoft import sending as microsoft_sending
from providers.microsoft.contacts import AddressBook
from providers.microsoft.folders import Mark
from providers.microsoft.graph import PORTAL, SCOPES, ask, authorize, decoded, path_of
from providers.microsoft.mail import Mailbox
from providers.push import Subscription
from providers.quota import Quota
from providers.records import (
    Contact,
    ContactField,
    FolderRole,
    Marking,
    Moved,
    Outgoing,
    OwnAddress,
    Page,
    Profile,
    Statement,
    Submitted,
)

KEY = "microsoft"
MAIL_SCOPES = frozenset({"mail.read", "mail.readwrite"})
WRITING = frozenset({"Mail.ReadWrite"})
WRITING_CONTACTS = frozenset({"Contacts.ReadWrite"})
CONTACT_SCOPES = frozenset({"contacts.read", "contacts.readwrite"})


class Me(msgspec.Struct, frozen=True, rename="camel"):
    """User. A personal account may have no `mail`."""

    id: str
    display_name: str | None = None
    mail: str | None = None
    user_principal_name: str | None = None


class Marks(msgspec.Struct, omit_defaults=True):
    """The cursor: a mark for each folder of mails and of contacts, by id (the default one of contacts without)."""

    folders: dict[str, Mark] = {}
    books: dict[str, Mark] = {}
    version: int = 1


class Microsoft:
    """One account's mailbox and contacts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mail = Mailbox(session)
        self._contacts = AddressBook(session)

    async def profile(self) -> Profile:
        """Whose account it is. Raises ReauthRequired when neither mail nor contacts were allowed."""
        granted, mail, contacts = await self._allowed()
        if not mail and not contacts:
            raise ReauthRequired("Neither mail nor contacts were allowed: link the account again.", provider_code="scope")
        answer = await ask(self._session, path_of("me", select="id,displayName,mail,userPrincipalName"))
        me = decoded(answer.content, Me)
        own: dict[str, OwnAddress] = {}
        for address in (me.mail, me.user_principal_name):
            if address and address.count("@") == 1 and "#" not in address:  # guests are written name_host#EXT#@…
                own.setdefault(address.lower(), OwnAddress(value=address, primary=not own))
        return Profile(
            user_id=me.id,
            label=next((each.value for each in own.values()), me.display_name or me.id),
            own_addresses=tuple(own.values()),
            granted_scopes=tuple(sorted(granted)),
        )

    async def pages(self, cursor: bytes | None) -> AsyncIterator[Page]:
        """Mail, then contacts. Marks that Graph has lost are dealt with here.

        Raises CursorExpired for a cursor that is none of ours.
        """
        marks = cursors.read(cursor, Marks) or Marks()
        _, mail, contacts = await self._allowed()
        if mail:
            async for page in self._mail.pages(marks.folders):
                yield msgspec.structs.replace(page, cursor=cursors.written(marks), labels=self._mail.labels())
        if contacts:
            async for page in self._contacts.pages(marks.books):
                yield msgspec.structs.replace(page, cursor=cursors.written(marks))
        yield Page(cursor=cursors.written(marks), labels=self._mail.labels(), done=True)

    async def listing(self) -> AsyncIterator[Statement]:
        """Every id of each folder, of mails and of contacts."""
        _, mail, contacts = await self._allowed()
        if mail:
            async for statement in self._mail.listing():
                yield statement
        if contacts:
            async for statement in self._contacts.listing():
                yield statement

    async def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[Page]:
        """These messages or contacts again, wherever they are by now."""
        _, mail, _ = await self._allowed()
        of_mail = mail and container in {folder.path for folder in await self._mail.know_folders()}
        async for page in self._mail.fetch(keys) if of_mail else self._contacts.fetch(keys):
            yield page

    def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """A part of a message by its section number."""
        return self._mail.part(key, part)

    async def send(self, mail: Outgoing, note: Callable[[bytes], Awaitable[None]]) -> Submitted:
        """Hand a message over (sending.py)."""
        return await microsoft_sending.send(self._session, mail, note)

    async def look_up(self, mail: Outgoing, step: bytes) -> Submitted:
        """Whether a draft has left."""
        return await microsoft_sending.look_up(self._session, mail, step)

    async def mark(self, keys: Sequence[str], marking: Marking) -> None:
        """Sets read and flagged. Raises ReauthRequired where only reading was allowed."""
        await self._may_write("mail", WRITING)
        await self._mail.mark(keys, marking)

    async def move(self, keys: Sequence[str], role: FolderRole, *, again: bool) -> dict[str, Moved]:
        """Moves messages to a folder by what it is for. Raises as `mark`."""
        await self._may_write("mail", WRITING)
        return await self._mail.move(keys, role)

    async def file(self, keys: Sequence[str], added: Sequence[str], removed: Sequence[str], *, again: bool) -> dict[str, Moved]:
        """Moves messages to a folder by its id. Raises as `mark`."""
        await self._may_write("mail", WRITING)
        return await self._mail.file(keys, added[0])

    async def create_contact(self, wanted: Contact, *, again: bool) -> Contact:
        """Makes a contact (contacts.py)."""
        await self._may_write("contacts", WRITING_CONTACTS)
        return await self._contacts.create(wanted, again=again)

    async def update_contact(self, wanted: Contact, fields: frozenset[ContactField]) -> Contact:
        """Changes fields of a contact."""
        await self._may_write("contacts", WRITING_CONTACTS)
        return await self._contacts.update(wanted, fields)

    async def delete_contact(self, key: str, etag: str | None) -> None:
        """Deletes a contact."""
        await self._may_write("contacts", WRITING_CONTACTS)
        await self._contacts.delete(key, etag)

    async def subscribe(self, url: str, secret: str, known: str | None) -> Subscription:
        """Have Graph call for what was allowed."""
        _, mail, contacts = await self._allowed()
        wanted = (*([microsoft_push.MAIL] if mail else []), *([microsoft_push.CONTACTS] if contacts else []))
        return await microsoft_push.subscribe(self._session, wanted, url, secret, known)

    async def _may_write(self, what: str, scopes: frozenset[str]) -> None:
        granted, _, _ = await self._allowed()
        if granted and not granted & scopes:
            raise ReauthRequired(
                f"Changing {what} was not allowed: link the account again and allow everything that is asked for.",
                provider_code="scope",
            )

    async def _allowed(self) -> tuple[frozenset[str], bool, bool]:
        """What was granted, and whether mail and contacts are in it. Scopes may come with or without their host."""
        scope = (await self._session.credentials()).scope or ""
        granted = frozenset(each.rpartition("/")[2] for each in scope.split())
        lower = {each.lower() for each in granted}
        return granted, not lower or bool(lower & MAIL_SCOPES), not lower or bool(lower & CONTACT_SCOPES)


def _open(session: Session) -> Adapter:
    return Microsoft(session)


PROVIDER = Provider(
    key=KEY,
    name="Outlook and Microsoft 365",
    kind="MAIL",
    mode="MIRRORED",
    capabilities=frozenset(
        {"CONTACTS", "CONTACTS_WRITE", "CONVERSATIONS", "SEND", "REPLY", "READ_STATE", "DELTA", "MIRROR", "LABELS", "ATTACHMENTS"}
    ),
    limitations=(
        "Microsoft calls only installations that are reached by https; to others changes come with the next poll.",
        "Whether a mail was answered is not told.",
        "Mailboxes on an organisation's own Exchange server are not in Microsoft Graph: link them by IMAP.",
        "Archive mailboxes and hidden folders are not read.",
        "A contact has at most three e-mail addresses, and its picture is not fetched.",
    ),
    link_forms=(
        LinkForm(
            method="OAUTH_REDIRECT",
            label="Sign in with Microsoft",
            help="For Outlook.com, Hotmail, Live and Microsoft 365. Kith asks to read mail and contacts, to mark and move mail, to change "
            "contacts, and to send what you write in it.",
            help_url=PORTAL,
            scopes=SCOPES,
        ),
    ),
    quota=Quota(
        calls=10_000,
        seconds=600.0,
        concurrency=4,
        sentence="Microsoft allows 10,000 calls in ten minutes to a mailbox, four at once.",
    ),
    docs_path="docs/providers/microsoft.md",
    write_scopes={"READ_STATE": WRITING, "CONTACTS_WRITE": WRITING_CONTACTS},
    poll_seconds=300,
    default_url="https://graph.microsoft.com/v1.0",
    domains=frozenset({
        "outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it",
        "outlook.jp", "hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it", "hotmail.co.uk", "live.de", "live.fr", "live.it",
        "live.nl", "live.co.uk",
    }),
    open=_open,
    authorize=authorize,
    own_client=True,
    send_scopes=frozenset({microsoft_sending.SENDING[0]}),
    hear=microsoft_push.hear,
)  # fmt: skip
