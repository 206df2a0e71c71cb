"""PortableContacts 1.0 (Draft C): people as its entries, and the answering of its questions: filter, order, page, choice of fields.

An entry is a plain mapping in the draft's words. What a question asks that is not understood is declined and said so (§6.5), so that whoever asks
does it on their side. Where nothing is filtered and the order is the stored one, a page is read; else all people are, in slices. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.portable_contacts.entry import NETWORKS
from resolvers import accounts, identities, people, tags, viewers
from resolvers.operation import Operation
from resolvers.projection import SourcedPhone
from store.among import among, asked
from store.tables import contact, feed, person, told_again
from store.web_links import PROVEN

DEFAULT_COUNT: Final = 100
MAX_COUNT: Final = 500
SLICE: Final = 500
MAX_DELETED: Final = 10_000
NATURES: Final = ("INDIVIDUAL", "ORGANIZATION")
OPS: Final = frozenset({"equals", "contains", "startswith", "present"})
#: §7: what each field holds, for choosing, filtering and ordering; of complex ones the sub-field that stands for the whole.
SINGULAR: Final = frozenset(
    {"id", "displayName", "nickname", "published", "updated", "birthday", "anniversary", "note", "aboutMe", "tags", "connected"}
)
PRIMARY: Final[Mapping[str, str]] = {
    "name": "formatted", "emails": "value", "urls": "value", "phoneNumbers": "value", "photos": "value", "addresses": "formatted",
    "organizations": "name", "accounts": "username",
}  # fmt: skip
SEARCHED: Final = ("displayName", "emails", "accounts.username")
#: Where networks' handles are at home (§7.6: the domain of an account); of several names of one the first.
DOMAINS: Final[Mapping[str, str]] = {network: domain for domain, network in reversed(list(NETWORKS.items()))}
LABELS: Final[Mapping[str, Sequence[str]]] = {
    "emails": ("work", "home", "other"),
    "urls": ("work", "home", "blog", "profile", "other"),
    "phoneNumbers": ("work", "home", "mobile", "fax", "pager", "other"),
    "addresses": ("work", "home", "other"),
}

Entry = dict[str, Any]
_decode: Final = msgspec.msgpack.Decoder(records.Contact).decode


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a collection; `count` 0 leaves the size of the page to us."""

    filter_by: str | None = None
    filter_op: str | None = None
    filter_value: str | None = None
    updated_since: datetime | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 0
    count: int = 0
    fields: frozenset[str] | None = None

    @property
    def size(self) -> int:
        return min(self.count or DEFAULT_COUNT, MAX_COUNT)

    @property
    def filtered(self) -> bool:
        return self.filter_by is not None or self.filter_value is not None

    @property
    def in_stored_order(self) -> bool:
        return not self.filtered and self.updated_since is None and self.sort_by is None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page; `declined` names what was not done as asked, `deleted` are the ids that are nobody's any more, where changes were asked for."""

    start: int
    total: int
    entries: list[Entry]
    declined: tuple[str, ...] = ()
    deleted: tuple[str, ...] | None = None


async def page(operation: Operation, question: Question) -> Page:
    """The viewer's people that answer a question."""
    if question.in_stored_order:
        total = await operation.read(_total)
        rows = await operation.read(_rows, question.start, question.size)
        return Page(start=question.start, total=total, entries=_chosen(rows, question))
    found: list[Entry] = []
    matches, filter_declined = _matching(question)
    start = 0
    changed = None if question.updated_since is None else await operation.read(_changed, question.updated_since)
    while rows := await operation.read(_rows, start, SLICE, changed):
        found += [row for row in rows if matches(row)]
        start += SLICE
    declined = ["filtered"] if filter_declined else []
    if question.sort_by is not None:
        if _known(question.sort_by):
            by = question.sort_by
            found.sort(key=lambda entry: _sort_key(entry, by), reverse=question.descending)
            found.sort(key=lambda entry: not _values(entry, by))  # without the field: last, either way
        else:
            declined.append("sorted")
    part = found[question.start : question.start + question.size]
    deleted = None
    if question.updated_since is not None and question.start == 0:
        deleted = await operation.read(_deleted, question.updated_since)
    return Page(
        start=question.start, total=len(found), entries=_chosen(part, question), declined=tuple(declined), deleted=deleted
    )


