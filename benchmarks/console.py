"""What do the console's pages cost, and how soon is a decision seen? Over a real `antroute serve` and a real browser.

    OMP_NUM_THREADS=1 python -m benchmarks.console --decisions 100000 1000000 --folder /tmp/logs --out console.json

`pages`: milliseconds from request to whole answer of the list (first page, deep pages, each filter, a poll that finds
nothing), of a decision and of the overview, over stores of `benchmarks/decision_log.py`, which are kept in `--folder`
and used again. `seen`: from the answer over HTTP to the row on an open page, by the clock both share. `watched`: the
gateway's CPU under a steady load with and without an open page, in turns; CPU is that of all the gateway's processes.
Seen and watched need chromium; they run over the smallest store.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks import gateway_server as servers
from benchmarks.decision_log import SELLERS, TASKS, made
from benchmarks.gateway import bodies
from benchmarks.gateway_load import Load, percentiles
from benchmarks.machine import machine_facts
from benchmarks.ports import free_port

PARTS = ("pages", "seen", "watched")
WARM_UP = 3  # requests of each page before it is timed
LIST = "/console/decisions"
TELLS = """
window.seen = {};
new MutationObserver((changes) => {
  for (const change of changes) for (const row of change.addedNodes)
    if (row.dataset && row.dataset.href) window.seen[row.dataset.href.split("/").pop()] ??= Date.now();
}).observe(document, { childList: true, subtree: true });
"""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A gateway over a filled store, and what of it can be looked at."""

    gateway: servers.Started
    database: Path
    seed: int

    def pages(self, requests: int) -> Row:
        """Milliseconds and bytes of each page, one request after the other on one connection."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=120)) as connection:
            decision_id, _ = asked(connection, bodies(self.seed)[0])
            addresses = self.addresses() | {"decision": f"{LIST}/{decision_id}"}
            return {name: timed(connection, path, requests) for name, path in addresses.items()}

    def addresses(self) -> dict[str, str]:
        """What is asked for, by what it is."""
        positions = marks(self.database)
        filters = {
            "candidate": {"candidate": SELLERS[-1].id},
            "rare candidate and task": {"candidate": SELLERS[0].id, "task": list(TASKS)[-1]},
            "policy": {"policy": "uniform"},
            "task": {"task": list(TASKS)[-1]},
            "status": {"status": "failed"},
            "within a day": {"period": "24h"},
            "within a week": {"period": "7d"},
            "cost": {"cost_over": "0.02"},
            "close calls": {"close": "yes"},
            "judged": {"judged": "yes"},
            "not judged": {"judged": "no"},
            "nothing found": {"candidate": "nobody/here"},
        }
        return {
            "list, first page": LIST,
            "list, middle": f"{LIST}?before={positions[1]}",
            "list, oldest page": f"{LIST}?before={positions[0]}",
            **{f"list by {name}": f"{LIST}?{urlencode(query)}" for name, query in filters.items()},
            "list, poll that finds nothing": f"{LIST}/newer?after={positions[2]}",
            **{f"overview, {period}": f"/console?period={period}" for period in ("24h", "7d", "30d", "all")},
        }

    def seen(self, count: int) -> Row:
        """Milliseconds from a decision's answer to its row on the open list."""
        delays = []
        with open_page(self.gateway.port) as page, http_client(self.gateway.port) as connection:
            for body in (bodies(self.seed) * count)[:count]:
                decision_id, answered = asked(connection, body)
                page.wait_for_function("(id) => window.seen[id]", arg=decision_id, timeout=30_000)
                delays.append(page.evaluate("(id) => window.seen[id]", decision_id) - 1000 * answered)
        return {"decisions": count, "ms": percentiles(delays) | {"p95": quantile(delays, 0.95)}}

    def watched(self, *, rate: float, seconds: float, rounds: int) -> Row:
        """CPU and latency under the same load, without and with an open page, in turns."""
        load = Load(port=self.gateway.port, bodies=bodies(self.seed), rate=rate, seconds=seconds)
        without, watching = [], []
        self.under(load)  # warm
        for _ in range(rounds):
            without.append(self.under(load))
            with open_page(self.gateway.port):
                watching.append(self.under(load))
        shares = [statistics.mean(row["cpu_share"] for row in rows) for rows in (without, watching)]
        return {
            "rate": rate,
            "without": without,
            "watched": watching,
            "cpu_share_without": shares[0],
            "cpu_share_watched": shares[1],
            "cpu_more_percent": 100 * (shares[1] / shares[0] - 1),
            "p99_ms_more": middle(watching, "p99") - middle(without, "p99"),
        }

    def under(self, load: Load) -> Row:
        before = self.gateway.usage().cpu_seconds
        found = servers.loaded(load)
        share = (self.gateway.usage().cpu_seconds - before) / found["seconds"]
        return {"cpu_share": share, "ms": found["ms"], "statuses": found["statuses"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--decisions", type=int, nargs="+", default=[100_000])
    parser.add_argument("--requests", type=int, default=30, help="of each page")
    parser.add_argument("--seen", type=int, default=60, help="decisions that are waited for")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second of the steady load")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each turn of the steady load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where stores are kept; default: made anew and removed")
    parser.add_argument("--out", type=Path, default=Path("console.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers.upstream(0.0) as upstream_port:
        facts: Row = {"machine": machine_facts(), "settings": {name: str(each) for name, each in vars(chosen).items()}}
        facts["results"] = {}
        for count, found in results_of(chosen, Path(folder), upstream_port):
            facts["results"][count] = found
            chosen.out.write_text(json.dumps(facts, indent=2) + "\n")
            for line in told({count: found}):
                print(line, flush=True)
    return 0


def results_of(chosen: argparse.Namespace, folder: Path, upstream_port: int) -> Iterator[tuple[str, Row]]:
    """What was found, by the number of decisions."""
    for place, count in enumerate(sorted(chosen.decisions)):
        database = (chosen.folder or folder) / f"{count}.db"
        if not database.is_file():
            asyncio.run(made(f"sqlite:///{database}", count, seed=chosen.seed))
        settings = settings_file(folder, database, upstream_port)
        with servers.gateway(settings, free_port(), folder / "gateway.log") as gateway:
            bench = Bench(gateway=gateway, database=database, seed=chosen.seed)
            found: Row = {"ready_seconds": gateway.ready_seconds, "rss_mb": gateway.usage().rss_mb}
            if "pages" in chosen.parts:
                found["pages"] = bench.pages(chosen.requests)
            if "seen" in chosen.parts and place == 0:
                found["seen"] = bench.seen(chosen.seen)
            if "watched" in chosen.parts and place == 0:
                found["watched"] = bench.watched(rate=chosen.rate, seconds=chosen.seconds, rounds=chosen.rounds)
            found["rss_mb_after"] = gateway.usage().rss_mb
        yield str(count), found


def settings_file(folder: Path, database: Path, upstream_port: int) -> Path:
    """The candidates of the stored decisions, all at one endpoint; nobody needs a key."""
    model = {"provider": "openai", "base_url": f"http://127.0.0.1:{upstream_port}/v1", "upstream_model": "fixed"}
    prices = {seller.id: {"price_output_usd_per_mtok": str(seller.price_usd * 2000)} for seller in SELLERS}
    settings = {
        "store_url": f"sqlite:///{database}",
        "encoder": "hashing",
        "models": {f"model-{place}": model | prices[seller.id] for place, seller in enumerate(SELLERS)},
        "candidates": [
            {"id": seller.id, "agent": "single_turn", "model": f"model-{place}"} for place, seller in enumerate(SELLERS)
        ],
        "policy": "linucb",
        "skills": {"index": str(folder / "skills")},
        "budget": {"account_limit_usd": "1000000", "run_limit_usd": "10"},
        "server": {"secret_file": str(folder / "secret")},
    }
    path = folder / "antroute.yaml"
    path.write_text(json.dumps(settings))
    return path


def marks(database: Path) -> list[int]:
    """Positions near the beginning, in the middle and at the end of the log."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        last = connection.execute("SELECT max(position) FROM audit_events").fetchone()[0]
        first_decisions = "SELECT position FROM audit_events WHERE kind = 'decision' ORDER BY position LIMIT 60"
        oldest = connection.execute(first_decisions).fetchall()[-1][0]
    return [oldest, last // 2, last]


def timed(connection: http.client.HTTPConnection, path: str, requests: int) -> Row:
    """Raises SystemExit for an answer that is no success."""
    took, size = [], 0
    for _ in range(WARM_UP + requests):
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        size = len(answer.read())
        took.append(1000 * (time.perf_counter() - began))
        if answer.status not in (200, 204):
            raise SystemExit(f"GET {path} answered {answer.status}.")
    counted = took[WARM_UP:]
    return {"ms": percentiles(counted) | {"p95": quantile(counted, 0.95)}, "bytes": size}


def asked(connection: http.client.HTTPConnection, body: str) -> tuple[str, float]:
    """The decision's id, and when its answer was there, in seconds since the epoch."""
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    answered = time.time()
    if answer.status != 200:
        raise SystemExit(f"A query was answered {answer.status}: {content[:300]!r}")
    return json.loads(content)["antroute"]["decision_id"], answered


@contextmanager
def http_client(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        yield connection


@contextmanager
def open_page(port: int) -> Iterator[Any]:
    """The list of decisions in a browser, which follows what comes. Raises FileNotFoundError where there is none."""
    from tests.browser.chromium import chromium

    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 844})
        page.add_init_script(TELLS)
        page.goto(f"http://127.0.0.1:{port}{LIST}")
        page.wait_for_selector("#rows tr")
        yield page


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def middle(rows: list[Row], name: str) -> float:
    return float(statistics.median(row["ms"][name] for row in rows))


def told(results: dict[str, Row]) -> Iterator[str]:
    """The figures, a line each."""
    for count, found in results.items():
        for name, row in found.get("pages", {}).items():
            ms, size = row["ms"], row["bytes"] / 1024
            yield f"{count:>8}  {name:<34} p50 {ms['p50']:7.1f}  p95 {ms['p95']:7.1f} ms  {size:6.0f} KiB"
        if "seen" in found:
            ms = found["seen"]["ms"]
            yield f"{count:>8}  seen after p50 {ms['p50']:.0f}, p95 {ms['p95']:.0f}, at most {ms['max']:.0f} ms"
        if "watched" in found:
            row = found["watched"]
            yield (
                f"{count:>8}  {row['rate']:g} a second: CPU {row['cpu_share_without']:.1%} of a core, watched "
                f"{row['cpu_share_watched']:.1%}: {row['cpu_more_percent']:+.1f} %; p99 {row['p99_ms_more']:+.1f} ms"
            )


if __name__ == "__main__":
    sys.exit(main())
