"""Which conversations are meant: the filter of every list of conversations, as conditions of one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select

from resolvers import labels
from store import search_index
from store.tables import (
    contact,
    conversation,
    conversation_label,
    conversation_member,
    conversation_source,
    message,
    person,
)

MAX_MATCHES: Final = 1_000  # conversations that a text filter can find


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations; what is None does not count. Tuples, so that it can name a loader."""

    text: str | None = None
    account_ids: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    label_ids: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    person_ids: tuple[str, ...] | None = None
    unread: bool | None = None
    flags: tuple[str, ...] | None = None
    without_flags: tuple[str, ...] | None = ("TRASHED", "SPAM")
    categories: tuple[str, ...] | None = None
    active_after: datetime | None = None
    active_before: datetime | None = None


class Narrowed(msgspec.Struct, frozen=True, kw_only=True):
    """A filter whose parts that take a look at the store have been looked up: what is left decides a statement."""

    where: ConversationFilter
    silent: frozenset[str] = frozenset()
    label_ids: tuple[str, ...] | None = None  # of the roles
    people: frozenset[str] = frozenset()  # survivors of `person_ids`
    holding: tuple[str, ...] | None = None  # conversations with the text


def narrowed(conn: Connection, viewer: str, where: ConversationFilter, silent: frozenset[str]) -> Narrowed:
    roles, text = where.roles, where.text
    return Narrowed(
        where=where,
        silent=silent,
        label_ids=None if roles is None else tuple(labels.with_roles(conn, viewer, roles)),
        people=_survivors(conn, viewer, frozenset(where.person_ids)) if where.person_ids else frozenset(),
        holding=tuple(_holding(conn, viewer, text)) if text is not None and text.strip() else None,
    )


def wanted(conn: Connection, viewer: str, where: ConversationFilter, silent: frozenset[str] = frozenset()) -> sa.Select[Any]:
    """The conversations that pass the filter; live ones of accounts that gave no answer are left out."""
    return passing(select(conversation), viewer, narrowed(conn, viewer, where, silent))


def passing(query: sa.Select[Any], viewer: str | sa.BindParameter[str], narrowed: Narrowed) -> sa.Select[Any]:
    c, where, silent = conversation.c, narrowed.where, narrowed.silent
    query = query.where(c.viewer_id == viewer, c.redirect_to.is_(None))
    if silent:
        query = query.where(sa.not_(sa.and_(c.live, _through(silent))))
    if where.account_ids is not None:
        query = query.where(_through(where.account_ids))
    if where.kinds is not None:
        query = query.where(c.kind.in_(where.kinds))
    if where.label_ids is not None:
        query = query.where(_labelled(where.label_ids))
    if narrowed.label_ids is not None:
        query = query.where(_labelled(narrowed.label_ids))
    if where.unread is not None:
        query = query.where(c.unread_count > 0 if where.unread else sa.func.coalesce(c.unread_count, 0) == 0)
    for flag in where.flags or ():
        query = query.where(flagged(c.flags, flag))
    if where.without_flags:  # hardly any conversation has a flag at all: the short comparison first
        query = query.where(sa.or_(c.flags == "", sa.not_(sa.or_(*(flagged(c.flags, flag) for flag in where.without_flags)))))
    if where.categories is not None:
        query = query.where(c.category.in_(where.categories))
    if where.active_after is not None:
        query = query.where(c.last_activity_at > where.active_after)
    if where.active_before is not None:
        query = query.where(c.last_activity_at < where.active_before)
    if narrowed.people:
        query = query.where(c.id.in_(_with_all(viewer, narrowed.people)))
    if narrowed.holding is not None:
        query = query.where(c.id.in_(narrowed.holding))
    return query


def _survivors(conn: Connection, viewer: str, wanted: frozenset[str]) -> frozenset[str]:
    """These people, each that was joined with another as that one."""
    rows = conn.execute(
        select(person.c.id, person.c.redirect_to).where(person.c.viewer_id == viewer, person.c.id.in_(sorted(wanted)))
    )
    led = {row.id: row.redirect_to or row.id for row in rows}
    return frozenset(led.get(person_id, person_id) for person_id in wanted)


def _with_all(viewer: str | sa.BindParameter[str], wanted: frozenset[str]) -> sa.Select[Any]:
    """The ids of conversations in which every one of these people takes part."""
    m = conversation_member.c
    return (
        select(m.conversation_id)
        .join(contact, sa.and_(contact.c.viewer_id == m.viewer_id, contact.c.id == m.contact_id))
        .where(m.viewer_id == viewer, contact.c.person_id.in_(sorted(wanted)))
        .group_by(m.conversation_id)
        .having(sa.func.count(contact.c.person_id.distinct()) == len(wanted))
    )


def _through(account_ids: Sequence[str] | frozenset[str]) -> sa.ColumnElement[bool]:
    s = conversation_source
    return (
        select(sa.literal(1))
        .where(
            s.c.viewer_id == conversation.c.viewer_id,
            s.c.conversation_id == conversation.c.id,
            s.c.account_id.in_(sorted(account_ids)),
        )
        .exists()
    )


def _labelled(label_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    c = conversation_label.c
    return (
        select(sa.literal(1))
        .where(
            c.viewer_id == conversation.c.viewer_id,
            c.label_id.in_(label_ids),
            c.conversation_id == conversation.c.id,
        )
        .exists()
    )


def flagged(column: sa.ColumnElement[str], flag: str) -> sa.ColumnElement[bool]:
    """Whether a space-separated column holds the word."""
    return (sa.literal(" ") + column + sa.literal(" ")).like(f"% {flag} %")


def _holding(conn: Connection, viewer: str, words: str) -> list[str]:
    hits = search_index.match(conn, viewer, words, kinds=("CONVERSATION", "MESSAGE"), limit=MAX_MATCHES)
    found = [hit.node_id for hit in hits if hit.kind == "CONVERSATION"]
    in_messages = [hit.node_id for hit in hits if hit.kind == "MESSAGE"]
    rows = conn.execute(
        select(message.c.conversation_id).where(message.c.viewer_id == viewer, message.c.id.in_(in_messages)).distinct()
    )
    return sorted({*found, *rows.scalars()})
