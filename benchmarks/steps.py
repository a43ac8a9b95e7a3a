"""What step policies are worth on logged trajectories: success against cost, beside all baselines; and under limits.

    python -m benchmarks.steps --data FOLDER --out FILE [--seeds 5] [--routers cql bopo tiers] [--cases sql2 mint4]

FOLDER has `intercode_sql` and `mint`, each with candidates.json, tasks.jsonl.gz and episodes.jsonl.gz. Every policy
learns from the train tasks alone and is judged on dev; intervals are over tasks (the same draws for everyone), with
success and cost averaged over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine_facts
from orchestrator.settings import load_settings
from routing.evaluation.bootstrap import interval
from routing.features import excerpt
from routing.registry import choose_encoder
from routing.steps.artifact import StepArtifact
from routing.steps.baselines import Setting
from routing.steps.episodes import Trajectories, chosen_candidates, read_trajectories
from routing.steps.evaluation import StepReport, evaluate, world_of
from routing.steps.frontier import Resampled, points, success_at
from routing.steps.journey import starts
from routing.steps.simulator import World, play
from routing.steps.training import StepInputs, StepOptions, train
from skills.embedding import embed

SQL, MINT = "intercode_sql", "mint"
ROUTERS = ("cql", "bopo", "tiers", "static-schedule")
LIMITS = (0.3, 0.6, 1.2, 2.4, 4.8)  # of a mean episode of large
JOBS_WEIGHT = 0.05  # of cost, in jobs under a limit
RIVALS = ("static-schedule", "random-escalation", "deadline", "random-mixing", "first-large")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Success to be reached at no more than this share of always-large's cost; `published`: a printed figure."""

    share: float
    success: float
    published: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    data: str
    small: str
    large: str
    candidates: tuple[str, ...] | None = ()  # beside small and large; None: all with prices
    targets: tuple[Target, ...] = ()
    shares: tuple[float, ...] = (0.25, 0.4, 0.53, 0.6, 0.66, 0.74)


SQL_PAIR: dict[str, Any] = {"data": SQL, "small": "gpt-3.5-try-again", "large": "gpt-4-try-again"}
MINT_PAIR: dict[str, Any] = {"data": MINT, "small": "gpt-3.5-turbo-0613", "large": "gpt-4-0613"}
CASES = {
    "sql2": Case(
        **SQL_PAIR,
        targets=(
            Target(share=0.53, success=0.725, published="k=3, half escalated: .725 at .53"),
            Target(share=0.66, success=0.746, published="k=4, three quarters escalated: .746 at .66"),
            Target(share=0.74, success=0.783, published="k=8, all running escalated: .783 at .74"),
        ),
    ),
    "sql7": Case(**SQL_PAIR, candidates=None, targets=(Target(share=0.60, success=0.78),)),
    "mint2": Case(
        **MINT_PAIR,
        targets=(Target(share=0.60, success=0.63, published="escalate running episodes: .628 at .67"),),
        shares=(0.25, 0.4, 0.5, 0.6, 0.67),
    ),
    "mint4": Case(
        **MINT_PAIR, candidates=None, targets=(Target(share=0.05, success=0.70),), shares=(0.02, 0.03, 0.05, 0.25, 0.6)
    ),
}


@dataclass(kw_only=True)
class Fits:
    """What the seeds of one router gave."""

    artifacts: list[StepArtifact] = field(default_factory=list)
    reports: list[StepReport] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON, written after every case")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1_000, help="under each limit")
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--routers", nargs="+", choices=ROUTERS, default=list(ROUTERS))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    chosen = parser.parse_args(arguments)
    results: dict[str, Any] = {"machine": machine_facts(), "split": chosen.split, "cases": {}}
    name_to_inputs: dict[str, StepInputs] = {}
    for name in chosen.cases:
        case = CASES[name]
        if case.data not in name_to_inputs:
            name_to_inputs[case.data] = embedded(read_trajectories(chosen.data / case.data))
        results["cases"][name] = run_case(name, case, name_to_inputs[case.data], chosen)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def embedded(data: Trajectories) -> StepInputs:
    encoder = choose_encoder(cache_dir=load_settings().encoder_dir).encoder
    texts = [excerpt(task.text) for task in data.tasks]
    vectors = embed(texts, encoder, cache_dir=load_settings().cache_dir / "embeddings")
    return StepInputs(
        data=data,
        vectors=dict(zip((task.id for task in data.tasks), vectors, strict=True)),
        encoder=encoder.name,
    )


