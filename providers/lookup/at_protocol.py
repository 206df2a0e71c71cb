"""AT Protocol: a handle names a DID, by DNS or by its host, and the DID's document names the handle back (atproto.com/specs/handle).

Only both together are proof. A did:plc is asked of the directory that issues all of them, a did:web of its host (atproto.com/specs/did).
The name that is shown stands in the account's own repository.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from providers.atproto import DIRECTORY, Document
from providers.errors import ProviderError
from providers.formats.at_identifier import DID
from providers.lookup.crawl import Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

HANDLE: Final = "at-handle"
DID_DOCUMENT: Final = "did"
PROTOCOL: Final = "at-protocol"
MAX_BYTES: Final = 256 * 1024
PERSONAL_SERVER: Final = "#atproto_pds"


class _Profile(msgspec.Struct):
    displayName: str = ""
    description: str = ""


class _Record(msgspec.Struct):
    value: _Profile


def handle(uri: str) -> Ask:
    """The question which DID a handle names."""
    return Ask(HANDLE, f"https://{uri.removeprefix('at://')}/.well-known/atproto-did", uri)


def did(uri: str) -> Ask:
    """The question what a DID's document says."""
    if uri.startswith("did:plc:"):
        return Ask(DID_DOCUMENT, f"{DIRECTORY}/{uri}", uri)
    return Ask(DID_DOCUMENT, f"https://{unquote(uri.removeprefix('did:web:'))}/.well-known/did.json", uri)


async def read_handle(ask: Ask, web: Web, until: datetime) -> Reading:
    """The DID that DNS or the handle's host names; DNS comes first. Raises what `Web.get` raises when neither answers."""
    name = ask.subject.removeprefix("at://")
    named = {text.removeprefix("did=") for text in await web.texts(f"_atproto.{name}") if text.startswith("did=")}
    fetched = None
    if not named:
        fetched = await web.get(ask.url, accept="text/plain", until=until, tls=True, max_bytes=MAX_BYTES)
        if fetched.there:
            named = {fetched.response.content.decode("ascii", "replace").strip()[:300]}
    named = {one for one in named if DID.fullmatch(one)}
    if len(named) != 1:  # atproto.com/specs/handle: several are as good as none
        return nothing(ask, web.clock.now(), fetched)
    notes = Notes(ask, ask.subject)
    for one in named:
        notes.says(one, "ALIAS", PROTOCOL, mutual=True)
        notes.goes_on(did(one))
    return notes.done(fetched, web.clock.now())


async def read_did(ask: Ask, web: Web, until: datetime) -> Reading:
    """The names in a DID's document, with what the account shows of itself. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept="application/did+json, application/json", until=until, tls=True, max_bytes=MAX_BYTES)
    now = web.clock.now()
    if not fetched.there:
        return nothing(ask, now, fetched)
    try:
        document = msgspec.json.decode(fetched.response.content, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return nothing(ask, now, fetched, "This is no DID document.")
    if document.id != ask.subject:
        return nothing(ask, now, fetched, "This is another account's document.")
    notes = Notes(ask, ask.subject)
    for name in document.alsoKnownAs:
        if name.startswith("at://"):
            target = notes.says(name, "ALIAS", PROTOCOL, mutual=True)
            if target is not None:
                notes.goes_on(handle(target))
        else:
            notes.says(name, "ME", "did-document", mutual=True)
    server = next((s.serviceEndpoint for s in document.service if s.id.removeprefix(ask.subject) == PERSONAL_SERVER), None)
    shown = await _profile(server, ask.subject, web, until)
    if shown is not None:
        notes.shows(name=shown.displayName, bio=shown.description)
    return notes.done(fetched, now)


async def _profile(server: Any, subject: str, web: Web, until: datetime) -> _Profile | None:
    """The profile record; an account that has none, or whose server is away, is the same account."""
    if not isinstance(server, str) or not server.startswith("https://"):
        return None
    url = (
        f"{server.rstrip('/')}/xrpc/com.atproto.repo.getRecord?repo={quote(subject, safe='')}"
        "&collection=app.bsky.actor.profile&rkey=self"
    )
    try:
        fetched = await web.get(url, accept="application/json", until=until, tls=True, max_bytes=MAX_BYTES)
        return msgspec.json.decode(fetched.response.content, type=_Record).value if fetched.there else None
    except (ProviderError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
