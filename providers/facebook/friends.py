"""What is left of friends: those who use the same app and allowed it, too, listed whole every few hours (`GET /me/friends`).

Whoever is not in the list any more is gone. Knows nothing of messages and posts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import msgspec

from providers.entries import readable
from providers.errors import Malformed, Refused
from providers.facebook.item import FRIENDS, Person, friend
from providers.meta.api import Edge, Graph
from providers.records import Page, Row, Statement

CENSUS: Final = timedelta(hours=6)
LISTED, MAX_LISTS = 200, 10_000
KEPT: Final = 20_000  # keys of a walk; of more friends nobody is seen to be gone
FIELDS: Final = "id,name,first_name,last_name,picture.width(256)"


class Census(msgspec.Struct, omit_defaults=True):
    """The list of friends: from `after` on, with the `keys` met so far, None when they are too many; `listed` (POSIX seconds) when that ended."""

    after: str = ""
    keys: list[str] | None = []
    whole: bool = True
    listed: float = 0.0


async def walk(graph: Graph, census: Census, position: Callable[[], bytes]) -> AsyncIterator[Page]:
    """All friends, where they are due; `position` gives the cursor to store with a page. Raises ProviderError."""
    now = graph.session.clock.now().timestamp()
    if not census.after and census.listed and now - census.listed < CENSUS.total_seconds():
        return
    if not census.after:
        census.keys, census.whole = [], True
    for _ in range(MAX_LISTS):
        asked = [("fields", FIELDS), ("limit", str(LISTED)), *([("after", census.after)] if census.after else [])]
        try:
            answer = await graph.ask("me/friends", Edge, asked)
        except Refused as error:
            if not census.after or error.provider_code != "100":
                raise
            census.after, census.keys, census.whole = "", [], True  # from the beginning: the place is not known any more
            continue
        people, broken = readable(answer.data, Person, FRIENDS)
        if answer.after and answer.after == census.after:
            raise Malformed("Facebook's list of friends goes in circles.", provider_code="paging")
        known = frozenset(census.keys or ())
        fresh = [one for one in people if one.id and one.id not in known]
        if census.keys is not None:
            census.keys += [one.id for one in fresh]
            census.keys = census.keys if len(census.keys) <= KEPT else None
        census.whole, census.after = census.whole and not broken, answer.after
        rows = (*broken, *(Row(item=friend(one)) for one in fresh))
        if census.after:
            yield Page(rows=rows, cursor=position())
            continue
        keys = frozenset(census.keys) if census.keys is not None and census.whole else None
        statement = Statement(container=FRIENDS, kind="CONTACT", expected=None if keys is None else len(keys), keys=keys)
        census.keys, census.listed = [], now
        yield Page(rows=rows, cursor=position(), statements=(statement,))
        return
    raise Malformed("Facebook's list of friends does not end.", provider_code="paging")