async def one(operation: Operation, person_id: str, fields: frozenset[str] | None) -> Entry | None:
    """One person, by a former id too."""
    found = await people.get(operation, person_id)
    if found is None:
        return None
    return _chosen(await operation.read(_of_people, [found]), Question(fields=fields))[0]


async def owner(operation: Operation, fields: frozenset[str] | None) -> Entry:
    """The viewer themselves."""
    viewer = await viewers.get(operation)
    own = [address for address in await accounts.own_of_viewer(operation) if address.address_kind == "EMAIL"]
    emails = _plural("emails", [(value, None) for value in dict.fromkeys(address.value for address in own)])
    return _chosen([_filled(id=viewer.id, displayName=viewer.name, emails=emails)], Question(fields=fields))[0]


# --- entries ------------------------------------------------------------------------------------------------------------------


def _listed(viewer: str) -> list[sa.ColumnElement[bool]]:
    return [person.c.viewer_id == viewer, person.c.redirect_to.is_(None), person.c.nature.in_(NATURES)]


def _total(conn: Connection, viewer: str) -> int:
    return int(conn.execute(select(sa.func.count()).select_from(person).where(*_listed(viewer))).scalar_one())


def _rows(conn: Connection, viewer: str, start: int, size: int, ids: frozenset[str] | None = None) -> list[Entry]:
    """Entries in the stored order, which is the one of names; of these people alone where `ids` says so."""
    query = select(person).where(*_listed(viewer)).order_by(person.c.sort_name, person.c.id).offset(start).limit(size)
    rows = conn.execute(query if ids is None else query.where(among(person.c.id)), {} if ids is None else asked(viewer, ids))
    found = []
    for row in rows:
        try:
            found.append(people.of_row(row))
        except msgspec.MsgspecError:
            continue  # stored damaged: `kith doctor` says so
    return _of_people(conn, viewer, found)


def _of_people(conn: Connection, viewer: str, found: Sequence[people.Person]) -> list[Entry]:
    person_ids = [one.id for one in found]
    tied = identities.of_people(conn, viewer, person_ids)
    told = _told(conn, viewer, person_ids)
    borne = tags.of_things(conn, viewer, person_ids, "PERSON")
    rows = conn.execute(
        select(contact.c.person_id, contact.c.record, contact.c.created_at, contact.c.updated_at)
        .where(among(contact.c.person_id))
        .order_by(contact.c.born, contact.c.id),
        asked(viewer, person_ids),
    )
    behind: dict[str, list[Any]] = {}
    for row in rows:
        behind.setdefault(row.person_id, []).append(row)
    return [
        entry(one, tied[one.id], _facts(behind.get(one.id, ()), told.get(one.id), [tag.name for tag in borne[one.id]]))
        for one in found
    ]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry says that a person's projection does not: of the contacts behind it, and the tags that they bear."""

    published: datetime | None = None
    updated: datetime | None = None
    connected: bool = False
    note: str | None = None
    tags: tuple[str, ...] = ()


def _facts(rows: Sequence[Any], told: datetime | None, names: Sequence[str]) -> Facts:
    found = []
    for row in rows:
        try:
            found.append(_decode(row.record))
        except msgspec.MsgspecError:
            continue  # stored damaged: `kith doctor` says so
    return Facts(
        published=min((row.created_at for row in rows), default=None),
        updated=max((at for at in (told, *(row.updated_at for row in rows)) if at is not None), default=None),
        connected=any(one.relation == "CONNECTION" for one in found),
        note="\n\n".join(dict.fromkeys(one.note for one in found if one.note)) or None,
        tags=tuple(names),
    )


