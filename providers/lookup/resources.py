"""What can be looked up, in one spelling: acct: (RFC 7565), mailto: (RFC 6068), tel: (RFC 3966), https:, did:, at://, nostr: (NIP-21).

`key` is what two spellings of one thing have in common: web addresses are compared without scheme, `www.` and the slash at their end.
Knows no network.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import quote, unquote

import httpx2 as httpx
import msgspec

from providers.formats import email_address, phone_number
from providers.formats.at_identifier import DID, HANDLE

Kind = Literal["acct", "mailto", "tel", "web", "did", "at", "nostr"]

MAX_LENGTH: Final = 2_000
_ACCOUNT: Final = re.compile(r"[^\s@/?#\"<>\x00-\x1f\x7f]{1,200}")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+(:\d{1,5})?")
_UNREADABLE: Final = (
    "This is no address that can be looked up: write it like acct:ada@example.org, mailto:ada@example.org, tel:+49301234567, "
    "https://example.org/, did:plc:… or at://ada.example.org."
)


class Resource(msgspec.Struct, frozen=True):
    """One address: `uri` in its usual spelling."""

    kind: Kind
    uri: str

    @property
    def host(self) -> str:
        """Whose host answers for it, with its port where it has one; empty where nobody's does."""
        match self.kind:
            case "acct" | "mailto":
                return self.uri.rpartition("@")[2]
            case "web":
                return httpx.URL(self.uri).netloc.decode("ascii", "replace")
            case "nostr":
                return self.uri.rpartition("@")[2] if "@" in self.uri else ""
            case _:
                return ""

    @property
    def name(self) -> str:
        """What it is called at its host: all but the scheme."""
        return self.uri.partition(":")[2].removeprefix("//")


def read(text: str) -> Resource:
    """The resource that somebody typed. Raises ValueError with a sentence that says how to write one."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH or not text.isprintable():
        raise ValueError(_UNREADABLE)
    scheme, colon, rest = text.partition(":")
    found: Resource | None = None
    match scheme.lower() if colon else "":
        case "acct":
            found = _account(unquote(rest))
        case "mailto":
            found = _mailbox(text)
        case "tel":
            number = phone_number.read(unquote(rest), None).number
            found = Resource("tel", f"tel:{number}") if number else None
        case "http" | "https":
            url = web(text)
            found = Resource("web", url) if url else None
        case "did":
            found = Resource("did", text) if DID.fullmatch(text) else None
        case "at":
            found = _at(rest.removeprefix("//").partition("/")[0])
        case "nostr":
            found = _nostr(rest)
        case _:
            found = _account(text.removeprefix("@"))  # @ada@example.org, ada@example.org
    if found is None:
        raise ValueError(_UNREADABLE)
    return found


def known(uri: str) -> Resource | None:
    """The resource that somebody's document names; None for what cannot be looked up."""
    try:
        return read(uri)
    except ValueError:
        return None


def web(url: str, base: str | None = None) -> str | None:
    """A web address in one spelling, against `base` where it is relative: host in lower case, no fragment, port or user that says nothing."""
    try:
        found = httpx.URL(url.strip()) if base is None else httpx.URL(base).join(url.strip())
        if found.scheme not in ("http", "https") or not found.host or len(str(found)) > MAX_LENGTH:
            return None
        usual = {"http": 80, "https": 443}[found.scheme]
        found = found.copy_with(
            fragment=None, username=None, password=None, port=None if found.port == usual else found.port, path=found.path or "/"
        )
        if found.host.endswith(".") or str(found).endswith("?"):  # the root of DNS and a question without words say nothing
            found = found.copy_with(host=found.host.rstrip("."), query=found.query or None)
    except (httpx.InvalidURL, ValueError, TypeError, UnicodeError):
        return None
    return str(found)


def key(uri: str) -> str:
    """What two spellings of one address have in common."""
    if uri.startswith(("https://", "http://")):
        bare = uri.partition("://")[2].removeprefix("www.")
        place, question, query = bare.partition("?")
        return place.rstrip("/") + question + query
    return uri.casefold()


def host(uri: str) -> str:
    """The host that answers for an address, for telling whether one host speaks of its own: without `www.`."""
    found = known(uri)
    return found.host.removeprefix("www.") if found is not None else ""


def _account(text: str) -> Resource | None:
    user, at, place = text.rpartition("@")
    place = place.lower().rstrip(".")
    if not at or not _ACCOUNT.fullmatch(user) or not _HOST.fullmatch(place) or web(f"https://{place}/") is None:
        return None
    return Resource("acct", f"acct:{user}@{place}")


def _mailbox(text: str) -> Resource | None:
    address = email_address.normalised(unquote(text))
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    try:
        place = httpx.URL(f"https://{domain}/").host  # letters of all languages as DNS has them (RFC 5890)
        place = place.encode("idna").decode("ascii") if not place.isascii() else place
    except (httpx.InvalidURL, ValueError, UnicodeError):
        return None
    return Resource("mailto", f"mailto:{quote(local, safe=_PLAIN)}@{place}") if _HOST.fullmatch(place) else None


_PLAIN: Final = "!#$&'*+-/=?^_`{|}~.%"


def _at(name: str) -> Resource | None:
    name = name.removeprefix("@")
    if DID.fullmatch(name):
        return Resource("did", name)
    name = name.lower().rstrip(".")
    return Resource("at", f"at://{name}") if HANDLE.fullmatch(name) else None


def _nostr(text: str) -> Resource | None:
    """A key (NIP-19) or a name at a host (NIP-05)."""
    if re.fullmatch(r"npub1[02-9ac-hj-np-z]{58}", text):
        return Resource("nostr", f"nostr:{text}")
    account = _account(text.lower())
    return Resource("nostr", f"nostr:{account.name}") if account is not None else None
