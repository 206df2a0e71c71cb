"""Asking a Mastodon-compatible server: single calls, and lists that are followed by their Link headers alone, because their page ids
are in no body (docs.joinmastodon.org/api/guidelines#pagination). Knows nothing of what the answers mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

import httpx2 as httpx
import msgspec

from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused
from providers.http import SUCCESS, Response, Session
from providers.mastodon_entity import Account, short
from providers.mastodon_item import CONTAINER
from providers.records import Row, Unreadable

#: 800,000 followers, or a server that never ends.
MAX_PAGES = 10_000
PAGE_BYTES = 8 * 1024 * 1024


class Instance(msgspec.Struct, frozen=True):
    """`domain` of v2, `uri` of v1: what follows the `@`, which may differ from the API's host."""

    domain: str | None = None
    uri: str | None = None


Entity = TypeVar("Entity")


class Server:
    """A server as one account sees it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._domain: str | None = None

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Response:
        """One GET. 403 has three meanings, told apart by its text (app/controllers/api/base_controller.rb)."""
        answer = await self.session.request(
            "GET",
            origin(self.session.account.base_url) + path,
            params=list(params),
            headers={"Accept": "application/json"},
            accept_statuses={*SUCCESS, 403},
            max_bytes=PAGE_BYTES,
        )
        if answer.status != 403:
            return answer
        host, said = urlsplit(answer.url).hostname, _error_text(answer)
        if "scope" in said:
            raise Refused(f"{host} was not allowed to show this. Link the account again to allow it.", provider_code="scope")
        if "login" in said or "pending" in said or "confirm" in said or "suspended" in said:
            raise ReauthRequired(f"{host} has closed this account. Sign in there to see why.", provider_code="403")
        raise Refused(f"{host} does not allow this to your account.", provider_code="403")

    async def me(self) -> Account:
        await self.domain()
        try:
            answer = await self.get("/api/v1/accounts/verify_credentials")
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise no_server(self.session) from error
        return decoded(answer, Account)

    async def domain(self) -> str:
        """The domain that a bare name stands for (entities/Instance)."""
        if self._domain is not None:
            return self._domain
        host = str(urlsplit(self.session.account.base_url).netloc.rpartition("@")[2])
        for path in ("/api/v2/instance", "/api/v1/instance"):
            try:
                instance = decoded(await self.get(path), Instance)
            except (Refused, Malformed):
                continue
            named = (instance.domain or instance.uri or "").strip().lower().removeprefix("https://").strip("/")
            self._domain = named if named and len(named) < 256 and not set(named) & set(" /@\x00") else host
            return self._domain
        self._domain = host
        return host

    async def listed(
        self, path: str, query: str, first: Sequence[tuple[str, str]], kind: type[Entity]
    ) -> AsyncIterator[tuple[list[Entity], list[Row], str]]:
        """Page by page, the first one asked for with `first`: the entities, rows for those that cannot be read, and the query of the
        next page (empty at the end).
        """
        known: set[str] = set()
        for _ in range(MAX_PAGES):
            given = parse_qsl(query) or first
            try:
                answer = await self.get(path, given)
            except Refused as error:
                if query and error.provider_code in ("400", "404", "410", "422", "not-found"):
                    raise CursorExpired("The server no longer knows this place in the list.") from error
                raise
            found, broken = readable(decoded(answer, list[msgspec.Raw]), kind)
            known.add(query)
            query = _next(answer, path, self.session.account.base_url)
            yield found, broken, query
            if not query:
                return
            if query in known:
                raise Malformed("The server's list goes in circles.", provider_code="paging")
        raise Malformed("The server's list does not end.", provider_code="paging")


def decoded(answer: Response, kind: type[Entity]) -> Entity:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def readable(items: Iterable[msgspec.Raw], kind: type[Entity], container: str = CONTAINER) -> tuple[list[Entity], list[Row]]:
    """The entities that are what the documentation says; the others as rows that say so."""
    found: list[Entity] = []
    broken: list[Row] = []
    for item in items:
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            excerpt = bytes(item)[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
            broken.append(
                Row(
                    item=Unreadable(
                        key=_id_of(item),
                        outcome="FAILED",
                        message=f"This entry is not as the interface describes it: {str(error)[:200]}",
                        reason="UNREADABLE",
                        excerpt=excerpt,
                        container=container,
                    )
                )
            )
    return found, broken


def _id_of(item: msgspec.Raw) -> str:
    try:
        value = msgspec.json.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    return next((short(value[name]) for name in ("uri", "id") if isinstance(value.get(name), str)), "")


def _next(answer: Response, path: str, base: str) -> str:
    """The query of the next page. Only the query is taken, and only from a link to the same list of the same server."""
    target = answer.links().get("next")
    if target is None:
        return ""
    parts, home = urlsplit(target), urlsplit(base)
    if parts.hostname != home.hostname or parts.path != path:
        raise Malformed("The server's list goes on at another address.", provider_code="paging")
    return parts.query


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def no_server(session: Session) -> Refused:
    host = httpx.URL(session.account.base_url).host
    return Refused(f"There is no Mastodon-compatible server at {host}. Check the address.", provider_code="no-server")


def _error_text(answer: Response) -> str:
    try:
        said: Any = answer.json()
    except Malformed:
        return ""
    text = cast(Mapping[str, Any], said).get("error") if isinstance(said, dict) else None
    return text.lower() if isinstance(text, str) else ""
