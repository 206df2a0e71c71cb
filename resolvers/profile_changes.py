"""Changes of what people say of themselves, or what is said of them on cards: what it was, what it is, and since when that is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from store.among import among, asked
from store.tables import contact, profile_change

_C = profile_change.c
_SENTENCES: Final = {
    "NAME": "{old} is called {new} now.",
    "ORGANIZATION": "{name} has another job: {new}; before: {old}.",
    "ADDRESS": "{name} has another address: {new}; before: {old}.",
    "EMAIL": "{name} has another mail address: {new}; before: {old}.",
    "PHONE": "{name} has another number: {new}; before: {old}.",
    "BIO": "{name} says of themselves: {new}; before: {old}.",
    "PHOTO": "{name} has another picture.",
}


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a field (PersonField) of a contact; of pictures there are no values."""

    id: str
    contact_id: str
    person_id: str | None
    field: str
    name: str
    old_value: str | None
    new_value: str | None
    occurred_at: datetime

    @property
    def sentence(self) -> str:
        return _SENTENCES[self.field].format(name=self.name or "Somebody", old=self.old_value, new=self.new_value)


def all_of(viewer: str) -> sa.Select[Any]:
    """Every change of a viewer's contacts, each with whose it is by now."""
    whose = sa.and_(contact.c.viewer_id == _C.viewer_id, contact.c.id == _C.contact_id)
    return select(profile_change, contact.c.person_id).join(contact, whose).where(_C.viewer_id == viewer)


def of_people(viewer: str, person_ids: Sequence[str]) -> tuple[sa.Select[Any], sa.ColumnElement[str]]:
    """The changes of people, and whose each is."""
    return all_of(viewer).where(contact.c.person_id.in_(person_ids)), contact.c.person_id


def of_row(row: Any) -> ProfileChange:
    """The change of a row."""
    return ProfileChange(
        id=row.id, contact_id=row.contact_id, person_id=row.person_id, field=row.field, name=row.name, old_value=row.old, new_value=row.new,
        occurred_at=row.at,
    )  # fmt: skip


def by_id(conn: Connection, viewer: str, change_ids: Sequence[str]) -> dict[str, ProfileChange]:
    """Changes by id."""
    return {row.id: of_row(row) for row in conn.execute(all_of(viewer).where(among(_C.id)), asked(viewer, change_ids))}
