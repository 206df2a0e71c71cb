"""One Kith reads another's contacts by PortableContacts: the same contacts, then the same changes and deletions, on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.installation import Installation
from gateway.linking.service import LinkService
from gateway.people import named
from providers import records
from providers.session import Secret
from resolvers import portable_contacts
from resolvers.linking import LinkRefused
from resolvers.portable_contacts import Question
from tests.gateway.running import key_of, listening, opened
from tests.household import Household, card, follower
from tests.workshop import Workshop, workshop

OWN: Final = ("id", "published", "updated")
BOOK: Final = (
    card(
        "ada", "Ada Ray", "ada@example.org", "ada@work.example", phones=["+491511234567"], urls=["https://ada.example.org/"],
        organizations=(records.Organization(name="Boats, Bells & Co", department="Sails", title="Captain"),),
        addresses=(records.Address(formatted="1 Quay\nHarbour", street="1 Quay", locality="Harbour", country="NL", label="home"),),
        dates=(records.PartialDate(month=1, day=16, label="birthday"), records.PartialDate(year=2001, month=2, day=3, label="anniversary")),
        handles=(records.Handle(provider="mastodon", handle="ada@social.example"),), groups=("Choir",), note="Owes me a map.\n地図",
    ),
    card("bob", "Bob"),
    card("cai", "Zoë Łukasz-Żuk", "cai@example.org"),
    records.Contact(key="mail", relation="ADDRESS_BOOK", emails=(records.Email(raw="only@example.org", address="only@example.org"),)),
    records.Contact(
        key="firm", relation="ADDRESS_BOOK", nature="ORGANIZATION", names=(records.Name(full="Quay & Sons"),),
        phones=(records.Phone(raw="+442079460000", number="+442079460000", extension="17"),),
    ),
)  # fmt: skip


@asynccontextmanager
async def neighbours(tmp_path: Path, household: Household) -> AsyncIterator[tuple[Installation, Household, Workshop, str, str]]:
    """The first Kith, its viewer's data, the second one over the test's database, and the first one's address and key."""
    async with opened(tmp_path / "first", schema=None) as first:
        whose = await named(first, None)
        theirs = Household(first.database, whose.id)
        theirs.now = datetime.now(UTC)
        key, _ = await key_of(first)
        async with listening(first) as place, workshop(household.database, tmp_path, "127.0.0.0/8:*") as shop:
            yield first, theirs, shop, f"http://{place}", key


async def entries(shop: Workshop, viewer: str) -> list[dict[str, Any]]:
    page = await portable_contacts.page(shop.operation(viewer), Question(count=500))
    return sorted(
        ({k: v for k, v in one.items() if k not in OWN} for one in page.entries), key=lambda one: str(one["displayName"])
    )


async def test_a_second_kith_has_the_same_contacts_and_what_becomes_of_them(household: Household, tmp_path: Path) -> None:
    async with neighbours(tmp_path, household) as (first, theirs, shop, place, key):
        book = await theirs.account("vcard", "cards")
        await theirs.take(book, *BOOK)
        await theirs.take(await theirs.account("mastodon", "me"), follower("zoe", "Zoe Newest"))
        await theirs.resolve()
        own = Workshop(first.database, tmp_path / "first", ())
        account_id = await shop.link(household.viewer, "portable_contacts", f"{place}/portablecontacts", Secret(access_token=key))
        there, here = await entries(own, theirs.viewer), await entries(shop, household.viewer)
        assert here == there
        assert [one["displayName"] for one in here if "name" not in one] == ["only@example.org"]

        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head, "nothing happened, nothing is told"

        theirs.now = datetime.now(UTC)
        await theirs.take(book, card("bob", "Zoë Łukasz-Żuk", "bob@example.org"), records.Gone(kind="CONTACT", key="mail"))
        joined = card("one more", "Zoë Łukasz-Żuk", "bob@example.org", "cai@example.org")  # two people turn out to be one
        await theirs.take(book, joined)
        await theirs.resolve()
        await shop.sync(household.viewer, account_id)
        there, here = await entries(own, theirs.viewer), await entries(shop, household.viewer)
        assert here == there
        assert len(here) == 4

        await theirs.forget(book)
        await shop.sync(household.viewer, account_id)
        await shop.sync(household.viewer, account_id)
        assert [one["displayName"] for one in await entries(shop, household.viewer)] == ["Zoe Newest"]
        await own.transport.aclose()
        await own.cache.close()


async def test_it_is_linked_by_its_address_and_a_key_that_is_one(tmp_path: Path) -> None:
    async with (
        opened(tmp_path / "first", schema=None) as first,
        opened(tmp_path / "second", schema=None, allow_private_hosts=["127.0.0.0/8:*"]) as second,
    ):
        key, _ = await key_of(first)
        viewer = (await named(second, None)).id
        service = LinkService(second)
        async with listening(first) as place:
            session = await service.begin(viewer, provider="portable_contacts", method="TOKEN")
            form = {"url": f"http://{place}/portablecontacts", "access_token": "wrong"}
            with contextlib.suppress(LinkRefused):
                assert (await service.complete(viewer, session.id, form=form)).state != "LINKED"
            session = await service.begin(viewer, provider="portable_contacts", method="TOKEN")
            session = await service.complete(viewer, session.id, form={**form, "access_token": key})
            assert (session.state, session.error_message) == ("LINKED", None)
