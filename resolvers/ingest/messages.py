"""Messages become rows once, however many sources show them.

The same message is the one with equal Message-ID, From and Date to the second; without a Message-ID equal From, Date, Subject and
text, and mail whose From names nobody as well; otherwise its source's own key. A text that differs under the same id is kept beside
it as a message of its own: nothing that is forged can hide what is real. Mail that failed authentication makes no correspondent and
joins nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import conversations, findable, meetings, tallies, threads
from resolvers.ingest.amendments import amend, is_amendment
from resolvers.ingest.contacts import Correspondent, put_correspondents, upsert
from resolvers.ingest.content import write_content
from resolvers.ingest.prepared import Prepared, fingerprint, list_address, prepare, unprepared
from resolvers.ingest.states import already_there, flags_of, place, sum_up
from resolvers.ingest.target import Result, Target
from store import ids, outbox, search_index
from store.among import VIEWER, among, asked
from store.feed import Recorder
from store.prepared import Prepared as Statement
from store.rows import insert
from store.tables import contact, conversation_source, message, message_participant, message_source, person

PREFIX: Final = "outbox:"  # how keys begin of what only the outbox has
NOT_PEOPLE: Final = frozenset({"LIST", "NEWSLETTER", "NOTIFICATION", "AUTO_REPLY", "BOUNCE", "SPAM", "SYSTEM"})
_KNOWN: Final = Statement(lambda: select(
    message.c.id, message.c.fingerprint, message.c.conversation_id, message.c.version, message.c.flags, message.c.edited_at,
    message.c.internet_message_id, message.c.deleted_at,
).where(among(message.c.id)))  # fmt: skip
_SOURCES: Final = Statement(
    lambda: select(message_source).where(among(message_source.c.key), message_source.c.account_id == sa.bindparam("account"))
)
_PEOPLE: Final = Statement(lambda: select(contact.c.id, contact.c.person_id).where(among(contact.c.id)))
_LAST_CONTACT: Final = Statement(
    lambda: select(person.c.id, person.c.last_contact_at).where(among(person.c.id)).order_by(person.c.id)
)
_HEARD: Final = sa.update(person).where(person.c.viewer_id == VIEWER, person.c.id == sa.bindparam("whose")).values(
    last_contact_at=sa.bindparam("moment")
)  # fmt: skip
_NAME: Final = sa.update(message).where(message.c.viewer_id == VIEWER, message.c.id == sa.bindparam("whose")).values(
    internet_message_id=sa.bindparam("name"), url=sa.bindparam("place")
)  # fmt: skip


def put_messages(
    conn: Connection,
    viewer: str,
    target: Target,
    items: Sequence[records.Message],
    recorder: Recorder,
    now: datetime,
    *,
    ready: Sequence[Prepared | None] = (),
) -> list[Result]:
    """Write messages with their threads, people and sources; one result each, in order. `ready`: what is prepared of them already."""
    made = ready or [None] * len(items)
    prints = [fingerprint(item) if one is None else one.fingerprint for item, one in zip(items, made, strict=True)]
    sources = _sources(conn, viewer, target, [key for item in items for key in (item.key, outbox_key(item.sent_as)) if key])
    message_ids = [_known_as(sources, item) or message_id(viewer, target.account_id, item) for item in items]
    known = _known(conn, viewer, message_ids)
    taken: dict[str, bytes] = {m: row.fingerprint for m, row in known.items()}
    final: list[str] = []
    amended: dict[str, records.Message] = {}
    for base, mark, item in zip(message_ids, prints, items, strict=True):
        if item.conversation_kind != "EMAIL_THREAD" and not target.live:
            final.append(base)  # known by its network's own key: whatever it says now, it is the same message
            if base in known and (
                is_amendment(item, known[base], mark) or _names_files(item, sources) or _over_a_file(item, sources, target, known)
            ):
                amended[base] = item
            continue
        # another text under the same Message-ID: a message of its own, whose id follows from both
        other = base if taken.get(base, mark) == mark else ids.derive("MESSAGE", base, mark.hex())
        taken.setdefault(other, mark)
        final.append(other)
    if set(final) - set(message_ids):
        known = _known(conn, viewer, final)
    # a network may rewrite what it sent for us: the key that it named then says that it is the same message
    renamed = {n: sources[i.key]["message_id"] for n, i in enumerate(items) if i.key in sources and final[n] not in known}
    if ours := outbox.latest(conn, viewer, "send", sorted(set(renamed.values()))) if renamed else {}:
        final = [renamed[n] if renamed.get(n) in ours else node_id for n, node_id in enumerate(final)]
        known = _known(conn, viewer, final)
    results: list[Result] = []
    fresh: dict[str, records.Message] = {}
    prepared: dict[str, Prepared] = {}
    places: dict[str, dict[str, records.Message]] = {}
    resourced: list[dict[str, Any]] = []
    elsewhere: dict[str, records.Message] = {}  # known messages, seen in another state or place
    rekeyed: dict[str, records.Message] = {}  # of these, under a key that is new
    for node_id, item, mark, one in zip(final, items, prints, made, strict=True):
        source = sources.get(item.key)
        new = node_id not in known and node_id not in fresh
        state = {"message_id": node_id, **place(item)}
        if new:
            fresh[node_id] = item
            prepared[node_id] = one or (unprepared(item, mark) if target.live else prepare(item, mark))
            results.append(Result(outcome="CREATED", node_id=node_id))
        elif node_id in amended or source is None or any(source[name] != value for name, value in state.items()):
            elsewhere[node_id] = item
            if source is None:
                rekeyed[node_id] = item
            results.append(Result(outcome="UPDATED", node_id=node_id))
        else:
            results.append(Result(outcome="UNCHANGED", node_id=node_id))
            continue
        places.setdefault(node_id, {})[item.key] = item
        row = {"viewer_id": viewer, "account_id": target.account_id, "key": item.key, "seen_at": now, **state}
        sources[item.key] = row
        resourced.append(row)
    contacts = correspondents(conn, viewer, target, list(fresh.values()), recorder, now, ready=list(prepared.values()))
    alike = {} if target.live else {node_id: one.subject_key for node_id, one in prepared.items()}
    homes, joined = _homes(conn, viewer, target, fresh, alike)
    conversations.join(conn, viewer, joined, recorder)
    alone = {m: item for m, item in rekeyed.items() if m in known and len(places[m]) == 1}
    silent = already_there(conn, viewer, target.account_id, alone) if alone else set()
    arrived = _write(conn, viewer, target, fresh, homes, alike, contacts, prepared, places, recorder, now)
    amend(conn, viewer, target.account_id, amended, recorder)
    _name(conn, viewer, {m: item for m, item in elsewhere.items() if m in known and known[m].internet_message_id is None})
    upsert(
        conn, message_source, list({r["key"]: r for r in resourced}.values()), ["account_id", "key"],
        ["message_id", "container", "unread", "flags", "labels", "url", "role", "label_keys"],
    )  # fmt: skip
    _arrived(conn, viewer, target, {m: i for m, i in elsewhere.items() if i.container != outbox.CONTAINER}, recorder, now)
    seen_again = {m: i for m, i in elsewhere.items() if m not in fresh}
    homes_again = {m: joined.get(known[m].conversation_id, known[m].conversation_id) for m in seen_again}
    joins = [(homes_again[m], item.conversation_key) for m, item in seen_again.items()]
    upsert(
        conn,
        conversation_source,
        [
            {"viewer_id": viewer, "conversation_id": c, "account_id": target.account_id, "key": key or c}
            for c, key in sorted(set(joins), key=str)
        ],
        ["conversation_id", "account_id", "key"],
    )
    touched = set(joined.values()) | sum_up(conn, viewer, seen_again.keys() - silent, recorder)
    if not target.live:
        kinds = {homes[m]: item.conversation_kind for m, item in fresh.items()}
        only_grown = {c: arrivals for c, arrivals in arrived.items() if c not in touched}
        conversations.grow(conn, viewer, target.account_id, only_grown, recorder, now, kinds=kinds)
        conversations.rebuild(conn, viewer, touched, recorder, now, kinds=kinds)
        if invites := [(item, result) for item, result in zip(items, results, strict=True) if item.invitations]:
            meetings.take(conn, viewer, target, invites, recorder, now)
    return results


def _arrived(
    conn: Connection, viewer: str, target: Target, shown: dict[str, records.Message], recorder: Recorder, now: datetime
) -> None:
    """What its network shows needs its place in the outbox no more, and was taken if nobody could say so before.

    Unless it is also addressed to ourselves: then it may be the recipient's copy, which decides nothing.
    """
    if not shown:
        return
    mine = message_source.c
    conn.execute(
        sa.delete(message_source).where(
            mine.viewer_id == viewer, mine.account_id == target.account_id, mine.message_id.in_(sorted(shown)),
            mine.container == outbox.CONTAINER,
        )
    )  # fmt: skip
    sent = {m for m, item in shown.items() if direction(target, item) == "OUTBOUND" and not _to_ourselves(target, item)}
    for message_id, write in outbox.latest(conn, viewer, "send", sorted(sent)).items() if sent else ():
        if write.account_id == target.account_id and outbox.confirm(conn, viewer, write.id, recorder, now):
            recorder.upsert("MESSAGE", message_id, 0, fields=("delivery",))  # its new version follows (sum_up)


def _to_ourselves(target: Target, item: records.Message) -> bool:
    return any(p.role in ("TO", "CC", "BCC") and p.address.casefold() in target.own for p in item.participants)


def message_id(viewer: str, account_id: str, item: records.Message) -> str:
    """The id of a message; see the module's first lines for what makes two the same."""
    sender = next((p.address.casefold() for p in item.participants if p.role == "FROM" and p.kind == "EMAIL"), None)
    second = str(int(item.sent_at.timestamp()))
    if sender and item.internet_message_id:
        return ids.derive("MESSAGE", viewer, item.internet_message_id, sender, second)
    if sender:
        return ids.derive("MESSAGE", viewer, "", sender, second, item.subject or "", " ".join(item.text.split()))
    if (
        item.internet_message_id and item.conversation_kind == "EMAIL_THREAD"
    ):  # mail whose From names nobody: the text speaks for it
        return ids.derive(
            "MESSAGE", viewer, item.internet_message_id, "", second, item.subject or "", " ".join(item.text.split())
        )
    return ids.derive("MESSAGE", account_id, item.key)


