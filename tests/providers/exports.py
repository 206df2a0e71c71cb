"""What tests of networks' exports have in common: the reading of one as the import reads it, and what every one of them is asked."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from providers import records
from providers.archives.recognition import recognise
from providers.base import Archive, Provider, Scan

Kind = TypeVar("Kind")


def of(path: Path, key: str) -> tuple[Provider, list[Path]]:
    """The files of an export that are recognised as those of a provider, and of no other."""
    (only,) = recognise([path]).groups
    assert only[0].key == key
    return only


def archive_of(provider: Provider) -> Archive:
    assert provider.archive is not None
    return provider.archive


def scan(path: Path, key: str) -> Scan:
    provider, paths = of(path, key)
    return archive_of(provider).scan(paths, frozenset())


def pages(path: Path, key: str, cursor: bytes | None = None, own: frozenset[str] = frozenset()) -> list[records.Page]:
    provider, paths = of(path, key)
    return list(archive_of(provider).pages(paths, cursor, own=own, region=None))


def rows(found: list[records.Page]) -> list[records.Row]:
    return [row for page in found for row in page.rows]


def items(path: Path, key: str, kind: type[Kind]) -> list[Kind]:
    return [row.item for row in rows(pages(path, key)) if isinstance(row.item, kind)]


def unreadable(path: Path, key: str) -> list[tuple[str, int | None, str | None, str]]:
    """File, line, reason and message of what was not taken."""
    return [
        (row.place.path if row.place else "", row.place.line if row.place else None, row.item.reason, row.item.message)
        for row in rows(pages(path, key))
        if isinstance(row.item, records.Unreadable)
    ]


def respoiled(path: Path, into: Path, name: str, spoil: Callable[[bytes], bytes]) -> Path:
    """A copy of an export in which one file is other than it was."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, spoil(data) if info.filename.endswith(name) else data)
    return into


def unpacked(path: Path, into: Path) -> Path:
    """An export as a folder, under another name."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(into)
    return into


def check(path: Path, key: str, folder: Path) -> None:
    """What holds for every export: all counted twice, read on from every page, the same unpacked, never a surprise when it is cut."""
    whole = pages(path, key)
    seen: Counter[str] = Counter()
    placed = [row for row in rows(whole) if row.place is not None]
    for row in placed:
        assert not isinstance(row.item, records.Gone | records.Voided | records.MessageState | records.ConversationHead)
        seen[row.item.container] += 1
    assert [row.place.position for row in placed if row.place] == list(range(1, len(placed) + 1))
    stated = {statement.container: statement.expected for statement in whole[-1].statements}
    assert {name: count for name, count in stated.items() if count} == dict(seen)
    assert scan(path, key).expected == stated
    assert [page.done for page in whole] == [False] * (len(whole) - 1) + [True]
    for page in whole[:-1]:
        again = [row for row in rows(pages(path, key, page.cursor)) if row.place is not None]
        assert again == [row for row in placed if row.place and row.place.position > again[0].place.position - 1]  # type: ignore[union-attr]
    loose = unpacked(path, folder / "unpacked")
    assert Counter(_bare(row) for row in rows(pages(loose, key))) == Counter(_bare(row) for row in rows(whole))


def cuts(path: Path, folder: Path, name: str, steps: int) -> Iterator[Path]:
    """The export with one of its files cut at so many places."""
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if info.filename.endswith(name))
        size = member.file_size
    for n in range(steps):
        yield respoiled(path, folder / f"cut-{n}.zip", name, lambda data, n=n: data[: size * n // steps])  # type: ignore[misc]


def _bare(row: records.Row) -> Any:
    item = row.item
    return type(item).__name__, getattr(item, "key", None), getattr(item, "text", None)
