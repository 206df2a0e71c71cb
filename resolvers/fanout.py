"""Asking live accounts side by side, each within the operation's deadline, with its own outcome.

A question to an account is a flight: who asks the same while it is under way waits for the same answer, and a flight that misses a
deadline goes on for a while and fills the cache, so that the next reader has it. Trouble is turned into a source state here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import structlog

from providers.base import LiveAdapter
from providers.errors import ProviderError, RateLimited, ReauthRequired, Unavailable
from resolvers.operation import Operation, SourceTiming

log = structlog.get_logger()
T = TypeVar("T")
LINGER: Final = 8.0  # seconds that a flight may go on after a deadline
MARGIN: Final = 0.05  # seconds kept for putting the answer together


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why an account did not answer: a SourceState with a sentence."""

    state: str
    message: str
    retry_at: datetime | None = None


def trouble(error: BaseException) -> Trouble:
    """The state that an error stands for."""
    if isinstance(error, TimeoutError):
        return Trouble(state="TIMED_OUT", message="The network did not answer in time; ask again in a moment.")
    if isinstance(error, RateLimited):
        return Trouble(state="RATE_LIMITED", message=error.message, retry_at=error.retry_at)
    if isinstance(error, ReauthRequired):
        return Trouble(state="REAUTH_REQUIRED", message=error.message)
    if isinstance(error, ProviderError):
        return Trouble(state="UNAVAILABLE", message=error.message, retry_at=error.retry_at)
    return Trouble(state="UNAVAILABLE", message="The answer of this network could not be read.")


async def ask(
    operation: Operation, account_id: str, question: tuple[str, ...], answer: Callable[[LiveAdapter], Coroutine[Any, Any, T]]
) -> T | Trouble:
    """One question to one account, shared with everybody of this viewer who asks the same now."""
    services = operation.services
    key = (operation.viewer, account_id, *question)
    started = time.monotonic()
    operation.spending.planned += 1
    flight: asyncio.Task[T] | None = services.flights.get(key)
    if flight is None:

        async def fly() -> T:
            deadline = services.clock.now().timestamp() + operation.remaining() + LINGER
            async with asyncio.timeout(operation.remaining() + LINGER):
                adapter = await services.open_account(operation.viewer, account_id, deadline=deadline)
                return await answer(adapter)

        flight = services.flights[key] = asyncio.create_task(fly(), name=f"flight:{account_id}")
        flight.add_done_callback(lambda _: services.flights.pop(key, None))
        flight.add_done_callback(_note)
        operation.spending.made += 1
    else:
        operation.spending.avoided += 1
    outcome: T | Trouble
    try:
        outcome = await asyncio.wait_for(asyncio.shield(flight), max(0.0, operation.remaining() - MARGIN))
    except (TimeoutError, ProviderError) as error:
        outcome = trouble(error)
    except asyncio.CancelledError:
        if not flight.cancelled():
            raise
        outcome = trouble(Unavailable("The process is shutting down; ask again."))
    except Exception as error:  # whatever a third party's adapter raises is that source's trouble, not the page's
        outcome = trouble(error)
    state = outcome.state if isinstance(outcome, Trouble) else "FRESH"
    took = (time.monotonic() - started) * 1000
    operation.spending.sources.append(SourceTiming(account_id, state, round(took, 1), 1))
    return outcome


async def together(questions: list[Awaitable[T]]) -> list[T]:
    """All at once; each has its own deadline inside."""
    return list(await asyncio.gather(*questions))


def _note(flight: asyncio.Task[Any]) -> None:
    """Look at every outcome, so that no exception is lost, and log what no adapter may raise."""
    if flight.cancelled():
        return
    error = flight.exception()
    if error is not None and not isinstance(error, ProviderError | TimeoutError):
        log.error("an adapter raised what it must not", flight=flight.get_name(), exc_info=error)
