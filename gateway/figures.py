"""/metrics: what telemetry counted, and what only the database knows, read when somebody asks.

For operators: from this machine (no proxy in between), with `KITH_METRICS_TOKEN`, or with a key that has the scope admin and is
the owner's. No labels name people, accounts or addresses.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.settings import is_loopback
from gateway.signin import browser
from gateway.signin.principal import NotSignedIn
from store import viewers
from store.tables import account, gap, job

if TYPE_CHECKING:
    from gateway.installation import Installation

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


class Figures:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def metrics(self, request: Request) -> Response:
        if not await self._may_see(request):
            headers = {"www-authenticate": browser.REALM}
            return PlainTextResponse(
                "Send the bearer token of KITH_METRICS_TOKEN, or the owner's key with the scope admin.\n", 401, headers
            )
        await self._refresh()
        return Response(self._installation.telemetry.text(), media_type=CONTENT_TYPE)

    async def _may_see(self, request: Request) -> bool:
        header = request.headers.get("authorization")
        if header is None:
            near = request.client is not None and is_loopback(request.client.host)
            return near and not any(name in request.headers for name in FORWARDED)
        try:
            token = browser.bearer_token(header)
            wanted = self._installation.settings.metrics_token.reveal()
            if wanted and hmac.compare_digest(token.encode(), wanted.encode()):
                return True
            principal = await self._installation.door.bearer(token)
        except NotSignedIn:
            return False
        return principal.owner and "ADMIN" in principal.scopes

    async def _refresh(self) -> None:
        telemetry, database, now = self._installation.telemetry, self._installation.database, self._installation.clock.now()
        lag, dead = await database.system_read(_jobs, now)
        ages: dict[str, float] = defaultdict(float)
        gaps: dict[str, int] = defaultdict(int)
        for viewer in await database.system_read(viewers.listed):
            for provider, age in (await database.read(viewer.id, _ages, now)).items():
                ages[provider] = max(ages[provider], age)
            for provider, missing in (await database.read(viewer.id, _gaps)).items():
                gaps[provider] += missing
        for gauge, values in (
            (telemetry.job_lag, lag),
            (telemetry.jobs_dead, dead),
            (telemetry.sync_age, ages),
            (telemetry.gaps, gaps),
        ):
            gauge.clear()
            for label, value in values.items():
                gauge.labels(label).set(value)


def _jobs(conn: Connection, now: datetime) -> tuple[dict[str, float], dict[str, float]]:
    """By kind: seconds that the longest due job waits without a worker, and how many were given up."""
    c = job.c
    lag: dict[str, float] = {}
    free = sa.or_(c.lease_until.is_(None), c.lease_until < now)
    for row in conn.execute(
        select(c.kind, sa.func.min(c.due).label("due")).where(c.dead_reason.is_(None), free).group_by(c.kind)
    ):
        lag[row.kind] = max(0.0, (now - row.due).total_seconds())
    dead = conn.execute(select(c.kind, sa.func.count().label("n")).where(c.dead_reason.is_not(None)).group_by(c.kind))
    return lag, {row.kind: float(row.n) for row in dead}


def _ages(conn: Connection, viewer: str, now: datetime) -> dict[str, float]:
    c = account.c
    rows = conn.execute(
        select(c.provider, sa.func.min(c.last_synced_at).label("at"))
        .where(c.viewer_id == viewer, c.last_synced_at.is_not(None), c.next_sync_at.is_not(None))
        .group_by(c.provider)
    )
    return {row.provider: (now - row.at).total_seconds() for row in rows}


def _gaps(conn: Connection, viewer: str) -> dict[str, int]:
    joined = gap.join(account, sa.and_(account.c.viewer_id == gap.c.viewer_id, account.c.id == gap.c.account_id))
    rows = conn.execute(
        select(account.c.provider, sa.func.sum(gap.c.count).label("n")).select_from(joined)
        .where(gap.c.viewer_id == viewer).group_by(account.c.provider)
    )  # fmt: skip
    return {row.provider: int(row.n) for row in rows}
