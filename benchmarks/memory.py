"""What a memory of trails earns, how soon it notices a change, what false feedback moves and what it costs, as JSON.

    python -m benchmarks.memory --data ../shared/data --cache ~/.cache/antroute/embeddings \
        --out benchmarks/results/memory.json
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine_facts
from benchmarks.memory_latency import latency
from benchmarks.memory_streams import QUERIES, TRAJECTORIES, Matrix, Stream, load_stream
from routing.base import Context, Lesson, Policy, Vector
from routing.chances import share_of_best
from routing.pheromone.memory import CHANGED
from routing.policies.exploration import DEFAULT_EXPLORATION, with_floor
from routing.policies.pheromone import Pheromone
from routing.registry import make_policy
from routing.router import sample
from storage.records import utc_now

PASSES = 3
CHANGE_AT = 600  # requests
NEVER = 1e4  # requests, where it was not noticed
NOTICED_WITHIN = 200  # requests
TENANTS = 20
LIES = ("flip", "promote", "demote")
MOST_MOVED = 2.0  # points
LEAST_UTILITY = 0.655
MOST_LOOK_UP_MS = 0.3
NOTICED_SHARE = 0.9  # of the runs
AT = utc_now()  # of all lessons: nothing fades within a run

Make = Callable[[], Policy]


class UCB1(Policy):
    """Per task type, m + c √(ln t / n), c = .5 (Auer, Cesa-Bianchi and Fischer, 2002); who was not tried is next."""

    width = 0.5

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], tuple[int, float]] = {}

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        found = [self.cells.get((context.task, arm), (0, 0.0)) for arm in arms]
        rounds = max(sum(count for count, _ in found), 1)
        return [
            {"mean": s / n, "exploration_bonus": self.width * math.sqrt(math.log(rounds) / n)} if n else {"new": 1e3}
            for n, s in found
        ]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(parts.values()) for parts in self.scores(arms, context)]
        return with_floor(share_of_best(totals), DEFAULT_EXPLORATION)

    def update(self, arm: str, context: Context, reward: float) -> None:
        count, total = self.cells.get((context.task, arm), (0, 0.0))
        self.cells[context.task, arm] = (count + 1, total + reward)


class Blind(Pheromone):
    """The memory without what happened on like queries."""

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        super().observe(arm, context, replace(lesson, payload_id=None))


POLICIES: Mapping[str, Make] = {
    "random": partial(make_policy, "uniform"),
    "printed rule": partial(make_policy, "amro_paper"),
    "bounded pheromone": partial(Blind, estimator="greedy_trail"),
    "UCB1": UCB1,
    "Thompson, no neighbours": partial(make_policy, "thompson"),
    "linucb": partial(make_policy, "linucb"),
    "memory, no neighbours": Blind,
    "memory, ucb": partial(make_policy, "pheromone", estimator="ucb"),
    "memory": partial(make_policy, "pheromone"),
    "memory, floor .02": partial(make_policy, "pheromone", exploration=0.02),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """One run: (requests,) each."""

    utility: Matrix
    chosen: Matrix  # places of arms
    who: Matrix  # places of tenants
    seconds: Matrix  # of CPU, to choose

    def passes(self) -> Matrix:
        """Mean utility of each pass."""
        found: Matrix = self.utility.reshape(PASSES, -1).mean(axis=1)
        return found


class Clock:
    """Tells on stderr how far the work is, and when it should be over."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()

    def tick(self, what: str) -> None:
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        print(f"{self.done}/{self.total} {what}, about {left / 60:.1f} minutes left", file=sys.stderr, flush=True)


def main() -> None:
    given = arguments()
    clock = Clock(sum(1 for name in given.sets for _ in given.policies or POLICIES) + 2 + 1 + len(LIES))
    body: dict[str, Any] = {"about": machine_facts(), "options": {k: str(v) for k, v in vars(given).items()}}
    rows: list[dict[str, Any]] = []
    for name in given.sets:
        stream = load_stream(name, given.data, encoder=given.encoder, cache=given.cache, on_progress=_quiet)
        rows += replayed(stream, given.seeds if name == "mint" else given.other_seeds, given.policies, clock)
        if name == "mint":
            body["changes"] = [noticed(stream, share, given.seeds, clock) for share in (0.5, 0.3)]
            body["hostile"] = moved(stream, given.seeds, clock)
        body["rows"] = rows
        written(given.out, body)
    body["latency_ms"] = latency()
    body["targets"] = targets(body)
    written(given.out, body)
    for line in body["targets"]:
        print(json.dumps(line))


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with `trajectories` and `routing`")
    options.add_argument("--sets", nargs="+", default=[*TRAJECTORIES, *QUERIES])
    options.add_argument("--policies", nargs="+", choices=list(POLICIES), help="default: all")
    options.add_argument("--seeds", type=int, default=20, help="on mint: orders of the tasks, each with its own draws")
    options.add_argument("--other-seeds", type=int, default=5, help="on the other sets")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--cache", type=Path, required=True, help="folder for vectors of texts")
    options.add_argument("--out", type=Path, required=True)
    return options.parse_args()


