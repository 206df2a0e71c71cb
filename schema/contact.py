"""Contacts: single records of single accounts."""

from __future__ import annotations

import strawberry
from strawberry import Parent

from resolvers import accounts, completions, contact_editing, contacts, photos
from schema import loads
from schema.declare import UNSET, Info, asked, field, input_type, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Edge, LiveList
from schema.references import (
    AccountRef,
    CompletionRef,
    ImageRef,
    PersonRef,
    SourcedAddressRef,
    SourcedDateRef,
    SourcedEmailRef,
    SourcedNameRef,
    SourcedOrganizationRef,
    SourcedPhoneRef,
    SourcedTextRef,
    SourcedUrlRef,
)
from schema.scalars import URL, DateTime, LanguageTag
from schema.vocabulary import ContactRelation


async def _writable(parent: Parent[contacts.Contact], info: Info) -> bool:
    operation = info.context.operation
    shown = await accounts.get(operation, parent.account_id)
    return shown is not None and contact_editing.writable(
        operation.services.providers.get(shown.provider), shown, parent.relation
    )


async def _photo(parent: Parent[contacts.Contact], info: Info) -> photos.Image | None:
    name = parent.record.names[0].full if parent.record.names else None
    return await photos.get(info.context.operation, parent.photo_hash, name)


async def _contact_groups(parent: Parent[contacts.Contact], info: Info) -> list[contacts.ContactGroup]:
    return await contacts.groups(info.context.operation, parent)


async def _completions(parent: Parent[contacts.Contact], info: Info) -> list[completions.Completion]:
    return await completions.of_contact(info.context.operation, parent)


@object_type("One record of one account, as that network keeps it.", of=contacts.Contact)
class Contact(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    account: AccountRef = field("The account.", loads.account)
    person: PersonRef | None = field(
        "The person it belongs to; null for lists, bots, rooms and bulk senders until the viewer writes to them or merges them.",
        loads.person,
    )
    relation: ContactRelation = field("How it belongs to the account.")
    names: list[SourcedNameRef] = field("Names.")
    emails: list[SourcedEmailRef] = field("E-mail addresses.")
    phones: list[SourcedPhoneRef] = field("Phone numbers.")
    urls: list[SourcedUrlRef] = field("Web addresses.")
    organizations: list[SourcedOrganizationRef] = field("Employers and memberships.")
    addresses: list[SourcedAddressRef] = field("Postal addresses.")
    photo: ImageRef | None = field("Photo.", _photo)
    dates: list[SourcedDateRef] = field("Birthday and other days.")
    bio: SourcedTextRef | None = field("Self-description.")
    note: str | None = field("Note kept in the record itself.")
    groups: list[ContactGroup] = field("Groups it is in; at most 100.", _contact_groups)
    languages: list[LanguageTag] = field("Languages.")
    followers: int | None = field("Followers there.")
    following: int | None = field("Followed there.")
    url: URL | None = field("Where to open it at the network.")
    writable: bool = field("Whether it can be changed and deleted.", _writable)
    etag: str | None = field("The network's version, to be sent back when changing it; null when it has none.")
    provider_created_at: DateTime | None = field("When the network says it was made.")
    provider_updated_at: DateTime | None = field("When the network says it was changed.")
    vcard: str | None = field("The record as vCard 4.")
    completions: list[CompletionRef] | None = field(
        "What it lacks and the viewer's other contacts of the person know, then consented outside sources; at most 50.",
        _completions,
        semantic=True,
    )


@object_type("A group of an address book, list or room.")
class ContactGroup:
    key: str = field("Id within the account; not a global id.")
    name: str = field("Name.")


@object_type("Contacts.")
class ContactConnection(LiveList):
    edges: list[ContactEdge] = field(ITEMS)


@object_type("An item of ContactConnection.")
class ContactEdge(Edge):
    node: Contact | None = field(NODE, semantic=True)


@input_type("Which contacts.")
class ContactFilter:
    text: str | None = asked("Words of name, address or organisation.", default=UNSET)
    account_ids: list[strawberry.ID] | None = asked("Of any of these accounts.", default=UNSET)
    relations: list[ContactRelation] | None = asked("Of any of these relations.", default=UNSET)
    updated_after: DateTime | None = asked("Changed after.", default=UNSET)
