"""Writing to what the viewer shows of themselves to everybody."""

from __future__ import annotations

from typing import Annotated

from strawberry import Parent

from resolvers import public_profiles
from resolvers.writing import Payload
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import told
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import PublicProfileRef
from schema.scalars import URL


async def _profile(parent: Parent[Payload], info: Info) -> public_profiles.Shown | None:
    return None if parent.errors else await public_profiles.of_viewer(info.context.operation)


@input_type("Input of updatePublicProfile: absent fields stay, null takes away, lists are replaced.")
class UpdatePublicProfileInput:
    published: bool | None = asked("Whether everybody can see it; false withdraws it at once.", default=UNSET)
    name: str | None = asked("Name at this installation; it stays the viewer's for good.", default=UNSET)
    display_name: str | None = asked("Name to show.", default=UNSET)
    photo_hash: str | None = asked("Image.hash of one of the viewer's pictures.", default=UNSET)
    note: str | None = asked("A few sentences.", default=UNSET)
    email: str | None = asked("E-mail address.", default=UNSET)
    organization: str | None = asked("Employer.", default=UNSET)
    job_title: str | None = asked("Role or title.", default=UNSET)
    locality: str | None = asked("Town.", default=UNSET)
    country: str | None = asked("Country.", default=UNSET)
    links: list[URL] | None = asked("Pages and profiles of the viewer's, by http or https.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updatePublicProfile.")
class UpdatePublicProfilePayload(Written):
    public_profile: PublicProfileRef | None = field("The profile.", _profile)


async def update_public_profile(info: Info, input: Annotated[UpdatePublicProfileInput, argument(description=WHAT)]) -> Payload:
    """Changes what the viewer shows of themselves to everybody, publishes or withdraws it."""
    patch = told(input)
    key = patch.pop("idempotencyKey", None)
    return await public_profiles.update(info.context.operation, patch, key)
