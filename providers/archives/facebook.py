"""Facebook's export of an account, as JSON: friends, who follows whom, uploaded address books, Messenger threads, what its owner did.

Reads the layouts of 2018 to now: files are told by how they begin, wherever they lie; so is the separate download of end-to-end
encrypted chats. Friends have a name and nothing else. What the owner did is read by `facebook_acts.py`. Knows nothing of the Graph API;
`providers/facebook/adapter.py` binds both to one provider.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

from providers import records
from providers.archives import files
from providers.archives.export import Misread, Taken
from providers.archives.facebook_acts import Comments, Events, Posts, Reactions
from providers.archives.json_stream import Item
from providers.archives.meta import FACEBOOK, About, MetaExport, MetaPart, SealedThreads, Threads, key_of, line, seconds
from providers.base import ArchiveFormat
from providers.formats import email_address, phone_number

HOST: Final = FACEBOOK
#: Lists of names with a time, by the key under which each age of the export has them.
LISTS: Final[dict[str, records.Relation]] = {
    "friends_v2": "CONNECTION", "friends": "CONNECTION", "following_v3": "FOLLOWING", "following_v2": "FOLLOWING", "following": "FOLLOWING",
    "followers_v3": "FOLLOWER", "followers_v2": "FOLLOWER", "followers": "FOLLOWER",
}  # fmt: skip


class Profile(MetaPart):
    """Whose export it is."""

    shape = re.compile(rb'\s*\{\s*"profile(?:_v2)?"\s*:\s*\{')
    wanted = (("profile_v2",), ("profile",))

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        name = value["name"]
        about.name = line(name.get("full_name") if isinstance(name, dict) else name)
        about.url = value.get("profile_uri") if isinstance(value.get("profile_uri"), str) else None
        emails = value.get("emails")
        listed = emails.get("emails", ()) if isinstance(emails, dict) else ()
        about.emails = tuple(found for raw in listed if (found := email_address.normalised(str(raw))))


class People(MetaPart):
    """A list of names: friends, those who are followed, those who follow."""

    kind = "CONTACT"
    shape = re.compile(rb'\s*\{\s*"(?:' + "|".join(LISTS).encode() + rb')"\s*:\s*\[\s*(?:\{\s*"(?:name|timestamp)"|\])')
    items = tuple((key, "*") for key in LISTS)
    wanted = items

    def learn(self, about: About, source: files.Source, value: Any, item: Item) -> None:
        if LISTS[item.path[0]] == "CONNECTION":
            since, name = int(value["timestamp"]), line(value["name"])
            if name in about.firsts or about.memory.takes(name):
                about.firsts[name] = min(since, about.firsts.get(name, since))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        name, since = line(value.get("name")), value.get("timestamp")
        if not name:
            raise Misread("There is no name in it. Download the export again and import it again")
        relation = LISTS[item.path[0]]
        # of two friends of one name, messages tell which one is meant as little as we do: the first is taken for them
        namesake = relation == "CONNECTION" and about.firsts.get(name, since) != since
        yield records.Contact(
            key=f"{key_of(name)}#{since}" if namesake else key_of(name),
            relation=relation,
            names=(records.Name(full=name),),
            created_at=seconds(since),
            container=source.shown,
        )


class AddressBook(MetaPart):
    """Contacts that were uploaded from a phone."""

    kind = "CONTACT"
    shape = re.compile(rb'\s*\{\s*"address_book(?:_v2)?"\s*:\s*\{')
    items = (("address_book_v2", "address_book", "*"), ("address_book", "address_book", "*"))

    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterator[Taken]:
        name = line(value.get("name"))
        points = [str(one["contact_point"]) for one in value.get("details", ()) if one.get("contact_point")]
        addresses = [found for raw in points if (found := email_address.normalised(raw))]
        numbers = [raw for raw in points if email_address.normalised(raw) is None]
        if not name and not points:
            raise Misread("There is no name, address or number in it. It is left out")
        yield records.Contact(
            key=f"book:{hashlib.blake2b(chr(0).join([name, *sorted(points)]).encode(), digest_size=12).hexdigest()}",
            relation="ADDRESS_BOOK",
            names=(records.Name(full=name),) if name else (),
            emails=tuple(records.Email(raw=one, address=one) for one in addresses),
            phones=tuple(phone_number.read(raw, None) for raw in numbers),
            created_at=seconds(value.get("created_timestamp")),
            container=source.shown,
        )


class FacebookArchive(MetaExport):
    """The Archive contract for Facebook's export."""

    format: ArchiveFormat = "FACEBOOK"
    instagram = False
    host = HOST
    parts = (
        Profile(HOST), People(HOST), AddressBook(HOST), Threads(HOST), SealedThreads(HOST), Events(HOST),
        *(kind(HOST, listed=listed) for kind in (Reactions, Comments, Posts) for listed in (False, True)),
    )  # fmt: skip

    def user_id(self, about: About) -> str:
        return about.name.casefold()