def replayed(stream: Stream, seeds: int, names: Sequence[str] | None, clock: Clock) -> list[dict[str, Any]]:
    """What each policy earned, a row each; the lines in brackets know the outcomes."""
    utility = stream.utility
    known = {"[best static]": stream.static.max(), "[oracle]": utility.max(axis=1).mean()}
    rows: list[dict[str, Any]] = [{"set": stream.name, "policy": n, "all_passes": float(x)} for n, x in known.items()]
    for name in names or POLICIES:
        runs = [play(POLICIES[name](), stream, seed=seed) for seed in range(seeds)]
        passes = np.array([run.passes() for run in runs])
        rows.append(
            {
                "set": stream.name,
                "policy": name,
                "queries": len(utility),
                "arms": len(stream.arms),
                "seeds": seeds,
                "all_passes": float(passes.mean()),
                "passes": passes.mean(axis=0).tolist(),
                "standard_error": float(passes[:, -1].std(ddof=1) / math.sqrt(seeds)) if seeds > 1 else None,
                "choose_ms": float(np.median(np.concatenate([run.seconds for run in runs])) * 1e3),
            }
        )
        print(json.dumps(rounded(rows[-1])), flush=True)
        clock.tick(f"{stream.name}, {name}")
    return rows


def play(
    policy: Policy,
    stream: Stream,
    *,
    seed: int,
    later: Stream | None = None,
    tenants: int = 1,
    lie: str | None = None,
) -> Played:
    """Three passes over all queries. `later`: the outcomes from request 600 on; `lie`: what the first tenant tells."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(stream.contexts)) for _ in range(PASSES)])
    who = rng.integers(tenants, size=len(order))
    utility, chosen, seconds = np.zeros(len(order)), np.zeros(len(order)), np.zeros(len(order))
    for counter, place in enumerate(order.tolist()):
        world = later if later is not None and counter >= CHANGE_AT else stream
        context, started = world.contexts[place], time.process_time()
        probabilities = policy.probabilities(world.arms, context).tolist()
        seconds[counter] = time.process_time() - started
        arm = world.arms.index(sample(probabilities, world.arms, seed=seed, counter=counter))
        utility[counter], chosen[counter] = world.utility[place, arm], arm
        told = _told(world, place, arm, lie if who[counter] == 0 else None)
        lesson = Lesson(
            reward=float(np.clip(told, 0.0, 1.0)),
            quality=float(world.success[place, arm]),
            cost_usd=float(world.cost[place, arm]),
            payload_id=f"text {place}",
            tenant=f"tenant {who[counter]}",
            decision_id=f"decision {counter}",
            at=AT,
        )
        policy.observe(world.arms[arm], context, lesson)
    return Played(utility=utility, chosen=chosen, who=who.astype(np.float64), seconds=seconds)


def _told(stream: Stream, place: int, arm: int, lie: str | None) -> float:
    honest = float(stream.utility[place, arm])
    if lie == "flip":
        return 1.0 - float(stream.success[place, arm]) - (float(stream.success[place, arm]) - honest)
    ranked = np.argsort(stream.static)
    if lie == "promote":
        return float(arm == ranked[-2])
    if lie == "demote":
        return 0.0 if arm == ranked[-1] else honest
    return honest


def noticed(stream: Stream, share: float, seeds: int, clock: Clock) -> dict[str, Any]:
    """From request 600 on the best candidate fails at `share` of what it could do; requests until the event says so."""
    best = int(stream.static.argmax())
    fails = np.random.default_rng(5).random(len(stream.success)) < share
    later = stream.changed(best, stream.success[:, best] * ~fails)
    after: list[float] = []
    early = 0
    for seed in range(seeds):
        policy = make_policy("pheromone")
        assert isinstance(policy, Pheromone)
        play(policy, stream, seed=seed, later=later)
        deposits = 0
        alarms: list[tuple[int, str | None]] = []
        for event in policy.drain():
            deposits += int(event.kind == "deposit")
            if event.kind == "restart" and event.body.get("reason") == CHANGED:
                alarms.append((deposits, event.candidate_id))
        early += sum(1 for at, _ in alarms if at <= CHANGE_AT)
        found = [float(at - CHANGE_AT) for at, arm in alarms if at > CHANGE_AT and arm == stream.arms[best]]
        after.append(min(found, default=NEVER))
    row = {
        "share_of_successes_lost": share,
        "requests_until_noticed": {"median": float(np.median(after)), "p90": float(np.quantile(after, 0.9))},
        "within_200": float(np.mean(np.array(after) <= NOTICED_WITHIN)),
        "false_alarms_a_run": early / seeds,
    }
    print(json.dumps(row), flush=True)
    clock.tick("change")
    return row


def moved(stream: Stream, seeds: int, clock: Clock) -> list[dict[str, Any]]:
    """20 tenants, the first of which lies throughout: how far the shares of the others' choices move, in points."""
    honest = _shares(stream, seeds, None)
    clock.tick("honest tenants")
    rows = []
    for lie in LIES:
        pooled, each, utility = _shares(stream, seeds, lie)
        rows.append(
            {
                "lie": lie,
                "points_moved": float(100 * np.abs(pooled.mean(axis=0) - honest[0].mean(axis=0)).max()),
                "standard_error": float(100 * ((pooled - honest[0]).std(axis=0) / math.sqrt(seeds)).max()),
                "worst_tenant": float(100 * np.abs(each - honest[1]).max()),
                "utility_honest": honest[2],
                "utility": utility,
            }
        )
        print(json.dumps(rounded(rows[-1])), flush=True)
        clock.tick(f"hostile, {lie}")
    return rows


