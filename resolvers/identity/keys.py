"""The keys by which contacts meet: e-mail addresses, phone numbers, handles and profile links, with what each is worth.

`strong` means: may be proof that two contacts are one person. A role address, a fixed line or a link that only its owner
claims is kept as a hint. `source` says how a link was had: `own` (it is this profile), `written` (the viewer wrote it),
`verified` (the network proved that the page links back), `claimed` (the owner says so, nobody checked).
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from providers import records

KeyKind = Literal["EMAIL", "PHONE", "HANDLE", "URL"]
KeySource = Literal["own", "written", "verified", "claimed"]

# local parts behind which several people, or none, stand (RFC 2142 and common use)
ROLE_LOCALS: Final = frozenset({
    "abuse", "account", "accounts", "admin", "administrator", "alert", "alerts", "all", "billing", "booking", "bounce", "bounces",
    "careers", "contact", "customerservice", "do-not-reply", "donotreply", "enquiries", "everyone", "feedback", "finance", "hello",
    "help", "helpdesk", "hostmaster", "hr", "info", "invoice", "invoices", "jobs", "kontakt", "legal", "list", "mail", "mailer-daemon",
    "marketing", "media", "news", "newsletter", "no-reply", "no_reply", "noreply", "notification", "notifications", "office", "orders",
    "postmaster", "presse", "press", "privacy", "reception", "register", "reply", "root", "sales", "security", "service", "shop",
    "staff", "subscribe", "support", "team", "unsubscribe", "updates", "verwaltung", "webmaster", "welcome",
})  # fmt: skip
_WRITTEN: Final = frozenset({"ADDRESS_BOOK"})


#: Bytes of a value by which contacts meet: databases index it, and nobody is known by a longer one.
MAX_VALUE: Final = 1_000


class Key(msgspec.Struct, frozen=True, order=True):
    """One identifier of one contact."""

    kind: KeyKind
    value: str
    strong: bool
    source: KeySource


def keys_of(contact: records.Contact) -> tuple[Key, ...]:
    """All identifiers of a contact, sorted, each (kind, value) once, the strongest statement winning. What is too long for one is left out."""
    found: dict[tuple[str, str], Key] = {}

    def add(kind: KeyKind, value: str, strong: bool, source: KeySource) -> None:
        if len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE:
            return
        old = found.get((kind, value))
        if old is None or (strong, _RANK[source]) > (old.strong, _RANK[old.source]):
            found[kind, value] = Key(kind, value, strong, source)

    written: KeySource = "written" if contact.relation in _WRITTEN else "claimed"
    for email in contact.emails:
        if email.address is not None:
            address = email.address.casefold()
            add("EMAIL", address, not is_role(address), "verified" if email.verified else written)
    for phone in contact.phones:
        if phone.number is not None:
            add("PHONE", phone.number, phone.mobile is True and not phone.extension, "verified" if phone.verified else written)
    own = _profiles(contact)
    for handle in contact.handles:
        value = f"{handle.provider}:{handle.handle.casefold().lstrip('@')}"
        source: KeySource = "own" if written == "claimed" and not handle.claimed else written
        add("HANDLE", value, True, source)
        if handle.url:
            add("URL", normalise_url(handle.url), True, source)
    for profile in own:
        add("URL", profile, True, "own")
    for url in contact.urls:
        source = "verified" if url.verified else written
        add("URL", normalise_url(url.url), source != "claimed", source)
    return tuple(sorted(found.values()))


_RANK: Final[dict[KeySource, int]] = {"claimed": 0, "written": 1, "verified": 2, "own": 3}


def meet(left: Key, right: Key) -> bool:
    """Whether two contacts with this same key are one person because of it.

    An address or number counts wherever it stands. A link or handle counts when one side is it and the other was written
    by the viewer or verified; that two people link to the same page says nothing.
    """
    if not (left.strong and right.strong):
        return False
    if left.kind in ("EMAIL", "PHONE"):
        return True
    sources = {left.source, right.source}
    return "claimed" not in sources and sources != {"written"}


def is_role(address: str) -> bool:
    """Whether the address belongs to a function or a machine and not to somebody."""
    local = address.partition("@")[0].partition("+")[0]
    return local in ROLE_LOCALS or local.startswith(("noreply", "no-reply", "donotreply", "bounce"))


def normalise_url(url: str) -> str:
    """The form in which links are compared: no scheme, no www., no query, no trailing slash, host in lower case."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{parts.path.rstrip('/')}" if parts.port is None else f"{host}:{parts.port}{parts.path.rstrip('/')}"


def _profiles(contact: records.Contact) -> tuple[str, ...]:
    # an address book's own URL of a card is not the person's profile
    if contact.url is None or contact.relation in _WRITTEN:
        return ()
    return (normalise_url(contact.url),)
