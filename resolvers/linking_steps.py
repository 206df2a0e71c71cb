"""The linking mutations: the caller's input handed to `Linking`, its refusals turned into errors, answers kept by key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from resolvers.linking import Linking, LinkRefused, LinkSession
from resolvers.mistakes import Mistake
from resolvers.operation import Operation
from resolvers.writing import Answer, Mistaken, Payload, remembered


async def begin(
    operation: Operation,
    provider: str | None,
    address: str | None,
    account_id: str | None,
    method: str | None,
    scopes: tuple[str, ...] | None,
    return_url: str | None,
    key: str | None,
) -> Payload:
    """Begin to link an account, or to authorise one again."""
    if provider is None and address is None and account_id is None:
        text = "Name a provider, an address to find one by, or the account to authorise again."
        return Payload(errors=(Mistake(code="REQUIRED", message=text),))

    async def act(linking: Linking) -> LinkSession:
        return await linking.begin(
            operation.viewer,
            provider=provider,
            address=address,
            account_id=account_id,
            method=_method(method),
            scopes=scopes,
            return_url=return_url,
        )

    given = [provider, address, account_id, method, scopes, return_url]
    return await _step(operation, "beginLink", key, given, act)


async def complete(
    operation: Operation,
    link_id: str,
    callback_url: str | None,
    form: dict[str, str] | None,
    mode: Literal["MIRRORED", "LIVE"],
    key: str | None,
) -> Payload:
    """Give a session what it waits for; without credentials, ask how it stands."""

    async def act(linking: Linking) -> LinkSession:
        return await linking.complete(operation.viewer, link_id, callback_url=callback_url, form=form, mode=mode)

    return await _step(operation, "completeLink", key, [link_id, callback_url, form, mode], act)


async def cancel(operation: Operation, link_id: str, key: str | None) -> Payload:
    """End a session."""

    async def act(linking: Linking) -> LinkSession:
        return await linking.cancel(operation.viewer, link_id)

    return await _step(operation, "cancelLink", key, [link_id], act)


async def _step(
    operation: Operation, mutation: str, key: str | None, given: object, act: Callable[[Linking], Awaitable[LinkSession]]
) -> Payload:
    linking = operation.services.linking
    if linking is None:
        return Payload(
            errors=(Mistake(code="UNSUPPORTED", message="This installation links no accounts; import files instead."),)
        )
    fresh: list[LinkSession] = []

    async def once() -> Answer:
        try:
            session = await act(linking)
        except LinkRefused as refused:
            raise Mistaken(refused.mistake) from refused
        fresh.append(session)
        return Answer(node_id=session.id)

    done = await remembered(operation, mutation, key, given, once)
    if not isinstance(done, Answer):
        return Payload(errors=(done,))
    # the same key again: the session is told as it stands now, the steps are not taken twice
    session = fresh[0] if fresh else await linking.get(operation.viewer, done.node_id or "")
    return Payload(link=session, account_id=None if session is None else session.account_id)


def _method(
    name: str | None,
) -> Literal["OAUTH_REDIRECT", "DEVICE_CODE", "PASSWORD", "APP_PASSWORD", "TOKEN", "NO_SECRET"] | None:
    match name:
        case "OAUTH_REDIRECT" | "DEVICE_CODE" | "PASSWORD" | "APP_PASSWORD" | "TOKEN" | "NO_SECRET":
            return name
        case _:
            return None
