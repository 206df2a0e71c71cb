"""The contract between Kith and a network: what a provider module declares, and what an opened account can be asked.

A provider is one module that binds `PROVIDER = Provider(...)`. It is found by looking through `providers/` and the entry
points of the group `kith.providers`; nothing else needs to know its name. The declaration is data: forms, capabilities,
quotas, limitations. What is common to all (retries, budgets, token refresh, error mapping, size caps) is in `session.py`
and `http.py`; an adapter maps fields.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import cache
from importlib.abc import InspectLoader
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

from providers import records
from providers.push import Call, Heard, Line, Switchboard
from providers.quota import Quota
from providers.session import Secret

if TYPE_CHECKING:
    from providers.http import Session

ProviderKind = Literal["MAIL", "ADDRESS_BOOK", "CALENDAR", "SOCIAL", "CHAT", "FEED", "NOTES", "ARCHIVE"]
Capability = Literal[
    "CONTACTS",
    "CONTACTS_WRITE",
    "CONVERSATIONS",
    "SEND",
    "REPLY",
    "EDIT_MESSAGE",
    "DELETE_MESSAGE",
    "READ_STATE",
    "DELTA",
    "PUSH",
    "MIRROR",
    "LIVE",
    "IMPORT",
    "SEARCH",
    "ACTIVITIES",
    "LABELS",
    "REACT",
    "ATTACHMENTS",
]
LinkMethod = Literal["OAUTH_REDIRECT", "DEVICE_CODE", "PASSWORD", "APP_PASSWORD", "TOKEN", "NO_SECRET"]
FieldKind = Literal["TEXT", "EMAIL", "PASSWORD", "URL", "NUMBER", "SELECT", "CHECKBOX"]
ArchiveFormat = Literal[
    "VCARD",
    "JSCONTACT",
    "CSV",
    "LDIF",
    "MBOX",
    "MAILDIR",
    "EML",
    "LINKEDIN",
    "X_TWITTER",
    "FACEBOOK",
    "INSTAGRAM",
    "MASTODON",
    "BLUESKY_CAR",
    "GOOGLE_TAKEOUT",
    "WHATSAPP",
    "TELEGRAM",
    "SLACK",
    "DISCORD",
    "EVERNOTE",
    "IMESSAGE",
    "ANDROID_SMS",
]
Mode = Literal["MIRRORED", "LIVE"]
#: What can be set on the messages of a network that keeps read state.
Mark = Literal["READ", "UNREAD", "FLAGGED"]
#: For whom a network deletes a message: for the user alone, or for all who see it.
Reach = Literal["ONESELF", "EVERYONE"]


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the user types to link an account. `secret` values are never shown again."""

    name: str
    label: str
    kind: FieldKind = "TEXT"
    required: bool = True
    secret: bool = False
    help: str | None = None
    placeholder: str | None = None
    default: str | None = None
    pattern: str | None = None


class LinkForm(msgspec.Struct, frozen=True, kw_only=True):
    """One way to link. For OAUTH_REDIRECT `fields` are what must be known before (such as the server)."""

    method: LinkMethod
    label: str
    fields: tuple[FormField, ...] = ()
    help: str | None = None
    help_url: str | None = None
    scopes: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One try to find an account's settings from what the user typed, shown to them.

    `values` are form values that it gives. `foreign`: it rests on an unsigned word (plain DNS) and names a host of another domain,
    to which no secret goes before somebody has seen the name (RFC 6186 §6).
    """

    method: str
    target: str
    succeeded: bool
    message: str
    values: dict[str, str] = {}
    foreign: bool = False


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """An OAuth 2 authorization server and our client at it (RFC 6749, RFC 8414).

    `lasting`: a registration of our client, which the next who links at this server uses, too.
    """

    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]
    issuer: str | None = None  # RFC 9207: when known, `iss` on the redirect must equal it
    pkce: bool = True
    pushed_endpoint: str | None = None  # RFC 9126: where what is asked for goes ahead of the browser
    device_endpoint: str | None = None  # RFC 8628: where a code is given out that is typed in on another device
    dpop_key: str | None = None  # RFC 9449: the private JWK that the tokens are to be bound to
    base_url: str = ""
    lasting: bool = True
    extra: dict[str, str] = {}


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept in the place of what was typed: a grant, and the address that it is good for."""

    secret: Secret
    base_url: str


