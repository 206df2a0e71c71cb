"""What is remembered of a Bluesky account between two runs. Knows nothing of how it is asked for."""

from __future__ import annotations

import msgspec

from providers import cursors
from providers.bluesky.chat import Known

#: The two lists of people in the order of a walk.
FOLLOWING, FOLLOWERS = "following", "followers"


class Position(msgspec.Struct, omit_defaults=True):
    """The cursor.

    `log` is the place in the chat's log, `convos` what is known of conversations, all of which are `listed` once. `walk` names the list
    that is being walked, from `token` on; `keys` are those met so far, None when they are too many to be kept. `follows` are those of the
    last whole walk, at `walked` (POSIX seconds), when the repository was at `rev`. `recent` are own posts, newest first, at `posts_rev`;
    `older` is the place in the posts before them, None when all are read. `shown` is the newest of the timeline.
    """

    version: int = 1
    log: str = ""
    listed: bool = False
    convos: dict[str, Known] = {}
    walk: str = ""
    token: str = ""
    keys: list[str] | None = []
    follows: list[str] = []
    walked: float = 0.0
    rev: str = ""
    recent: list[str] = []
    posts_rev: str = ""
    older: str | None = ""
    shown: str = ""

    def encoded(self) -> bytes:
        return cursors.written(self)
