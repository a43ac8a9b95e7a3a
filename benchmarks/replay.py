"""Are stored decisions the same when made again, and how long does stored traffic take through another router?

    python -m benchmarks.replay --out replay.json

Decisions are really made: several policies, verdicts in between, failures, pacing, sessions, runs side by side, a
restart, a trained router. For the traffic they are written again, under other ids and with other texts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.replay_log import MadeLog, made_log, multiplied, trained_folder
from orchestrator.replay.decisions import replay_decisions
from orchestrator.replay.parts import parts_of
from orchestrator.replay.records import DecisionReplay, TrafficFilter
from orchestrator.replay.traffic import TrafficOptions, replay_traffic
from storage.registry import open_stores
from storage.stores import DecisionFilter, Stores

LARGEST_TRAFFIC = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000, help="That are made, and made again.")
    parser.add_argument("--times", type=int, default=9, help="So often each is written again for the traffic.")
    parser.add_argument("--encoder", default="hashing", help="Of the router that the traffic goes through.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("replay.json"))
    chosen = parser.parse_args()
    results = asyncio.run(measured(chosen.decisions, chosen.times, encoder=chosen.encoder, seed=chosen.seed))
    results["load"] = [round(each, 2) for each in os.getloadavg()]
    results["cores"] = os.cpu_count()
    chosen.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))
    return 0 if results["decisions"]["same_action"] == results["decisions"]["replayed"] else 1


async def measured(decisions: int, times: int, *, encoder: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = await made_log(f"sqlite:///{folder / 'log.db'}", folder, decisions=decisions, seed=seed)
        stores = await open_stores(made.url)
        try:
            again = await made_again(made, stores)
            return {"seed": seed, "decisions": again, "traffic": await sent(made, stores, folder, times, encoder)}
        finally:
            await stores.close()


async def made_again(made: MadeLog, stores: Stores) -> dict[str, Any]:
    """All decisions of the log, replayed."""
    ids = [each.decision.id for each in await stores.decisions.find(DecisionFilter(limit=LARGEST_TRAFFIC))]
    started = time.perf_counter()
    replays = await replay_decisions(parts_of(made.settings, stores), ids)
    seconds = time.perf_counter() - started
    return {
        "replayed": len(replays.decisions),
        "same_action": sum(each.is_same_action for each in replays.decisions),
        "with_faults": sum(bool(each.faults) for each in replays.decisions),
        "recomputed": dict(replays.counts),
        "largest_difference": max(each.largest_difference or 0.0 for each in replays.decisions),
        "by_policy": _by(replays.decisions, "policy"),
        "paths": dict(Counter(" > ".join(each.path[1:]) or "policy alone" for each in replays.decisions).most_common()),
        "seconds": round(seconds, 2),
    }


async def sent(made: MadeLog, stores: Stores, folder: Path, times: int, encoder: str) -> dict[str, Any]:
    """The traffic through a trained router, and through a policy that learns along the log."""
    await trained_folder(stores, made.settings, folder / "other", encoder=encoder)
    await multiplied(stores, times)
    settings = made.settings.model_copy(update={"encoder": encoder})
    found: dict[str, Any] = {}
    for name in (str(folder / "other"), "thompson", "linucb"):
        options = TrafficOptions(may_read_folders=True)
        wanted = TrafficFilter(limit=LARGEST_TRAFFIC)
        cpu_started = time.process_time()
        result = await replay_traffic(parts_of(settings, stores), name, wanted, options)
        found[f"trained, {encoder}" if name.startswith(str(folder)) else name] = {
            "decisions": result.traffic.replayed,
            "seconds": round(result.seconds, 2),
            "cpu_seconds": round(time.process_time() - cpu_started, 2),
            "cost_change": round(result.router.cost_usd / result.logged.cost_usd - 1, 4),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    return found


def _by(replays: tuple[DecisionReplay, ...], field: str) -> dict[str, dict[str, int]]:
    pairs = Counter((getattr(each, field), each.recomputed) for each in replays)
    names = sorted({name for name, _ in pairs})
    return {name: {how: count for (of, how), count in sorted(pairs.items()) if of == name} for name in names}


if __name__ == "__main__":
    sys.exit(main())