class Adapter(Protocol):
    """An account opened at its network. Every method raises only what `providers/errors.py` names."""

    async def profile(self) -> records.Profile:
        """Whose account it is; the call that proves that the credentials work."""
        ...

    def pages(self, cursor: bytes | None) -> AsyncIterator[records.Page]:
        """What is new since `cursor`, or everything when None: newest first, resumable at every page's cursor.

        Raises CursorExpired when the network no longer knows the cursor; the caller starts again with None and compares
        `Statement.keys`. For a LIVE account these are its contacts.
        """
        ...


@runtime_checkable
class Watcher(Protocol):
    """An adapter whose network says by itself that something happened (IMAP IDLE, RFC 2177; push channels)."""

    def watch(self) -> AsyncIterator[None]:
        """Yields once for every hint. A hint says that `pages` has something to tell, never what.

        Runs until it is closed or raises; the caller waits before it begins again.
        """
        ...


@runtime_checkable
class Verifiable(Protocol):
    """An adapter whose network can list what a container holds: how gaps are found, and closed."""

    def listing(self) -> AsyncIterator[records.Statement]:
        """One statement for each container, with `keys`, newest state, no bodies."""
        ...

    def fetch(self, container: str, keys: Sequence[str]) -> AsyncIterator[records.Page]:
        """These items again, whole. What is no longer there is left out; pages have no cursor."""
        ...


@runtime_checkable
class ContactWriter(Protocol):
    """An adapter that can change the account's contacts. Each method may be called again after a crash: doing it twice is doing it once.

    All raise ReauthRequired (`scope`) where the grant does not allow it, and Refused for what the network does not take.
    """

    async def create_contact(self, wanted: records.Contact, *, again: bool) -> records.Contact:
        """Makes a contact that has no key yet; it is known by `wanted.uid`. `wanted.container` says where, empty leaves it open.

        Gives the contact as the network has it now. `again`: an earlier call may have made it, so it is looked for first.
        """
        ...

    async def update_contact(self, wanted: records.Contact, fields: frozenset[records.ContactField]) -> records.Contact:
        """Changes these fields of the contact `wanted.key` and nothing else. Gives it as the network has it now.

        `wanted.etag` is the version that the change was made from, None writes over any. Raises Conflict with the present version
        when it is another one and does not hold the change already, Refused (`not-found`) when the contact is gone.
        """
        ...

    async def delete_contact(self, key: str, etag: str | None) -> None:
        """Deletes a contact; one that is gone already is deleted. Raises Conflict when it is not the version `etag`."""
        ...


