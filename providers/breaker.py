"""A circuit breaker for each host: who has failed several times in a row is left alone for a while, then tried once.

Spares our deadline and a struggling server's load. Failures are the server's own (unreachable, hanging, 5xx), never a
refusal or a rate limit. Shared by all accounts at a host in this process; knows nothing of HTTP.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from providers.errors import Unavailable
from providers.session import Clock


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Opens after `failures` in a row, for `seconds`; then one probe decides. `hosts` bounds the memory."""

    failures: int = 5
    seconds: float = 30.0
    hosts: int = 10_000


class _State(msgspec.Struct):
    failures: int = 0
    open_until: datetime | None = None
    probing: bool = False


class Breakers:
    """The breakers of all hosts. Call `before` a request, then exactly one of `succeeded`, `failed` or `unsettled`."""

    def __init__(self, clock: Clock, policy: Policy | None = None) -> None:
        self._clock = clock
        self._policy = policy or Policy()
        self._states: OrderedDict[str, _State] = OrderedDict()

    def before(self, host: str) -> None:
        """Raises Unavailable, with the moment of the next probe, while the host's breaker is open."""
        state = self._states.get(host)
        if state is None or state.open_until is None:
            return
        if state.probing or self._clock.now() < state.open_until:
            raise Unavailable(
                f"{host} failed {state.failures} times in a row and is left alone for a moment.",
                retry_at=max(state.open_until, self._clock.now() + timedelta(seconds=1)),
                provider_code="circuit-open",
            )
        state.probing = True

    def succeeded(self, host: str) -> None:
        self._states.pop(host, None)

    def failed(self, host: str) -> None:
        state = self._states.setdefault(host, _State())
        self._states.move_to_end(host)
        state.failures += 1
        state.probing = False
        if state.failures >= self._policy.failures:
            state.open_until = self._clock.now() + timedelta(seconds=self._policy.seconds)
        while len(self._states) > self._policy.hosts:
            self._states.popitem(last=False)

    def unsettled(self, host: str) -> None:
        """The request was cancelled or refused by us: it says nothing about the host."""
        if state := self._states.get(host):
            state.probing = False
