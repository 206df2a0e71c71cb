"""`make bench`, the gateways' part: one table for each operation and a picture, in docs/figures.md.

python -m benchmarks.gateway_workload [NAME …] [--rounds N] [--seconds S] [--no-record]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import figures
from benchmarks.gateway_workload import plot, run
from benchmarks.gateway_workload.workload import QUERIES

TITLE: Final = "The public gateway workload: {}"
PICTURE: Final = figures.ROOT / "docs" / "gateway-workload.svg"
FIRST: Final = (
    "Apollo Server",
    "GraphQL Yoga",
    "Mercurius with jit",
    "Tailcall",
    "ready bytes (ceiling)",
)  # Kith's ratio to each


def main(words: list[str] | None = None) -> None:
    """Measure, print, record."""
    sizes = run.Sizes()
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.gateway_workload", description="Kith beside other gateways.")
    arguments.add_argument("names", nargs="*", help="gateways, Kith among them; all by default")
    arguments.add_argument("--rounds", type=int, default=sizes.rounds)
    arguments.add_argument("--seconds", type=float, default=sizes.seconds)
    arguments.add_argument("--no-record", action="store_true", help="leave docs alone")
    given = arguments.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="kith-bench-") as folder:
        sizes = run.Sizes(given.rounds, given.seconds)
        servers, missing = run.run(Path(folder), sizes, tuple(given.names))
    groups = {}
    for query, text in QUERIES.items():
        rows = table(servers, missing, query)
        title = TITLE.format(query)
        figures.show(title, rows)
        groups[f"{query}: {text}"] = {name: run.median(server.seen[query], "per_cpu_second") for name, server in servers.items()}
        if not given.no_record:
            figures.record(title, rows, note(servers, query, text, sizes))
    if not given.no_record:
        PICTURE.write_text(plot.svg(groups, run.KITH), encoding="utf-8")


def table(servers: dict[str, run.Server], missing: dict[str, str], query: str) -> list[dict[str, object]]:
    """One row a gateway, the best first; what is missing says why."""
    ours = run.median(servers[run.KITH].seen[query], "per_cpu_second") if run.KITH in servers else 0.0
    rows: list[dict[str, object]] = []
    for name, server in servers.items():
        seen = server.seen[query]
        rows.append(
            {
                "gateway": name,
                "requests per server CPU-second": round(run.median(seen, "per_cpu_second")),
                "Kith to it": ours / run.median(seen, "per_cpu_second"),
                "requests/s": round(run.median(seen, "per_second")),
                "p50, ms": run.median(seen, "p50"),
                "p99, ms": run.median(seen, "p99"),
                "upstream calls/request": run.median(seen, "calls"),
                "not answered": sum(one.bad for one in seen),
                "RSS, MiB": round(server.rss),
                "other work, CPUs": run.median(seen, "others"),
            }
        )
    rows.sort(key=lambda row: -run.median(servers[str(row["gateway"])].seen[query], "per_cpu_second"))
    return rows + [{"gateway": f"{name}: {why}"} for name, why in missing.items()]


def note(servers: dict[str, run.Server], query: str, text: str, sizes: run.Sizes) -> str:
    """How it was measured, and what Kith is to the others."""
    ours = run.median(servers[run.KITH].seen[query], "per_cpu_second") if run.KITH in servers else 0.0
    ratios = [
        f"{ours / run.median(servers[name].seen[query], 'per_cpu_second'):.2f} × {name}" for name in FIRST if name in servers
    ]
    return (
        f"`{text}` by {run.CONNECTIONS} connections, the server pinned to one processor, clients and static upstream to another; median of "
        f"{sizes.rounds} rounds of {sizes.seconds:g} s in turns, after {sizes.warm_up:g} s to warm up; all answers were equal. CPU is user and "
        f"system time of the server. Kith is {', '.join(ratios)} ([picture](gateway-workload.svg), [where its time goes](execution.md))."
    )


if __name__ == "__main__":
    os.chdir(figures.ROOT)
    main()
