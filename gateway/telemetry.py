"""Figures for operators (Prometheus): one registry a process, no content and no addresses in any label.

Counters are kept as things happen; what the database knows better (job lag, freshness, gaps) is read when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from resolvers.operation import Spending
from store.cache import Cache

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class Telemetry:
    """Fulfils `providers.session.Observer` as well."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.registry = CollectorRegistry()
        self._operations = _Counts("kith_operations", "GraphQL operations.", ["type", "outcome"], self.registry)
        self._seconds = _Times("kith_operation_seconds", "Time from arrival to answer.", ["type"], self.registry)
        self._executions = _Counts("kith_executions", "Operations and events by what executed them.", ["by"], self.registry)
        self._answers = _Counts("kith_answers", "Answers that could be kept, by where they came from.", ["from"], self.registry)
        self._looks = _Counts(
            "kith_prewarm_looks", "First looks at usual pages since they changed, by what was there.", ["found"], self.registry
        )
        self._ahead = _Counts(
            "kith_prewarmed", "Answers made before anybody asked, by what came of them.", ["outcome"], self.registry
        )
        self._ahead_seconds = _Counts("kith_prewarm_seconds", "Processor time for these.", ["for"], self.registry)
        self._calls = _Counts("kith_provider_calls", "Calls to networks.", ["provider", "outcome"], self.registry)
        self._call_seconds = _Times("kith_provider_call_seconds", "How long networks take.", ["provider"], self.registry)
        self._avoided = _Counts("kith_provider_calls_avoided", "Calls that a cache or loader saved.", [], self.registry)
        self._avoided.by[()] = 0
        self._open = Gauge("kith_subscriptions_open", "Open subscriptions.", ["transport"], registry=self.registry)
        self.job_lag = Gauge("kith_job_lag_seconds", "How long the longest due job waits.", ["kind"], registry=self.registry)
        self.jobs_dead = Gauge("kith_jobs_dead", "Jobs that were given up.", ["kind"], registry=self.registry)
        self.sync_age = Gauge(
            "kith_sync_age_seconds", "Since the account of a provider that waits longest was synchronised.", ["provider"],
            registry=self.registry,
        )  # fmt: skip
        self.gaps = Gauge(
            "kith_ledger_gaps", "Items that a network has and the store has not.", ["provider"], registry=self.registry
        )
        if cache is not None:
            self.registry.register(_CacheFigures(cache))

    def operation(self, kind: str, outcome: str, seconds: float) -> None:
        self._operations.by[kind, outcome] += 1
        if kind != "subscription":
            self._seconds.observe((kind,), seconds)

    def executed(self, by: str) -> None:
        """`by`: compiled, replayed (begun compiled, ended by graphql-core) or graphql-core."""
        self._executions.by[by,] += 1

    def answered(self, how: str) -> None:
        """`how`: unchanged (the client has it), memory, cache, shared (with who asked at the same time), made, passing (made, not kept)."""
        self._answers.by[how,] += 1

    def looked(self, found: str) -> None:
        """`found`: ahead (the answer was there before), shared (it was just being made), late (it had to be made)."""
        self._looks.by[found,] += 1

    def ahead(self, outcome: str) -> None:
        """`outcome`: made, then used or unused; passing (made, and nothing to keep)."""
        self._ahead.by[outcome,] += 1

    def ahead_took(self, what: str, seconds: float) -> None:
        """`what`: answers, or looking (what has changed, what is usual)."""
        self._ahead_seconds.by[what,] += seconds

    def spent(self, spending: Spending) -> None:
        if spending.avoided:
            self._avoided.by[()] += spending.avoided

    def call(self, provider: str, outcome: str, seconds: float) -> None:
        """A call to a network ended (`providers.session.Observer`)."""
        self._calls.by[provider, outcome] += 1
        self._call_seconds.observe((provider,), seconds)

    def opened(self, transport: str) -> None:
        self._open.labels(transport).inc()

    def closed(self, transport: str) -> None:
        self._open.labels(transport).dec()

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class _Counts(Collector):
    """A counter by its labels, kept by the event loop alone: the library's own, which threads may share, costs more than what it counts."""

    def __init__(self, name: str, text: str, labels: list[str], registry: CollectorRegistry) -> None:
        self.by: defaultdict[tuple[str, ...], float] = defaultdict(int)
        self._about = (name, text, labels)
        registry.register(self)

    def collect(self) -> list[CounterMetricFamily]:
        name, text, labels = self._about
        found = CounterMetricFamily(name, text, labels=labels)
        for values, count in self.by.items():
            found.add_metric(values, count)
        return [found]


class _Times(Collector):
    """A histogram of seconds, kept in the same way."""

    def __init__(self, name: str, text: str, labels: list[str], registry: CollectorRegistry) -> None:
        self._by: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * (len(_SECONDS) + 1))
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._about = (name, text, labels)
        registry.register(self)

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        self._by[labels][bisect_left(_SECONDS, seconds)] += 1
        self._sums[labels] += seconds

    def collect(self) -> list[HistogramMetricFamily]:
        name, text, labels = self._about
        found = HistogramMetricFamily(name, text, labels=labels)
        bounds = (*map(str, _SECONDS), "+Inf")
        for values, counts in self._by.items():
            found.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), self._sums[values])
        return [found]


class _CacheFigures(Collector):
    """The cache counts for itself; copied when asked."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> list[CounterMetricFamily]:
        answers = CounterMetricFamily("kith_cache_answers", "What the cache answered.", labels=["outcome"])
        for outcome in ("hits", "misses", "errors"):
            answers.add_metric([outcome], getattr(self._cache, outcome))
        return [answers]
