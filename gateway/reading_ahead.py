"""The pages of a run, read and prepared while what came before them is being written. Knows no database and no process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final, NamedTuple

from providers import records
from resolvers.ingest import Prepared, prepare

AHEAD_ROWS: Final = 1_600  # rows and characters of mail read ahead of what is being written: what a transaction takes
AHEAD_TEXT: Final = 2_000_000
BREATH: Final = 20  # rows that are prepared in one go


class Read(NamedTuple):
    """A page, with what is prepared of its rows, one each; of a LIVE account nothing is kept that would have to be."""

    page: records.Page
    ready: tuple[Prepared | None, ...]


async def _prepared(page: records.Page, *, live: bool) -> Read:
    if live:
        return Read(page, ())
    ready: list[Prepared | None] = []
    for n, row in enumerate(page.rows):
        ready.append(prepare(row.item) if isinstance(row.item, records.Message) else None)
        if n % BREATH == BREATH - 1:
            await asyncio.sleep(0)  # it takes its time, and others have their turn
    return Read(page, tuple(ready))


async def ahead(pages: AsyncIterator[records.Page], *, live: bool) -> AsyncGenerator[list[Read]]:
    """The pages as they come, those together that were read and prepared while others were written: at most about AHEAD_ROWS and
    AHEAD_TEXT.

    After one that is the only copy nothing is read until it is written. One task reads them all: what an adapter opened, it also
    closes there.
    """
    ready: list[Read] = []
    ended: list[Exception | None] = []
    change = asyncio.Condition()
    unwritten = 0

    def written() -> bool:
        return not unwritten

    def room() -> bool:
        return not _enough(ready)

    async def fill() -> None:
        nonlocal unwritten
        try:
            async for page in pages:
                read = await _prepared(page, live=live)
                async with change:
                    ready.append(read)
                    unwritten += 1
                    change.notify_all()
                    await change.wait_for(written if page.only_copy else room)
            ended.append(None)
        except Exception as error:
            ended.append(error)  # what was read before it is written first
        async with change:
            change.notify_all()

    reader = asyncio.create_task(fill())
    try:
        while True:
            async with change:
                await change.wait_for(lambda: ready or ended)
                found, ready[:] = list(ready), []
                count = len(found)
                change.notify_all()
            if not found:
                break
            yield found  # whoever takes them may empty the list
            async with change:
                unwritten -= count
                change.notify_all()
        if (error := ended[0]) is not None:
            raise error
    finally:
        reader.cancel()
        await asyncio.wait([reader])


def _enough(pages: Sequence[Read]) -> bool:
    """Whether no more is to be read before this is written."""
    rows = [row.item for read in pages for row in read.page.rows]
    held = sum(len(item.text) + len(item.html or "") for item in rows if isinstance(item, records.Message))
    return len(rows) >= AHEAD_ROWS or held >= AHEAD_TEXT
