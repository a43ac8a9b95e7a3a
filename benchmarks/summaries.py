"""What lists and charts of decisions cost: making their rows, a page for each filter, sums; and the rows' size.

    OMP_NUM_THREADS=1 python -m benchmarks.summaries --decisions 100000 1000000 --out summaries.json

Each size is a store in SQLite, filled through `Journal.write` (`benchmarks/decision_log.py`). `--store FOLDER` keeps
the stores there; those that it has already are not made again, so that catching up is not measured with them. A page
is 50 rows: the newest, and one that begins behind nine tenths of all. Times are of the store's own calls.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.decision_log import Traffic, fill
from benchmarks.machine import machine_facts
from storage.conformance_records import a_decision, a_payload
from storage.registry import open_stores
from storage.stores import Stores
from storage.summary_records import SummaryFilter, TotalsFilter

REPEATS = 40
TABLES = ("decision_summaries", "decision_totals", "audit_events")
WRITE_EVERY_SECONDS = 0.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, nargs="+", default=[100_000])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--store", type=Path, help="folder that keeps the stores; else they are thrown away")
    parser.add_argument("--out", type=Path, default=Path("summaries.json"))
    chosen = parser.parse_args()
    results: dict[str, Any] = {"machine": machine_facts(), "seed": chosen.seed, "stores": {}}
    with tempfile.TemporaryDirectory() as passing:
        folder = chosen.store or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        for count in chosen.decisions:
            path = folder / f"d{count}.db"
            found = asyncio.run(measured(path, count, seed=chosen.seed, is_new=not path.exists()))
            results["stores"][str(count)] = found
            chosen.out.write_text(json.dumps(results, indent=2) + "\n")
    return 0


async def measured(path: Path, count: int, *, seed: int, is_new: bool) -> dict[str, Any]:
    stores = await open_stores(f"sqlite:///{path}", mode="grouped")
    result: dict[str, Any] = {}
    if is_new:
        print(f"{count} decisions are being written …", flush=True)
        traffic = Traffic(seed=seed, until=datetime(2026, 11, 1, tzinfo=UTC), with_texts=count <= 100_000)
        await fill(stores, traffic.items(count))
        result["catch_up"] = await catching_up(stores, count)
        print(json.dumps(result["catch_up"]), flush=True)
    else:
        await stores.summaries.catch_up(seconds=math.inf)
    result["up_to_date_ms"] = await timed(lambda: stores.summaries.catch_up(seconds=0.1))
    result["pages_ms"] = await pages(stores)
    result["totals_ms"] = await overview(stores)
    await stores.close()
    result["bytes"] = sizes(path)
    print(json.dumps(result, indent=2), flush=True)
    return result


async def catching_up(stores: Stores, decisions: int) -> dict[str, Any]:
    """Speed alone; then, after throwing all away, how long writes wait beside it, for as long as at most 20 seconds."""
    started, cpu_started = time.perf_counter(), time.process_time()
    progress = await stores.summaries.catch_up(seconds=math.inf)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    started = time.perf_counter()
    await stores.summaries.rebuild()
    rebuild_seconds = time.perf_counter() - started
    alone = await writes(stores, asyncio.sleep(5))
    beside = await writes(stores, stores.summaries.catch_up(seconds=20))
    await stores.summaries.catch_up(seconds=math.inf)
    return {
        "events": progress.position,
        "decisions_per_second": round(decisions / seconds),
        "cpu_seconds_per_wall_second": round(cpu_seconds / seconds, 2),
        "emptying_seconds": round(rebuild_seconds, 2),
        "write_ms_alone": alone,
        "write_ms_beside": beside,
    }


async def writes(stores: Stores, beside: Awaitable[object]) -> dict[str, float]:
    """How long a durable write waits while something else goes on."""
    other = asyncio.ensure_future(beside)
    taken = []
    while not other.done():
        payload = a_payload()
        decision = replace(a_decision(payload), decided_at=datetime(2026, 11, 1, tzinfo=UTC))
        started = time.perf_counter()
        await stores.journal.write(payload, decision)
        await stores.journal.flush()
        taken.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(WRITE_EVERY_SECONDS)
    await other
    return spread(taken)


async def timed(call: Callable[[], Awaitable[object]]) -> dict[str, float]:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        await call()
        taken.append(1000 * (time.perf_counter() - started))
    return spread(taken)


def spread(milliseconds: list[float]) -> dict[str, float]:
    return {
        "p50": round(median(milliseconds), 2),
        "p95": round(quantiles(milliseconds, n=20)[-1], 2),
        "most": round(max(milliseconds), 2),
    }


async def pages(stores: Stores) -> dict[str, dict[str, Any]]:
    [newest] = await stores.summaries.find(SummaryFilter(limit=1))
    noon = newest.decided_at
    wanted = {
        "none": SummaryFilter(),
        "tenant, most": SummaryFilter(tenant="default"),
        "tenant, a few": SummaryFilter(tenant="umbrella"),
        "run": SummaryFilter(run_id=newest.run_id),
        "candidate": SummaryFilter(candidate_id="single_turn/large"),
        "policy, rare": SummaryFilter(policy="uniform"),
        "task, rare": SummaryFilter(task="units"),
        "plan, rare": SummaryFilter(plan="refine"),
        "status succeeded": SummaryFilter(status="succeeded"),
        "status failed": SummaryFilter(status="failed"),
        "status running": SummaryFilter(status="running"),
        "last 24 hours": SummaryFilter(since=noon - timedelta(days=1)),
        "an hour 20 days ago": SummaryFilter(since=noon - timedelta(days=20, hours=1), until=noon - timedelta(days=20)),
        "cost over $0.0001": SummaryFilter(cost_over_usd=Decimal("0.0001")),
        "cost over $0.04": SummaryFilter(cost_over_usd=Decimal("0.04")),
        "cost over $10": SummaryFilter(cost_over_usd=Decimal(10)),
        "close calls": SummaryFilter(margin_under=0.05),
        "margin under 0.2": SummaryFilter(margin_under=0.2),
        "judged": SummaryFilter(is_judged=True),
        "not judged": SummaryFilter(is_judged=False),
        "nobody of that name": SummaryFilter(candidate_id="nobody"),
        "tenant and candidate": SummaryFilter(tenant="hooli", candidate_id="single_turn/large"),
        "small tenant, failed": SummaryFilter(tenant="umbrella", status="failed"),
        "small tenant, rare task, failed": SummaryFilter(tenant="umbrella", task="units", status="failed"),
        "rare policy, dear": SummaryFilter(policy="uniform", cost_over_usd=Decimal("0.02")),
        "small tenant, close, judged": SummaryFilter(tenant="umbrella", margin_under=0.01, is_judged=True),
        "running and judged (none)": SummaryFilter(status="running", is_judged=True),
        "succeeded and dear by the cheap (none)": SummaryFilter(
            status="succeeded", candidate_id="single_turn/qwen-0.5b", cost_over_usd=Decimal("0.002")
        ),
    }
    results: dict[str, dict[str, Any]] = {}
    for name, each in wanted.items():
        first = await timed(lambda each=each: stores.summaries.find(each))
        deep_filter = replace(each, before_position=newest.position // 10)
        deep = await timed(lambda each=deep_filter: stores.summaries.find(each))
        results[name] = {"rows": len(await stores.summaries.find(each)), "first": first, "deep": deep}
    return results


async def overview(stores: Stores) -> dict[str, Any]:
    [newest] = await stores.summaries.find(SummaryFilter(limit=1))
    day, week = newest.decided_at - timedelta(days=1), newest.decided_at - timedelta(days=7)
    wanted = {
        "30 days by day": TotalsFilter(by="time", slot_hours=24),
        "30 days by hour": TotalsFilter(by="time"),
        "30 days by candidate": TotalsFilter(by="candidate"),
        "30 days by policy": TotalsFilter(by="policy"),
        "30 days by task": TotalsFilter(by="task"),
        "7 days by candidate": TotalsFilter(by="candidate", since=week),
        "24 hours by candidate": TotalsFilter(by="candidate", since=day),
        "24 hours by hour": TotalsFilter(by="time", since=day),
        "a tenant's 30 days by task": TotalsFilter(by="task", tenant="acme"),
        "a candidate's 30 days by day": TotalsFilter(by="time", slot_hours=24, candidate_id="single_turn/large"),
        "a candidate's 30 days by hour": TotalsFilter(by="time", candidate_id="single_turn/large"),
    }
    return {name: await timed(lambda each=each: stores.summaries.totals(each)) for name, each in wanted.items()}


def sizes(path: Path) -> dict[str, int]:
    """Bytes of the file and, where this SQLite can tell, of each table with its indices."""
    found = {"file": path.stat().st_size}
    connection = sqlite3.connect(path)
    try:
        for table in TABLES:
            query = (
                "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN "
                "(SELECT name FROM sqlite_master WHERE tbl_name = ?)"
            )
            found[table] = connection.execute(query, (table,)).fetchone()[0]
        found["rows of sums"] = connection.execute("SELECT count(*) FROM decision_totals").fetchone()[0]
    except sqlite3.OperationalError as exc:
        print(f"sizes of tables: {exc}", file=sys.stderr)
    finally:
        connection.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