@runtime_checkable
class Marker(Protocol):
    """An adapter that can change the state of messages."""

    async def mark(self, keys: Sequence[str], marking: records.Marking) -> None:
        """Sets or takes off the marks, however many messages they are; those that are gone are left out. Doing it twice is doing it once.

        Raises ReauthRequired (`scope`) where the grant does not allow it, Refused for what the network does not take.
        """
        ...

    async def move(self, keys: Sequence[str], role: records.FolderRole, *, again: bool) -> dict[str, records.Moved]:
        """Puts the messages where this role is (not OTHER), making the place where the network has none and takes one.

        What is there already stays, what is gone is left out. `again`: an earlier call may have moved them. Gives, by their keys, where
        they are now, of those of which the network told; of all others the sync will. Raises as `mark`.
        """
        ...

    async def file(
        self, keys: Sequence[str], added: Sequence[str], removed: Sequence[str], *, again: bool
    ) -> dict[str, records.Moved]:
        """Puts labels on the messages and takes others off, by `records.Label.key`; at folders moves them to the only one of `added`.

        As `move` for all else. Raises Refused for what is not there any more.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """An adapter whose network keeps how far a conversation was read, not each message."""

    async def read_up_to(self, latest: Mapping[str, str]) -> None:
        """Says of each conversation (by key) the latest message (by key) that was read. Doing it twice is doing it once.

        Conversations that are gone are left out. Raises Refused for what the network does not take.
        """
        ...


@runtime_checkable
class Parts(Protocol):
    """An adapter that can stream a part of a message (ATTACHMENTS)."""

    def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        """The decoded bytes of a part, named as in `records.Attachment.part`. Raises Refused when it is gone."""
        ...


@runtime_checkable
class Sender(Protocol):
    """An adapter whose network sends messages."""

    async def send(self, mail: records.Outgoing, note: Callable[[bytes], Awaitable[None]]) -> records.Submitted:
        """Hand a message over, once. `await note(step)` before the first call that must not happen twice, `step` being the
        adapter's own; a later one replaces it.

        Answers TAKEN, or UNKNOWN when the line was cut after that. Raises ProviderError when it certainly was not taken.
        """
        ...

    async def look_up(self, mail: records.Outgoing, step: bytes) -> records.Submitted:
        """Whether a message was taken, after a crash or cut that followed `step`. Never looks at what the recipients have."""
        ...


@runtime_checkable
class ChatSender(Protocol):
    """An adapter whose network takes messages into its conversations."""

    async def say(self, message: records.OutgoingChat, note: Callable[[bytes], Awaitable[None]]) -> records.Submitted:
        """Put a message into its conversation, once, with its files (at most `Provider.files`). `note`, the answers and what is raised are
        as for `Sender.send`. What the network takes of a file is asked before anything is put up.
        """
        ...

    async def was_said(self, message: records.OutgoingChat, step: bytes) -> records.Submitted:
        """Whether a message is in its conversation, after a crash or cut that followed `step`."""
        ...


@runtime_checkable
class Reactor(Protocol):
    """An adapter whose network takes reactions."""

    async def react(self, reaction: records.OutgoingReaction) -> str | None:
        """Make a reaction or take it back; doing it twice is doing it once. Gives the network's key of one that was made, where it has such.

        Raises Refused for what the network does not take.
        """
        ...


@runtime_checkable
class Editor(Protocol):
    """An adapter whose network lets people change what they wrote (EDIT_MESSAGE)."""

    async def edit(self, change: records.OutgoingEdit, *, again: bool) -> datetime | None:
        """Puts another text in the place of the one of a message; its files and what it answers stay. Doing it twice is doing it once.

        `again`: an earlier call may have done it. Where the network takes no id of ours it is asked first what the message says: another text
        of after `change.at` is somebody's later word, which stays. Gives when the message was edited by the network's clock, as a sync tells
        it; None where nobody says. Raises Conflict for that later word, Refused for what is gone, too old or too long for the network, and
        Unavailable or Malformed when nobody can say whether it was taken.
        """
        ...


@runtime_checkable
class Deleter(Protocol):
    """An adapter whose network deletes messages (DELETE_MESSAGE), for whom `Provider.deletes` says."""

    async def delete(self, deletion: records.OutgoingDeletion) -> records.Gone:
        """Deletes a message. One that is gone already is deleted; doing it twice is doing it once.

        Gives what a sync tells of it from now on: with `deleted_at` where its place is still shown. Raises Refused for what the network
        does not take, and Unavailable or Malformed when nobody can say whether it was taken.
        """
        ...


class LiveAdapter(Adapter, Protocol):
    """An account whose conversations are asked for when they are read."""

    async def heads(self, token: str | None, limit: int) -> records.Heads:
        """Conversations, latest active first."""
        ...

    async def messages(self, conversation_key: str) -> records.Messages:
        """The messages of one conversation, oldest first."""
        ...


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A network or file format, as data, with the functions that open it.

    `marks` are what the network takes back where READ_STATE is among the capabilities, which may be nothing. One of `send_scopes` must have been
    granted to send, where there are any. `files` is how many files a chat takes with one message, and of `file_scopes` one must have been
    granted for that. `deletes` is for whom DELETE_MESSAGE deletes; with `moderates` there are people who may delete for
    everybody what others wrote, which the network decides when it is asked.
    `domains` are those whose addresses belong to this network; `discover(session, form values)` finds what the form still lacks,
    one try after the other. `open(session)` gives an Adapter (no I/O). `authorize(session, form values, redirect_uri)` registers our client where the
    network has dynamic registration, and returns the Authorization; `own_client` where it has none, so that the operator has to bring
    a client id first. `base_url(form values)` names the server the user means. `write_scopes`: of these OAuth scopes one is needed
    to do it; what is not named needs none. `hear(session, call, secret)` judges a request of a network that calls us
    (`providers/push.py`), `unheard(call)` answers one at an address that is nobody's any more, None where it is but gone.
    Where a network calls one address for all accounts, `switchboard(line)` makes the one
    who answers it, and `line` is how the settings that describe it begin (`google_pubsub`: KITH_GOOGLE_PUBSUB_TOPIC, …).
    `single_reaction`: nobody has two on one message, a second takes the place of the first. With `keeps` what it calls with is
    kept for the account's next sync (`session.Inbox`); a call has at most `call_bytes`.
    With `files_by_name` an archive calls its user by a name, and the network by an id of its own that the archive does not have. With
    `network_first` the network says more of anything than its files do: what it has told stays as it is when a file comes that has it too; who is on
    a message is whom either of them names.
    Where reading costs money, `estimate(form values)` says how much a month, before the user is sent to sign in.
    A network that keeps no list of programs reads what ours is in a document at the address that is its client id: `client_metadata` are
    the members of it that are the network's own; with them `authorize` finds that address and our key in `session.credentials()`, or
    nothing where the installation has no public address.
    Networks with sign-ins of their own kind: `sign_in(session)` trades what was typed (a password is not kept) or what OAuth
    gave for what is kept,
    `renew(session, secret)` trades a grant for a newer one where that is not OAuth's token endpoint, `give_back(session, secret)` ends one
    where that is not OAuth's revocation endpoint, `sign_out(session, secret)` ends a session that `sign_in` opened for this account alone (and
    leaves what somebody typed in). Both say whether the network did.
    """

    key: str
    name: str
    kind: ProviderKind
    mode: Mode
    capabilities: frozenset[Capability]
    marks: frozenset[Mark] = frozenset({"READ", "UNREAD", "FLAGGED"})
    deletes: frozenset[Reach] = frozenset({"EVERYONE"})
    moderates: bool = False
    limitations: tuple[str, ...] = ()
    link_forms: tuple[LinkForm, ...] = ()
    archive_formats: tuple[ArchiveFormat, ...] = ()
    quota: Quota | None = None
    docs_path: str = ""
    write_scopes: Mapping[Capability, frozenset[str]] = {}
    poll_seconds: int = 900
    default_url: str | None = None
    open: Callable[[Session], Adapter] | None = None
    authorize: Callable[[Session, dict[str, str], str], object] | None = None
    own_client: bool = False
    client_metadata: Mapping[str, str] = {}
    base_url: Callable[[dict[str, str]], str] | None = None
    domains: frozenset[str] = frozenset()
    send_scopes: frozenset[str] = frozenset()
    files: int = 0
    file_scopes: frozenset[str] = frozenset()
    discover: Callable[[Session, dict[str, str]], AsyncIterator[Found]] | None = None
    archive: Archive | None = None
    files_by_name: bool = False
    network_first: bool = False
    hear: Callable[[Session, Call, str], Awaitable[Heard]] | None = None
    unheard: Callable[[Call], str | None] | None = None
    switchboard: Callable[[Line], Switchboard] | None = None
    line: str = ""
    keeps: bool = False
    single_reaction: bool = False
    call_bytes: int = 64 * 1024
    sign_in: Callable[[Session], Awaitable[SignedIn]] | None = None
    estimate: Callable[[Mapping[str, str]], str] | None = None
    renew: Callable[[Session, Secret], Awaitable[Secret]] | None = None
    give_back: Callable[[Session, Secret], Awaitable[bool]] | None = None
    sign_out: Callable[[Session, Secret], Awaitable[bool]] | None = None

    def follows(self, base_url: str) -> bool:
        """Whether an account with this address is kept up by its network; one that files alone made has none."""
        return self.archive is None or bool(base_url)

    def may(self, capability: Capability, granted: Collection[str]) -> bool:
        """Whether an account with these scopes can do it. A grant that names no scopes is tried."""
        needed = self.write_scopes.get(capability, frozenset())
        return capability in self.capabilities and (not needed or not granted or not needed.isdisjoint(granted))


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """A first look through files of one format: the independent count of items and whose they seem to be.

    `own_addresses` are the candidates, best first, with the share of mails they stand on; `inferred` is the one that the
    rule in `formats/mime.py` chose, or None when it could not. `profile` is the account that an export itself says it is of.
    `remarks` are sentences about how the files were understood.
    """

    format: ArchiveFormat
    paths: tuple[str, ...]
    expected: dict[str, int]  # container → items by an independent count
    own_addresses: tuple[tuple[str, float], ...] = ()
    inferred: str | None = None
    profile: records.Profile | None = None
    remarks: tuple[str, ...] = ()


