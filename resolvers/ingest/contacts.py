"""Contacts become rows with keys and a person of their own; correspondents are contacts that grow with the mail.

What was changed here and is still on its way to its network lies over what the network says (`edits.py`), until it is settled. A
LIVE account leaves its name and strong identifiers only. Lists, robots and rooms (nature AUTOMATED or GROUP) have no person until
the viewer writes to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from providers.formats import phone_number
from resolvers.identity import anchoring, webs
from resolvers.identity.keys import Key, keys_of
from resolvers.identity.people import reproject
from resolvers.ingest import categories, edits, groups, profile_changes
from resolvers.ingest.target import Result, Target
from resolvers.projection import Member, project
from store import ids, photos
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.prepared import Prepared
from store.rows import insert
from store.tables import contact, contact_key, dirty, message_participant, person, photo
from store.upserts import insert_into

MAX_NAMES: Final = 5  # spellings kept of a correspondent
NOBODY: Final = frozenset({"AUTOMATED", "GROUP"})
_STORED: Final = profile_changes.STORED  # a kept record's picture is in `photo`
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(records.Contact).decode
_STATE: Final = select(
    contact.c.id, contact.c.fingerprint, contact.c.person_id, contact.c.minted_id, contact.c.version, contact.c.record,
    contact.c.nature, contact.c.pristine, contact.c.photo_hash,
)  # fmt: skip
_BY_ID: Final = Prepared(lambda: _STATE.where(among(contact.c.id)))
_ON_MESSAGES: Final = select(contact.c.id).where(
    among(contact.c.id),
    sa.exists().where(
        message_participant.c.viewer_id == contact.c.viewer_id, message_participant.c.contact_id == contact.c.id
    ),
)  # fmt: skip
_BY_KEY: Final = Prepared(
    lambda: _STATE.add_columns(contact.c.key).where(among(contact.c.key), contact.c.account_id == sa.bindparam("account"))
)
# `strong` is read along: of what the primary key has by itself SQLite would walk through all of a viewer's
_CARRIERS: Final = select(contact_key.c.contact_id, contact_key.c.strong).where(
    among(contact_key.c.value), contact_key.c.kind == sa.bindparam("kind")
)
_DROP_KEYS: Final = sa.delete(contact_key).where(among(contact_key.c.contact_id))
_CHANGED: Final = (
    "container", "person_id", "relation", "nature", "name", "sort_name", "record", "fingerprint", "etag", "photo_hash", "updated_at", "uid",
    "version",
)  # fmt: skip
_CHANGE: Final = (
    sa.update(contact).where(contact.c.viewer_id == VIEWER, contact.c.id == sa.bindparam("which"))
    .values({name: sa.bindparam(f"new_{name}") for name in _CHANGED})
)  # fmt: skip


class Correspondent(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody seen in a message. `written_to`: the viewer wrote to them, so they are somebody."""

    kind: records.AddressKind
    address: str
    name: str
    provider: str | None = None
    url: str | None = None
    key: str | None = None
    automated: bool = False
    written_to: bool = False


def upsert(
    conn: Connection, table: sa.Table, rows: Sequence[dict[str, Any]], key: Sequence[str], update: Sequence[str] = ()
) -> None:
    """Insert rows; where the key exists, replace `update`, or leave the old row."""
    if rows:
        insert(conn, _upsert(conn.dialect.name, table, tuple(key), tuple(update)), rows)


@lru_cache(200)
def _upsert(dialect: str, table: sa.Table, key: tuple[str, ...], update: tuple[str, ...]) -> sa.Insert:
    new = insert_into(table, dialect)
    names = ["viewer_id", *key]
    made: sa.Insert = (
        new.on_conflict_do_update(index_elements=names, set_={c: new.excluded[c] for c in update})
        if update
        else new.on_conflict_do_nothing(index_elements=names)
    )
    return made


