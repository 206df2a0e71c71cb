"""Which conversation a mail belongs to: a graph over Message-IDs, whatever the order of arrival (RFC 5322 §3.6.4).

Every id that a mail names (its own, In-Reply-To, References, and its network's own thread within the account) belongs to one
conversation. A mail that names ids of several conversations joins them: the oldest keeps its id and the others lead to it, so that a
late parent brings its answers together, through whichever account it comes. Answers without references are found by `answers.py`.
Conversations that are no mail are not threaded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from providers import records
from resolvers.ingest import answers
from resolvers.ingest.contacts import upsert
from store import ids
from store.among import among, asked
from store.prepared import Prepared
from store.tables import conversation, thread_reference

_HOMES: Final = Prepared(
    lambda: select(thread_reference.c.internet_id, thread_reference.c.conversation_id).where(
        among(thread_reference.c.internet_id)
    )
)
_AGES: Final = Prepared(lambda: select(conversation.c.id, conversation.c.created_at).where(among(conversation.c.id)))


class Threading(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages went: message id → conversation id, and joined conversations: absorbed → survivor."""

    conversation_of: dict[str, str]
    joined: dict[str, str]


def assign(
    conn: Connection,
    viewer: str,
    account_id: str,
    mails: Sequence[tuple[str, records.Message]],
    subjects: Mapping[str, str | None],
) -> Threading:
    """Find or make the conversation of each (message id, mail) of an account, in order, and remember the ids they name.

    `subjects` are the mails' subject keys, by message id.
    """
    named = {message_id: _named(account_id, mail) for message_id, mail in mails}
    wanted = {i for names in named.values() for i in names}
    home: dict[str, str] = {row.internet_id: row.conversation_id for row in _HOMES.rows(conn, **asked(viewer, wanted))}
    kin = answers.kin(conn, viewer, mails, subjects)
    age = _ages(conn, viewer, {*home.values(), *(c for _, c in kin.stored)})
    joined: dict[str, str] = {}

    def survivor(conversation_id: str) -> str:
        while conversation_id in joined:
            conversation_id = joined[conversation_id]
        return conversation_id

    def join(met: set[str]) -> str:
        kept = min(met, key=lambda c: age[c])
        joined.update({other: kept for other in met if other != kept})
        return kept

    conversation_of: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for message_id, _ in mails:
        names = named[message_id]
        met = {survivor(home[i]) for i in names if i in home}
        if met:
            kept = join(met)
        else:
            kept = ids.derive("CONVERSATION", message_id)
            age[kept] = (float("inf"), len(age), kept)  # younger than all that is stored, in order of arrival
        for internet_id in names:
            if home.get(internet_id) != kept:
                home[internet_id] = fresh[internet_id] = kept
        conversation_of[message_id] = kept
    for left, right in kin.among:
        join({survivor(conversation_of[left]), survivor(conversation_of[right])})
    for left, right in kin.stored:
        join({survivor(conversation_of[left]), survivor(right)})
    final = {message_id: survivor(c) for message_id, c in conversation_of.items()}
    joined = {absorbed: survivor(absorbed) for absorbed in joined}
    for absorbed, kept in joined.items():
        conn.execute(
            sa.update(thread_reference)
            .where(thread_reference.c.viewer_id == viewer, thread_reference.c.conversation_id == absorbed)
            .values(conversation_id=kept)
        )
    upsert(
        conn,
        thread_reference,
        [{"viewer_id": viewer, "internet_id": i, "conversation_id": survivor(c)} for i, c in sorted(fresh.items())],
        ["internet_id"],
        ["conversation_id"],
    )
    return Threading(conversation_of=final, joined=joined)


def _named(account_id: str, mail: records.Message) -> tuple[str, ...]:
    if mail.authentication == "FAILED":
        return ()  # whoever forges a sender forges References too, and would join what does not belong together
    own = (mail.internet_message_id,) if mail.internet_message_id else ()
    # no Message-ID has a space: nobody can name an account's threads in a header
    native = (f"thread {account_id} {mail.conversation_key}",) if mail.conversation_key else ()
    return tuple(dict.fromkeys((*own, *mail.references, *native)))


def _ages(conn: Connection, viewer: str, conversation_ids: set[str]) -> dict[str, tuple[float, int, str]]:
    rows = _AGES.rows(conn, **asked(viewer, conversation_ids))
    found = {row.id: (row.created_at.timestamp(), 0, row.id) for row in rows}
    return {c: found.get(c, (float("inf"), 0, c)) for c in conversation_ids}
