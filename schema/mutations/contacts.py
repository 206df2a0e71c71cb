"""Writing contacts: made, changed and deleted here at once and at their network after."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import contact_editing
from resolvers.writing import Payload
from schema import loads
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain, told
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import ContactRef
from schema.scalars import JSON, URL, EmailAddress


@input_type("A name.")
class NameInput:
    full: str | None = asked("Whole name; made from the parts by default.", default=UNSET)
    prefix: str | None = asked("Title.", default=UNSET)
    given: str | None = asked("Given names.", default=UNSET)
    middle: str | None = asked("Middle names.", default=UNSET)
    family: str | None = asked("Family names.", default=UNSET)
    suffix: str | None = asked("What follows.", default=UNSET)
    nickname: str | None = asked("Nickname.", default=UNSET)


@input_type("An e-mail address.")
class LabeledEmailInput:
    address: EmailAddress = asked("Address.")
    label: str | None = asked("home, work or any word.", default=UNSET)


@input_type("A phone number.")
class LabeledPhoneInput:
    number: str = asked("Number as typed; read with the account's region.")
    label: str | None = asked("cell, home, work or any word.", default=UNSET)


@input_type("A web address.")
class LabeledUrlInput:
    url: URL = asked("Address.")
    label: str | None = asked("home, work or any word.", default=UNSET)


@input_type("An employer.")
class OrganizationInput:
    name: str = asked("Organisation.")
    department: str | None = asked("Department.", default=UNSET)
    title: str | None = asked("Job title.", default=UNSET)


@input_type("A postal address.")
class AddressInput:
    street: str | None = asked("Street and number.", default=UNSET)
    locality: str | None = asked("Town.", default=UNSET)
    region: str | None = asked("Region.", default=UNSET)
    postal_code: str | None = asked("Postal code.", default=UNSET)
    country: str | None = asked("ISO 3166 country code.", default=UNSET)
    label: str | None = asked("home, work or any word.", default=UNSET)


@input_type("A day whose year may be unknown.")
class PartialDateInput:
    year: int | None = asked("Year.", default=UNSET)
    month: int | None = asked("Month.", default=UNSET)
    day: int | None = asked("Day.", default=UNSET)


@input_type("Fields of a contact.")
class ContactInput:
    name: NameInput | None = asked("Name.", default=UNSET)
    emails: list[LabeledEmailInput] | None = asked("E-mail addresses.", default=UNSET)
    phones: list[LabeledPhoneInput] | None = asked("Phone numbers.", default=UNSET)
    urls: list[LabeledUrlInput] | None = asked("Web addresses.", default=UNSET)
    organizations: list[OrganizationInput] | None = asked("Employers.", default=UNSET)
    addresses: list[AddressInput] | None = asked("Postal addresses.", default=UNSET)
    birthday: PartialDateInput | None = asked("Birthday.", default=UNSET)
    note: str | None = asked("Note.", default=UNSET)
    groups: list[str] | None = asked("Names of groups.", default=UNSET)


@object_type("A field that differs.", of=contact_editing.FieldConflict)
class ContactFieldConflict:
    field: str = field("Name of the field in ContactInput.")
    base: JSON | None = strawberry.field(description="What it was.")
    yours: JSON | None = strawberry.field(description="What the viewer wanted.")
    theirs: JSON | None = strawberry.field(description="What the network has now.")


@object_type("A contact that changed on both sides; contact in the payload is theirs.", of=contact_editing.Conflict)
class ContactConflict:
    etag: str = field("Version to send to write over it.")
    fields: list[ContactFieldConflict] = field("Fields that differ; at most 50.")


@input_type("Input of createContact.")
class CreateContactInput:
    account_id: strawberry.ID = asked("The account.")
    contact: ContactInput = asked("What it holds.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of createContact.")
class CreateContactPayload(Written):
    contact: ContactRef | None = field("The contact.", loads.contact)


@input_type("Input of updateContact.")
class UpdateContactInput:
    contact_id: strawberry.ID = asked("The contact.")
    etag: str | None = asked("The version the change was made from; without it the change always wins.", default=UNSET)
    patch: ContactInput = asked("Fields to change: absent ones stay, null clears, lists are replaced.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateContact.")
class UpdateContactPayload(Written):
    contact: ContactRef | None = field("The contact as the network has it now.", loads.contact)
    conflict: ContactConflict | None = field("Both versions, when it changed meanwhile; nothing was written.")


@input_type("Input of deleteContact.")
class DeleteContactInput:
    contact_id: strawberry.ID = asked("The contact.")
    etag: str | None = asked("The version that was seen.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of deleteContact.")
class DeleteContactPayload(Written):
    contact_id: strawberry.ID | None = field("The contact that is gone.")
    conflict: ContactConflict | None = field("Both versions, when it changed meanwhile; nothing was deleted.")


async def create_contact(info: Info, input: Annotated[CreateContactInput, argument(description=WHAT)]) -> Payload:
    """Makes a contact at the network."""
    return await contact_editing.create(
        info.context.operation, input.account_id, told(input.contact), plain(input.idempotency_key)
    )


async def update_contact(info: Info, input: Annotated[UpdateContactInput, argument(description=WHAT)]) -> Payload:
    """Changes a contact at the network."""
    return await contact_editing.update(
        info.context.operation, input.contact_id, plain(input.etag), told(input.patch), plain(input.idempotency_key)
    )


async def delete_contact(info: Info, input: Annotated[DeleteContactInput, argument(description=WHAT)]) -> Payload:
    """Deletes a contact at the network."""
    return await contact_editing.delete(info.context.operation, input.contact_id, plain(input.etag), plain(input.idempotency_key))
