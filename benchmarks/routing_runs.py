"""How good are the routers? All sets × routers × weights × seeds, learning curves, adaptation, and a peer.

    python benchmarks/routing.py --peers DIR --renamed --adapt --data-size --out benchmarks/results/routing.json

Results are kept as they come. The same command goes on where it stopped, and does again only what was made from other
data or by other code. What is measured, and what the columns mean: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread, Timer

from platformdirs import user_cache_path

from benchmarks.figures import Row
from benchmarks.machine import machine_facts
from benchmarks.peers.llmrouter_peer import PEER, why_not
from benchmarks.peers.llmrouter_peer import ROUTERS as PEERS
from benchmarks.results import Results
from benchmarks.routing_worker import MARK
from benchmarks.sets import SETS
from benchmarks.summary import summary
from routing.artifacts import code_version
from routing.evaluation.evaluate import code_sha256
from routing.training.registry import TRAINERS

ROOT = Path(__file__).resolve().parents[1]
ADAPT_SETS = ("bfcl", "mmlupro")
CURVE_ROUTERS = ("stack", "table")
CURVE_SEEDS = 3
LIMIT_SECONDS = 3600  # for one job: a router with all its seeds on one set
PEER_LIMIT_SECONDS = 1200  # for one fit of a peer


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One job; `router` is "" for facts of a set."""

    part: str
    set: str
    router: str = ""
    seeds: tuple[int, ...] = ()


def main() -> int:
    options = parsed()
    results = Results(options.out, code_sha256=code_sha256())
    results.about = {
        "code_version": code_version(), "code_sha256": code_sha256(), "machine": machine_facts(), "seeds": options.seeds
    }  # fmt: skip
    peer_problem = why_not(options.peers)
    results.about["peer"] = {"name": PEER, "problem": peer_problem}
    if peer_problem:
        print(f"No peers in this run: {peer_problem}")
    stop_at = time.monotonic() + 60 * options.minutes
    for name in options.sets:
        print(f"Reading {name}; texts that were not met before are encoded, which takes minutes.", flush=True)
        run_unit(Unit(part="set", set=name), options, results, stop_at=stop_at)
    units = [unit for unit in planned(options, has_peers=not peer_problem) if results.missing(unit) is not None]
    print(f"{len(units)} jobs to do; {len(results.rows)} results are there already. Results: {options.out}")
    began = time.monotonic()
    for done, unit in enumerate(units):
        if time.monotonic() > stop_at:
            print(f"{options.minutes:g} minutes are over; {len(units) - done} jobs are left. Run it again to go on.")
            break
        run_unit(unit, options, results, stop_at=stop_at)
        print(told(unit, done + 1, len(units), time.monotonic() - began), flush=True)
    results.save()
    print(summary(results))
    return 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "routing", metavar="DIR")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET")
    parser.add_argument("--routers", nargs="*", default=list(TRAINERS), metavar="NAME", help="default: all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="environment made by llmrouter_peer.py --setup DIR")
    parser.add_argument("--peer-routers", nargs="*", default=list(PEERS), metavar="NAME")
    parser.add_argument("--peer-seeds", type=int, default=5)
    parser.add_argument("--renamed", action="store_true", help="fit again with the candidates' ids in reverse order")
    parser.add_argument("--adapt", nargs="*", metavar="NAME", help="hold candidates out; routers, default: stack")
    parser.add_argument("--data-size", nargs="*", metavar="NAME", help="learning curves; default: stack table")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "routing.json", metavar="FILE")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after so many")
    parser.add_argument("--limit-seconds", type=float, default=LIMIT_SECONDS, help="for one job")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--cache", type=Path, default=user_cache_path("antroute"), metavar="DIR")
    return parser.parse_args()


def planned(options: argparse.Namespace, *, has_peers: bool) -> list[Unit]:
    """Fits first, then what is asked for besides."""
    seeds, sets = tuple(range(options.seeds)), tuple(options.sets)
    learners = () if options.adapt is None else options.adapt or ("stack",)
    sized = () if options.data_size is None else options.data_size or CURVE_ROUTERS
    return [
        *units("fit", options.routers, sets, seeds),
        *units("adapt", learners, [name for name in ADAPT_SETS if name in sets], seeds),
        *units("curve", sized, sets, seeds[:CURVE_SEEDS]),
        *units("renamed", options.routers if options.renamed else (), sets, ()),
        *units("peer", options.peer_routers if has_peers else (), sets, tuple(range(options.peer_seeds))),
    ]


def units(part: str, routers: Sequence[str], sets: Sequence[str], seeds: tuple[int, ...]) -> list[Unit]:
    return [Unit(part=part, set=name, router=router, seeds=seeds) for router in routers for name in sets]


def run_unit(unit: Unit, options: argparse.Namespace, results: Results, *, stop_at: float) -> None:
    """Keeps its rows as they come. What goes wrong is a row with a `problem`."""
    todo = replace(unit, seeds=results.missing(unit) or ())
    limit = options.limit_seconds if unit.part != "peer" else PEER_LIMIT_SECONDS * (len(todo.seeds) + 1)
    job = {
        **asdict(todo),
        "folder": str(options.data / unit.set),
        "encoder": options.encoder,
        "cache": str(options.cache),
        "environment": str(options.peers),
        "peer_limit_seconds": PEER_LIMIT_SECONDS,
        "seconds_left": stop_at - time.monotonic(),
    }
    is_sound = True
    for row in rows_of(job, limit_seconds=limit):
        results.add(unit, row)
        is_sound = is_sound and "problem" not in row
        if "problem" in row:
            print(f"  {unit.part} {unit.set} {unit.router}: {row['problem']}", flush=True)
    if is_sound:
        results.finish(unit)


def rows_of(job: Mapping[str, object], *, limit_seconds: float) -> Iterator[Row]:
    """Runs the job in a process of its own; running out of time, or ending badly, is a last row with a `problem`."""
    began, complaints = time.monotonic(), list[str]()
    command = [sys.executable, "-m", "benchmarks.routing_worker", json.dumps(job)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as worker:
        timer = Timer(limit_seconds, end, [worker])
        listener = Thread(target=lambda: complaints.extend(line for line in worker.stderr or () if line.strip()))
        timer.start()
        listener.start()  # beside stdout, so that neither fills up
        try:
            for line in worker.stdout or ():
                if line.startswith(MARK):
                    yield json.loads(line.removeprefix(MARK))
        finally:
            timer.cancel()
            if worker.poll() is None:
                wait_briefly(worker)
            listener.join()
    if worker.returncode and time.monotonic() - began >= limit_seconds:
        yield {"problem": f"not done within {limit_seconds:.0f} s"}
    elif worker.returncode:
        last = (complaints or ["no message"])[-1].strip()
        yield {"problem": f"ended with code {worker.returncode}: {last[:300]}"}


def wait_briefly(worker: subprocess.Popen[str]) -> None:
    """Its output has ended, so it is about to end; or nobody listens any more, so it must."""
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        end(worker)


def end(worker: subprocess.Popen[str]) -> None:
    """With what it started, such as a peer's process: they share a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


def told(unit: Unit, done: int, total: int, seconds: float) -> str:
    left = seconds / done * (total - done)
    what = " ".join(word for word in (unit.part, unit.set, unit.router) if word)
    return f"[{done}/{total}] {what}; {seconds / 60:.1f} min, about {left / 60:.0f} min left"
