"""What a learned step policy must beat; each is exact on logged episodes, task by task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routing.steps.journey import Floats
from routing.steps.schedules import StaticSchedules, run_schedule
from routing.steps.simulator import World

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One way to run all tasks: success and cost in USD of each."""

    name: str
    success: Floats
    cost_usd: Floats


def baselines(world: World, schedules: StaticSchedules, *, small: int, large: int) -> dict[str, list[Setting]]:
    """Name to settings. `schedules`: fitted on other tasks than the world's."""
    most = world.journeys.most_steps
    small_, large_ = ((small, most),), ((large, most),)
    always_small, always_large = _ran(world, "always-small", small_), _ran(world, "always-large", large_)
    deadlines = [_ran(world, f"k={k}", ((small, k), (large, most))) for k in range(1, most)]
    rows = [(float(weight), _schedule(schedules, row)) for row, weight in enumerate(schedules.weights)]
    return {
        "always-small": [always_small],
        "always-large": [always_large],
        "random-mixing": [mixed(f"large={share:g}", always_small, always_large, share) for share in SHARES],
        "first-large": [_ran(world, f"k={k}", ((large, k), (small, most))) for k in range(1, most)],
        "deadline": deadlines,
        "random-escalation": [
            mixed(f"{setting.name}, share={share:g}", always_small, setting, share)
            for setting in deadlines
            for share in SHARES[1:-1]
        ],
        "static-schedule": [_ran(world, f"weight={weight:.3g}", schedule) for weight, schedule in rows],
        "perfect-verifier-cascade": [_verified(always_small, always_large)],
        "oracle": [_oracle(world)],
    }


def _ran(world: World, name: str, schedule: tuple[tuple[int, int], ...]) -> Setting:
    success, spent = run_schedule(world, schedule)
    return Setting(name=name, success=success, cost_usd=spent * world.unit_usd)


def _schedule(schedules: StaticSchedules, row: int) -> tuple[tuple[int, int], ...]:
    pairs = zip(schedules.orders[row].tolist(), schedules.quotas[row].tolist(), strict=True)
    return tuple((candidate, quota) for candidate, quota in pairs if candidate >= 0)


def mixed(name: str, one: Setting, other: Setting, share: float) -> Setting:
    """The expectation of choosing the other for a random share; equal for all random choices of that share."""
    return Setting(
        name=name,
        success=(1 - share) * one.success + share * other.success,
        cost_usd=(1 - share) * one.cost_usd + share * other.cost_usd,
    )


def _verified(small: Setting, large: Setting) -> Setting:
    """Knows at the end of small's episode whether it succeeded, and only then pays for large."""
    failed = small.success <= 0
    return Setting(
        name="knows success",
        success=np.maximum(small.success, large.success),
        cost_usd=small.cost_usd + failed * large.cost_usd,
    )


def _oracle(world: World) -> Setting:
    """Knows beforehand who succeeds at the least cost, and does nothing where nobody does."""
    cost = np.where(world.journeys.success > 0, world.journeys.total_usd, np.inf).min(axis=0)
    solved = np.isfinite(cost)
    return Setting(name="knows all", success=solved.astype(np.float64), cost_usd=np.where(solved, cost, 0.0))
