"""Creating, changing and deleting contacts: shown here at once, written to their network by the outbox (gateway/contact_writes.py).

The transaction that shows a change accepts its write, so that there is never one without the other. A change that names a version
which is not the present one writes nothing and gives both; without a version it is written over whatever is there.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.base import Provider
from providers.formats import email_address, phone_number
from resolvers import group_cards, web
from resolvers.accounts import Account
from resolvers.ingest import Target, edits, put_edited, remove_contacts
from resolvers.ingest.edits import Edit
from resolvers.mistakes import Mistake, NodeMistake, not_found
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, payload, perform
from store import ids, leases, outbox
from store.feed import Recorder
from store.tables import account, contact
from store.tables import viewer as viewer_table

MAX_VALUES: Final = 100
MAX_SHORT: Final = 1_000
MAX_NOTE: Final = 100_000
WRITES: Final = "CONTACTS_WRITE"
_decode = msgspec.msgpack.Decoder(records.Contact).decode

# fields of ContactInput → fields of a record
FIELDS: Final[dict[str, records.ContactField]] = {
    "name": "names", "emails": "emails", "phones": "phones", "urls": "urls", "organizations": "organizations",
    "addresses": "addresses", "birthday": "dates", "note": "note", "groups": "groups",
}  # fmt: skip
Patch = Mapping[str, Any]  # fields of ContactInput that were given, as plain values; None clears


class FieldConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A field that differs, in the form of ContactInput."""

    field: str
    base: Any
    yours: Any
    theirs: Any


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A contact that changed on both sides."""

    etag: str
    fields: list[FieldConflict]


def writable(provider: Provider | None, shown: Account, relation: str) -> bool:
    """Whether a contact of this relation can be changed and deleted at its account."""
    able = provider is not None and shown.mode == "MIRRORED" and provider.may(WRITES, shown.granted_scopes)
    return able and relation == "ADDRESS_BOOK" and shown.status != "UNLINKING"


async def create(operation: Operation, account_id: str, given: Patch, key: str | None) -> Payload:
    """A new contact of an account."""
    now = operation.now()
    uid = str(uuid.uuid4())

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        row = conn.execute(select(account).where(account.c.viewer_id == viewer, account.c.id == account_id)).one_or_none()
        if row is None:
            raise Mistaken(not_found(account_id, "accountId"))
        _able(operation, row, account_id, ("accountId",))
        blank = records.Contact(key=f"{edits.UNBORN}{uid}", relation="ADDRESS_BOOK", uid=uid)
        wanted, fields = _patched(blank, given, _region(conn, viewer), "contact")
        if not any(getattr(wanted, field) for field in fields):
            raise Mistaken(Mistake(code="REQUIRED", message="Say something of the contact: a name will do.", field=("contact",)))
        contact_id = ids.derive("CONTACT", account_id, wanted.key)
        place = msgspec.structs.replace(wanted, container=_usual_container(conn, viewer, account_id))
        put_edited(conn, viewer, Target(account_id=account_id), contact_id, wanted, wanted, recorder, now)
        _accept(conn, viewer, account_id, contact_id, "createContact", Edit(action="CREATE", wanted=place), key, now)
        return Answer(node_id=contact_id)

    done = await perform(operation, "createContact", key, [account_id, given], write)
    return payload(operation, done, contact_id="node_id")


async def update(operation: Operation, contact_id: str, etag: str | None, given: Patch, key: str | None) -> Payload:
    """Another version of a contact: what is not in `given` stays."""
    now = operation.now()
    conflict: Conflict | None = None

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        nonlocal conflict
        row = _row(operation, conn, viewer, contact_id)
        shown = _decode(row.record)
        wanted, fields = _patched(shown, given, _region(conn, viewer), "patch")
        if "groups" in given:
            own = group_cards.apart(conn, viewer, row.account_id, shown, wanted.groups, "patch")
            wanted = msgspec.structs.replace(wanted, groups=tuple(own))
        if etag is not None and row.etag is not None and etag != row.etag:
            conflict = _conflict(conn, viewer, contact_id, etag, row.etag, shown, wanted, given)
            text = "This contact has changed meanwhile; decide from both versions and send it again with the new etag."
            raise Mistaken(NodeMistake(code="CONFLICT", message=text, field=("etag",), node_id=contact_id))
        edit = Edit(
            action="UPDATE", wanted=wanted, fields=fields, etag=etag, base=_decode(row.pristine) if row.pristine else shown
        )
        after = edits.over(shown, [edit])
        if all(getattr(after, field) == getattr(shown, field) for field in fields):
            return Answer(node_id=contact_id)
        put_edited(conn, viewer, Target(account_id=row.account_id), contact_id, after, edit.base or shown, recorder, now)
        _accept(conn, viewer, row.account_id, contact_id, "updateContact", edit, key, now)
        return Answer(node_id=contact_id)

    done = await perform(operation, "updateContact", key, [contact_id, etag, given], write)
    if conflict is not None:
        return msgspec.structs.replace(payload(operation, done), contact_id=contact_id, conflict=conflict)
    return payload(operation, done, contact_id="node_id")


async def delete(operation: Operation, contact_id: str, etag: str | None, key: str | None) -> Payload:
    """The contact goes, here at once."""
    now = operation.now()
    conflict: Conflict | None = None

    def write(conn: Connection, viewer: str, recorder: Recorder) -> Answer:
        nonlocal conflict
        row = _row(operation, conn, viewer, contact_id)
        shown = _decode(row.record)
        if etag is not None and row.etag is not None and etag != row.etag:
            conflict = Conflict(etag=row.etag, fields=[])
            text = "This contact has changed meanwhile; look at it again before you delete it."
            raise Mistaken(NodeMistake(code="CONFLICT", message=text, field=("etag",), node_id=contact_id))
        base = _decode(row.pristine) if row.pristine else shown
        edit = Edit(action="DELETE", wanted=base, etag=etag, base=base)
        _accept(conn, viewer, row.account_id, contact_id, edits.DELETION, edit, key, now)  # first: it holds the contact's photo
        remove_contacts(conn, viewer, [contact_id], recorder, now)
        return Answer(node_id=contact_id)

    done = await perform(operation, "deleteContact", key, [contact_id, etag], write)
    found = payload(operation, done, contact_id="node_id")
    return msgspec.structs.replace(found, conflict=conflict)


# --- what may be written, and where ---------------------------------------------------------------------------------------


def _row(operation: Operation, conn: Connection, viewer: str, contact_id: str) -> Any:
    row = conn.execute(select(contact).where(contact.c.viewer_id == viewer, contact.c.id == contact_id)).one_or_none()
    if row is None:
        if ids.kind_of(contact_id) not in (None, "CONTACT"):
            text = "This is no contact; ask for the contacts of the person."
            raise Mistaken(NodeMistake(code="WRONG_KIND", message=text, field=("contactId",), node_id=contact_id))
        raise Mistaken(not_found(contact_id, "contactId"))
    of = conn.execute(select(account).where(account.c.viewer_id == viewer, account.c.id == row.account_id)).one()
    _able(operation, of, contact_id, ("contactId",))
    if row.relation != "ADDRESS_BOOK" or row.version is None:
        text = "Only contacts of an address book can be changed; this one was collected or belongs to the network."
        raise Mistaken(NodeMistake(code="NOT_WRITABLE", message=text, field=("contactId",), node_id=contact_id))
    return row


def _able(operation: Operation, row: Any, node_id: str, field: tuple[str, ...]) -> None:
    """Raises Mistaken, with what to do, where the account cannot take a write."""
    provider = operation.services.providers.get(row.provider)
    code, text = "NOT_WRITABLE", None
    if provider is None or WRITES not in provider.capabilities or row.mode != "MIRRORED":
        code, text = "UNSUPPORTED", "Contacts of this account can only be read."
    elif not provider.may(WRITES, row.granted_scopes.split()):
        code = "REAUTH_REQUIRED"
        text = "Changing contacts was not allowed when this account was linked: authorise it again with beginLink and accountId."
    elif row.status == "UNLINKING":
        text = "This account is being erased."
    if text is not None:
        raise Mistaken(NodeMistake(code=code, message=text, field=field, node_id=node_id))


def _usual_container(conn: Connection, viewer: str, account_id: str) -> str:
    """The address book that most of the account's contacts are in; empty while there are none."""
    mine = contact.c
    found = conn.execute(
        select(mine.container)
        .where(mine.viewer_id == viewer, mine.account_id == account_id, mine.relation == "ADDRESS_BOOK", mine.container != "")
        .group_by(mine.container)
        .order_by(sa.func.count().desc(), mine.container)
        .limit(1)
    ).scalar_one_or_none()
    return found or ""


