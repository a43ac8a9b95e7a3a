"""The figures by which routers are told apart: quality, cost, utility area, regret, shares, quality by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.evaluation.outcomes import Outcomes
from routing.evaluation.play import Play

QUALITY_TOLERANCE = 0.005  # what "at best single's quality" allows below it

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Point:
    """Means over queries at one weight of cost. `cost_share`: of what best single spends; None without costs."""

    weight: float  # lambda
    quality: float
    cost_usd: float
    cost_share: float | None
    utility: float


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """Means over one task's queries, at weight 0 of cost."""

    queries: int
    quality: float
    cost_usd: float
    utility_area: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Where a weight of cost is not named, it is 0: the router goes for quality alone."""

    quality: float
    cost_usd: float  # a query
    cost_share: float | None  # of what best single spends
    utility_area: float
    regret: float  # of utility area, against the oracle
    quality_regret: float
    latency_seconds: float | None  # of the choices whose latency was measured; None: of none
    points: tuple[Point, ...]  # one for each of LAMBDAS
    shares: tuple[Mapping[str, float], ...]  # of the queries, by candidate; one for each of LAMBDAS
    tasks: Mapping[str, TaskScore]  # "" stands for no label


def areas(play: Play, outcomes: Outcomes) -> Vector:
    """Each query's utility area: its mean utility over the play's weights of cost."""
    mean: Vector = play.utility(outcomes.reference.cost_usd).mean(axis=0)
    return mean


def scores(play: Play, outcomes: Outcomes, *, oracle: Play, best_single: Play) -> Scores:
    """All three were played over LAMBDAS on the same outcomes."""
    found = points(play, outcomes, best_single=best_single)
    area = areas(play, outcomes)
    return Scores(
        quality=found[0].quality,
        cost_usd=found[0].cost_usd,
        cost_share=found[0].cost_share,
        utility_area=float(area.mean()),
        regret=float(areas(oracle, outcomes).mean() - area.mean()),
        quality_regret=float(oracle.quality[0].mean()) - found[0].quality,
        latency_seconds=_mean_of_known(play.latency_seconds),
        points=found,
        shares=tuple(dict(zip(outcomes.candidates, row.tolist(), strict=True)) for row in play.shares),
        tasks=_by_task(play, area, outcomes.tasks),
    )


def points(play: Play, outcomes: Outcomes, *, best_single: Play) -> tuple[Point, ...]:
    """One for each weight of the play."""
    spend = float(best_single.cost_usd[0].mean())
    rows = zip(
        play.lambdas,
        play.quality.mean(axis=1).tolist(),
        play.cost_usd.mean(axis=1).tolist(),
        play.utility(outcomes.reference.cost_usd).mean(axis=1).tolist(),
        strict=True,
    )
    return tuple(
        Point(weight=w, quality=q, cost_usd=c, cost_share=c / spend if spend else None, utility=u)
        for w, q, c, u in rows
    )


def thriftiest(frontier: Sequence[Point], *, quality: float) -> int | None:
    """Place of the cheapest point that holds this quality within the tolerance; None: none does."""
    enough = [place for place, point in enumerate(frontier) if point.quality >= quality - QUALITY_TOLERANCE]
    return min(enough, key=lambda place: (frontier[place].cost_usd, place), default=None)


def _by_task(play: Play, area: Vector, tasks: tuple[str | None, ...]) -> dict[str, TaskScore]:
    labels = np.array([task or "" for task in tasks], dtype=object)
    found = {}
    for task in sorted(set(labels)):
        rows = np.flatnonzero(labels == task)
        found[str(task)] = TaskScore(
            queries=len(rows),
            quality=float(play.quality[0, rows].mean()),
            cost_usd=float(play.cost_usd[0, rows].mean()),
            utility_area=float(area[rows].mean()),
        )
    return found


def _mean_of_known(seconds: NDArray[np.float64] | None) -> float | None:
    if seconds is None or np.isnan(seconds[0]).all():
        return None
    return float(np.nanmean(seconds[0]))