def run_case(name: str, case: Case, inputs: StepInputs, chosen: argparse.Namespace) -> dict[str, Any]:
    among, left_out = chosen_candidates(inputs.data, case.candidates)
    told: dict[str, Any] = {"small": case.small, "large": case.large, "routers": {}}
    baselines: Mapping[str, Sequence[Setting]] | None = None
    for router in chosen.routers:
        fits = Fits()
        for seed in range(chosen.seeds if router != "static-schedule" else 1):
            options = StepOptions(small=case.small, large=case.large, candidates=among, seed=seed)
            began = time.process_time()
            fits.artifacts.append(train(router, inputs, options))
            fits.seconds.append(time.process_time() - began)
            pair = {"small": case.small, "large": case.large}
            fits.reports.append(evaluate({router: fits.artifacts[-1]}, inputs, split=chosen.split, **pair))
        if baselines is None:
            baselines = fits.reports[0].baselines
            large_usd = fits.reports[0].large_usd
            drawn = Resampled.draw(len(large_usd), seed=0, resamples=chosen.resamples)
            told |= {
                "candidates": list(fits.artifacts[0].manifest.candidates),
                "left_out": len(left_out),
                "tasks": fits.reports[0].tasks,
                "large_cost_usd": float(large_usd.mean()),
                "baselines": {
                    rival: judged(settings, large_usd, drawn, case.shares) for rival, settings in baselines.items()
                },
            }
            print_baselines(name, case, told["baselines"])
        told["routers"][router] = router_row(router, case, fits, baselines, drawn)
        told["routers"][router]["limits"] = limits_rows(fits, inputs, chosen)
        print_router(router, case, told["routers"][router])
    return told


def router_row(
    router: str, case: Case, fits: Fits, baselines: Mapping[str, Sequence[Setting]], drawn: Resampled
) -> dict[str, Any]:
    large_usd = fits.reports[0].large_usd
    runs = [report.routers[router] for report in fits.reports]
    mean = [
        Setting(
            name=each[0].name,
            success=np.mean([setting.success for setting in each], axis=0),
            cost_usd=np.mean([setting.cost_usd for setting in each], axis=0),
        )
        for each in zip(*runs, strict=True)
    ]
    by_seed = [[at(run, large_usd, share) for share in case.shares] for run in runs]
    return {
        **judged(mean, large_usd, drawn, case.shares),
        "spread_over_seeds": np.round(np.std(by_seed, axis=0), 4).tolist(),
        "minus": {rival: differences(mean, baselines[rival], large_usd, drawn, case.shares) for rival in RIVALS},
        "targets": [target_row(target, runs, large_usd) for target in case.targets],
        "frontier": [asdict(point) for point in points(mean, large_usd)],
        "fit_cpu_seconds": round(float(np.mean(fits.seconds)), 1),
        "metrics": dict(fits.artifacts[0].manifest.metrics),
        "order": list(fits.artifacts[0].manifest.order),
    }


def at(settings: Sequence[Setting], large_usd: np.ndarray, share: float) -> float:
    found = points(settings, large_usd)
    return success_at(np.array([p.cost_share for p in found]), np.array([p.success for p in found]), share)


def judged(
    settings: Sequence[Setting], large_usd: np.ndarray, drawn: Resampled, shares: Sequence[float]
) -> dict[str, Any]:
    """Success at each share, settings mixed at random, with 95 % intervals over tasks."""
    rows = []
    for share in shares:
        found = drawn.interval_at(settings, large_usd, share)
        rows.append({"share": share, "success": round(at(settings, large_usd, share), 4),
                     "low": round(found.low, 4), "high": round(found.high, 4)})  # fmt: skip
    return {"at": rows, "best": max(round(float(each.success.mean()), 4) for each in settings)}


