"""SIGTERM under load: the server takes no more requests and finishes every one it has taken."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from benchmarks.universe import ME, Universe
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.gateway_process import kith_serve


async def stop_under_load(home: Path, *, clients: int, times: int, answers: int = 200) -> Report:
    """`times` stops, each while `clients` ask without a pause: half keep their connection, half come anew for each request."""
    written = Universe(40, 300).write(home.parent / f"{home.name}-files")
    report = Report()
    counted: dict[str, int] = {"answers": 0, "answers after SIGTERM": 0, "requests cut": 0}
    slowest = 0.0
    with kith_serve(home, KITH_RATE_COST="0") as gateway:
        gateway.kith("import", str(written.cards), str(written.mail), "--me", ME)
        key = gateway.token("owner", "read")
        for n in range(times):
            loads = [Load(gateway, key, clients // 2), Load(gateway, key, clients - clients // 2, come_anew=True)]
            for load in loads:
                load.start()
            await asyncio.gather(*(load.answered(answers // 2) for load in loads))
            before, began = sum(load.answers for load in loads), time.monotonic()
            status = await asyncio.to_thread(gateway.stop, signal.SIGTERM)
            slowest = max(slowest, time.monotonic() - began)
            for load in loads:
                await load.turned_away()
                await load.stop()
                report.broken += [f"stop {n + 1}: {what}" for what in load.failed[:5]]
                counted["requests cut"] += len(load.failed)
                counted["answers"] += load.answers
            counted["answers after SIGTERM"] += sum(load.answers for load in loads) - before
            report.hold(f"the server ended with {status}", status == 0)
            report.hold("everybody was turned away in the end", all(load.refused for load in loads))
            gateway.start()
    report.figures |= {"clients": clients, "stops": times, **counted, "slowest stop, s": round(slowest, 2)}
    report.expect("requests cut", counted["requests cut"], 0)
    return report
