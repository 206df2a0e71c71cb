"""One slice of a page: at most a hundred rows, taken in within the caller's transaction.

The caller adds its checkpoint (the adapter's cursor, the import's rows) to the same transaction and flushes the recorder
last. Whatever a slice holds is there completely, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection

from providers import records
from resolvers.ingest import corrections, doubts, markings
from resolvers.ingest.activities import put_activities
from resolvers.ingest.beneath import told_already
from resolvers.ingest.contacts import put_contacts
from resolvers.ingest.gathering import gather
from resolvers.ingest.heads import put_heads
from resolvers.ingest.messages import put_messages
from resolvers.ingest.prepared import Prepared
from resolvers.ingest.reactions import put_all, put_reactions
from resolvers.ingest.removal import remove, void
from resolvers.ingest.states import put_states
from resolvers.ingest.target import Result, Target
from resolvers.ingest.undelivered import put_undelivered
from store.feed import Recorder

SLICE: Final = 100

__all__ = ["SLICE", "Result", "Target", "take_in"]


def take_in(
    conn: Connection,
    viewer: str,
    target: Target,
    rows: Sequence[records.Row],
    recorder: Recorder,
    now: datetime,
    *,
    ready: Sequence[Prepared | None] = (),
) -> list[Result]:
    """Write the rows; one result each, in order. `ready`: what is prepared of them, one each, where anything is."""
    results = told_already(conn, viewer, target, rows) if target.beneath else {}
    beneath = frozenset(results)
    if not target.live:
        doubts.settle(conn, viewer, target, rows, recorder, now)
    contacts: list[tuple[int, records.Contact]] = []
    messages: list[tuple[int, records.Message]] = []
    reactions: list[tuple[int, records.Reacted]] = []
    states: list[tuple[int, records.MessageState]] = []
    heads: list[tuple[int, records.ConversationHead]] = []
    activities: list[tuple[int, records.Activity]] = []
    undelivered: list[tuple[int, records.Undelivered]] = []
    leaving: list[tuple[int, records.Gone | records.Voided]] = []
    for n, row in enumerate(rows):
        if n in results:
            continue
        match row.item:
            case records.Contact() as item:
                contacts.append((n, item))
            case records.Message() as item:
                messages.append((n, item))
            case records.Reacted() as item:
                reactions.append((n, item))
            case records.MessageState() as item:
                states.append((n, item))
            case records.ConversationHead() as item:
                heads.append((n, item))
            case records.Activity() as item:
                activities.append((n, item))
            case records.Undelivered() as item:
                undelivered.append((n, item))
            case records.Gone() | records.Voided() as item:
                leaving.append((n, item))
            case records.Unreadable() as item:
                results[n] = Result(outcome=item.outcome, reason=item.reason, message=item.message)
    if contacts:
        outcome = put_contacts(conn, viewer, target, [c for _, c in contacts], recorder, now)
        results.update(zip((n for n, _ in contacts), outcome, strict=True))
    if messages:
        shown = markings.over(conn, viewer, target.account_id, [m for _, m in messages])
        shown = corrections.over(conn, viewer, target.account_id, shown)
        # what is on its way there from here may say something else
        as_read = [(new.text, new.html) == (old.text, old.html) for new, (_, old) in zip(shown, messages, strict=True)]
        prepared = [ready[n] if same else None for (n, _), same in zip(messages, as_read, strict=True)] if ready else ()
        outcome = put_messages(conn, viewer, target, shown, recorder, now, ready=prepared)
        results.update(zip((n for n, _ in messages), outcome, strict=True))
        put_all(conn, viewer, target, shown, recorder)
    if target.gathers and not target.live:
        _gathered(conn, viewer, target, rows, results, beneath, recorder, now)
    if reactions:
        outcome = put_reactions(conn, viewer, target, [r for _, r in reactions], recorder)
        results.update(zip((n for n, _ in reactions), outcome, strict=True))
    if states:
        told = markings.over(conn, viewer, target.account_id, [s for _, s in states])
        outcome = put_states(conn, viewer, target, told, recorder, now)
        results.update(zip((n for n, _ in states), outcome, strict=True))
    if heads:
        outcome = put_heads(conn, viewer, target, [h for _, h in heads], recorder, now)
        results.update(zip((n for n, _ in heads), outcome, strict=True))
    if activities:
        outcome = put_activities(conn, viewer, target, [a for _, a in activities], recorder, now)
        results.update(zip((n for n, _ in activities), outcome, strict=True))
    if undelivered:
        outcome = put_undelivered(conn, viewer, target, [u for _, u in undelivered], recorder, now)
        results.update(zip((n for n, _ in undelivered), outcome, strict=True))
    # arrivals first: a message that moved is never gone in between
    for n, gone in leaving:
        if isinstance(gone, records.Voided):
            results[n] = void(conn, viewer, target, gone, recorder, now)
        else:
            results[n] = remove(conn, viewer, target, gone, recorder, now)
    return [results[n] for n in range(len(rows))]


def _gathered(
    conn: Connection,
    viewer: str,
    target: Target,
    rows: Sequence[records.Row],
    results: dict[int, Result],
    beneath: Collection[int],
    recorder: Recorder,
    now: datetime,
) -> None:
    """Messages that were there before learn whom, and which reactions, only this source knows."""
    told = {
        n: row.item
        for n, row in enumerate(rows)
        if isinstance(row.item, records.Message) and n in results and results[n].node_id and results[n].outcome != "CREATED"
    }
    put_all(conn, viewer, target, [item for n, item in told.items() if n in beneath], recorder)
    ids = {n: results[n].node_id or "" for n in told}
    changed = gather(conn, viewer, target, {ids[n]: item for n, item in told.items()}, recorder, now)
    results.update({n: msgspec.structs.replace(results[n], outcome="UPDATED") for n in told if ids[n] in changed})