def put_contacts(
    conn: Connection,
    viewer: str,
    target: Target,
    items: Sequence[records.Contact],
    recorder: Recorder,
    now: datetime,
    *,
    known_as: Mapping[str, str] | None = None,
) -> list[Result]:
    """Write contacts; one result each, in order. The last of several records with one key wins.

    `known_as` gives contacts that come back the ids that they had, by key; an id is made of the key otherwise.
    """
    # one that was made here got its id before it had a key
    by_key = {
        row.key: row for row in _BY_KEY.rows(conn, **asked(viewer, [item.key for item in items], account=target.account_id))
    }
    named = {key: row.id for key, row in by_key.items()} | dict(known_as or {})
    contact_ids = [named.get(item.key) or ids.derive("CONTACT", target.account_id, item.key) for item in items]
    known = {row.id: row for row in by_key.values()}
    if others := [contact_id for contact_id in contact_ids if contact_id not in known]:
        known |= _known(conn, viewer, others)
    edited = edits.pending(conn, viewer, [i for i in contact_ids if i not in known or known[i].pristine is not None])
    results: list[Result] = []
    changed: dict[str, records.Contact] = {}
    created: list[str] = []
    pristine: dict[str, records.Contact | None] = {}
    for contact_id, item in zip(contact_ids, items, strict=True):
        mine = edited.get(contact_id, ())
        if contact_id not in known and any(edit.action == "DELETE" for edit in mine):  # and about to be deleted there
            results.append(Result(outcome="UNCHANGED"))
            continue
        if contact_id in known and known[contact_id].pristine is not None:
            pristine[contact_id] = _kept(item, live=target.live) if mine else None
            item = edits.over(item, mine)
        record = _kept(item, live=target.live)
        old = changed.get(contact_id)
        if old is None and contact_id in known:
            old_print = known[contact_id].fingerprint
        else:
            old_print = None if old is None else _fingerprint(old)
        if old_print is None:
            created.append(contact_id)
            changed[contact_id] = item
            results.append(Result(outcome="CREATED", node_id=contact_id))
        elif old_print == _fingerprint(record):
            results.append(Result(outcome="UNCHANGED", node_id=contact_id))
        else:
            changed[contact_id] = item
            results.append(Result(outcome="UPDATED", node_id=contact_id))
    _write(conn, viewer, target, changed, known, created, recorder, now)
    if not target.live and not target.beneath:
        told = {i: item for i, item in changed.items() if i in known and known[i].pristine is None}
        profile_changes.note(conn, viewer, target.account_id, _told(known, told), now)
    for contact_id, theirs in pristine.items():
        keep_pristine(conn, viewer, contact_id, theirs)
    return results


def _told(known: Mapping[str, Any], changed: Mapping[str, records.Contact]) -> dict[str, tuple[records.Contact, records.Contact]]:
    """What was stored of contacts, with what their source says now."""
    found = {}
    for contact_id, item in changed.items():
        try:
            found[contact_id] = (_decode(known[contact_id].record), _kept(item, live=False))
        except msgspec.MsgspecError:
            continue  # stored damaged: what it said cannot be known
    return found


def put_edited(
    conn: Connection,
    viewer: str,
    target: Target,
    contact_id: str,
    item: records.Contact,
    theirs: records.Contact,
    recorder: Recorder,
    now: datetime,
) -> None:
    """Show a contact as it was changed here; `theirs` is what its network has until the change is settled there."""
    known = _known(conn, viewer, [contact_id])
    _write(conn, viewer, target, {contact_id: item}, known, [] if known else [contact_id], recorder, now)
    keep_pristine(conn, viewer, contact_id, theirs)


def keep_pristine(conn: Connection, viewer: str, contact_id: str, theirs: records.Contact | None) -> None:
    """What the network has of a contact while a change is on its way; None when nothing is any more."""
    mine = sa.update(contact).where(contact.c.viewer_id == viewer, contact.c.id == contact_id)
    conn.execute(mine.values(pristine=None if theirs is None else _encode(theirs)))


def put_correspondents(
    conn: Connection, viewer: str, target: Target, people: Sequence[Correspondent], recorder: Recorder, now: datetime
) -> dict[tuple[str, str], str]:
    """Contacts for those seen in messages: (kind, address) → contact id. Known ones learn new spellings of their name."""
    if not people:
        return {}
    found: dict[tuple[str, str], str] = {}
    wanted: dict[str, list[Correspondent]] = {}
    for one in people:
        contact_id = ids.derive_again("CONTACT", target.account_id, correspondent_key(one.kind, one.address, one.key))
        found[one.kind, one.address] = contact_id
        wanted.setdefault(contact_id, []).append(one)
    known = _known(conn, viewer, list(wanted))
    changed: dict[str, records.Contact] = {}
    created: list[str] = []
    for contact_id, seen in wanted.items():
        row = known.get(contact_id)
        old = _decode(row.record) if row is not None else None
        if old is not None and old.relation != "CORRESPONDENT":
            continue  # the network says who this is; a message header adds nothing
        new = _of_both(old, seen, beneath=target.beneath) if old is not None and target.gathers else _grown(old, seen)
        if new is not old and new != old:
            changed[contact_id] = new
            if row is None:
                created.append(contact_id)
    _write(conn, viewer, target, changed, known, created, recorder, now)
    return found


