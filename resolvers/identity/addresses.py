"""What people are known by, as addresses on the open web, and back: `(kind, value)` of a key ↔ the key of an address.

Keys are those of `keys.py`; addresses are spelled as look-ups spell them (providers/lookup/resources.py). A handle at a network whose
handles are no addresses is the page of its profile. Knows neither what an address says nor who is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from providers.lookup import resources
from resolvers.identity import profiles
from resolvers.identity.keys import normalise_url
from resolvers.identity.mailboxes import stem
from resolvers.identity.organizations import of_domain

KINDS: Final[Mapping[str, str]] = {
    "acct": "HANDLE", "mailto": "EMAIL", "tel": "PHONE", "web": "URL", "did": "HANDLE", "at": "HANDLE", "nostr": "HANDLE",
}  # fmt: skip
#: By which provider's key people are known who have such an address, and by which scheme such a provider's handles are addresses.
PROVIDERS: Final[Mapping[str, str]] = {"acct": "mastodon", "at": "bluesky"}
SCHEMES: Final[Mapping[str, str]] = {"mastodon": "acct:", "bluesky": "at://"}
MAIL: Final = "!#$&'*+-/=?^_`{|}~.%@"  # what stands as it is in the address of a mailbox (RFC 6068 §2)
_WEB: Final = ("mailto:", "acct:", "at://", "did:", "nostr:", "tel:")


def known_by(uri: str) -> tuple[str, str] | None:
    """(kind, value) as identifiers of people are kept; None for what nobody is known by. Raises ValueError for what is no address."""
    resource = resources.read(uri)
    match KINDS[resource.kind]:
        case "EMAIL":
            return "EMAIL", unquote(resource.name).casefold()
        case "PHONE":
            return "PHONE", resource.name
        case "URL":
            return "URL", normalise_url(resource.uri)
        case _:
            provider = PROVIDERS.get(resource.kind)
            return ("HANDLE", f"{provider}:{resource.name.casefold()}") if provider else None


@lru_cache(20_000)
def identifier(key: str) -> tuple[str, str] | None:
    """The same of an address by its key."""
    try:
        return known_by(uri(key))
    except ValueError:
        return None


@lru_cache(20_000)
def key_of(kind: str, value: str) -> str | None:
    """The key of the address that an identifier is; None for what is none."""
    match kind:
        case "EMAIL":
            return mailbox(value)
        case "HANDLE":
            provider, _, handle = value.partition(":")
            if provider in SCHEMES:
                found = resources.known(f"{SCHEMES[provider]}{handle}")
                return None if found is None else resources.key(found.uri)
            profile = profiles.of_handle(value)
            return profile.key if profile is not None and "/" in profile.key else None
        case "URL":
            page = resources.web(f"https://{value}")
            return None if page is None else resources.key(page)
        case _:
            return None


def mailbox(address: str) -> str:
    """The key of a mailbox."""
    return f"mailto:{quote(address.casefold(), safe=MAIL)}"


def uri(key: str) -> str:
    """A spelling of the address that has this key."""
    return key if key.startswith(_WEB) else f"https://{key}"


def shown(key: str) -> str:
    """An address as people write it: mailboxes and accounts without their scheme."""
    return unquote(key.removeprefix("mailto:").removeprefix("acct:").removeprefix("at://"))


@lru_cache(20_000)
def called(key: str) -> str:
    """The name that an address goes by: the user's of an account, the word of a site."""
    if not is_account(key):
        return of_domain(host(key))
    if key.startswith(_WEB):
        return stem(shown(key).partition("@")[0].partition(".")[0])
    profile = profiles.of_url(uri(key))
    return stem(profile.user) if profile is not None else ""


def host(key: str) -> str:
    """The host that an address is at."""
    return resources.host(uri(key))


def is_account(key: str) -> bool:
    """Whether an address is one account at a network or server, and neither a mailbox nor a site."""
    if key.startswith(_WEB):
        return not key.startswith("mailto:")
    profile = profiles.of_url(f"https://{key}")
    return profile is not None and bool(profile.network)
