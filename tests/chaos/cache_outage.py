"""Redis killed while many query, and started again: no answer fails meanwhile, and afterwards it is used again.

The clients ask for conversations of a linked Mastodon-compatible server, which are answered from the cache, and for people, which
are not. That Redis is used is read from its own statistics.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.universe import ME, Universe
from tests import servers
from tests.chaos import processes
from tests.chaos.linking import link_mastodon
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.gateway_process import kith_serve

PAGE = """{ viewer { people(first: 5) { edges { node { name emails { address } } } }
  conversations(first: 10) { sources { state servedFrom } edges { node { subject lastActivityAt } } } } }"""


async def kill_the_cache(home: Path, *, clients: int, times: int, answers: int = 300, away: float = 2.0) -> Report:
    """`times` outages of `away` seconds at least, each until so many answers have come."""
    written = Universe(40, 300).write(home.parent / f"{home.name}-files")
    report = Report()
    with servers.mastodon() as mastodon, servers.redis_server() as redis:
        mastodon.sample("small")
        place = f"127.0.0.1/32:{urlsplit(mastodon.url).port}"
        settings = {"KITH_REDIS_URL": redis.url, "KITH_ALLOW_PRIVATE_HOSTS": place, "KITH_RATE_COST": "0"}
        with kith_serve(home, **settings) as gateway:
            gateway.kith("import", str(written.cards), str(written.mail), "--me", ME)
            key = gateway.token("owner", "read", "write", "admin")
            link_mastodon(gateway, key, mastodon)
            load = Load(gateway, key, clients, query=PAGE)
            load.start()
            await load.answered(answers)
            report.hold("Redis was asked before it was killed", _asked(redis) > 0)
            without = 0
            for _ in range(times):
                before, began = load.answers, time.monotonic()
                redis.kill()
                await load.answered(answers)
                await asyncio.sleep(max(0.0, away - (time.monotonic() - began)))
                without += load.answers - before
                redis.start()  # empty, and its statistics begin anew
                await load.answered(answers)
                # whoever has found it away leaves it alone for a while
                await asyncio.to_thread(
                    processes.wait_until, "Redis to be asked again after it had come back", lambda: _asked(redis) > 0
                )
            await load.stop()
        hits = sum(extension.get("cacheHits", 0) for extension in load.extensions)
        report.figures |= {"clients": clients, "outages": times, "answers": load.answers, "of these without Redis": without}
        report.figures |= {"cache hits told": hits, "p50, ms": load.quantile(0.5), "p99, ms": load.quantile(0.99)}
        report.broken += load.failed[:5]
        report.expect("failed answers", len(load.failed) + load.refused, 0)
    return report


def _asked(redis: servers.Running) -> int:
    """How often Redis was asked for keys since it was started, by its own count."""
    import redis as client

    with client.Redis.from_url(redis.url) as connection:
        told = connection.info("commandstats")
    assert isinstance(told, dict)
    return sum(int(told.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("mget", "get", "set", "eval", "evalsha"))