def _changed(conn: Connection, viewer: str, since: datetime) -> frozenset[str]:
    """Who may have changed since then: by their contacts, or by the change feed."""
    since = since.replace(microsecond=0)
    own = select(contact.c.person_id).where(
        contact.c.viewer_id == viewer, contact.c.updated_at >= since, contact.c.person_id.is_not(None)
    )
    told = select(feed.c.node_id).where(feed.c.viewer_id == viewer, feed.c.kind == "PERSON", feed.c.at >= since)
    return frozenset(conn.execute(own.union(told)).scalars())


def _told(conn: Connection, viewer: str, person_ids: Sequence[str]) -> dict[str, datetime]:
    """When people changed last by the change feed: also by being joined and parted, which leaves their contacts as they were."""
    rows = conn.execute(
        select(feed.c.node_id, sa.func.max(feed.c.at))
        .where(among(feed.c.node_id), told_again(feed), feed.c.kind == "PERSON")
        .group_by(feed.c.node_id),
        asked(viewer, person_ids),
    )
    return {row[0]: row[1] for row in rows}


def _deleted(conn: Connection, viewer: str, since: datetime) -> tuple[str, ...]:
    """Who was deleted or became somebody else since then, as far back as the change feed reaches, and is nobody of their own now."""
    f = feed.c
    rows = conn.execute(
        select(f.op, f.node_id, f.names)
        .where(f.viewer_id == viewer, f.kind == "PERSON", f.op.in_(("DELETE", "MERGE")), f.at >= since)
        .order_by(f.position)
        .limit(MAX_DELETED)
    )
    named = list(
        dict.fromkeys(one for row in rows for one in ([row.node_id] if row.op == "DELETE" else (row.names or "").split()))
    )
    there = conn.execute(
        select(person.c.id).where(among(person.c.id), person.c.redirect_to.is_(None), person.c.nature.in_(NATURES)),
        asked(viewer, named),
    )
    return tuple(sorted(set(named) - set(there.scalars())))


def entry(shown: people.Person, tied: Sequence[identities.Identity], facts: Facts) -> Entry:
    """A person in the draft's words (§7); what is empty is left out."""
    bio = None if shown.bio is None else shown.bio.value
    urls: dict[str, str | None] = {one.url: one.label for one in shown.urls}
    urls |= {one.url: "profile" for one in tied if one.url and one.claim in PROVEN}
    name = next((one for one in shown.names if one.preferred), next(iter(shown.names), None))
    found: Entry = {
        "id": shown.id,
        "displayName": shown.name,
        "name": None
        if name is None
        else _filled(
            formatted=name.full,
            familyName=name.family,
            givenName=name.given,
            middleName=name.middle,
            honorificPrefix=name.prefix,
            honorificSuffix=name.suffix,
        ),
        "nickname": None if name is None else name.nickname,
        "published": facts.published and _instant(facts.published),
        "updated": facts.updated and _instant(facts.updated),
        "birthday": _day(shown, "birthday"),
        "anniversary": _day(shown, "anniversary"),
        "note": facts.note or bio,
        "aboutMe": bio,
        "tags": list(facts.tags),
        "connected": facts.connected,
        "emails": _plural("emails", [(one.address or one.raw, one.label) for one in shown.emails]),
        "phoneNumbers": _plural("phoneNumbers", [(_number(one), one.label) for one in shown.phones]),
        "urls": _plural("urls", list(urls.items())),
        "organizations": _first(
            [_filled(name=one.name, department=one.department, title=one.title) for one in shown.organizations]
        ),
        "addresses": _first(
            [
                _filled(
                    type=_type("addresses", one.label),
                    formatted=one.formatted,
                    streetAddress=one.street,
                    locality=one.locality,
                    region=one.region,
                    postalCode=one.postal_code,
                    country=one.country,
                )
                for one in shown.addresses
            ]
        ),
        "accounts": [_account(one) for one in tied if one.handle],
    }
    return {field: value for field, value in found.items() if value}


