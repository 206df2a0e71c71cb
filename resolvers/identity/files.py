"""The files of `kith resolve`: contacts in, a line each; groups and suggestions out. Written beside their place and moved there when whole."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from resolvers.identity.cards import Card

_decode: Final = msgspec.json.Decoder(Card).decode
MAX_LINE: Final = 1 << 20  # bytes of one contact


class BadFile(ValueError):
    """The file cannot be read or written; the message says where and why."""


def cards(path: Path) -> Iterator[Card]:
    """The contacts of a file of JSON lines, one at a time. Raises BadFile."""
    seen: set[str] = set()
    try:
        with path.open("rb") as lines:
            for n, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                if len(line) > MAX_LINE:
                    raise BadFile(f"{path}, line {n}: longer than {MAX_LINE} bytes, which no contact is")
                try:
                    card = _decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise BadFile(f"{path}, line {n}: {error}") from None
                if card.id in seen:
                    raise BadFile(f"{path}, line {n}: a second contact with the id {card.id!r}")
                seen.add(card.id)
                yield card
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None


def write(path: Path, heading: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A CSV file (RFC 4180), whole or not at all. Raises BadFile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as out:
            lines = csv.writer(out, lineterminator="\n")
            lines.writerow(heading)
            lines.writerows(rows)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadFile(f"{path}: {error.strerror}") from None
