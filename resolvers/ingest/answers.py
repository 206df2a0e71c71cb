"""Answers that lost their references: joined by subject, and only where nothing speaks against it.

Some programs send neither In-Reply-To nor References. Such an answer joins a mail that was sent to its sender, whose sender it is
written to, with the same telling base subject, no more than a month before. Whether two mails are joined depends on these two alone, so
that the order in which they arrive makes no difference. Lists, bulk mail, forwards and mail that failed authentication are never joined
by subject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from providers import records
from providers.formats import subject
from store.among import among, asked
from store.tables import message, message_participant

WINDOW: Final = timedelta(days=30)
MAX_ALIKE: Final = 200  # stored mails of one subject that are looked at
_ANSWER: Final = "r:"
_OTHER: Final = "m:"
_TO: Final = frozenset({"TO", "CC"})
_ALIKE: Final = (
    select(message.c.id, message.c.subject_key, message.c.sent_at, message.c.conversation_id)
    .where(among(message.c.subject_key), message.c.sent_at.between(bindparam("since"), bindparam("until")))
    .order_by(message.c.subject_key, message.c.sent_at.desc())
    .limit(bindparam("most"))
)
_PEOPLE: Final = (
    select(message_participant.c.message_id, message_participant.c.role, message_participant.c.address)
    .where(among(message_participant.c.message_id))
    .order_by(message_participant.c.message_id, message_participant.c.position)
)


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs that belong together: of two new messages, and of a new message with the conversation of a stored one."""

    among: list[tuple[str, str]]
    stored: list[tuple[str, str]]


class Mail(msgspec.Struct, frozen=True):
    """What decides: when, from whom, to whom; `lost` for an answer without references."""

    at: datetime
    sender: str
    to: frozenset[str]
    lost: bool


def subject_key(item: records.Message) -> str | None:
    """What `message.subject_key` holds: the base subject, hashed, behind a mark for an answer without references.

    None where a mail is not to be joined by its subject.
    """
    if item.conversation_kind != "EMAIL_THREAD" or item.category != "PERSONAL" or item.authentication == "FAILED" or item.draft:
        return None
    read = subject.read(item.subject)
    if read.forward or not subject.telling(read.base):
        return None
    lost = not item.references and (read.answer or "\n>" in item.text)
    return (_ANSWER if lost else _OTHER) + hashlib.blake2b(read.base.encode(), digest_size=8).hexdigest()


def kin(conn: Connection, viewer: str, mails: Sequence[tuple[str, records.Message]], subjects: Mapping[str, str | None]) -> Kin:
    """Which of these (message id, mail) belong together by subject, with each other and with what is stored.

    `subjects` are their subject keys, by message id.
    """
    keys = {message_id: key for message_id, _ in mails if (key := subjects.get(message_id)) is not None}
    pairs = Kin(among=[], stored=[])
    if not keys:
        return pairs
    fresh_by_base: dict[str, dict[str, Mail]] = {}
    items = dict(mails)
    for message_id, key in keys.items():
        fresh_by_base.setdefault(key[2:], {})[message_id] = _mail(items[message_id], key)
    stored = _stored(conn, viewer, fresh_by_base)
    for base, fresh in fresh_by_base.items():
        for message_id, one in fresh.items():
            pairs.among.extend((message_id, other_id) for other_id, other in fresh.items() if _answers(one, other))
            pairs.stored.extend(
                (message_id, home) for home, other in stored.get(base, ()) if _answers(one, other) or _answers(other, one)
            )
    return pairs


def _answers(answer: Mail, asked: Mail) -> bool:
    between = asked.sender in answer.to and answer.sender in asked.to
    return answer.lost and between and timedelta(0) < answer.at - asked.at <= WINDOW


def _mail(item: records.Message, key: str) -> Mail:
    people = item.participants
    sender = next((p.address.casefold() for p in people if p.role == "FROM"), "")
    return Mail(item.sent_at, sender, frozenset(p.address.casefold() for p in people if p.role in _TO), key.startswith(_ANSWER))


def _stored(conn: Connection, viewer: str, fresh_by_base: Mapping[str, Mapping[str, Mail]]) -> dict[str, list[tuple[str, Mail]]]:
    """Stored mails of the same subjects near in time, with their conversations; only a lost answer joins by subject."""
    wanted = [_ANSWER + base for base in fresh_by_base]
    wanted += [_OTHER + base for base, fresh in fresh_by_base.items() if any(one.lost for one in fresh.values())]
    times = [one.at for fresh in fresh_by_base.values() for one in fresh.values()]
    near = {"since": min(times) - WINDOW, "until": max(times) + WINDOW, "most": MAX_ALIKE * len(fresh_by_base)}
    rows = conn.execute(_ALIKE, asked(viewer, wanted, **near)).all()
    if not rows:
        return {}
    people: dict[str, list[tuple[str, str]]] = {row.id: [] for row in rows}
    for who in conn.execute(_PEOPLE, asked(viewer, people)):
        people[who.message_id].append((who.role, who.address.casefold()))
    found: dict[str, list[tuple[str, Mail]]] = {}
    for row in rows:
        sender = next((address for role, address in people[row.id] if role == "FROM"), "")
        to = frozenset(address for role, address in people[row.id] if role in _TO)
        mail = Mail(row.sent_at, sender, to, row.subject_key.startswith(_ANSWER))
        found.setdefault(row.subject_key[2:], []).append((row.conversation_id, mail))
    return found
