"""Activities become rows, and who did them a contact: what was posted, repeated, liked or begun on a network.

An activity belongs to the account that showed it. The same post may be shown by several, and its author may have posted the same
in several places: each stays a row, and those that may be the same share a `same_key`, by which lists count them once
(`resolvers/activities.py`). Networks that are only read live keep their activities to themselves.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest.contacts import Correspondent, put_correspondents, upsert
from resolvers.ingest.target import Result, Target
from store import ids
from store.among import among, asked
from store.feed import Recorder
from store.tables import activity, contact
from store.words import fold

#: Letters of a text that make it its author's own: "good morning" is posted every day.
TELLING: Final = 24
#: Letters that are compared: whoever posts to several networks has the longer text cut on some.
COMPARED: Final = 180
#: Actors that are nobody (ActivityStreams 2.0 Vocabulary §3.2).
MACHINES: Final = frozenset({"SERVICE", "APPLICATION", "GROUP"})
MAX_ORIGINAL: Final = 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode
# networks write addresses and mentions each in their own way
_ELSEWHERE: Final = re.compile(r"https?://\S+|@\S+", re.IGNORECASE)
_KNOWN: Final = select(activity.c.id, activity.c.fingerprint, activity.c.version, activity.c.occurred_at, activity.c.edited_at).where(
    among(activity.c.id)
)  # fmt: skip
_LEAVING: Final = (
    select(activity.c.id, contact.c.person_id)
    .outerjoin(contact, sa.and_(contact.c.viewer_id == activity.c.viewer_id, contact.c.id == activity.c.contact_id))
    .where(among(activity.c.key), activity.c.account_id == sa.bindparam("account"))
)
_REPLACED: Final = tuple(c.name for c in activity.c if c.name not in ("viewer_id", "id", "account_id", "key", "created_at"))


def put_activities(
    conn: Connection, viewer: str, target: Target, items: Sequence[records.Activity], recorder: Recorder, now: datetime
) -> list[Result]:
    """Write activities; one result each, in order. Of several records with one key the last one counts."""
    if target.live:
        return [Result(outcome="SKIPPED", reason="UNSUPPORTED", message="This account is only read live.") for _ in items]
    named = [ids.derive("ACTIVITY", target.account_id, item.key) for item in items]
    known = {row.id: row for row in conn.execute(_KNOWN, asked(viewer, named))}
    changed: dict[str, records.Activity] = {}
    results: list[Result] = []
    for node_id, item in zip(named, items, strict=True):
        before = changed.get(node_id)
        row = known.get(node_id)
        if before is None and row is None:
            outcome: records.Outcome = "CREATED"
        elif _is_same(before, row, item) or _is_older(before or row, item):
            outcome = "UNCHANGED"
        else:
            outcome = "UPDATED"
        if outcome != "UNCHANGED":
            changed[node_id] = item
        results.append(Result(outcome=outcome, node_id=node_id))
    _write(conn, viewer, target, changed, known, recorder, now)
    return results


def remove_activities(
    conn: Connection, viewer: str, account_id: str, keys: Sequence[str], recorder: Recorder, reason: str = "DELETED"
) -> int:
    """Forget activities that were taken back or whose account goes. Returns how many were there."""
    rows = conn.execute(_LEAVING, asked(viewer, keys, account=account_id)).all()
    if not rows:
        return 0
    conn.execute(sa.delete(activity).where(activity.c.viewer_id == viewer, activity.c.id.in_([row.id for row in rows])))
    for row in rows:
        recorder.delete("ACTIVITY", row.id, parent_id=row.person_id, reason=reason)
    return len(rows)


def same_key(item: records.Activity) -> str | None:
    """What all appearances of one act have in common, however each network writes them: the first letters of a text that is long
    enough to tell, else what was done to which object. None where nothing can be told.
    """
    thing = item.object
    if thing is None:
        return None
    if item.verb == "CREATE":
        said = _ELSEWHERE.sub(" ", (thing.text or thing.name or "")[: COMPARED * 20])
        letters = fold(said).replace(" ", "")[:COMPARED]
        if len(letters) >= TELLING:
            return _digest("says", letters)
    return None if thing.uri is None else _digest(item.verb, thing.uri)


def _write(
    conn: Connection,
    viewer: str,
    target: Target,
    changed: dict[str, records.Activity],
    known: dict[str, Any],
    recorder: Recorder,
    now: datetime,
) -> None:
    contacts = _put_actors(conn, viewer, target, [item.actor for item in changed.values()], recorder, now)
    rows = []
    for node_id, item in changed.items():
        old = known.get(node_id)
        first_seen = now if old is None else old.occurred_at
        version = 1 if old is None else old.version + 1
        thing = item.object
        rows.append(
            {
                "viewer_id": viewer, "id": node_id, "account_id": target.account_id, "key": item.key, "container": item.container,
                "contact_id": contacts.get(item.actor.uri), "actor_uri": item.actor.uri, "verb": item.verb,
                "object_kind": None if thing is None else thing.kind, "uri": None if thing is None else thing.uri,
                "same_key": same_key(item), "edited_at": item.edited_at,
                # nobody has done anything tomorrow: a clock is wrong
                "occurred_at": first_seen if item.occurred_at is None else min(item.occurred_at, now),
                "record": _encode(_kept(item)), "original": _packed(item.original), "fingerprint": _fingerprint(item),
                "created_at": now, "version": version,
            }
        )  # fmt: skip
        recorder.upsert("ACTIVITY", node_id, version, created=old is None)
    upsert(conn, activity, rows, ["id"], _REPLACED)


def _put_actors(
    conn: Connection, viewer: str, target: Target, actors: Sequence[records.Actor], recorder: Recorder, now: datetime
) -> dict[str, str]:
    """Contacts for those who did something: uri → contact id. The viewer has none."""
    others: dict[str, Correspondent] = {}
    for actor in actors:
        names = {actor.uri.casefold(), (actor.handle or actor.uri).casefold()}
        if actor.uri not in others and names.isdisjoint(target.own):
            others[actor.uri] = _correspondent(actor)
    contacts = put_correspondents(conn, viewer, target, list(others.values()), recorder, now)
    return {uri: contacts[one.kind, one.address] for uri, one in others.items()}


def _correspondent(actor: records.Actor) -> Correspondent:
    by_handle = actor.handle is not None and actor.provider is not None
    return Correspondent(
        kind="HANDLE" if by_handle else "URL",
        address=actor.handle if by_handle and actor.handle else actor.uri,
        name=actor.name,
        provider=actor.provider,
        url=actor.url,
        key=actor.key or actor.uri,
        automated=actor.kind in MACHINES,
    )


def _is_same(before: records.Activity | None, row: Any, item: records.Activity) -> bool:
    if before is not None:
        return _kept(before) == _kept(item)
    return bool(row.fingerprint == _fingerprint(item))


def _is_older(known: Any, item: records.Activity) -> bool:
    """Whether it was read before an edit that is known: pages and announcements overtake each other."""
    return known.edited_at is not None and (item.edited_at is None or item.edited_at < known.edited_at)


def _kept(item: records.Activity) -> records.Activity:
    return msgspec.structs.replace(item, original=None)


def _packed(original: bytes | None) -> bytes | None:
    return zlib.compress(original, 1) if original is not None and len(original) <= MAX_ORIGINAL else None


def _fingerprint(item: records.Activity) -> bytes:
    return hashlib.blake2b(_encode(_kept(item)), digest_size=16).digest()


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
