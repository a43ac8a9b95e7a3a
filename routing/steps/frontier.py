"""Success against cost: a policy's settings and the baselines', what mixing two settings gives, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from routing.evaluation.bootstrap import Interval, interval
from routing.steps.baselines import Setting, mixed
from routing.steps.journey import Floats, Scorer
from routing.steps.simulator import World, play_all

WEIGHTS = (
    0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325, 0.35, 0.375, 0.4, 0.43, 0.46,
    0.49, 0.52, 0.55, 0.58, 0.61, 0.65, 0.7, 0.8, 0.9, 1.1, 1.4,
)  # fmt: skip
MIXED_WEIGHTS = (0.05, 0.3, 0.52, 0.7, 1.1)  # any two of which are mixed
MIXED_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the second


@dataclass(frozen=True, kw_only=True)
class Point:
    """`cost_share`: of what always-large costs on the same tasks."""

    setting: str
    success: float
    cost_share: float


def settings_of(world: World, scorer: Scorer, weights: Sequence[float] = WEIGHTS) -> list[Setting]:
    """The policy under each weight of cost, without a limit; then jobs that get one of two weights by chance."""
    weight_to_setting = {}
    for weight in weights:
        played = play_all(world, scorer, weight=weight)
        weight_to_setting[weight] = Setting(
            name=f"weight={weight:g}", success=played.success, cost_usd=played.spent * world.unit_usd
        )
    mixes = [
        mixed(f"weight={one:g} or {other:g} (share {share:g})", weight_to_setting[one], weight_to_setting[other], share)
        for one, other in combinations([weight for weight in MIXED_WEIGHTS if weight in weight_to_setting], 2)
        for share in MIXED_SHARES
    ]
    return [*weight_to_setting.values(), *mixes]


def points(settings: Sequence[Setting], large_usd: Floats) -> list[Point]:
    """`large_usd`: always-large's cost of each task."""
    total = float(large_usd.sum())
    return [
        Point(
            setting=each.name,
            success=round(float(each.success.mean()), 6),
            cost_share=round(float(each.cost_usd.sum()) / total, 6),
        )
        for each in settings
    ]


def success_at(costs: Floats, successes: Floats, share: float) -> float:
    """What mixing settings at random, or doing nothing, gives at this cost: the upper concave hull from (0, 0)."""
    order = np.lexsort((-successes, costs))
    hull: list[tuple[float, float]] = [(0.0, 0.0)]
    for cost, success in zip(costs[order].tolist(), successes[order].tolist(), strict=True):
        if success <= hull[-1][1]:
            continue
        while len(hull) > 1 and _turns_up(hull[-2], hull[-1], (cost, success)):
            hull.pop()
        hull.append((cost, success))
    return float(np.interp(share, [x for x, _ in hull], [y for _, y in hull]))


def _turns_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b lies under the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled:
    """Tasks drawn with replacement, the same draws for every policy: R × N counts."""

    counts: Floats

    @classmethod
    def draw(cls, tasks: int, *, seed: int, resamples: int = 1_000) -> Resampled:
        rng = np.random.default_rng(seed)
        counts = [np.bincount(rng.integers(0, tasks, tasks), minlength=tasks) for _ in range(resamples)]
        return cls(counts=np.stack(counts).astype(np.float64))

    def successes_at(self, settings: Sequence[Setting], large_usd: Floats, share: float) -> Floats:
        """R: success at this share of always-large's cost, in each resample."""
        success = self.counts @ np.stack([each.success for each in settings], axis=1) / self.counts.shape[1]
        cost = self.counts @ np.stack([each.cost_usd for each in settings], axis=1)
        shares = cost / (self.counts @ large_usd)[:, None]
        return np.array([success_at(x, y, share) for x, y in zip(shares, success, strict=True)])

    def interval_at(self, settings: Sequence[Setting], large_usd: Floats, share: float) -> Interval:
        """95 %."""
        return interval(self.successes_at(settings, large_usd, share))
