"""How fast is the audit log verified, what does a checkpoint cost, how large is a proof? The chain alone beside it.

    python benchmarks/audit.py --decisions 33000 --out audit.json
    python benchmarks/audit.py --writers 8 --seconds 60 --out writers.json   # that many processes write at once

A decision of eight candidates is about 3 KB; with it come its two texts, an outcome and a reward: three events.
Verification looks at chains, columns, texts and roots. `chain alone` is the least that any check must do: read the
rows, hash each text, link the hashes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.audit_keys import KeyFile
from orchestrator.audit_outside import FileOutside, copy_in
from orchestrator.audit_proofs import consistency_of, proof_of
from orchestrator.checkpointer import Checkpointer
from storage.audit import verify
from storage.checkpoint_proof import check_proof
from storage.conformance_records import a_decision, a_payload, a_reward, an_outcome
from storage.errors import StorageUnavailable
from storage.registry import open_stores
from storage.stores import DecisionFilter, Stores

REPEATS = 5
PROOFS = 50
PAGE = 500
PAUSE_SECONDS = 0.005  # between two decisions of one process


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=33_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--writers", type=int, default=0, help="processes that write at once; 0: the other benchmark")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long they write")
    parser.add_argument("--out", type=Path, default=Path("audit.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/antroute.db"
        if chosen.writers:
            found = asyncio.run(written_at_once(url, writers=chosen.writers, seconds=chosen.seconds))
        else:
            found = asyncio.run(measured(url, decisions=chosen.decisions, seed=chosen.seed))
    found |= {"cores": os.cpu_count(), "load": [round(each, 2) for each in os.getloadavg()]}
    chosen.out.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["is_whole"] else 1


async def measured(url: str, *, decisions: int, seed: int) -> dict[str, Any]:
    """Everything over one log, whose checkpoints hold 256 events each."""
    stores = await open_stores(url, mode="grouped")
    outside = FileOutside(Path(url.removeprefix("sqlite:///")).with_name("outside.jsonl"))
    checkpointer = Checkpointer(stores, KeyFile(None), outside, every_events=256)
    costs = []
    for number in range(decisions):
        await answered(stores, number)
        if number % 85 == 84:  # 255 events
            await stores.journal.flush()
            started = time.process_time()
            await checkpointer.look(is_last=True)
            costs.append(time.process_time() - started)
    await checkpointer.look(is_last=True)
    events = await stores.audit.last_position()
    whole = await verify(stores, outside=copy_in(outside))
    result = {
        "events": events,
        "seed": seed,
        "is_whole": whole.is_whole and whole.sealed_events == events,
        "verify": await speed(lambda: verify(stores), events),
        "chain alone": await speed(lambda: chain_alone(stores), events),
        "checkpoint": {
            "count": len(costs),
            "median_cpu_ms": 1000 * statistics.median(costs),
            "last_ten_cpu_ms": 1000 * statistics.median(costs[-10:]),
        },
        "proof": await proofs(stores, random.Random(seed)),
    }
    await stores.close()
    return result


async def answered(stores: Stores, number: int) -> None:
    question, answer = a_payload(f"What is {number} times 17? " * 4), a_payload(f"It is {17 * number}. " * 10)
    decision = a_decision(question)
    outcome = an_outcome(decision, answer)
    await stores.journal.write(question, decision)
    await stores.journal.write(answer, outcome, a_reward(decision, outcome))


async def speed(work: Callable[[], Awaitable[object]], events: int) -> dict[str, float]:
    """Medians of several runs, by the processor's time and by the clock."""
    cpu, wall = [], []
    for _ in range(REPEATS):
        started, cpu_started = time.perf_counter(), time.process_time()
        await work()
        cpu.append(events / (time.process_time() - cpu_started))
        wall.append(events / (time.perf_counter() - started))
    return {
        "events_per_cpu_second": round(statistics.median(cpu)),
        "best_events_per_cpu_second": round(max(cpu)),
        "events_per_second": round(statistics.median(wall)),
    }


