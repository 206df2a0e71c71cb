"""Direct conversations of a mirrored account: posts that those alone see whom they mention, by who is in them.

A server lists conversations by their latest post, and tells of no other that was edited, deleted or became somebody's favourite: so the
latest posts of all conversations are asked for again with every look, twenty with one call (docs.joinmastodon.org/methods/statuses#index).
Of a conversation it says whether all of it was read. What stands above a deleted post is in no thread any more: it is told by the other lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from providers.errors import Refused
from providers.mastodon.entity import Account, Context, Conversation, Status, segment
from providers.mastodon.item import DIRECT, Items, key_of
from providers.mastodon.server import Server, decoded, readable
from providers.records import Gone, Row

#: Posts that are asked for again with one call (app/controllers/api/v1/statuses_controller.rb).
RECENT: Final = 20
#: Posts that a look which was cut off still owes a second look, at most.
OWED: Final = 100
#: How many of them are looked at where a server has no such call.
ONE_BY_ONE: Final = 4
#: Whose favourite a post is (methods/statuses#favourited_by).
FAVOURITED: Final = 80
LOST: Final = frozenset({"404", "410", "not-found"})
#: Refusals that say that there is no call for several posts (before 4.3).
NO_SUCH_CALL: Final = frozenset({*LOST, "400", "403", "405", "422"})


class Remembered(msgspec.Struct, omit_defaults=True, frozen=True):
    """What was told of one of the latest posts: its key, how many have it as a favourite, when it was edited, whether it waits to be read."""

    key: str
    likes: int = 0
    edited: str = ""
    unread: bool = False


def age(post: str) -> tuple[int, str]:
    """Ids are compared by length, then as text: Mastodon's are numbers, others' are not (docs.joinmastodon.org/api/guidelines#id)."""
    return len(post), post


class Talks:
    """The conversations of one account, within one look at them. `newest` and `recent` are what the last one ended with."""

    def __init__(self, server: Server, items: Items, me: Account, newest: str, recent: dict[str, Remembered]) -> None:
        self._server = server
        self._items = items
        self._me = me
        self._newest = newest
        self._before = recent
        self._told: dict[str, Remembered] = {}
        self._unread: dict[str, bool] = {}  # of conversations by key, where their server said it
        self._heads: set[str] = set()
        self._gone: set[str] = set()
        self._looked = False  # at the latest posts of the look before
        self._answers: dict[str, str] = {}  # the account's own latest post in a conversation: what came before it was read
        self._numbers: list[str] = []

    async def talk(self, talk: Conversation) -> list[Row]:
        """The posts of a conversation and who is in it; only the latest post where nothing was said since."""
        last = talk.last_status
        if last is None:
            return []
        self._items.meet(talk.accounts)
        self._numbers.append(talk.id)
        key = self._items.talk(last)
        self._unread[key] = bool(talk.unread) or self._unread.get(key, False)
        posts = [last]
        if self._is_new(last.id):
            before, after = await self._around(last)
            posts = [*before, last, *after]
            if before:  # what answers an earlier post stands beside the latest one, not around it
                posts += (await self._around(before[0]))[1]
        self._items.meet((), posts)
        rows = []
        direct = {post.id: post for post in posts if post.visibility == DIRECT}
        self._note_answers(direct.values())
        for post in direct.values():
            came = post.id == last.id or (bool(self._newest) and self._is_new(post.id))
            rows += await self._told_anew(post, waits=came and self._unread.get(self._items.talk(post), False))
        if key not in self._heads:  # of several with the same people the latest comes first
            self._heads.add(key)
            rows.append(Row(item=msgspec.structs.replace(self._items.head(last, talk.unread), last_message=None)))
        return rows

    async def mentioned(self, post: Status) -> list[Row]:
        """A direct post that another list tells of; nothing where it is known."""
        if self.knows(post):
            return []
        self._items.meet((), (post,))
        self._note_answers((post,))
        return await self._told_anew(post, waits=bool(self._newest) and self._unread.get(self._items.talk(post), False))

    def knows(self, post: Status) -> bool:
        """Whether a post is among the latest, of which everything is told."""
        return post.id in self._told or post.id in self._before

    async def again(self) -> list[Row]:
        """What became of the latest posts that this look has not told: edits, favourites, read state, and those that are gone."""
        owed = self._owed()
        rows = []
        for n in range(0, len(owed), RECENT):
            found, wanted = await self._several(owed[n : n + RECENT])
            self._items.meet((), found.values())
            self._note_answers(found.values())
            for post in wanted:
                known = found.get(post) or await self._one(post)  # what a list of several leaves out may only be hidden from it
                if known is None:
                    self._gone.add(post)
                    rows.append(Row(item=Gone(kind="MESSAGE", key=self._before[post].key)))
                elif known.visibility == DIRECT:
                    rows += await self._told_anew(known, waits=self._before[post].unread)
        self._looked = True
        return rows

    def take_numbers(self) -> tuple[str, ...]:
        """The server's numbers of the conversations since this was asked."""
        numbers, self._numbers = self._numbers, []
        return tuple(numbers)

    def recent(self) -> dict[str, Remembered]:
        """The latest posts, to be looked at the next time, and until this look has asked for them again those of the one before."""
        known = {post: what for post, what in {**self._before, **self._told}.items() if post not in self._gone}
        kept = {*sorted(known, key=age, reverse=True)[:RECENT], *([] if self._looked else self._owed())}
        return {post: known[post] for post in sorted(kept, key=age, reverse=True)}

    def _owed(self) -> list[str]:
        return sorted(self._before.keys() - self._told.keys() - self._gone, key=age, reverse=True)[:OWED]

    def _is_new(self, post: str) -> bool:
        """Whether a post was not there at the last look; what came late from another server has the number of its moment."""
        oldest = min(self._before, key=age, default="")
        return post not in self._before and age(post) > age(oldest)

    async def _told_anew(self, post: Status, *, waits: bool) -> list[Row]:
        """A post as a message, where it is not what was told before: whoever has read it here meanwhile has read it."""
        before = self._before.get(post.id)
        waits = waits or (before is not None and before.unread)
        talk = self._items.talk(post)
        unread = waits and self._unread.get(talk, True) and age(post.id) > age(self._answers.get(talk, ""))
        now = Remembered(key_of(post), max(0, post.favourites_count or 0), post.edited_at or "", unread)
        self._told[post.id] = now
        if now == before:
            return []
        fans: list[Account] | None = None
        if before is None or before.likes != now.likes:
            fans = await self._fans(post) if now.likes else []
        return [Row(item=self._items.message(post, unread, fans))]

    def _note_answers(self, posts: Iterable[Status]) -> None:
        for post in posts:
            if post.account.id == self._me.id:
                talk = self._items.talk(post)
                self._answers[talk] = max(post.id, self._answers.get(talk, ""), key=age)

    async def _fans(self, post: Status) -> list[Account] | None:
        try:
            path = f"/api/v1/statuses/{segment(post.id)}/favourited_by"
            answer = await self._server.get(path, (("limit", str(FAVOURITED)),))
        except Refused:
            return None  # not told on this server, or to nobody but the author
        return readable(decoded(answer, list[msgspec.Raw]), Account)[0]

    async def _around(self, post: Status) -> tuple[list[Status], list[Status]]:
        """The posts above and below one in its thread; none where it was deleted since it was listed."""
        try:
            answer = await self._server.get(f"/api/v1/statuses/{segment(post.id)}/context")
        except Refused as error:
            if error.provider_code in LOST:
                return [], []
            raise
        context = decoded(answer, Context)
        return readable(context.ancestors, Status)[0], readable(context.descendants, Status)[0]

    async def _several(self, posts: list[str]) -> tuple[dict[str, Status], list[str]]:
        """These posts by id, and which of them were asked for."""
        try:
            answer = await self._server.get("/api/v1/statuses", [("id[]", post) for post in posts])
        except Refused as error:
            if error.provider_code not in NO_SUCH_CALL:
                raise
            return {}, posts[:ONE_BY_ONE]
        found, _ = readable(decoded(answer, list[msgspec.Raw]), Status)
        return {post.id: post for post in found}, posts

    async def _one(self, post: str) -> Status | None:
        """One post, None when it is gone."""
        try:
            return decoded(await self._server.get(f"/api/v1/statuses/{segment(post)}"), Status)
        except Refused as error:
            if error.provider_code in LOST:
                return None
            raise
