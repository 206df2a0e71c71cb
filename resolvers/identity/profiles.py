"""Handles and profile links as keys: the address of the profile, spelled one way for every way in which people write it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

# where a network's profiles stand; {v} is the handle
_PAGES: Final = {
    "x": "x.com/{v}", "twitter": "x.com/{v}", "bluesky": "bsky.app/profile/{v}", "github": "github.com/{v}", "gitlab": "gitlab.com/{v}",
    "linkedin": "linkedin.com/in/{v}", "facebook": "facebook.com/{v}", "instagram": "instagram.com/{v}", "reddit": "reddit.com/user/{v}",
    "tiktok": "tiktok.com/@{v}", "youtube": "youtube.com/@{v}", "telegram": "t.me/{v}", "threads": "threads.net/@{v}",
}  # fmt: skip
_HOSTS: Final = {
    "twitter.com": "x.com", "mobile.twitter.com": "x.com", "mobile.x.com": "x.com", "m.facebook.com": "facebook.com", "fb.com": "facebook.com",
    "threads.com": "threads.net", "telegram.me": "t.me", "old.reddit.com": "reddit.com",
}  # fmt: skip
_NETWORKS: Final = {page.partition("/")[0]: network for network, page in reversed(_PAGES.items()) if network != "twitter"}
_KNOWN: Final = frozenset(_PAGES) | {"mastodon"}
_COUNTRY: Final = re.compile(r"^[a-z]{2}\.(?=linkedin\.com$)")
_FEDIVERSE: Final = re.compile(r"^(?P<host>[^/]+)/(?:@|users/)(?P<user>[^/@]+)$")
# atproto: a handle is a domain name, which whoever owns the domain may take; names under these hosts are given out, not owned
_DOMAIN_HANDLE: Final = re.compile(r"(?:^|\s)(?:bsky\.app/profile/|bluesky:)(?!\S*\.bsky\.social$)\S+\.\S+$")
# pages of a network that are nobody's profile
_NOBODYS: Final = frozenset(
    {"home", "search", "share", "intent", "hashtag", "explore", "login", "about", "settings", "company", "groups", "pages", "i"}
)


class Profile(msgspec.Struct, frozen=True, gc=False):
    """One profile: `key` is its address without scheme, `network` empty for a site of one's own."""

    key: str
    network: str
    user: str


def named_by_domain(key: str) -> bool:
    """Whether a profile goes by a domain, which passes to its next owner: often to a namesake, who wants the same one."""
    return _DOMAIN_HANDLE.search(key) is not None


def is_foreign(network: str, profile: Profile) -> bool:
    """Whether a profile is of another network than the one that lists it."""
    ours = "x" if network == "twitter" else network
    return ours in _KNOWN and bool(profile.network) and profile.network != ours


@lru_cache(200_000)
def of_handle(handle: str) -> Profile | None:
    """The profile of `network:value`."""
    network, colon, value = handle.partition(":")
    network, value = network.casefold(), unicodedata.normalize("NFC", value.strip()).casefold()
    if not colon or not value:
        return None
    if network == "mastodon":
        user, at, host = value.lstrip("@").partition("@")
        return Profile(key=f"{host}/@{user}", network="mastodon", user=user) if at and host else None
    user = value.lstrip("@")
    page = _PAGES.get(network)
    shown = user.partition(".bsky.social")[0] if network == "bluesky" else user
    return Profile(
        key=page.format(v=user) if page else f"{network}:{user}", network="x" if network == "twitter" else network, user=shown
    )


@lru_cache(200_000)
def of_url(url: str) -> Profile | None:
    """The profile behind a link; None for what is no web page."""
    text = unicodedata.normalize("NFC", url.strip())
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = (parts.hostname or "").removeprefix("www.")
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "." not in host:
        return None
    host = _COUNTRY.sub("", host)
    host = _HOSTS.get(host, host)
    path = unquote(parts.path).strip("/")
    network = _NETWORKS.get(host)
    if network is not None:
        shape = _PAGES[network].partition("/")[2]
        before = shape.partition("{v}")[0]
        user = path.casefold().removeprefix(before)
        if not user or "/" in user or user in _NOBODYS or (before and not path.casefold().startswith(before)):
            return Profile(key=f"{host}/{path.casefold()}", network="", user="")
        return of_handle(f"{network}:{user}")
    fediverse = _FEDIVERSE.match(f"{host}/{path.casefold()}")
    if fediverse is not None:
        return Profile(key=f"{host}/@{fediverse['user']}", network="mastodon", user=fediverse["user"])
    where = host if port is None else f"{host}:{port}"
    return Profile(key=f"{where}/{path}".rstrip("/"), network="", user="")