def outbox_key(sent_as: str | None) -> str | None:
    """The key of a message of ours as long as only the outbox has it."""
    return None if sent_as is None else f"{PREFIX}{sent_as}"


def _known_as(sources: Mapping[str, Mapping[str, Any]], item: records.Message) -> str | None:
    """The message that a chat shows under this key, or has from us: there a key means one message, whatever it says."""
    if item.conversation_kind == "EMAIL_THREAD":
        return None
    row = sources.get(item.key) or sources.get(outbox_key(item.sent_as) or "")
    return None if row is None else str(row["message_id"])


def _names_files(item: records.Message, sources: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a message that was sent from here is shown for the first time, with the names that its files have there."""
    place = sources.get(item.key) or sources.get(outbox_key(item.sent_as) or "")
    return bool(item.attachments) and place is not None and place["container"] == outbox.CONTAINER


def _over_a_file(
    item: records.Message, sources: Mapping[str, Mapping[str, Any]], target: Target, known: Mapping[str, Any]
) -> bool:
    """Whether the network shows what only a file has told: it names its files better. A newer edit stays."""
    place = sources.get(item.key)
    if not target.gathers or target.beneath or not item.attachments or place is None or place["container"] == item.container:
        return False
    row = known[place["message_id"]]
    return row.deleted_at is None and row.edited_at == item.edited_at


def _name(conn: Connection, viewer: str, items: Mapping[str, records.Message]) -> None:
    """What was sent from here has got the name by which answers refer to it."""
    rows = [
        {"viewer": viewer, "whose": m, "name": item.internet_message_id, "place": item.url}
        for m, item in items.items()
        if item.internet_message_id is not None
    ]
    if rows:
        conn.execute(_NAME, rows)


def direction(target: Target, item: records.Message) -> str:
    """INBOUND, OUTBOUND, or BETWEEN_OTHERS for what the viewer only looks on at."""
    mine = {p.role for p in item.participants if p.address.casefold() in target.own}
    if ("FROM" in mine or "SENDER" in mine) and item.authentication != "FAILED":
        return "OUTBOUND"
    # mail that lists none of ours was still delivered to us (Bcc, a list); in a room we may only be looking on
    if mine or item.conversation_kind == "EMAIL_THREAD" or not target.own:
        return "INBOUND"
    return "BETWEEN_OTHERS"


def participant_rows(
    viewer: str, node_id: str, item: records.Message, target: Target, contacts: dict[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """Rows of message_participant; own addresses have no contact, and nobody has one whose name was forged."""
    if item.authentication == "FAILED":
        contacts = {}
    return [
        {
            "viewer_id": viewer, "message_id": node_id, "position": n, "role": p.role, "kind": p.kind, "address": p.address, "name": p.name,
            "contact_id": None if p.address.casefold() in target.own else contacts.get((p.kind, p.address)), "sent_at": item.sent_at,
        }
        for n, p in enumerate(item.participants)
    ]  # fmt: skip


def _known(conn: Connection, viewer: str, message_ids: Sequence[str]) -> dict[str, Any]:
    return {row.id: row for row in _KNOWN.rows(conn, **asked(viewer, message_ids))}


def _sources(conn: Connection, viewer: str, target: Target, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {row.key: row._asdict() for row in _SOURCES.rows(conn, **asked(viewer, keys, account=target.account_id))}


def correspondents(
    conn: Connection,
    viewer: str,
    target: Target,
    items: Sequence[records.Message],
    recorder: Recorder,
    now: datetime,
    *,
    ready: Sequence[Prepared] = (),
) -> dict[tuple[str, str], str]:
    """Contacts for those who are on messages: (kind, address) → contact id. `ready`: what is prepared of the messages, where it is."""
    lists = [one.posts_to for one in ready] if ready else map(list_address, items)
    seen: list[Correspondent] = []
    for item, posts_to in zip(items, lists, strict=True):
        if item.authentication == "FAILED":
            continue
        outbound = direction(target, item) == "OUTBOUND"
        for p in item.participants:
            if p.address.casefold() in target.own or p.role in ("REPLY_TO",):
                continue
            bulk = item.category in NOT_PEOPLE and item.category != "LIST" and p.role in ("FROM", "SENDER")
            is_list = posts_to is not None and p.address.casefold() == posts_to
            seen.append(
                Correspondent(
                    kind=p.kind, address=p.address, name=p.name, provider=p.provider, url=p.url, key=p.key, automated=bulk or is_list,
                    written_to=outbound and not is_list and p.role in ("TO", "CC", "BCC"),
                )
            )  # fmt: skip
    return put_correspondents(conn, viewer, target, seen, recorder, now)


def _homes(
    conn: Connection, viewer: str, target: Target, fresh: dict[str, records.Message], alike: Mapping[str, str | None]
) -> tuple[dict[str, str], dict[str, str]]:
    homes = {}
    mails = []
    for node_id, item in fresh.items():
        native = _native_key(item)
        if native is None or (item.conversation_kind == "EMAIL_THREAD" and not target.live):
            mails.append((node_id, item))
        else:
            homes[node_id] = ids.derive("CONVERSATION", target.account_id, native)
    if not mails:
        return homes, {}
    threading = threads.assign(conn, viewer, target.account_id, mails, alike)
    return homes | threading.conversation_of, threading.joined


def _native_key(item: records.Message) -> str | None:
    """The network's own thread; networks thread by what a forger writes, so that mail that failed authentication has none."""
    return None if item.authentication == "FAILED" else item.conversation_key


def _write(
    conn: Connection,
    viewer: str,
    target: Target,
    fresh: dict[str, records.Message],
    homes: dict[str, str],
    alike: Mapping[str, str | None],
    contacts: dict[tuple[str, str], str],
    prepared: dict[str, Prepared],
    places: dict[str, dict[str, records.Message]],
    recorder: Recorder,
    now: datetime,
) -> dict[str, list[findable.Arrival]]:
    """Write messages that are new; returns them by conversation."""
    arrived: dict[str, list[findable.Arrival]] = {}
    if not fresh:
        return arrived
    rows, people, members, homes_rows = [], [], [], []
    docs: list[search_index.Doc] = []
    counting: list[tuple[str, datetime]] = []
    heard: dict[str, datetime] = {}
    for node_id, item in fresh.items():
        way = direction(target, item)
        seen_at = list(places[node_id].values())
        flags = "" if target.live else flags_of(seen_at)
        made = prepared[node_id]
        arrival = findable.Arrival(
            id=node_id, item=item, places=seen_at, flags=frozenset(flags.split()), own=way == "OUTBOUND", heads=made.in_thread or made.heads
        )  # fmt: skip
        arrived.setdefault(homes[node_id], []).append(arrival)
        rows.append(
            {
                "viewer_id": viewer, "id": node_id, "conversation_id": homes[node_id], "internet_message_id": item.internet_message_id,
                "in_reply_to": item.references[-1] if item.references else None, "sent_at": item.sent_at,
                "received_at": item.received_at, "edited_at": item.edited_at, "deleted_at": item.deleted_at,
                "subject": None if target.live else item.subject,
                "snippet": made.snippet,
                "body": None if target.live or item.deleted_at is not None else made.body,
                "headers": None if target.live else made.headers,
                "body_state": item.body_state, "direction": way, "category": item.category, "category_reason": item.category_reason,
                "authentication": item.authentication, "flags": flags,
                "attachment_count": item.attachment_count, "url": item.url, "fingerprint": made.fingerprint, "live": target.live,
                "subject_key": alike.get(node_id),
                "version": None if target.live else 1,
            }
        )  # fmt: skip
        mine = participant_rows(viewer, node_id, item, target, contacts)
        people += mine
        for p in mine:
            if p["address"].casefold() in target.own or p["role"] == "REPLY_TO":
                continue
            members.append(
                {"viewer_id": viewer, "conversation_id": homes[node_id], "kind": p["kind"], "address": p["address"], "name": p["name"],
                 "role": p["role"], "contact_id": p["contact_id"], "last_active_at": item.sent_at}
            )  # fmt: skip
            if p["contact_id"] and item.category == "PERSONAL" and way != "BETWEEN_OTHERS":
                heard[p["contact_id"]] = max(item.sent_at, heard.get(p["contact_id"], item.sent_at))
        key = _native_key(item) or homes[node_id]
        homes_rows.append({"viewer_id": viewer, "conversation_id": homes[node_id], "account_id": target.account_id, "key": key})
        if not target.live:
            recorder.upsert("MESSAGE", node_id, 1, created=True)
            if tallies.may_count(item, way):
                counting.append((homes[node_id], item.sent_at))
            docs += findable.documents(arrival, made.words, made.heads, target.account_id)
    insert(conn, message, rows)
    insert(conn, message_participant, people)
    if not target.live:
        write_content(conn, viewer, target.account_id, fresh, prepared)
    upsert(conn, conversation_source, homes_rows, ["conversation_id", "account_id", "key"])
    conversations.add_members(conn, viewer, members, beneath=target.beneath)
    tallies.mark(conn, viewer, counting)
    search_index.put(conn, viewer, docs)
    hear(conn, viewer, heard)
    return arrived


def hear(conn: Connection, viewer: str, heard: dict[str, datetime]) -> None:
    """Move people's last contact forward; it ages without a version, so the feed says nothing."""
    if not heard:
        return
    latest: dict[str, datetime] = {}
    for row in _PEOPLE.rows(conn, **asked(viewer, heard)):
        if row.person_id is not None:
            latest[row.person_id] = max(heard[row.id], latest.get(row.person_id, heard[row.id]))
    later = [
        {"viewer": viewer, "whose": row.id, "moment": latest[row.id]}
        for row in _LAST_CONTACT.rows(conn, **asked(viewer, latest))
        if row.last_contact_at is None or row.last_contact_at < latest[row.id]
    ]
    if later:
        conn.execute(_HEARD, later)