class Archive(Protocol):
    """A file format that can be imported."""

    format: ArchiveFormat

    def recognise(self, path: Path) -> bool:
        """Whether the file or folder at `path` is of this format, from its content."""
        ...

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """One streaming pass: counts, and own addresses for mail. Never raises for bad content."""
        ...

    def pages(
        self,
        paths: list[Path],
        cursor: bytes | None,
        *,
        own: frozenset[str],
        region: str | None,
        names: Mapping[Path, str] | None = None,
    ) -> Iterator[records.Page]:
        """The records in order of the files, ≤ 100 a page, resumable at each page's cursor; a bad item is an `Unreadable` row.

        `names` says what staged files are called to people; without it they are called by their paths below the common folder.
        """
        ...


@runtime_checkable
class Accompanied(Protocol):
    """A file format whose files mean something only together with others that lie beside them."""

    def beside(self, path: Path) -> list[Path]:
        """The files without which the one at `path` is not whole."""
        ...


@runtime_checkable
class Zoneless(Protocol):
    """A file format whose times do not say in which time zone they are."""

    def in_zone(self, zone: tzinfo) -> Archive:
        """The format with times read in this zone, the user's. Records' keys are the same in every zone."""
        ...


@cache
def catalogue() -> dict[str, Provider]:
    """Every provider by key: the modules here that bind PROVIDER, then third parties by entry point.

    A third party cannot replace one of ours; a broken one is left out and reported by `kith doctor` through `broken()`.
    """
    found: dict[str, Provider] = {}
    for name in _modules():
        provider = getattr(importlib.import_module(name), "PROVIDER", None)
        if isinstance(provider, Provider):
            found[provider.key] = provider
    for point in entry_points(group="kith.providers"):
        try:
            provider = point.load()
        except Exception as error:  # a stranger's module may raise anything at import
            _broken[point.name] = f"{type(error).__name__}: {error}"
            continue
        if isinstance(provider, Provider):
            found.setdefault(provider.key, provider)
    return dict(sorted(found.items()))


_broken: dict[str, str] = {}


def broken() -> dict[str, str]:
    """Third-party providers that could not be loaded, with the reason."""
    catalogue()
    return dict(_broken)


def _modules() -> Iterator[str]:
    """The modules here that may bind PROVIDER, told by their source, so that nobody loads what serves a call that was never made."""
    import providers

    for info in pkgutil.walk_packages(providers.__path__, providers.__name__ + "."):
        if not info.ispkg and _may_bind(info.name):
            yield info.name


def _may_bind(name: str) -> bool:
    """Whether a line of the module begins with PROVIDER; True where its source was left out of the installation."""
    spec = importlib.util.find_spec(name)
    source = spec.loader.get_source(name) if spec is not None and isinstance(spec.loader, InspectLoader) else None
    return source is None or source.startswith("PROVIDER") or "\nPROVIDER" in source
