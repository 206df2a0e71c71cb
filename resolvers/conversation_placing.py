"""Where messages are to be put: what archived, trashed, junk and labels mean for one place of a message.

Out of the inbox goes what is in it; into the trash everything; into junk what others wrote. What comes back goes to the inbox, our own
mail to where it was written. Labels are put on and taken off where the account has such. Where it has folders a message lies in one of
them, so that to put it in one moves it there: from the folders that are taken off, or without any from wherever it was filed; what
is only taken off a folder is archived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers import records
from resolvers.ingest import filing, whereabouts
from resolvers.ingest.states import keys_of

#: What moves along when a conversation is put in a folder and nothing is said of where from.
FILED: Final = frozenset({"INBOX", *whereabouts.OUT})


class Relabelling(msgspec.Struct, frozen=True, kw_only=True):
    """What is put on and taken off at one account, and all labels that it has."""

    known: tuple[records.Label, ...]
    added: tuple[records.Label, ...] = ()
    removed: tuple[records.Label, ...] = ()

    @property
    def in_folders(self) -> bool:
        """Whether a message of the account lies in one place at a time."""
        return all(each.folder for each in self.known)


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants of where conversations are; what is None stays."""

    archived: bool | None = None
    trashed: bool | None = None
    spam: bool | None = None


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the other places of a message and its conversation at the same account."""

    in_inbox: bool
    any_filed: bool


def marking(place: Any, shift: Shift, labels: Relabelling, around: Around) -> records.Marking:
    """What happens to a message at this place: a row with role, flags, direction and label_keys."""
    role = _role(place, shift, around)
    if role is not None:
        return _moved(place, role, labels.known)
    if not labels.added and not labels.removed:
        return records.Marking()
    return _in_folder(place, labels, around) if labels.in_folders else _labelled(place, labels)


def _home(place: Any) -> records.FolderRole:
    if "DRAFT" in place.flags.split():
        return "DRAFTS"
    return "SENT" if place.direction == "OUTBOUND" else "INBOX"


def _role(place: Any, shift: Shift, around: Around) -> records.FolderRole | None:
    """Where a message of this place is to be put by what it is for; None when it stays."""
    home = _home(place)
    if shift.trashed is not None:
        return "TRASH" if shift.trashed else home if place.role == "TRASH" else None
    if shift.spam is not None:
        if not shift.spam:
            return home if place.role == "SPAM" else None
        return None if home != "INBOX" or place.role in ("SENT", "DRAFTS") else "SPAM"
    if shift.archived is None:
        return None
    if shift.archived:
        return "ARCHIVE" if place.role == "INBOX" else None
    return "INBOX" if place.role in whereabouts.OUT and home == "INBOX" and not around.in_inbox else None


def _moved(place: Any, role: records.FolderRole, known: Sequence[records.Label]) -> records.Marking:
    added, removed = filing.moved_to(role, keys_of(place.label_keys) or (), known)
    return records.Marking(role=role, added=added, removed=removed)


def _in_folder(place: Any, labels: Relabelling, around: Around) -> records.Marking:
    held = keys_of(place.label_keys) or ()
    left = next((each for each in labels.removed if each.key in held), None)
    if left is None and (labels.removed or (around.any_filed and place.role not in FILED)):
        return records.Marking()
    if labels.added:
        target = labels.added[0]
        if target.key in held:
            return records.Marking()
        role = filing.role_of((target.key,), labels.known)
        return records.Marking(
            role=role, added=(target.key,), removed=tuple(key for key in held if key != target.key), filed=True
        )
    assert left is not None
    back = left.role in ("TRASH", "SPAM", "ARCHIVE")
    return _moved(place, _home(place) if back else "ARCHIVE", labels.known)


def _labelled(place: Any, labels: Relabelling) -> records.Marking:
    held = {*(keys_of(place.label_keys) or ())}
    folders = {each.key: each for each in labels.known if each.folder}  # trash and junk of a mailbox that has labels besides
    if lying := held & folders.keys():
        leaves = any(each.key in lying for each in labels.removed)
        return _moved(place, _home(place), labels.known) if leaves else records.Marking()
    if (target := next((each for each in labels.added if each.folder), None)) is not None:
        role = filing.role_of((target.key,), labels.known)
        return records.Marking() if role is None else _moved(place, role, labels.known)
    apart = any(each.role in filing.APART for each in labels.added)
    off = {each.key for each in labels.removed} | {each.key for each in labels.known if apart and each.role in filing.APART}
    after = held - off | {each.key for each in labels.added}
    role = filing.role_of(after, labels.known)
    return records.Marking(
        role=None if role == place.role else role,
        added=tuple(sorted(after - held)),
        removed=tuple(sorted(held - after)),
        filed=after != held,
    )
