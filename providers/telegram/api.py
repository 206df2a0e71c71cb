"""One call of Telegram's Bot API: how it is asked, what a refusal means, and where files are (core.telegram.org/bots/api, 10.1).

The token is part of the address: it never goes into an error, and no redirect is followed with it. An answer is an object that says `ok`; a
refusal says in words why, with how long to wait and where a group has gone. Knows nothing of what is asked.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.formats import charset
from providers.http import Response, Session

KEY: Final = "telegram"
HOME: Final = "https://api.telegram.org"
BOT_FATHER: Final = "https://t.me/BotFather"
ANSWER_BYTES: Final = 16 * 1024 * 1024
#: "For the moment, bots can download files of up to 20MB in size" (getFile).
FILE_BYTES: Final = 20 * 1024 * 1024
#: What comes back to be read here. 5xx is the Session's, which tries again.
ANSWERS: Final = frozenset({200, 400, 401, 403, 404, 409, 413, 429})
PAUSE: Final = 60  # seconds, where a limit does not say how long
LONGEST: Final = 86_400
_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}\Z")

Entity = TypeVar("Entity")


class Parameters(msgspec.Struct, frozen=True):
    """ResponseParameters."""

    migrate_to_chat_id: int | None = None
    retry_after: int | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An answer that is not `ok`."""

    ok: bool
    error_code: int = 0
    description: str = ""
    parameters: Parameters | None = None


class _Answer(msgspec.Struct, frozen=True):
    result: msgspec.Raw


class Migrated(Refused):
    """The group has become a supergroup, whose id is `chat`."""

    def __init__(self, chat: int) -> None:
        super().__init__("This group has become a supergroup.", provider_code="migrated")
        self.chat = chat


async def ask(session: Session, method: str, kind: type[Entity], **parameters: Any) -> Entity:
    """A call that changes nothing, or as often as it is made: it may be repeated. Raises ProviderError."""
    return await _call(session, method, kind, parameters, repeatable=True)


async def tell(session: Session, method: str, kind: type[Entity], **parameters: Any) -> Entity:
    """A call that must not happen twice. Raises ProviderError, Migrated where the chat is another by now."""
    return await _call(session, method, kind, parameters, repeatable=False)


async def download(session: Session, path: str) -> bytes:
    """A file, by the path that getFile gave. Raises ProviderError."""
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise Malformed("Telegram named a file that is nowhere.", provider_code="path")
    where = f"/file/bot{await _token(session)}/{quote(path)}"
    return (await session.request("GET", _address(session, where), auth=False, follow=False, max_bytes=FILE_BYTES)).content


async def _call(session: Session, method: str, kind: type[Entity], parameters: dict[str, Any], *, repeatable: bool) -> Entity:
    answer = await session.request(
        "POST",
        _address(session, f"/bot{await _token(session)}/{method}"),
        json=parameters,
        auth=False,
        follow=False,
        accept_statuses=ANSWERS,
        max_bytes=ANSWER_BYTES,
        reads=repeatable,
        once=not repeatable,
    )
    if answer.status != 200:
        raise _refused(session, answer)
    try:
        return msgspec.json.decode(msgspec.json.decode(answer.content, type=_Answer).result, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # ValidationError is a DecodeError
        raise answer.malformed("JSON") from None


def _refused(session: Session, answer: Response) -> ProviderError:
    """The error that an answer stands for."""
    said = _said(answer)
    code, words = said.error_code or answer.status, charset.line(said.description)[:200]
    parameters = said.parameters or Parameters()
    match code:
        case 401:
            text = f"Telegram no longer takes this token: it was revoked, or the bot deleted. Get a new one from {BOT_FATHER} and link again."
            return ReauthRequired(text, provider_code="401")
        case 409 if "webhook" in words:
            text = "This bot's messages are called out to a webhook, and cannot be asked for as long as it is set."
            return Unavailable(text, provider_code="webhook")
        case 409:
            text = "Another program asks for this bot's messages with the same token. Only one can: stop it, or make a bot of its own for Kith."
            return Unavailable(text, provider_code="conflict")
        case 429:
            seconds = parameters.retry_after if parameters.retry_after is not None else _header(answer)
            until = session.clock.now() + timedelta(seconds=min(max(seconds, 1), LONGEST))
            return RateLimited("Telegram takes no more calls of this bot at the moment.", retry_at=until, provider_code="429")
        case 403:
            return Refused(f"Telegram does not allow this to the bot. ({words or 'no reason given'})", provider_code="403")
        case 404:
            return Refused("There is nothing (any more) at this address of Telegram.", provider_code="not-found")
        case status if status >= 500:
            return Unavailable(f"Telegram has trouble of its own (status {status}).", provider_code=str(status))
    if parameters.migrate_to_chat_id is not None:
        return Migrated(parameters.migrate_to_chat_id)
    if "not found" in words:
        return Refused(f"Telegram does not know this (any more). ({words})", provider_code="not-found")
    return Refused(f"Telegram refused the request. ({words or code})", provider_code=str(code))


def _said(answer: Response) -> Refusal:
    """What a refusal says, as far as it is one of Telegram's."""
    try:
        return msgspec.json.decode(answer.content, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal(ok=False)


def _header(answer: Response) -> int:
    text = answer.headers.get("retry-after", "").strip()[:9]
    return int(text) if text.isascii() and text.isdigit() else PAUSE


async def _token(session: Session) -> str:
    token = ((await session.credentials()).access_token or "").strip()
    if not _TOKEN.match(token):
        text = "This is no bot token. It is a number, a colon and 35 letters, as @BotFather shows it: copy it whole."
        raise ReauthRequired(text, provider_code="token")
    return token


def _address(session: Session, path: str) -> str:
    return session.account.base_url.rstrip("/") + path
