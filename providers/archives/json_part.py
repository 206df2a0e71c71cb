"""A JSON file among those of an export: items in arrays, streamed, with what stands beside them.

Reads what `json_stream.py` finds, in UTF-8 or UTF-16. An item that is broken is reported alone, with its place as a JSON Pointer
(RFC 6901). Knows no network.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from providers.archives import export, files, json_stream, text_stream
from providers.archives.export import About, Misread, Part, Stood, Taken
from providers.archives.json_stream import Item, Pattern
from providers.formats import charset

_CUT: Final = (
    "The file ends, or is damaged, here ({pointer}): the rest of it is not read. Download the export again, all parts of it, and import it again; "
    "what was taken already stays as it is."
)
_TOO_LARGE: Final = "The item at {pointer} is longer than 16 MB, or made of more than 200,000 values. It is left out."
_DEEP: Final = "The item at {pointer} is nested deeper than anything that a network writes. It is left out."
_BROKEN: Final = "The item at {pointer} is no JSON ({error}). Download the export again and import it again."
_STRANGE: Final = "The item at {pointer} could not be understood ({error}). The rest of the file was read."


class JsonPart(Part[About]):
    """A JSON file of an export. `items` are where its items stand, `facts` what is wanted of what stands around them."""

    items: tuple[Pattern, ...] = ()
    facts: tuple[Pattern, ...] = ()

    @abstractmethod
    def taken(self, value: Any, item: Item, facts: dict[str, Any], source: files.Source, about: About) -> Iterable[Taken]:
        """What an item means: itself, then what is to be said beside it; `facts` by their last key. Raises Misread."""

    def decoded(self, data: bytes) -> Any:
        """JSON as Python values whose texts a store takes. Raises ValueError."""
        if b"\\u0000" not in data:
            try:
                return msgspec.json.decode(data)
            except msgspec.DecodeError:
                pass  # halves of characters (`\ud83d` alone) and line ends in texts are no JSON, and written all the same
        return _storable(json.loads(data, strict=False))

    def look(self, source: files.Source, patterns: Sequence[Pattern], note: Callable[[Any, Item], None]) -> None:
        """Hand over what stands where a pattern says; what cannot be read, and what `note` cannot use, is passed over."""
        try:
            with files.open_file(source.path) as handle:
                for item in json_stream.items(text_stream.utf8(handle, 0), *patterns):
                    with suppress(Exception):  # a stranger's text; it is reported where it is read
                        if item.problem is None:
                            note(self.decoded(item.data), item)
        except OSError:
            return

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        position = mark.position
        facts: dict[str, Any] = {}
        for item in self.found(source.path):
            if item.pattern in self.facts and item.problem != "CUT":
                self.note(item, facts)
                continue
            if item.end <= mark.offset:
                continue
            position += 1
            stood = Stood(position, item.line, item.end, item.end_line)
            for taken in self._taken(item, facts, source, position, about):
                yield stood, taken, export.weight(taken)

    def found(self, path: Path) -> Iterator[Item]:
        """Items and facts as they stand in the file. Raises OSError as the file does."""
        with files.open_file(path) as handle:
            yield from json_stream.items(text_stream.utf8(handle, 0), *self.facts, *self.items)

    def note(self, item: Item, facts: dict[str, Any]) -> None:
        """Keep what stands around the items; what cannot be read is left out."""
        try:
            facts[item.path[-1]] = self.decoded(item.data)
        except (ValueError, RecursionError):
            facts.pop(item.path[-1], None)

    def counted(self, path: Path) -> int:
        with files.open_file(path) as handle:
            return json_stream.count(text_stream.utf8(handle, 0), *self.items)

    def _taken(self, item: Item, facts: dict[str, Any], source: files.Source, position: int, about: About) -> list[Taken]:
        pointer = item.pointer or "its beginning"
        if item.problem == "TOO_LARGE":
            message = _TOO_LARGE.format(pointer=pointer)
            return [export.unreadable(source, position, message, item.data, outcome="SKIPPED", reason="TOO_LARGE")]
        if item.problem == "CUT":
            return [export.unreadable(source, position, _CUT.format(pointer=pointer), item.data)]
        try:
            value = self.decoded(item.data)
        except RecursionError:
            return [export.unreadable(source, position, _DEEP.format(pointer=pointer), item.data)]
        except ValueError as error:
            return [export.unreadable(source, position, _BROKEN.format(pointer=pointer, error=error), item.data)]
        try:
            return list(self.taken(value, item, facts, source, about))
        except Misread as error:
            return [export.unreadable(source, position, f"{error} (at {pointer})", item.data)]
        except Exception as error:  # an item is a stranger's text: whatever it does, the next one is read
            return [export.unreadable(source, position, _STRANGE.format(pointer=pointer, error=type(error).__name__), item.data)]


def _storable(value: Any) -> Any:
    """A JSON value with all its texts in a form that a store takes."""
    if isinstance(value, str):
        return charset.storable(value)
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {charset.storable(key): _storable(one) for key, one in value.items()}
    return value
