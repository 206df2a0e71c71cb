"""What the viewer shows of themselves to everybody."""

from __future__ import annotations

from strawberry import Parent

from resolvers import photos, public_profiles
from schema.declare import Info, field, object_type
from schema.references import ImageRef
from schema.scalars import URL, DateTime, EmailAddress


async def _photo(parent: Parent[public_profiles.Shown], info: Info) -> photos.Image | None:
    return await photos.get(info.context.operation, parent.photo_hash, parent.display_name or parent.name)


@object_type("What the viewer shows of themselves to everybody; a field that is null is not shown.", of=public_profiles.Shown)
class PublicProfile:
    published: bool = field("Whether everybody can see it.")
    name: str | None = field("Name at this installation.")
    account: str | None = field("Address as an account (RFC 7565), for WebFinger; null without a name.")
    url: URL | None = field("Address of the page; null without a name.")
    display_name: str | None = field("Name to show.")
    photo: ImageRef | None = field("Photo.", _photo)
    note: str | None = field("A few sentences.")
    email: EmailAddress | None = field("E-mail address.")
    organization: str | None = field("Employer.")
    job_title: str | None = field("Role or title.")
    locality: str | None = field("Town.")
    country: str | None = field("Country.")
    links: list[PublicLink] = field("Pages and profiles of the viewer's, linked with rel=me; at most 20.")


@object_type("A page or profile that the viewer says is theirs.", of=public_profiles.Link)
class PublicLink:
    url: URL = field("Where it is.")
    verified_at: DateTime | None = field("When look-ups last found it to link back; null where they have not.")