def _shares(stream: Stream, seeds: int, lie: str | None) -> tuple[Matrix, Matrix, float]:
    """Of all but the first tenant: shares of the arms by seed; by tenant over all seeds; and their mean utility."""
    counts = np.zeros((seeds, TENANTS, len(stream.arms)))
    earned = []
    for seed in range(seeds):
        run = play(make_policy("pheromone"), stream, seed=seed, tenants=TENANTS, lie=lie)
        np.add.at(counts[seed], (run.who.astype(int), run.chosen.astype(int)), 1)
        earned.append(run.utility[run.who > 0].mean())
    others = counts[:, 1:]
    pooled, each = others.sum(axis=1), others.sum(axis=0)
    return (
        pooled / pooled.sum(axis=1, keepdims=True),
        each / each.sum(axis=1, keepdims=True),
        float(np.mean(earned)),
    )


def targets(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each target with what was measured and whether it is reached."""
    lines = []
    for row in body["rows"]:
        if row["policy"] != "memory":
            continue
        static = next(
            each["all_passes"]
            for each in body["rows"]
            if (each["set"], each["policy"]) == (row["set"], "[best static]")
        )
        third = row["passes"][-1]
        lines.append(_line(f"{row['set']}: third pass at least best static", third, third >= static, static))
        if row["set"] == "mint":
            lines.append(_line("mint: third pass", third, third >= LEAST_UTILITY, LEAST_UTILITY))
    for row in body.get("changes", [])[:1]:
        reached = row["within_200"] >= NOTICED_SHARE
        lines.append(
            _line("change noticed within 200 requests, share of runs", row["within_200"], reached, NOTICED_SHARE)
        )
    for row in body.get("hostile", []):
        reached = row["points_moved"] <= MOST_MOVED
        lines.append(_line(f"5 % hostile ({row['lie']}): points moved", row["points_moved"], reached, MOST_MOVED))
        reached = row["worst_tenant"] <= MOST_MOVED
        lines.append(_line(f"5 % hostile ({row['lie']}): worst tenant", row["worst_tenant"], reached, MOST_MOVED))
    if "latency_ms" in body:
        look_up = body["latency_ms"]["look_up"]
        lines.append(
            _line("look-up, ms of CPU, 40 candidates, 5,000 texts", look_up, look_up < MOST_LOOK_UP_MS, MOST_LOOK_UP_MS)
        )
    return lines


def _line(what: str, measured: float, is_reached: bool, target: float) -> dict[str, Any]:
    verdict = "reached" if is_reached else "missed"
    return {"target": what, "measured": round(measured, 4), "wanted": round(float(target), 4), "verdict": verdict}


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(each) for each in value]
        return round(value, 4) if isinstance(value, float) else value

    return {name: short(value) for name, value in row.items()}


def written(out: Path, body: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _quiet(done: int, of: int, what: str) -> None:
    """Vectors are kept; making them is quick the second time."""


if __name__ == "__main__":
    main()
