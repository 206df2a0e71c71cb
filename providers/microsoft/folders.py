"""Outlook's folders, of mails and of contacts: how they nest, what they hold, and how far each is mirrored.

Speaks mailFolder and contactFolder of Microsoft Graph v1.0. A folder is known by its id, which outlives its name; people see its
path. Knows nothing of what lies in a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from providers.errors import ProviderError, ReauthRequired, Refused
from providers.http import Session
from providers.microsoft.graph import Item, Part, ask, decoded, failure, listed, path_of
from providers.records import Statement, Unreadable

FOLDERS = 100
MAX_FOLDERS = 5_000
MAX_DEPTH = 50
IDS = 1_000
#: A folder that only shows what is elsewhere.
SEARCH_FOLDER = "#microsoft.graph.mailSearchFolder"

Each = TypeVar("Each")


class Folder(msgspec.Struct, frozen=True, rename="camel"):
    """MailFolder or ContactFolder; `path` is ours."""

    id: str
    display_name: str | None = None
    child_folder_count: int | None = None
    total_item_count: int | None = None
    kind: str | None = msgspec.field(default=None, name="@odata.type")
    path: str = ""


class Mark(msgspec.Struct, omit_defaults=True):
    """How far a folder is mirrored.

    `next` is the page that the first reading goes on with, `filled` when that is done; `link` where the changes go on. Mails
    received after `since` are fetched when they show up; `counted` is the last comparison of all ids (POSIX seconds); `old` are
    names that the folder had before.
    """

    path: str = ""
    next: str = ""
    filled: bool = False
    link: str = ""
    since: float = 0.0
    counted: float = 0.0
    old: list[str] = []


async def tree(session: Session, path: tuple[str, ...], options: str, above: str = "", depth: int = 0) -> list[Folder]:
    """The folders below `path`, each before those in it. Contact folders do not say how many they hold: they are asked."""
    found: list[Folder] = []
    async for page in listed(session, path_of(*path, top=str(FOLDERS), select=options)):
        for raw in page.items:
            each = decoded(bytes(raw), Folder)
            if each.kind == SEARCH_FOLDER:
                continue
            name = (each.display_name or each.id).replace("/", "\u2215")
            each = msgspec.structs.replace(each, path=f"{above}/{name}" if above else name)
            found.append(each)
            if each.child_folder_count != 0 and depth < MAX_DEPTH and len(found) < MAX_FOLDERS:
                found += await tree(session, (*path[:2], each.id, "childFolders"), options, each.path, depth + 1)
    return found


async def ids_in(session: Session, path: tuple[str, ...]) -> set[str]:
    """The ids of all items of a list."""
    keys: set[str] = set()
    async for page in listed(session, path_of(*path, top=str(IDS), select="id")):
        keys |= {item.id for item in readable(page.items, Item)}
    return keys


async def is_gone(session: Session, kind: str, id_: str) -> bool:
    """Whether a folder that no listing shows any more is really gone: asked of the folder itself."""
    try:
        await ask(session, path_of("me", kind, id_, select="id"))
    except Refused as error:
        return error.provider_code == "not-found"
    return False


def statement(path: str, kind: str, keys: set[str]) -> Statement:
    """What a folder holds, by its ids."""
    return Statement(container=path, kind="CONTACT" if kind == "CONTACT" else "MESSAGE", expected=len(keys), keys=frozenset(keys))


def renamed(mark: Mark, path: str) -> None:
    """A folder's new name is no change of its items for Graph: everything in it is told anew, then its old name is empty."""
    if mark.path != path:
        mark.old = [*dict.fromkeys((*mark.old, mark.path))]
        mark.path, mark.link, mark.counted = path, "", 0.0


def emptied(mark: Mark, kind: str, paths: Iterable[str]) -> tuple[Statement, ...]:
    """That nothing is left under a folder's old names, unless another one has them now."""
    taken = set(paths)
    old, mark.old = mark.old, []
    return tuple(statement(path, kind, set()) for path in old if path not in taken)


def unreadable(session: Session, id_: str, part: Part, container: str = "") -> Unreadable:
    """An item that Graph cannot give: it stays a gap that is asked for again. Raises ReauthRequired."""
    error: ProviderError = failure(session, part.status, bytes(part.body))
    if isinstance(error, ReauthRequired):
        raise error
    return Unreadable(key=id_, outcome="FAILED", message=error.message, reason="UNREADABLE", container=container)


def readable(items: Iterable[msgspec.Raw], kind: type[Each]) -> list[Each]:
    """The items of a page. Raises Malformed."""
    return [decoded(bytes(item), kind) for item in items]


def groups(items: Sequence[Each], size: int) -> list[list[Each]]:
    """The items in order, `size` at a time."""
    return [list(items[n : n + size]) for n in range(0, len(items), size)]
