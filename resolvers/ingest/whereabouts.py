"""What the folders of messages come to as flags: in the trash, junk, out of the inbox.

A message is where all the sources say that keep folders at all; what only came from files says nothing. A conversation is where what
others wrote in it is: an answer of our own that lies in Sent keeps nothing in the inbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

FLAGS: Final = frozenset({"ARCHIVED", "SPAM", "TRASHED"})
OUT: Final = frozenset({"ARCHIVE", "OTHER"})  # out of the inbox, where it was filed


def of_message(roles: Iterable[str | None]) -> frozenset[str]:
    """The flags of a message at these places."""
    known = {role for role in roles if role is not None}
    if not known:
        return frozenset()
    if known == {"TRASH"}:
        return frozenset({"TRASHED"})
    if known <= {"TRASH", "SPAM"}:
        return frozenset({"SPAM"})
    return frozenset({"ARCHIVED"}) if "INBOX" not in known and known & OUT else frozenset()


def of_grown(former: frozenset[str], arrived: Sequence[tuple[bool, Collection[str]]]) -> frozenset[str] | None:
    """`of_conversation` of one that was at `former` and has got these messages, at least one; None where that takes the others, too."""
    if any(not own and FLAGS.isdisjoint(flags) and "DRAFT" not in flags for own, flags in arrived):
        return frozenset()  # where somebody's letter is in the inbox, whatever else there is
    if former <= {"ARCHIVED"} and all(FLAGS.intersection(flags) == former for _, flags in arrived):
        return former
    return None


def of_conversation(messages: Sequence[tuple[bool, Collection[str]]]) -> frozenset[str]:
    """The flags of a conversation of messages whose places are known: (whether it is our own, its flags) of each."""
    if not messages:
        return frozenset()
    left = [(own, flags) for own, flags in messages if "TRASHED" not in flags]
    if not left:
        return frozenset({"TRASHED"})
    theirs = [flags for own, flags in left if not own and "DRAFT" not in flags] or [flags for _, flags in left]
    clean = [flags for flags in theirs if "SPAM" not in flags]
    if not clean:
        return frozenset({"SPAM"})
    return frozenset({"ARCHIVED"}) if all("ARCHIVED" in flags for flags in clean) else frozenset()
