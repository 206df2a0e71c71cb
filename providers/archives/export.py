"""What exports of networks have in common, whatever the network: many files of several kinds, of one account, read as one.

A network says what its files are (`Part`), how each is recognised, read and counted, and what all of them say together (`look`),
which is found in one pass before anything is handed over. A file is known by what is in it, wherever it lies. Knows no network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar

import msgspec

from providers import records
from providers.archives import files
from providers.base import ArchiveFormat, Scan

Taken = records.Contact | records.Message | records.ConversationHead | records.Activity | records.Unreadable
About = TypeVar("About")

ITEM_WEIGHT: Final = 2_000  # bytes that an item takes in a page besides its text
PART_WEIGHT: Final = 200  # bytes that each person, sign, file, address takes that is named in it
MAX_NOTED: Final = 96 * 1024 * 1024  # bytes that may be kept of what an export says as a whole, about
NOTE: Final = 400  # bytes that a name or conversation takes besides its texts, about
MAX_MEMBERS: Final = 1_000  # of one conversation: each of its messages names them all
MAX_MESSAGE: Final = 600  # characters of what is said of an item
MAX_TOLD: Final = 100_000  # conversations that are remembered to have been described; what is said twice does no harm
FULL: Final = (
    "It names more people or conversations than are kept in mind while it is read: some come without their names, or without who took part. "
    "Nothing else is lost."
)


class Misread(Exception):
    """A row or item that says something that cannot be; the message names it and says what to do."""


class Stood(msgspec.Struct, frozen=True):
    """Where an item stood: its position in the import and its line, offset and line of what comes after it."""

    position: int
    line: int
    end: int
    end_line: int


class Memory:
    """How much of what an export says as a whole may still be kept: one that names ten million people is no reason to keep them all."""

    def __init__(self) -> None:
        self._room = MAX_NOTED
        self.full = False  # something was not kept

    def takes(self, *texts: str, cost: int = NOTE) -> bool:
        """Whether there is room for a note of these texts, which then is taken."""
        cost += sum(map(len, texts))
        if cost > self._room:
            self.full = True
            return False
        self._room -= cost
        return True

    def join(self, members: dict[str, None], names: Iterable[str]) -> None:
        """Add to the members of a conversation, as far as there is room for them."""
        for name in names:
            if name in members:
                continue
            if len(members) >= MAX_MEMBERS:
                self.full = True
            elif self.takes(name, cost=NOTE // 4):
                members[name] = None


class Facts(msgspec.Struct):
    """What an export says as a whole, as far as there is room for it."""

    memory: Memory = msgspec.field(default_factory=Memory)


class Part(ABC, Generic[About]):
    """A kind of file of an export. `kind` is what its items are, None for one that only says something about the account."""

    kind: Literal["CONTACT", "MESSAGE", "ACTIVITY"] | None = None

    @abstractmethod
    def begins(self, head: bytes, path: Path) -> bool:
        """Whether a file that begins so is of this kind."""

    @abstractmethod
    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        """The items of a file from `mark` on; what is broken is Unreadable. Raises OSError as the file does."""

    @abstractmethod
    def counted(self, path: Path) -> int:
        """How many items a file has. The witness: it shares no code with `read`. Raises OSError as the file does."""


class Export(ABC, Generic[About]):
    """The Archive contract for a network's export."""

    format: ArchiveFormat
    #: In the order in which they are read: who is known before what they said.
    parts: tuple[Part[About], ...]

    @abstractmethod
    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        """What the files say together. Never raises for bad content; a file that cannot be read says nothing."""

    @abstractmethod
    def profile(self, about: About) -> records.Profile | None:
        """Whose export it is, where it says so; `user_id` is empty where it names the user and no account."""

    def settled(self, about: About, region: str | None) -> About:
        """What the files say together, to be read in the user's `region` (ISO 3166-1 alpha-2); most networks need none."""
        return about

    def remarks(self, about: About, sources: Sequence[files.Source]) -> tuple[str, ...]:
        """Sentences on what is missing or was understood in one of several ways."""
        return ()

    def recognise(self, path: Path) -> bool:
        """Whether a file is one of such an export."""
        head = files.head(path)
        return bool(head) and any(part.begins(head, path) for part in self.parts)

    def scan(self, paths: list[Path], known_own: frozenset[str], *, names: Mapping[Path, str] | None = None) -> Scan:
        """Items by file, counted, and whose they are."""
        found = self._sorted(files.named(paths, names))
        about = self.look(found, known_own)
        profile = self.profile(about)
        counts = {source.shown: _counted(part, source) for part, source in found if part.kind is not None}
        return Scan(
            format=self.format,
            paths=tuple(source.shown for _, source in found),
            expected={shown: count for shown, count in counts.items() if count is not None},
            profile=profile,
            remarks=(
                *((f"This is the export of {profile.label}.",) if profile is not None and profile.user_id else ()),
                *((FULL,) if isinstance(about, Facts) and about.memory.full else ()),
                *self.remarks(about, [source for _, source in found]),
            ),
        )

    def pages(
        self,
        paths: list[Path],
        cursor: bytes | None,
        *,
        own: frozenset[str],
        region: str | None,
        names: Mapping[Path, str] | None = None,
    ) -> Iterator[records.Page]:
        """The items part by part, in each part in the order of the files; `names` says what staged files are called."""
        found = self._sorted(files.named(paths, names))
        start = files.mark_of(cursor)
        about = self.settled(self.look(found, own), region)
        part_of = {source: part for part, source in found}

        def statements() -> tuple[records.Statement, ...]:
            return tuple(
                records.Statement(container=source.shown, kind=part.kind, expected=_counted(part, source))
                for part, source in found
                if part.kind is not None
            )

        def read(source: files.Source, mark: files.Mark) -> Iterator[files.Read]:
            return part_of[source].read(source, mark, about)

        return files.paged(files.steps([source for _, source in found], start, read), start, statements)

    def _sorted(self, sources: list[files.Source]) -> list[tuple[Part[About], files.Source]]:
        """The files with their kinds, in the order of these; one that cannot be read any more comes last, and says so when it is read."""
        found = []
        for source in sources:
            head = files.head(source.path)
            number = next(
                (n for n, part in enumerate(self.parts) if head and part.begins(head, source.path)), len(self.parts) - 1
            )
            found.append((number, source))
        found.sort(key=lambda pair: (pair[0], pair[1].shown))
        return [(self.parts[number], source) for number, source in found]


