"""Does the learned policy beat random, seed after seed? Runs the demo for real, once a seed, and sums up.

    python benchmarks/demo_seeds.py --seeds 0 1 2 3 4 --out demo_seeds.json

Baselines (always cheapest, always strongest, random) answer the same questions in the same run. Exit code 1 when the
learned policy does not beat random on utility with every seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

LEARNED, RANDOM = "learned (table)", "random"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=9.0, help="time limit of each demo")
    parser.add_argument("--out", type=Path, default=Path("demo_seeds.json"))
    chosen = parser.parse_args()
    started = time.time()
    runs = []
    for seed in chosen.seeds:
        runs.append(demo(seed, chosen.questions, chosen.minutes))
        line(runs[-1])
        result = {"machine": machine(), "seconds": round(time.time() - started), "runs": runs, "mean": means(runs)}
        chosen.out.write_text(json.dumps(result, indent=2) + "\n")
    ahead = [utility(run, LEARNED) > utility(run, RANDOM) for run in runs]
    print(f"learned beats random on utility with {sum(ahead)} of {len(ahead)} seeds; figures in {chosen.out}")
    for name, row in means(runs).items():
        print(f"  {name:<18} accuracy {row['accuracy']:.3f}  utility {row['utility']:.3f}  ${row['cost_usd']:.6f}")
    return 0 if all(ahead) else 1


def demo(seed: int, questions: int, minutes: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--json"]
    command += ["--seed", str(seed), "--questions", str(questions), "--minutes", str(minutes)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


def line(run: dict[str, Any]) -> None:
    told = [f"{p['policy']}: {p['accuracy']:.3f} / {p['utility']:.3f} / ${p['cost_usd']}" for p in run["policies"]]
    compared = run["policies"][0]["questions"]
    print(f"seed {run['seed']}: {run['explored']} explored, {compared} compared, {run['seconds']:.0f} s", flush=True)
    print("  " + "\n  ".join(told), flush=True)


def utility(run: dict[str, Any], name: str) -> float:
    return next(float(each["utility"]) for each in run["policies"] if each["policy"] == name)


def means(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    names = [each["policy"] for each in runs[0]["policies"]]
    rows = {name: [each for run in runs for each in run["policies"] if each["policy"] == name] for name in names}
    return {
        name: {key: mean(float(row[key]) for row in found) for key in ("accuracy", "utility", "cost_usd", "seconds")}
        for name, found in rows.items()
    }


def machine() -> dict[str, Any]:
    load = os.getloadavg()
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(x, 2) for x in load],
    }


if __name__ == "__main__":
    sys.exit(main())