def only_correspond(
    conn: Connection, viewer: str, target: Target, contact_ids: Collection[str], recorder: Recorder, now: datetime
) -> tuple[set[str], int]:
    """Contacts that their network lists no more: those who are on messages that are still there are correspondents from now on, by the
    names, handles and page that they had. Returns who these are, the others are to go, and of how many that is news."""
    met = set(conn.execute(_ON_MESSAGES, asked(viewer, contact_ids)).scalars())
    known = _known(conn, viewer, list(met))
    changed: dict[str, records.Contact] = {}
    for contact_id, row in known.items():
        old = _decode(row.record)
        if old.relation != "CORRESPONDENT":
            changed[contact_id] = records.Contact(
                key=old.key,
                relation="CORRESPONDENT",
                nature=old.nature,
                names=old.names[:MAX_NAMES],
                handles=old.handles,
                url=old.url,
            )
    categories.forget(conn, viewer, changed, recorder)
    _write(conn, viewer, target, changed, known, [], recorder, now)
    categories.tell(conn, viewer, changed, recorder)
    return set(known), len(changed)


def correspondent_key(kind: records.AddressKind, address: str, key: str | None) -> str:
    """By which somebody who is seen in a message is known: the network's own key, else the address."""
    return key or f"{kind.lower()}:{address.casefold()}"


def _of_both(old: records.Contact, seen: Sequence[Correspondent], *, beneath: bool) -> records.Contact:
    """Somebody of whom both a network and its files tell: as they are told of now, or `beneath` as before; but with a name if there is one."""
    fresh = _grown(None, seen)
    if not fresh.names or (beneath and old.names):
        return msgspec.structs.replace(_grown(old, seen), names=old.names)
    return msgspec.structs.replace(_grown(old, seen), names=fresh.names, handles=fresh.handles, urls=fresh.urls, url=fresh.url)


def _grown(old: records.Contact | None, seen: Sequence[Correspondent]) -> records.Contact:
    first = seen[0]
    names = list(old.names) if old is not None else []
    spelled = {n.full.casefold() for n in names}
    for one in seen:
        name = one.name.strip()
        nameless = one.kind == "HANDLE" and one.provider is None  # known by a name alone, which stands for an address
        new = name.casefold() not in spelled and (nameless or name.casefold() != one.address.casefold())
        if name and new and len(names) < MAX_NAMES:
            names.append(records.Name(full=name))
            spelled.add(name.casefold())
    somebody = any(one.written_to or not one.automated for one in seen)
    if old is not None:
        nature = "INDIVIDUAL" if somebody and old.nature == "AUTOMATED" else old.nature
        if nature == old.nature and len(names) == len(old.names):
            return old  # as nearly everybody who writes again
        return msgspec.structs.replace(old, names=tuple(names), nature=nature)
    emails: tuple[records.Email, ...] = ()
    phones: tuple[records.Phone, ...] = ()
    handles: tuple[records.Handle, ...] = ()
    urls: tuple[records.Url, ...] = ()
    if first.kind == "EMAIL":
        emails = (records.Email(raw=first.address, address=first.address),)
    elif first.kind == "PHONE":
        phones = (phone_number.read(first.address, None, line="MOBILE"),)  # it writes messages
    elif first.kind == "HANDLE" and first.provider:
        handles = (records.Handle(provider=first.provider, handle=first.address, url=first.url),)
    elif first.kind == "URL" and first.url:
        urls = (records.Url(url=first.url),)
    return records.Contact(
        key=correspondent_key(first.kind, first.address, first.key),
        relation="CORRESPONDENT",
        nature="INDIVIDUAL" if somebody else "AUTOMATED",
        names=tuple(names),
        emails=emails,
        phones=phones,
        handles=handles,
        urls=urls,
        url=first.url,
    )