def unreadable(
    source: files.Source, position: int, message: str, data: bytes, *, outcome: Literal["SKIPPED", "FAILED"] = "FAILED",
    reason: records.SkipReason = "UNREADABLE",
) -> records.Unreadable:  # fmt: skip
    """The item that stands for what was not taken."""
    if len(message) > MAX_MESSAGE:  # it quotes what stands there; what to do is said at its end
        message = f"{message[: MAX_MESSAGE - 200]} … {message[-200:]}"
    return records.Unreadable(
        key=f"{source.shown}#{position}", outcome=outcome, reason=reason, message=message, excerpt=files.excerpt(data) or None,
        container=source.shown,
    )  # fmt: skip


def left_out(source: files.Source, pointer: str, message: str, reason: records.SkipReason = "EXCLUDED") -> records.Unreadable:
    """The item that stands for what is understood and has nothing to be taken; `pointer` is its place in the file (RFC 6901)."""
    return records.Unreadable(
        key=f"{source.shown}{pointer}", outcome="SKIPPED", reason=reason, message=message, container=source.shown
    )


def weight(item: Taken) -> int:
    """About how many bytes an item takes in a page."""
    if isinstance(item, records.Message):
        parts = len(item.participants) + len(item.reactions or ()) + len(item.attachments)
        return ITEM_WEIGHT + len(item.text) + len(item.html or "") + parts * PART_WEIGHT
    if isinstance(item, records.Contact):
        return ITEM_WEIGHT + (len(item.names) + len(item.emails) + len(item.phones)) * PART_WEIGHT
    if isinstance(item, records.Activity):
        return ITEM_WEIGHT + len(item.original or b"") + len(item.mentions) * PART_WEIGHT
    return ITEM_WEIGHT + (len(item.participants) * PART_WEIGHT if isinstance(item, records.ConversationHead) else 0)


def _counted(part: Part[About], source: files.Source) -> int | None:
    try:
        return part.counted(source.path)
    except OSError:
        return None
