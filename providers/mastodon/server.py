"""Asking and telling a Mastodon-compatible server: single calls, and lists that are followed by their Link headers alone, because their page ids
are in no body (docs.joinmastodon.org/api/guidelines#pagination). Knows nothing of what the answers mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2 as httpx
import msgspec

from providers.errors import CursorExpired, Malformed, ReauthRequired, Refused
from providers.http import SUCCESS, Response, Session
from providers.mastodon.entity import Account, short
from providers.mastodon.item import CONTAINER
from providers.records import Row, Unreadable
from providers.server_address import origin

#: 800,000 followers, or a server that never ends.
MAX_PAGES = 10_000
PAGE_BYTES = 8 * 1024 * 1024
#: What a post may have and a link counts for where the server does not say (StatusLengthValidator).
LONGEST = 500
OF_A_LINK = 23


class Urls(msgspec.Struct, frozen=True):
    """`streaming` of v2, `streaming_api` of v1: where the streams are, which may be another host."""

    streaming: str | None = None
    streaming_api: str | None = None


class Statuses(msgspec.Struct, frozen=True):
    max_characters: int | None = None
    characters_reserved_per_url: int | None = None


class Configuration(msgspec.Struct, frozen=True):
    urls: Urls | None = None
    statuses: Statuses | None = None


class Instance(msgspec.Struct, frozen=True):
    """entities/Instance and V1_Instance: `domain` of v2, `uri` of v1 is what follows the `@`, which may differ from the API's host."""

    domain: str | None = None
    uri: str | None = None
    configuration: Configuration | None = None
    urls: Urls | None = None
    max_toot_chars: int | None = None  # Pleroma, Akkoma

    @property
    def name(self) -> str:
        """The domain; empty where there is none that could be one."""
        named = (self.domain or self.uri or "").strip().lower().removeprefix("https://").strip("/")
        return named if named and len(named) < 256 and not set(named) & set(" /@\x00") else ""

    @property
    def streaming(self) -> str:
        """Where the streams are; empty where there are none."""
        said = (
            self.configuration.urls.streaming if self.configuration is not None and self.configuration.urls is not None else None
        )
        return said or (self.urls.streaming_api if self.urls is not None else None) or ""

    @property
    def longest(self) -> int:
        """The characters that a post may have."""
        said = self.configuration.statuses if self.configuration is not None else None
        return (said.max_characters if said is not None else None) or self.max_toot_chars or LONGEST

    @property
    def of_a_link(self) -> int:
        """The characters that a link counts for, however long it is."""
        said = self.configuration.statuses if self.configuration is not None else None
        return (said.characters_reserved_per_url if said is not None else None) or OF_A_LINK


Entity = TypeVar("Entity")


class Server:
    """A server as one account sees it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._instance: Instance | None = None
        self._domain = ""

    async def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Response:
        """One GET. Raises ProviderError."""
        answer = await self.session.request(
            "GET",
            origin(self.session.account.base_url) + path,
            params=list(params),
            headers={"Accept": "application/json"},
            accept_statuses={*SUCCESS, 403},
            max_bytes=PAGE_BYTES,
        )
        return self._judged(answer)

    async def tell(
        self, method: str, path: str, form: Sequence[tuple[str, str]] = (), *, key: str | None = None, once: bool = False
    ) -> Response:
        """One call that changes something; under a `key` a server does it once (methods/statuses#create, "Idempotency-Key").

        With `once` it is never repeated here. Raises ProviderError; what the server does not take is Refused in its own words.
        """
        answer = await self.session.request(
            method,
            origin(self.session.account.base_url) + path,
            content=urlencode(form).encode() if form else None,
            headers={
                "Accept": "application/json",
                **({"Content-Type": "application/x-www-form-urlencoded"} if form else {}),
                **({"Idempotency-Key": key} if key is not None else {}),
            },
            accept_statuses={*SUCCESS, 403, 422},
            max_bytes=PAGE_BYTES,
            follow=False,
            once=once,
        )
        if answer.status == 422:
            raise Refused(
                f"{urlsplit(answer.url).hostname} does not take this: {_error_text(answer)[:200] or 'it does not say why'}.",
                provider_code="422",
            )
        return self._judged(answer)

    @staticmethod
    def _judged(answer: Response) -> Response:
        """403 has three meanings, told apart by its text (app/controllers/api/base_controller.rb)."""
        if answer.status != 403:
            return answer
        host, said = urlsplit(answer.url).hostname, _error_text(answer)
        if "scope" in said:
            raise Refused(f"{host} was not allowed to show this. Link the account again to allow it.", provider_code="scope")
        if "login" in said or "pending" in said or "confirm" in said or "suspended" in said:
            raise ReauthRequired(f"{host} has closed this account. Sign in there to see why.", provider_code="403")
        raise Refused(f"{host} does not allow this to your account.", provider_code="403")

    async def me(self, domain: str = "") -> Account:
        """Whose token it is; `domain` is what bare names stand for, where it is known. Raises Refused where no such server is."""
        self._domain = self._domain or domain
        await self.domain()
        try:
            answer = await self.get("/api/v1/accounts/verify_credentials")
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            raise no_server(self.session) from error
        return decoded(answer, Account)

    async def instance(self) -> Instance:
        """What the server says of itself; nothing where it says it in a way that is not understood."""
        if self._instance is not None:
            return self._instance
        trouble: Malformed | None = None
        for path in ("/api/v2/instance", "/api/v1/instance"):
            try:
                answer = await self.get(path)
                found = decoded(answer, Instance)
            except Refused:
                continue
            except Malformed as error:
                trouble = error
                continue
            if found.name:
                self._instance = found
                return found
            trouble = answer.malformed("JSON")
        if trouble is not None:  # people are known by it: nothing is guessed where a server that says it is in trouble
            raise trouble
        self._instance = Instance()
        return self._instance

    async def domain(self) -> str:
        """The domain that a bare name stands for (entities/Instance)."""
        if not self._domain:
            host = str(urlsplit(self.session.account.base_url).netloc.rpartition("@")[2])
            self._domain = (await self.instance()).name or host
        return self._domain

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