def differences(
    settings: Sequence[Setting],
    rivals: Sequence[Setting],
    large_usd: np.ndarray,
    drawn: Resampled,
    shares: Sequence[float],
) -> list[dict[str, float]]:
    """Success less the rival's at equal cost, in the same resampled tasks."""
    rows = []
    for share in shares:
        resampled = drawn.successes_at(settings, large_usd, share) - drawn.successes_at(rivals, large_usd, share)
        found = interval(resampled)
        mean = at(settings, large_usd, share) - at(rivals, large_usd, share)
        rows.append({"share": share, "mean": round(mean, 4), "low": round(found.low, 4), "high": round(found.high, 4)})
    return rows


def target_row(target: Target, runs: Sequence[Sequence[Setting]], large_usd: np.ndarray) -> dict[str, Any]:
    """The best single setting within the cost, of each seed; and with settings mixed at random."""
    found = []
    for run in runs:
        within = [point.success for point in points(run, large_usd) if point.cost_share <= target.share]
        found.append(max(within, default=0.0))
    mean = float(np.mean(found))
    return {
        **asdict(target),
        "found": round(mean, 4),
        "least": round(min(found), 4),
        "mixed": round(float(np.mean([at(run, large_usd, target.share) for run in runs])), 4),
        "is_reached": mean >= target.success,
    }


def limits_rows(fits: Fits, inputs: StepInputs, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Jobs drawn from the split's tasks under each limit; the same artefact serves all of them."""
    rows = []
    worlds = [world_of(artifact, inputs, split=chosen.split) for artifact in fits.artifacts]
    for limit in LIMITS:
        told = [
            jobs_under(world, artifact, limit, jobs=chosen.jobs, seed=seed)
            for seed, (world, artifact) in enumerate(zip(worlds, fits.artifacts, strict=True))
        ]
        rows.append({"limit": limit, **{key: float(np.mean([row[key] for row in told])) for key in told[0]}})
        rows[-1]["overspends"] = int(sum(row["overspends"] for row in told))
        rows[-1]["jobs"] = chosen.jobs * len(told)
    return rows


def jobs_under(world: World, artifact: StepArtifact, limit: float, *, jobs: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    tasks = rng.integers(0, len(world.journeys.task_ids), jobs)
    count = len(world.journeys.candidates)
    played = play(world, artifact.scorer, starts(tasks, count, weight=JOBS_WEIGHT, remaining=limit))
    return {
        "success": round(float(played.success.mean()), 4),
        "spent_share_of_limit": round(float(played.spent.mean()) / limit, 4),
        "overspends": int((played.spent > limit + 1e-9).sum()),
        "bankrupt_share": float((played.is_broke & (played.spent > 0)).mean()),
        "refused_share": float((played.is_broke & (played.spent <= 0)).mean()),  # at the door, nothing spent
        "given_up_share": float((~played.is_answered & ~played.is_broke).mean()),
    }


def print_baselines(name: str, case: Case, told: Mapping[str, Mapping[str, Any]]) -> None:
    print(f"\n{name}: {case.small} → {case.large}; success at shares of always-large's cost")
    for rival, row in told.items():
        print(f"  {rival:26}" + _cells(row["at"]))


def print_router(router: str, case: Case, row: Mapping[str, Any]) -> None:
    print(f"  {router:26}{_cells(row['at'])}  fit {row['fit_cpu_seconds']} s")
    for target in row["targets"]:
        verdict = "reached" if target["is_reached"] else "MISSED"
        wanted = f"{target['success']:.3f} at {target['share']:.2f}"
        print(
            f"    {verdict}: {wanted}; found {target['found']:.3f} (least {target['least']:.3f})  {target['published']}"
        )
    for limit in row["limits"]:
        print(
            f"    limit {limit['limit']:<5g} success {limit['success']:.3f}, overspends {limit['overspends']},"
            f" bankrupt {limit['bankrupt_share']:.2%}, refused {limit['refused_share']:.1%},"
            f" given up {limit['given_up_share']:.1%}"
        )
    sys.stdout.flush()


def _cells(rows: Sequence[Mapping[str, float]]) -> str:
    return "  ".join(f"{row['share']:g}: {row['success']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