def _region(conn: Connection, viewer: str) -> str | None:
    region: str | None = conn.execute(select(viewer_table.c.region).where(viewer_table.c.id == viewer)).scalar_one_or_none()
    return region


def _accept(
    conn: Connection, viewer: str, account_id: str, contact_id: str, mutation: str, edit: Edit, key: str | None, now: datetime
) -> None:
    outbox.add(
        conn, viewer, account_id=account_id, kind=edits.KIND, mutation=mutation, node_ids=[contact_id], lane=contact_id,
        request=edits.encoded(edit), now=now, key=key,
    )  # fmt: skip
    leases.enqueue(conn, viewer, "identity", viewer, now)


# --- what was asked for -----------------------------------------------------------------------------------------------------


def _patched(
    shown: records.Contact, given: Patch, region: str | None, at: str
) -> tuple[records.Contact, tuple[records.ContactField, ...]]:
    """The record with what was given, and which of its fields that is. Raises Mistaken for what cannot be accepted."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        path = (at, name)
        match name:
            case "name":
                changes["names"] = _name(shown.names[0] if shown.names else None, value, path)
            case "emails":
                changes["emails"] = _all(value, path, lambda one, p: _email(shown, one, p))
            case "phones":
                changes["phones"] = _all(value, path, lambda one, p: _phone(shown, one, region, p))
            case "urls":
                changes["urls"] = _all(value, path, lambda one, p: _url(shown, one, p))
            case "organizations":
                changes["organizations"] = _all(value, path, _organization)
            case "addresses":
                changes["addresses"] = _all(value, path, lambda one, p: _address(shown, one, p))
            case "birthday":
                kept = tuple(day for day in shown.dates if day.label != "birthday")
                changes["dates"] = (*(() if value is None else (_day(value, path),)), *kept)
            case "note":
                changes["note"] = None if value is None else _text(value, path, MAX_NOTE, lines=True) or None
            case "groups":
                changes["groups"] = tuple(dict.fromkeys(_all(value, path, lambda one, p: _required(one, p))))
    return msgspec.structs.replace(shown, **changes), tuple(FIELDS[name] for name in given)


def _all(values: Sequence[Any] | None, path: tuple[str, ...], read: Any) -> tuple[Any, ...]:
    if values is not None and len(values) > MAX_VALUES:
        raise Mistaken(Mistake(code="TOO_LONG", message=f"A contact has at most {MAX_VALUES} of each.", field=path))
    return tuple(read(one, (*path, str(n))) for n, one in enumerate(values or ()))


def _name(old: records.Name | None, given: Patch | None, path: tuple[str, ...]) -> tuple[records.Name, ...]:
    """Parts that are absent stay; the whole name is made of the parts where it is not given itself."""
    if given is None:
        return ()
    told = {part: (None if value is None else _text(value, (*path, part)) or None) for part, value in given.items()}
    parts = ("prefix", "given", "middle", "family", "suffix")
    new = {part: told.get(part, getattr(old, part) if old is not None else None) for part in (*parts, "nickname")}
    full = told.get("full") or " ".join(new[part] or "" for part in parts if new[part])
    if not full:
        full = new["nickname"] or (old.full if old is not None else "")
    if not full:
        raise Mistaken(Mistake(code="REQUIRED", message="A name needs at least one part.", field=path))
    if not any(part in told for part in (*parts, "full")) and old is not None:
        full = old.full
    return (records.Name(full=full, phonetic=old.phonetic if old is not None else None, **new),)


def _email(shown: records.Contact, given: Patch, path: tuple[str, ...]) -> records.Email:
    raw, label = str(given["address"]), _label(given, path)
    old = next((one for one in shown.emails if raw in (one.address, one.raw)), None)
    if old is not None:
        return msgspec.structs.replace(old, label=label if "label" in given else old.label)
    return records.Email(raw=raw, address=email_address.normalised(raw), label=label)


def _phone(shown: records.Contact, given: Patch, region: str | None, path: tuple[str, ...]) -> records.Phone:
    raw, label = _required(given["number"], (*path, "number")), _label(given, path)
    old = next((one for one in shown.phones if raw in (one.number, one.raw)), None)
    if old is not None and (label == old.label or "label" not in given):
        return old
    line: phone_number.LineType = "MOBILE" if label in ("cell", "mobile") else "UNKNOWN"
    return phone_number.read(old.raw if old is not None else raw, region, label=label, line=line)


def _url(shown: records.Contact, given: Patch, path: tuple[str, ...]) -> records.Url:
    url = web.safe(str(given["url"]))
    if url is None or not url.lower().startswith(("http://", "https://")):
        text = "A web address begins with http:// or https://."
        raise Mistaken(Mistake(code="INVALID", message=text, field=(*path, "url")))
    old = next((one for one in shown.urls if one.url == url), None)
    label = _label(given, path) if "label" in given or old is None else old.label
    return msgspec.structs.replace(old or records.Url(url=url), label=label)


def _organization(given: Patch, path: tuple[str, ...]) -> records.Organization:
    told = {part: _text(given[part], (*path, part)) or None for part in ("department", "title") if given.get(part) is not None}
    return records.Organization(name=_required(given["name"], (*path, "name")), **told)


def _address(shown: records.Contact, given: Patch, path: tuple[str, ...]) -> records.Address:
    parts = {
        "street": given.get("street"), "locality": given.get("locality"), "region": given.get("region"),
        "postal_code": given.get("postalCode"), "country": given.get("country"),
    }  # fmt: skip
    told = {part: _text(value, (*path, part), lines=True) or None for part, value in parts.items() if value is not None}
    if not any(told.values()):
        raise Mistaken(Mistake(code="REQUIRED", message="A postal address needs at least one part.", field=path))
    old = next((one for one in shown.addresses if all(getattr(one, part) == told.get(part) for part in parts)), None)
    if old is not None:
        return msgspec.structs.replace(old, label=_label(given, path) if "label" in given else old.label)
    town = " ".join(filter(None, (told.get("postal_code"), told.get("locality"))))
    formatted = "\n".join(filter(None, (told.get("street"), town, told.get("region"), told.get("country"))))
    return records.Address(formatted=formatted, label=_label(given, path), **told)


def _day(given: Patch, path: tuple[str, ...]) -> records.PartialDate:
    year, month, day = given.get("year"), given.get("month"), given.get("day")
    valid = (year is None or 1 <= year <= 9999) and (month is None or 1 <= month <= 12) and (day is None or 1 <= day <= 31)
    if not valid or (year is None and month is None) or (day is not None and month is None):
        text = "A birthday has a year, a month, or a month and a day."
        raise Mistaken(Mistake(code="INVALID", message=text, field=path))
    return records.PartialDate(year=year, month=month, day=day, label="birthday")


def _label(given: Patch, path: tuple[str, ...]) -> str | None:
    return None if given.get("label") is None else _text(given["label"], (*path, "label")) or None


def _required(value: str, path: tuple[str, ...]) -> str:
    text = _text(value, path)
    if not text:
        raise Mistaken(Mistake(code="REQUIRED", message="This must not be empty.", field=path))
    return text


def _text(value: str, path: tuple[str, ...], limit: int = MAX_SHORT, *, lines: bool = False) -> str:
    """A text without signs that no address book keeps, its blanks as one where it is a single line."""
    if len(value) > limit:
        raise Mistaken(Mistake(code="TOO_LONG", message=f"This has at most {limit} characters.", field=path))
    plain = "".join(
        sign for sign in value.replace("\r\n", "\n") if sign.isprintable() or sign in "\n\t\u200d\u200c" or sign == "\xad"
    )
    return plain.strip() if lines else " ".join(plain.split())


# --- two versions -------------------------------------------------------------------------------------------------------------


def _conflict(
    conn: Connection,
    viewer: str,
    contact_id: str,
    etag: str,
    present: str,
    theirs: records.Contact,
    yours: records.Contact,
    given: Collection[str],
) -> Conflict:
    """The fields of `given` that differ. What they were before is known where a write of ours was made from that version."""
    last = outbox.latest(conn, viewer, edits.KIND, [contact_id]).get(contact_id)
    edit = edits.decoded(last.request) if last is not None and last.request is not None else None
    base = edit.base if edit is not None and edit.etag == etag else None
    found = []
    for name in given:
        mine, now = _as_input(yours, name), _as_input(theirs, name)
        if mine != now:
            found.append(FieldConflict(field=name, base=None if base is None else _as_input(base, name), yours=mine, theirs=now))
    return Conflict(etag=present, fields=found)


def _as_input(record: records.Contact, name: str) -> Any:
    """A field of a record in the form of ContactInput."""

    def told(value: Any, **names: str) -> dict[str, Any]:
        return {name: found for name, part in names.items() if (found := getattr(value, part)) is not None}

    match name:
        case "name":
            parts = ("full", "prefix", "given", "middle", "family", "suffix", "nickname")
            return told(record.names[0], **{part: part for part in parts}) if record.names else None
        case "emails":
            return [{"address": one.address or one.raw, **told(one, label="label")} for one in record.emails]
        case "phones":
            return [{"number": one.number or one.raw, **told(one, label="label")} for one in record.phones]
        case "urls":
            return [told(one, url="url", label="label") for one in record.urls]
        case "organizations":
            return [told(one, name="name", department="department", title="title") for one in record.organizations]
        case "addresses":
            names = {"street": "street", "locality": "locality", "region": "region", "postalCode": "postal_code",
                     "country": "country", "label": "label"}  # fmt: skip
            return [told(one, **names) for one in record.addresses]
        case "birthday":
            day = next((day for day in record.dates if day.label == "birthday"), None)
            return None if day is None else told(day, year="year", month="month", day="day")
        case "groups":
            return list(record.groups)
    return getattr(record, name)
