"""What a source says of somebody now and said otherwise before: another name, employer, address, self-description or picture.

Compared are two records of one contact, as its source told them one after the other; what the viewer changed here is no news, nor is another
way to write the same, nor what is told for the first time or no more: a card that is filled in, or read better after an upgrade, is nobody's
move. A record that is older than what is stored (REV) tells of no change. Goes with the contact. Knows not who is one person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from store import ids
from store.among import VIEWER, among, asked
from store.rows import insert
from store.tables import microseconds, profile_change
from store.upserts import insert_into
from store.words import fold

KEPT: Final = 100  # of one contact, the latest
MAX_LENGTH: Final = 500  # characters of a value that are kept
STORED: Final = "sha256:"  # where a kept record's picture is (contacts.py)
_C = profile_change.c
_OLDER: Final = (
    select(_C.id).where(_C.viewer_id == VIEWER, _C.contact_id == sa.bindparam("whose"))
    .order_by(_C.at.desc(), _C.id.desc())
    .offset(sa.bindparam("kept", type_=sa.Integer)).limit(sa.bindparam("kept", type_=sa.Integer))
)  # fmt: skip
_DROP: Final = sa.delete(profile_change).where(among(_C.id))
Change = tuple[str, str | None, str | None]  # field (PersonField), what it was, what it is


@cache
def _put_statement(dialect: str) -> Any:
    # told twice within one slice, it is there already
    return insert_into(profile_change, dialect).on_conflict_do_nothing(index_elements=["viewer_id", "id"])


def note(
    conn: Connection,
    viewer: str,
    account_id: str,
    told: Mapping[str, tuple[records.Contact, records.Contact]],
    now: datetime,
) -> None:
    """Keep what changed between two records of each contact, by its id, as noticed now."""
    rows = [
        {
            "viewer_id": viewer, "id": ids.derive("PROFILE_CHANGE", contact_id, field, str(microseconds(now))), "contact_id": contact_id,
            "account_id": account_id, "field": field, "name": (after.names[0].full if after.names else "")[:MAX_LENGTH],
            "old": old and old[:MAX_LENGTH], "new": new and new[:MAX_LENGTH], "at": now,
        }
        for contact_id, (before, after) in told.items()
        for field, old, new in changes(before, after)
    ]  # fmt: skip
    if not rows:
        return
    insert(conn, _put_statement(conn.dialect.name), rows)
    for contact_id in sorted({str(row["contact_id"]) for row in rows}):
        older = conn.execute(_OLDER, {"viewer": viewer, "whose": contact_id, "kept": KEPT}).scalars().all()
        if older:
            conn.execute(_DROP, asked(viewer, older))


def forget(conn: Connection, viewer: str, contact_ids: Collection[str]) -> None:
    """Contacts are gone, and what their sources said with them."""
    conn.execute(sa.delete(profile_change).where(_C.viewer_id == viewer, _C.contact_id.in_(contact_ids)))


def changes(before: records.Contact, after: records.Contact) -> Iterator[Change]:
    """What two records of one contact say differently, each field once."""
    if "CORRESPONDENT" in (before.relation, after.relation) or {before.nature, after.nature} & {"AUTOMATED", "GROUP"}:
        return
    if before.updated_at is not None and after.updated_at is not None and after.updated_at < before.updated_at:
        return
    for field, said in _SAID.items():
        yield from _changed(field, said(before), said(after))
    old, new = _picture(before), _picture(after)
    if old and new and old != new:
        yield "PHOTO", None, None


def _changed(field: str, before: Mapping[Any, str], after: Mapping[Any, str]) -> Iterator[Change]:
    """One change of a field of which there may be several: what is gone, and what came in its place."""
    gone = [text for key, text in before.items() if key not in after]
    come = [text for key, text in after.items() if key not in before]
    if gone and come:
        yield field, gone[0], come[0]


def _names(record: records.Contact) -> dict[Any, str]:
    """The first name that is none of an address; its words in any order."""
    real = [name.full for name in record.names if "@" not in name.full and fold(name.full)]
    return {tuple(sorted(fold(full).split())): full for full in real[:1]}


def _jobs(record: records.Contact) -> dict[Any, str]:
    first = next(iter(record.organizations), None)
    if first is None or not (first.name or first.title):
        return {}
    text = f"{first.title}, {first.name}" if first.title and first.name else first.title or first.name
    return {(fold(first.name or ""), fold(first.title or "")): text}


def _places(record: records.Contact) -> dict[Any, str]:
    """Each address by what it is (home, work) and where."""
    found: dict[Any, str] = {}
    for one in record.addresses:
        where = fold(" ".join(part or "" for part in (one.street, one.locality, one.postal_code))) or fold(one.formatted)
        if where:
            found.setdefault(where, ", ".join(line.strip() for line in one.formatted.splitlines() if line.strip()))
    return found


def _emails(record: records.Contact) -> dict[Any, str]:
    return {one.address.casefold(): one.address for one in record.emails if one.address}


def _phones(record: records.Contact) -> dict[Any, str]:
    return {one.number: one.number for one in record.phones if one.number}


def _bio(record: records.Contact) -> dict[Any, str]:
    return {fold(record.bio): " ".join(record.bio.split())} if record.bio and fold(record.bio) else {}


def _picture(record: records.Contact) -> str | None:
    """The digest of the picture that is stored; an address that changes with each look says nothing."""
    url = record.photo.url if record.photo is not None else None
    return url if url is not None and url.startswith(STORED) else None


_SAID: Final[dict[str, Callable[[records.Contact], dict[Any, str]]]] = {
    "NAME": _names, "ORGANIZATION": _jobs, "ADDRESS": _places, "EMAIL": _emails, "PHONE": _phones, "BIO": _bio,
}  # fmt: skip