async def chain_alone(stores: Stores) -> None:
    chains: dict[str, bytes] = {}
    after = 0
    while rows := await stores.audit.rows(after_position=after, limit=PAGE):
        for row in rows:
            text = row.canonical if isinstance(row.canonical, bytes) else row.canonical.encode()
            leaf = sha256(b"\x00" + text).digest()
            chains[row.writer] = sha256(chains.get(row.writer, bytes(32)) + leaf).digest()
            if chains[row.writer].hex() != row.chain_hash:
                raise SystemExit(f"The chain is broken at {row.position}.")
        after = rows[-1].position


async def proofs(stores: Stores, rng: random.Random) -> dict[str, float]:
    """Of decisions anywhere in the log; each is checked."""
    found = await stores.decisions.find(DecisionFilter(limit=10_000))
    sizes, made, checked, paths = [], [], [], []
    for stored in rng.sample(found, min(PROOFS, len(found))):
        started = time.perf_counter()
        proof = await proof_of(stores, stored.decision.id)
        made.append(time.perf_counter() - started)
        text = json.dumps(proof)
        started = time.perf_counter()
        if not check_proof(text).is_proven:
            raise SystemExit(f"{stored.decision.id} is not proven.")
        checked.append(time.perf_counter() - started)
        sizes.append(len(text))
        paths.append(len(proof["path"]))
    latest = await stores.checkpoints.latest()
    started = time.perf_counter()
    consistent = await consistency_of(stores, 1, latest.number if latest else 1)
    return {
        "bytes": statistics.median(sizes),
        "hashes": statistics.median(paths),
        "made_ms": 1000 * statistics.median(made),
        "checked_ms": 1000 * statistics.median(checked),
        "consistency_hashes": len(consistent.path),
        "consistency_ms": 1000 * (time.perf_counter() - started),
    }


async def written_at_once(url: str, *, writers: int, seconds: float) -> dict[str, Any]:
    """Processes with a checkpointer each write one log for so long; then all is verified, with what is outside."""
    outside = Path(url.removeprefix("sqlite:///")).with_name("outside.jsonl")
    key = outside.with_name("audit.key")
    await (await open_stores(url)).close()
    KeyFile(key).signer()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write, args=(url, str(outside), str(key), seconds)) for _ in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join)
    stores = await open_stores(url)
    await Checkpointer(stores, KeyFile(key), FileOutside(outside)).stop()  # as the next who opens does
    started = time.perf_counter()
    found = await verify(stores, outside=copy_in(FileOutside(outside)))
    await stores.close()
    return {
        "writers": found.writers,
        "seconds": seconds,
        "events": found.events_checked,
        "checkpoints": found.checkpoints,
        "outside_checkpoints": found.outside_checkpoints,
        "sealed_events": found.sealed_events,
        "verified_seconds": time.perf_counter() - started,
        "is_whole": found.is_whole
        and found.sealed_events == found.events_checked
        and all(process.exitcode == 0 for process in processes),
        "exit_codes": sorted({process.exitcode for process in processes}),
        "first_bad_event": None if found.first_bad_event is None else found.first_bad_event.reason,
        "first_bad_checkpoint": None if found.first_bad_checkpoint is None else found.first_bad_checkpoint.reason,
    }


def write(url: str, outside: str, key: str, seconds: float) -> None:
    """One process: decisions as quickly as they go, signed beside."""
    asyncio.run(_write(url, outside, key, seconds))


async def _write(url: str, outside: str, key: str, seconds: float) -> None:
    stores = await open_stores(url, mode="grouped")
    checkpointer = Checkpointer(stores, KeyFile(Path(key)), FileOutside(Path(outside)), look_seconds=0.1)
    checkpointer.start()
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        await until_free(lambda count=number: answered(stores, count))
        await asyncio.sleep(PAUSE_SECONDS)
        number += 1
    await until_free(stores.journal.flush)
    await checkpointer.stop()
    await stores.close()


async def until_free(work: Callable[[], Awaitable[None]]) -> None:
    """SQLite lets one process write at a time, and in no order: one that was too long without its turn tries again."""
    while True:
        try:
            return await work()
        except StorageUnavailable:
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