def _number(one: SourcedPhone) -> str:
    number = one.number or one.raw
    return f"{number} ext. {one.extension}" if one.number and one.extension else number


def _account(one: identities.Identity) -> Entry:
    username, at, host = (one.handle or "").lstrip("@").partition("@")
    domain = host if at else DOMAINS.get(one.provider) or (urlsplit(one.url).hostname if one.url else None) or one.provider
    return {"domain": domain, "username": username}


def _plural(field: str, values: Sequence[tuple[str, str | None]]) -> list[Entry]:
    return _first([{"value": value, "type": _type(field, label)} for value, label in values])


def _first(values: list[Entry]) -> list[Entry]:
    """The first one is the one to use (§7.2.1): a boolean, where the draft's own example has a text."""
    if values:
        values[0]["primary"] = True
    return values


def _type(field: str, label: str | None) -> str:
    word = {"cell": "mobile", "private": "home"}.get((label or "").casefold(), (label or "").casefold())
    return word if word in LABELS[field] else "other"


def _filled(**values: Any) -> Entry:
    return {name: value for name, value in values.items() if value}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(shown: people.Person, label: str) -> str | None:
    """§7.1: the year 0000 stands for one that is unknown."""
    day = next((one for one in shown.facts.dates if one.label == label and one.month and one.day), None)
    return None if day is None else f"{day.year or 0:04}-{day.month:02}-{day.day:02}"


# --- questions ----------------------------------------------------------------------------------------------------------------


def _matching(question: Question) -> tuple[Callable[[Entry], bool], bool]:
    """What an entry has to be, and whether a filter was asked that is not understood."""
    tests: list[Callable[[Entry], bool]] = []
    declined = False
    if question.updated_since is not None:
        since = question.updated_since
        tests.append(
            lambda entry: "updated" in entry and datetime.fromisoformat(entry["updated"]) >= since.replace(microsecond=0)
        )
    if question.filtered:
        wanted, by = (question.filter_value or "").casefold(), question.filter_by
        op = question.filter_op or ("contains" if by is None else "equals")
        if op not in OPS or (by is not None and not _known(by)):
            declined = True
        elif by is None:
            tests.append(lambda entry: any(wanted in value.casefold() for path in SEARCHED for value in _values(entry, path)))
        else:
            compare = _COMPARED[op]
            tests.append(lambda entry: any(compare(value.casefold(), wanted) for value in _values(entry, by)))
    return (lambda entry: all(test(entry) for test in tests)), declined


_COMPARED: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "equals": lambda value, wanted: value == wanted,
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "present": lambda value, wanted: bool(value),
}


def _known(path: str) -> bool:
    field, dot, _ = path.partition(".")
    return field in PRIMARY or (field in SINGULAR and not dot)


def _values(entry: Entry, path: str) -> list[str]:
    """What an entry has at a path; a field of many has all of theirs, a complex one its primary sub-field (§6.4.1)."""
    field, _, inner = path.partition(".")
    inner = inner or PRIMARY.get(field, "")
    return list(_texts(entry.get(field), inner))


def _texts(value: Any, inner: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each, inner)
    elif isinstance(value, dict):
        yield from _texts(value.get(inner), "")
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield str(value)


def _sort_key(entry: Entry, path: str) -> tuple[str, str]:
    return next((value.casefold() for value in _values(entry, path)), ""), str(entry["id"])


def _chosen(entries: Sequence[Entry], question: Question) -> list[Entry]:
    """Only the fields that were asked for; `id` and `displayName` always (§7.1)."""
    if question.fields is None or "@all" in question.fields:
        return list(entries)
    wanted = question.fields | {"id", "displayName"}
    return [{name: value for name, value in entry.items() if name in wanted} for entry in entries]
