"""How fast are decisions written and verified? Beside it, in the same run: one plain SQLite commit a row.

    python benchmarks/storage_writes.py --out storage_writes.json

Realistic decisions (eight candidates, about 3 KB) with their payloads, by 1 and 64 callers, in both modes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from storage.audit import verify
from storage.conformance import a_decision, a_payload
from storage.registry import open_stores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=Path("storage_writes.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {"plain SQLite, one commit a row": plain_rows(Path(folder) / "plain.db", chosen.decisions // 5)}
        for mode in ("sync", "grouped"):
            for callers in (1, 64):
                count = chosen.decisions // 5 if (mode, callers) == ("sync", 1) else chosen.decisions
                url = f"sqlite:///{folder}/{mode}{callers}.db"
                name = f"{mode}, {callers} caller{'s' if callers > 1 else ''}"
                results[name] = asyncio.run(written(url, mode, callers, count))  # type: ignore[arg-type]  # of the two
                results[f"{name}: verify"] = asyncio.run(verified(url))
    for name, row in results.items():
        print(f"{name:<34} {row['per_second']:>9,.0f} /s   {row['cpu_ms_each']:.3f} ms CPU each")
    load = [round(each, 2) for each in os.getloadavg()]
    chosen.out.write_text(json.dumps({"load": load, "cores": os.cpu_count(), "results": results}, indent=2) + "\n")
    return 0


def figures(count: int, started: float, cpu_started: float) -> dict[str, Any]:
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"count": count, "per_second": count / seconds, "cpu_ms_each": 1000 * cpu_seconds / count}


def plain_rows(path: Path, count: int) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
    text = "x" * 3000
    started, cpu_started = time.perf_counter(), time.process_time()
    for _ in range(count):
        with connection:
            connection.execute("INSERT INTO rows (text) VALUES (?)", (text,))
    measured = figures(count, started, cpu_started)
    connection.close()
    return measured


async def written(url: str, mode: Literal["sync", "grouped"], callers: int, count: int) -> dict[str, Any]:
    stores = await open_stores(url, mode=mode)
    payloads = [a_payload(f"question {number}") for number in range(count)]
    waiting = [(payload, a_decision(payload)) for payload in payloads]

    async def write() -> None:
        while waiting:
            await stores.journal.write(*waiting.pop())

    started, cpu_started = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write() for _ in range(callers)))
    await stores.journal.flush()
    measured = figures(count, started, cpu_started)
    await stores.close()
    return measured


async def verified(url: str) -> dict[str, Any]:
    stores = await open_stores(url)
    started, cpu_started = time.perf_counter(), time.process_time()
    verification = await verify(stores)
    if not verification.is_whole:
        raise SystemExit(f"{url}: {verification.first_bad_event}")
    measured = figures(verification.events_checked, started, cpu_started)
    await stores.close()
    return measured


if __name__ == "__main__":
    sys.exit(main())
