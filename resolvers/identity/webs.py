"""What the open web proves of stored contacts: ties read for whoever is being decided on, and whom they concern when they change.

All ties that hang together are read, however far, so that it makes no difference where one begins; an address that is tied to more
than one person has (`ties.MAX_NEIGHBOURS`) is read and not passed. Runs inside somebody's transaction. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from providers.lookup import resources
from providers.lookup.protocols import SEEN
from resolvers.identity import addresses, ties
from resolvers.identity.cards import Address
from resolvers.identity.clusters import KINDS
from resolvers.identity.keys import Key
from resolvers.identity.mailboxes import mailbox, speaks_for
from resolvers.identity.names import parse
from resolvers.identity.organizations import of_domain, organization
from resolvers.identity.ties import Tie
from store import web_links
from store.web_links import PROVEN, WebLink

MAX_ADDRESSES: Final = 5_000  # that hang together before no more are read
LEAST_NAME: Final = 4  # letters of a company's name by which its site is known
Identifier = tuple[str, str]  # (kind, value)


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: `asked` are the addresses, by key, that were asked about; `none` says that this viewer had nothing proven at all."""

    asked: frozenset[str] = frozenset()
    ties: tuple[Tie, ...] = ()
    none: bool = True

    def open(self, crowded: Collection[Identifier]) -> tuple[Tie, ...]:
        """The ties but for those of addresses that too many contacts carry."""
        closed = {addresses.key_of(kind, value) for kind, value in crowded} if self.ties else set()
        return tuple(one for one in self.ties if one.left not in closed and one.right not in closed) if closed else self.ties

    def around(self, crowded: Collection[Identifier]) -> frozenset[str]:
        """The addresses that are tied to others by these."""
        return frozenset(key for one in self.open(crowded) for key in (one.left, one.right))

    def still(self, conn: Connection, viewer: str) -> bool:
        """Whether the same would be read now."""
        if self.none:
            return not web_links.any_proven(conn, viewer)
        return _ties(web_links.proven(conn, viewer, self.asked)) == self.ties


class Reader:
    """Reads on from address to address."""

    def __init__(self, conn: Connection, viewer: str) -> None:
        self._conn = conn
        self._viewer = viewer
        self._none = not web_links.any_proven(conn, viewer)
        self._asked: set[str] = set()
        self._links: dict[web_links.Place, WebLink] = {}

    def follow(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """By what else people are known who are known by these."""
        if self._none:
            return set()
        keys = {key for kind, value in identifiers if (key := addresses.key_of(kind, value)) is not None}
        return {found for key in self._walk(keys, frozenset()) if (found := addresses.identifier(key)) is not None}

    def beside(self, changed: Collection[WebLink]) -> set[Identifier]:
        """By what people are known who hang, or hung before, at either end of these."""
        ends = {key for link in changed for key in (link.speaker, link.target)}
        # what is tied to too many now may have led on before
        return {found for key in self._walk(ends, ends) if (found := addresses.identifier(key)) is not None}

    def read(self) -> Web:
        """All that was read."""
        return Web(asked=frozenset(self._asked), ties=_ties(self._links.values()), none=self._none)

    def _walk(self, starts: Collection[str], passed: Collection[str]) -> set[str]:
        """The addresses that hang together with these."""
        reached, frontier = set(starts), set(starts) - self._asked
        while frontier and len(self._asked) <= MAX_ADDRESSES:
            came = web_links.proven(self._conn, self._viewer, frontier)
            self._asked |= frontier
            self._links.update({link.place: link for link in came})
            near: dict[str, set[str]] = {}
            for link in came:
                near.setdefault(link.speaker, set()).add(link.target)
                near.setdefault(link.target, set()).add(link.speaker)
            open_ = {key for key in frontier if key in passed or len(near.get(key, ())) <= ties.MAX_NEIGHBOURS}
            found = {other for key in open_ for other in near.get(key, ())}
            reached |= found
            frontier = found - self._asked
        return reached


def _ties(links: Iterable[WebLink]) -> tuple[Tie, ...]:
    return tuple(sorted({tie(link) for link in links if link.claim in PROVEN}))


def tie(link: WebLink) -> Tie:
    """What a proven claim ties."""
    left, right = sorted((link.speaker, link.target))
    # seen by a server that looked at both sides: the other one says so too, or it would not be proof
    vouched = link.claim == "VERIFIED" and SEEN not in link.protocols.split()
    return Tie(left=left, right=right, alias=link.relation == "ALIAS", vouched=vouched, seen_at=link.read_at)


# --- whose addresses --------------------------------------------------------------------------------------------------------


class Working(msgspec.Struct, frozen=True):
    """The part of a contact's record that tells a site of one's own from that of one's employer."""

    names: tuple[_Name, ...] = ()
    emails: tuple[_Email, ...] = ()
    urls: tuple[_Url, ...] = ()
    organizations: tuple[_Organization, ...] = ()


class _Name(msgspec.Struct, frozen=True):
    full: str


class _Email(msgspec.Struct, frozen=True):
    address: str | None = None


class _Url(msgspec.Struct, frozen=True):
    url: str
    label: str | None = None


class _Organization(msgspec.Struct, frozen=True):
    name: str = ""


_working: Final = msgspec.msgpack.Decoder(Working).decode


def carried(row: Any, keys: Sequence[Key], tied: Collection[str]) -> tuple[Address, ...]:
    """The addresses of a contact that are its own as far as anybody knows, of those that are tied to others. `row` has its relation and
    record."""
    found: dict[str, int] = {}
    if not tied:
        return ()
    for key in keys:
        address = addresses.key_of(key.kind, key.value) if key.strong and _is_own(key, row.relation) else None
        if address is None or address not in tied:
            continue
        written = key.kind != "EMAIL" and key.source == "written"
        found[address] = min(found.get(address, 2), _doubt(address, _working(row.record)) if written else 0)
    return tuple(Address(key, found[key]) for key in sorted(found))


def _is_own(key: Key, relation: str) -> bool:
    """Whether it is somebody's and one besides its owner says so: who follows the viewer may write anybody's address into their profile."""
    box = mailbox(key.value) if key.kind == "EMAIL" else None
    if box is not None and (box.owner != "PERSON" or box.disposable):
        return False
    return key.source != "claimed" or (
        key.kind == "EMAIL" and KINDS.get(relation, "ADDRESS_BOOK") not in ("FOLLOWER", "FOLLOWING")
    )


def _doubt(address: str, said: Working) -> int:
    """How surely a page that the viewer wrote down is the person's own: it says their name, or nothing speaks for an employer's."""
    least, called = 0 if addresses.is_account(address) else 1, addresses.called(address)
    names = [name for one in said.names for name in parse(one.full, "", "")]
    if any(speaks_for(called, name) for name in names):
        return least
    labelled = any(
        one.label is not None and "work" in one.label.casefold() and resources.key(resources.web(one.url) or "") == address
        for one in said.urls
    )
    boxes = [box for email in said.emails if email.address and (box := mailbox(email.address)) is not None]
    employed = any(_named(organization(one.name), called) for one in said.organizations if one.name)
    return 2 if labelled or employed or any(of_domain(box.domain) == called and not box.free for box in boxes) else least


def _named(employer: str, called: str) -> bool:
    """Whether a site goes by an employer's name, or the beginning of it."""
    short, long = sorted((employer, called.replace("-", "")), key=len)
    return short == long or (len(short) >= LEAST_NAME and long.startswith(short))
