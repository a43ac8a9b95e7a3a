"""Routers judged on a log: off-policy estimates of quality, cost and utility, beside what the log itself earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.evaluation.bootstrap import Interval, interval, resampled_means
from routing.evaluation.off_policy import Log, OffPolicy, Refusal, always, estimate
from routing.evaluation.play import LAMBDAS
from routing.evaluation.references import (
    BEST_SINGLE,
    CHEAPEST,
    RANDOM,
    TABLE,
    best_single_order,
    cheapest_order,
    table_forecast,
)
from routing.forecasts import Forecast, Matrix, Reference, Weights, choose, utility
from storage.errors import InvalidInput

Verdict = OffPolicy | Refusal
Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LogStanding:
    """Quality and cost (USD a query) at weight 0 of cost; utility at each of LAMBDAS."""

    is_reference: bool
    quality: Verdict
    cost_usd: Verdict | None  # None: the log holds no costs
    utilities: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True)
class LogReport:
    decisions: int
    excluded_queries: int  # without an outcome of a logged decision, or with several decisions
    quality: float  # what the log itself earned, with a 95 % interval
    quality_interval: Interval
    cost_usd: float | None
    routers: Mapping[str, LogStanding]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Entries:
    """The usable decisions of a log."""

    log: Log  # rewards: quality
    cost_usd: Vector | None  # one an entry
    rows: NDArray[np.int64]  # places of the entries in the data
    reference: Reference
    seed: int

    def judged(self, target: Matrix, forecast: Forecast | None, weight: float) -> Verdict:
        """Utility at this weight; `forecast` is the model of doubly robust."""
        rewards, model = self.log.rewards, None
        if self.cost_usd is not None and self.reference.cost_usd:
            rewards = rewards - weight * self.cost_usd / self.reference.cost_usd
        if forecast is not None:
            model = utility(forecast, Weights(quality=1.0, cost=weight), self.reference)
        return estimate(self._with(rewards), target, model, seed=self.seed)

    def cost(self, target: Matrix, forecast: Forecast | None) -> Verdict | None:
        if self.cost_usd is None:
            return None
        model = None if forecast is None else forecast.cost_usd
        return estimate(self._with(self.cost_usd), target, model, seed=self.seed)

    def _with(self, rewards: Vector) -> Log:
        return Log(actions=self.log.actions, propensity=self.log.propensity, rewards=rewards)


def judge_log(forecasts: Mapping[str, Forecast], train: Dataset, dev: Dataset, *, seed: int) -> LogReport:
    """`forecasts` are of `dev`'s queries; choices are made among all candidates. Raises InvalidInput for an
    empty log.
    """
    entries = _entries(dev, train.reference, seed)
    rows = entries.rows
    table = table_forecast(train, tuple(dev.tasks[int(row)] for row in rows))
    routers = {
        name: _standing(entries, _of(forecast, rows), is_reference=False) for name, forecast in forecasts.items()
    }
    routers[TABLE] = _standing(entries, table, is_reference=True)
    size = len(train.candidates)
    for name, first in ((BEST_SINGLE, best_single_order(train)[0]), (CHEAPEST, cheapest_order(train)[0])):
        routers[name] = _unmoved(entries, always(np.full(len(rows), first), size))
    routers[RANDOM] = _unmoved(entries, np.full((len(rows), size), 1 / size))
    quality = entries.log.rewards
    return LogReport(
        decisions=len(rows),
        excluded_queries=len(dev) - len(rows),
        quality=float(quality.mean()),
        quality_interval=interval(resampled_means(quality[:, None], seed=seed)[:, 0]),
        cost_usd=None if entries.cost_usd is None else float(entries.cost_usd.mean()),
        routers=routers,
    )


def _entries(dev: Dataset, reference: Reference, seed: int) -> _Entries:
    """Queries with one known outcome of a decision whose propensity is known."""
    has_costs = not np.isnan(dev.cost_usd).all()
    is_usable = ~np.isnan(dev.quality) & ~np.isnan(dev.propensity) & (~np.isnan(dev.cost_usd) | (not has_costs))
    rows = np.flatnonzero(is_usable.sum(axis=1) == 1)
    if not len(rows):
        raise InvalidInput(
            "No query has exactly one decision with propensity and outcome; nothing can be estimated.",
            field="propensity",
        )
    actions = is_usable[rows].argmax(axis=1)
    log = Log(actions=actions, propensity=dev.propensity[rows, actions], rewards=dev.quality[rows, actions])
    cost = dev.cost_usd[rows, actions] if has_costs else None
    return _Entries(log=log, cost_usd=cost, rows=rows, reference=reference, seed=seed)


def _of(forecast: Forecast, rows: NDArray[np.int64]) -> Forecast:
    return Forecast(quality=forecast.quality[rows], cost_usd=forecast.cost_usd[rows])


def _standing(entries: _Entries, forecast: Forecast, *, is_reference: bool) -> LogStanding:
    targets = []
    for weight in LAMBDAS:
        worth = utility(forecast, Weights(quality=1.0, cost=weight), entries.reference)
        targets.append(always(choose(worth, forecast.cost_usd), worth.shape[1]))
    return LogStanding(
        is_reference=is_reference,
        quality=entries.judged(targets[0], forecast, 0.0),
        cost_usd=entries.cost(targets[0], forecast),
        utilities=tuple(
            entries.judged(target, forecast, weight) for target, weight in zip(targets, LAMBDAS, strict=True)
        ),
    )


def _unmoved(entries: _Entries, target: Matrix) -> LogStanding:
    """A policy that no weight moves, and that forecasts nothing."""
    return LogStanding(
        is_reference=True,
        quality=entries.judged(target, None, 0.0),
        cost_usd=entries.cost(target, None),
        utilities=tuple(entries.judged(target, None, weight) for weight in LAMBDAS),
    )
