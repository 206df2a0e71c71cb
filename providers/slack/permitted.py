"""What a token may be shown of a workspace's conversations, and what the account says of the rest.

Each kind of conversation takes two scopes of its own, one to be listed and one to be read (docs.slack.dev/reference/scopes), and a list that
asks for a kind without its scope is refused whole. A kind that lacks either is left out, so that it is read from its beginning once both are
there. Slack tells what a token may with every answer (`X-OAuth-Scopes`); where it does not, everything is asked for. Knows nothing of messages.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from providers.records import Row, Unreadable


class Kind(NamedTuple):
    """A kind of conversation: its word in `types`, how people call it, and what it takes."""

    word: str
    called: str
    scopes: tuple[str, str]


KINDS: Final = (
    Kind("public_channel", "public channels", ("channels:read", "channels:history")),
    Kind("private_channel", "private channels", ("groups:read", "groups:history")),
    Kind("mpim", "group messages", ("mpim:read", "mpim:history")),
    Kind("im", "direct messages", ("im:read", "im:history")),
)


def types(granted: Collection[str]) -> str:
    """The kinds to ask for; empty where the token may see none."""
    return ",".join(kind.word for kind in KINDS if not granted or set(kind.scopes) <= set(granted))


def withheld(granted: Collection[str]) -> list[Row]:
    """What the account says of the kinds that it is not shown."""
    closed = [kind for kind in KINDS if granted and not set(kind.scopes) <= set(granted)]
    if not closed:
        return []
    what = ", ".join(kind.called for kind in closed)
    lacking = ", ".join(scope for kind in closed for scope in kind.scopes if scope not in granted)
    text = f"Slack does not show your {what}: the token lacks {lacking}. Add it to the app, install it again and link again."
    return [Row(item=Unreadable(key="scopes", outcome="SKIPPED", message=text, reason="FORBIDDEN", container="scopes"))]