def _known(conn: Connection, viewer: str, contact_ids: Sequence[str]) -> dict[str, Any]:
    return {row.id: row for row in _BY_ID.rows(conn, **asked(viewer, contact_ids))}


def _kept(item: records.Contact, *, live: bool) -> records.Contact:
    """What is stored of a record: no picture bytes (they have a table), and of a LIVE account keys instead of content."""
    if live:
        return records.Contact(
            key=item.key, relation=item.relation, nature=item.nature, names=item.names, emails=item.emails, phones=item.phones,
            urls=item.urls, handles=item.handles, url=item.url, container=item.container,
        )  # fmt: skip
    if item.photo is not None and item.photo.data is not None:
        picture = msgspec.structs.replace(item.photo, data=None, url=f"{_STORED}{hashlib.sha256(item.photo.data).hexdigest()}")
        return msgspec.structs.replace(item, photo=picture)
    return item


def _fingerprint(record: records.Contact) -> bytes:
    return hashlib.blake2b(_encode(record), digest_size=16).digest()


def _write(
    conn: Connection,
    viewer: str,
    target: Target,
    changed: dict[str, records.Contact],
    known: dict[str, Any],
    created: list[str],
    recorder: Recorder,
    now: datetime,
) -> None:
    if not changed:
        return
    before = {i: groups.read(known.get(i)) for i in changed if i in known}
    refiled = set() if target.live else categories.follow(conn, viewer, target.account_id, changed, before, recorder)
    fresh: list[dict[str, Any]] = []
    updated: list[dict[str, Any]] = []
    people: dict[str, dict[str, Any]] = {}
    touched: set[str] = set()
    born = int(now.timestamp() * 1_000_000)
    new = set(created)
    pictures: dict[str, dict[str, Any]] = {}
    shown_now: set[str | None] = set()
    for n, (contact_id, item) in enumerate(changed.items()):
        record = _kept(item, live=target.live)
        photo_hash = None
        if not target.live and item.photo is not None and item.photo.data is not None:
            photo_hash = hashlib.sha256(item.photo.data).hexdigest()
            media = item.photo.media_type or "application/octet-stream"
            pictures[photo_hash] = {"viewer_id": viewer, "hash": photo_hash, "media_type": media, "data": item.photo.data}
        elif item.photo is not None and (item.photo.url or "").startswith(_STORED):
            photo_hash = (item.photo.url or "").removeprefix(_STORED)  # a record as it was kept, written again
        shown_now.add(photo_hash)
        minted = ids.derive("PERSON", contact_id)
        row = known.get(contact_id)
        had = None if row is None else row.person_id
        person_id = None if record.nature in NOBODY else had or minted
        if person_id is not None and had is None:
            people[minted] = {
                "viewer_id": viewer,
                "id": minted,
                "born": born + n,
                "created_at": now,
                "redirect_to": None,
                "version": 1,
            }
        touched.update(p for p in (person_id, had) if p is not None)
        shown = project(
            [Member(contact_id=contact_id, account_id=target.account_id, born=0, updated_at=now, photo_hash=None, record=record)]
        )
        values = {
            "container": record.container, "person_id": person_id, "relation": record.relation, "nature": record.nature,
            "name": shown.name, "sort_name": shown.sort_name, "record": _encode(record), "fingerprint": _fingerprint(record),
            "etag": record.etag, "photo_hash": photo_hash, "updated_at": now, "uid": record.uid,
        }  # fmt: skip
        if contact_id in new:
            version = None if target.live else 1
            fresh.append(
                {"viewer_id": viewer, "id": contact_id, "account_id": target.account_id, "key": record.key, "minted_id": minted,
                 "born": born + n, "created_at": now, "version": version, **values}
            )  # fmt: skip
        else:
            version = None if target.live or row is None else (row.version or 0) + 1
            named = {f"new_{name}": value for name, value in values.items()}
            updated.append({"viewer": viewer, "which": contact_id, "new_version": version, **named})
        if version is not None:
            recorder.upsert("CONTACT", contact_id, version, created=contact_id in new)
    insert(conn, contact, fresh)
    if updated:
        conn.execute(_CHANGE, updated)
    if not target.live:
        groups.tell(conn, viewer, target.account_id, {i: (before.get(i), item) for i, item in changed.items()}, recorder, now)
    known_ids = _lead(conn, viewer, known, changed, people, recorder)
    upsert(conn, person, list(people.values()), ["id"], ["redirect_to"])
    lost = {key for i, item in changed.items() if (row := known.get(i)) is not None for key in _lost(row, item)}
    _write_keys(conn, viewer, changed)
    look_again(conn, viewer, [*changed, *carriers(conn, viewer, lost)])
    # an id that lives again after its contact had gone begins with the next version
    reproject(conn, viewer, touched, recorder, now, created=people.keys() - known_ids)
    categories.tell(conn, viewer, refiled - new, recorder)
    replaced = {row.photo_hash for i in changed if (row := known.get(i)) is not None and row.photo_hash is not None} - shown_now
    if replaced:
        photos.take_turn(conn, viewer, {*replaced, *pictures})
    upsert(
        conn, photo, [pictures[hashed] for hashed in sorted(pictures)], ["hash"], ["media_type"]
    )  # in turn with store/photos.py
    photos.let_go(conn, viewer, replaced, partial(edits.held_photos, conn, viewer))


