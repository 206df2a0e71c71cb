"""What contacts are filed under at their sources (vCard's CATEGORIES, RFC 6350 §6.7.1; keywords of JSContact, RFC 9553 §2.8.2; labels of
Google, Outlook and CSV; lists; groups that are cards themselves) becomes tags of their people.

A category goes with its contact, and a tag with what is filed under it: when a source drops it, or its account is unlinked, nobody bears it
any more. The viewer's hand goes before: what they took off somebody stays off for as long as the source says the same, and a tag that
they called otherwise keeps its new name for whoever is filed under the old one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.identity import documents
from resolvers.ingest import groups
from store.among import among, asked
from store.feed import Recorder
from store.rows import insert
from store.tables import category, contact, person, tag
from store.tags import MAX_OF_ONE, MAX_TAGS, folded, is_name, make, spelled, unborne

#: What Google files everybody under by itself, as its exports write it: no words of the viewer's.
SYSTEM: Final = frozenset({"mycontacts", "my contacts", "system group: my contacts"})
STEP: Final = 200
TRIES: Final = 3
_OF, _T = category.c, tag.c
_decode = msgspec.msgpack.Decoder(records.Contact).decode
_HELD: Final = select(_OF.contact_id, _OF.folded, _OF.tag_id).where(among(_OF.contact_id))
_BY_UID: Final = select(contact.c.id, contact.c.record).where(
    among(contact.c.uid), contact.c.account_id == sa.bindparam("account"), contact.c.nature != "GROUP"
)
_NEWER: Final = (
    sa.update(person)
    .where(person.c.redirect_to.is_(None), among(person.c.id))
    .values(version=person.c.version + 1)
    .returning(person.c.id, person.c.version)
)
Names = dict[str, str]  # as they are spelled, by what makes them the same


def follow(
    conn: Connection,
    viewer: str,
    account_id: str,
    changed: Mapping[str, records.Contact],
    before: Mapping[str, records.Contact | None],
    recorder: Recorder,
) -> set[str]:
    """Contacts of an account are about to be written as `changed`, by id; `before` is what groups that are cards said. Returns the contacts
    whose people bear other tags then: `tell` says so once they are written.

    Comes before all else that is written, so that whoever waits for a tag holds nobody's row meanwhile.
    """
    looked_at = {
        i: item for i, item in changed.items() if item.relation != "CORRESPONDENT" and (item.groups or item.uid or i in before)
    }
    regrouped = [one for one in (*changed.values(), *before.values()) if one is not None and one.nature == "GROUP"]
    if not looked_at and not regrouped:
        return set()
    cards = {}
    if regrouped or any(one.uid for one in looked_at.values()):
        cards = _cards(conn, viewer, account_id, changed, before)
    moved = {uid for one in regrouped for uid in one.members}
    if moved:
        for row in conn.execute(_BY_UID, asked(viewer, moved, account=account_id)):
            if row.id not in looked_at and (record := _read(row.record)) is not None:
                looked_at[row.id] = record
    wanted = {i: _names(one, cards) for i, one in looked_at.items()}
    return put(conn, viewer, wanted, recorder)


def put(conn: Connection, viewer: str, wanted: Mapping[str, Names], recorder: Recorder) -> set[str]:
    """File contacts under these names and no others. Returns whom that changed."""
    held: dict[str, dict[str, str | None]] = defaultdict(dict)
    for row in conn.execute(_HELD, asked(viewer, wanted)):
        held[row.contact_id][row.folded] = row.tag_id
    dropped = {(i, name): tag_id for i, names in wanted.items() for name, tag_id in held[i].items() if name not in names}
    added = [(i, name) for i, names in wanted.items() for name in names if name not in held[i]]
    if not dropped and not added:
        return set()
    spellings = {name: names[name] for names in wanted.values() for name in names}
    tags = _tags(conn, viewer, {name: spellings[name] for _, name in added}, recorder)
    for contact_id in sorted({i for i, _ in dropped}):
        names = [name for i, name in dropped if i == contact_id]
        conn.execute(sa.delete(category).where(_OF.viewer_id == viewer, _OF.contact_id == contact_id, _OF.folded.in_(names)))
    rows = [
        {"viewer_id": viewer, "contact_id": i, "folded": name, "tag_id": tags[name]} for i, name in sorted(added) if name in tags
    ]
    if rows:
        insert(conn, category, rows)
    _sweep(conn, viewer, {tag_id for tag_id in dropped.values() if tag_id is not None}, recorder)
    return {i for (i, _), tag_id in dropped.items() if tag_id is not None} | {row["contact_id"] for row in rows}


def forget(conn: Connection, viewer: str, contact_ids: Collection[str], recorder: Recorder) -> None:
    """Contacts are gone, and what they were filed under with them."""
    gone = sa.delete(category).where(_OF.viewer_id == viewer, _OF.contact_id.in_(contact_ids)).returning(_OF.tag_id)
    _sweep(conn, viewer, {row.tag_id for row in conn.execute(gone) if row.tag_id is not None}, recorder)


def tell(conn: Connection, viewer: str, contact_ids: Collection[str], recorder: Recorder) -> None:
    """The people of these contacts bear other tags than before."""
    if not contact_ids:
        return
    # nobody's are left out here: asked to, SQLite walks through all that are somebody's
    people = set(conn.execute(select(contact.c.person_id).where(among(contact.c.id)), asked(viewer, contact_ids)).scalars()) - {
        None
    }
    for row in conn.execute(_NEWER, asked(viewer, people)).all():
        recorder.upsert("PERSON", row.id, row.version, fields=("tags",))
    documents.renew(conn, viewer, people)


def renew(conn: Connection, viewer: str, after: str, recorder: Recorder) -> str | None:
    """File the next contacts behind `after` as their records say; where to go on, None at the end. Raises nothing of its own."""
    c = contact.c
    rows = conn.execute(
        select(c.id, c.account_id, c.record)
        .where(c.viewer_id == viewer, c.id > after, c.relation != "CORRESPONDENT", c.version.is_not(None))
        .order_by(c.id)
        .limit(STEP)
    ).all()
    cards = {account_id: _cards(conn, viewer, account_id, {}, {}) for account_id in {row.account_id for row in rows}}
    wanted = {row.id: _names(one, cards[row.account_id]) for row in rows if (one := _read(row.record)) is not None}
    tell(conn, viewer, put(conn, viewer, wanted, recorder), recorder)
    return rows[-1].id if len(rows) == STEP else None


def _names(record: records.Contact, cards: Mapping[str, Collection[str]]) -> Names:
    """What a contact is filed under: `cards` are the members of groups that are cards, by name."""
    if record.nature == "GROUP":
        return {}
    of_cards = [name for name, members in cards.items() if record.uid is not None and record.uid in members]
    found: Names = {}
    for name in map(spelled, (*record.groups, *of_cards)):
        if is_name(name) and folded(name) not in SYSTEM and len(found) < MAX_OF_ONE:
            found.setdefault(folded(name), name)
    return found


def _cards(
    conn: Connection,
    viewer: str,
    account_id: str,
    changed: Mapping[str, records.Contact],
    before: Mapping[str, records.Contact | None],
) -> dict[str, set[str]]:
    """Who is in each group of an account that is a card, by its name, once `changed` is written."""
    found: dict[str, set[str]] = defaultdict(set)
    new = {one.key: one for one in changed.values()}
    old = {one.key for one in before.values() if one is not None}
    for card in groups.by_account(conn, viewer, [account_id]).get(account_id, ()):
        if card.key not in new and card.key not in old:
            found[card.name] |= card.members
    for one in new.values():
        if one.nature == "GROUP" and one.relation == "ADDRESS_BOOK" and one.names:
            found[one.names[0].full] |= set(one.members)
    return found


def _tags(conn: Connection, viewer: str, wanted: Names, recorder: Recorder) -> dict[str, str]:
    """The tags that names stand for, made where there is none; of more names than there may be tags the last ones have none."""
    found: dict[str, str] = {}
    for _ in range(TRIES):  # again for those that somebody removed meanwhile
        missing = [name for name in sorted(wanted) if name not in found]
        if not missing:
            break
        # what others are filed under by this name is its tag, whatever the viewer calls it by now
        as_others = select(_OF.folded, sa.func.min(_OF.tag_id).label("id")).where(
            _OF.viewer_id == viewer, _OF.folded.in_(missing), _OF.tag_id.is_not(None)
        )
        known = {row.folded: row.id for row in conn.execute(as_others.group_by(_OF.folded))}
        called = select(_T.folded, _T.id).where(_T.viewer_id == viewer, _T.folded.in_(missing)).order_by(_T.id.desc())
        known = {row.folded: row.id for row in conn.execute(called)} | known
        _make(conn, viewer, {name: wanted[name] for name in missing if name not in known}, known, recorder)
        kept = select(_T.id).where(_T.viewer_id == viewer, _T.id.in_(sorted(known.values()))).order_by(_T.id).with_for_update()
        there = set(conn.execute(kept).scalars())
        found |= {name: tag_id for name, tag_id in known.items() if tag_id in there}
    return found


def _make(conn: Connection, viewer: str, wanted: Names, known: dict[str, str], recorder: Recorder) -> None:
    if not wanted:
        return
    count = conn.execute(select(sa.func.count()).select_from(tag).where(_T.viewer_id == viewer)).scalar_one()
    for name in sorted(wanted)[: max(0, MAX_TAGS - count)]:
        known[name], created = make(conn, viewer, wanted[name])
        if created:
            recorder.upsert("TAG", known[name], 1, created=True)


def _sweep(conn: Connection, viewer: str, tag_ids: Iterable[str], recorder: Recorder) -> None:
    """Tags that are on nothing any more are gone."""
    for tag_id in sorted(conn.execute(unborne(viewer, sorted(tag_ids))).scalars()):
        conn.execute(sa.delete(tag).where(_T.viewer_id == viewer, _T.id == tag_id))
        recorder.delete("TAG", tag_id)


def _read(record: bytes) -> records.Contact | None:
    try:
        return _decode(record)
    except msgspec.MsgspecError:
        return None  # stored damaged: `kith doctor` says so


__all__ = ["follow", "forget", "put", "renew", "tell"]