def _lead(
    conn: Connection,
    viewer: str,
    known: Mapping[str, Any],
    changed: Mapping[str, records.Contact],
    people: dict[str, dict[str, Any]],
    recorder: Recorder,
) -> set[str]:
    """Let ids lead where they belong now that contacts are somebody's, or nobody's: those that lead to somebody again are added to `people`.
    Returns which of `people` are not new as ids."""
    nobodys = {
        i: (row.person_id, row.minted_id)
        for i, item in changed.items()
        if (row := known.get(i)) is not None and row.person_id is not None and item.nature in NOBODY
    }
    if nobodys:
        anchoring.let_go(conn, viewer, nobodys)
    if not people:
        return set()
    minted = {i: p for i in changed if (p := ids.derive("PERSON", i)) in people}
    known_ids, again = anchoring.come_back(conn, viewer, minted, recorder)
    for person_id, survivor in again.items():
        people[person_id] = people[survivor] | {"id": person_id, "redirect_to": survivor}
    return known_ids | again.keys()


def _lost(row: Any, item: records.Contact) -> set[Key]:
    """The keys that a contact had and has no more."""
    try:
        before = () if row.nature in NOBODY else keys_of(_decode(row.record))
    except msgspec.MsgspecError:
        return set()  # stored damaged: what it said cannot be known
    return set(before) - set(() if item.nature in NOBODY else keys_of(item))


def carriers(conn: Connection, viewer: str, keys: Collection[Key]) -> set[str]:
    """Who carries any of these, or what the open web ties to them: a value that somebody gives up may be proof to the others again, whom
    it had kept apart."""
    values = {(key.kind, key.value) for key in keys}
    return carrying(conn, viewer, values | webs.Reader(conn, viewer).follow(values)) if values else set()


def carrying(conn: Connection, viewer: str, values: Collection[tuple[str, str]]) -> set[str]:
    """Who carries any of these (kind, value)."""
    found: set[str] = set()
    for wanted in sorted({kind for kind, _ in values}):
        held = {value for kind, value in values if kind == wanted}
        found.update(conn.execute(_CARRIERS, asked(viewer, held, kind=wanted)).scalars())
    return found


def look_again(conn: Connection, viewer: str, contact_ids: Iterable[str]) -> None:
    """Have these contacts looked at by the job that says who is who."""
    # in order: two who mark the same would wait for each other
    upsert(conn, dirty, [{"viewer_id": viewer, "contact_id": c} for c in sorted(set(contact_ids))], ["contact_id"])


def _write_keys(conn: Connection, viewer: str, changed: dict[str, records.Contact]) -> None:
    conn.execute(_DROP_KEYS, asked(viewer, changed))
    rows = [
        {"viewer_id": viewer, "contact_id": contact_id, "kind": k.kind, "value": k.value, "strong": k.strong, "source": k.source}
        for contact_id, item in changed.items()
        if item.nature not in NOBODY
        for k in keys_of(item)
    ]
    insert(conn, contact_key, rows)
