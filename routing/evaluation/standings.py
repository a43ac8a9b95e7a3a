"""Where routers and references stand on the same queries: played, resampled together, compared in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.evaluation.bootstrap import Difference, Interval, difference, interval, resampled_means
from routing.evaluation.calibration import Calibration, calibration
from routing.evaluation.gate import KNN, RIVALS, Gate, verdict
from routing.evaluation.measures import Point, areas, points, scores, thriftiest
from routing.evaluation.outcomes import Outcomes
from routing.evaluation.play import LAMBDAS, SWEEP, Choices, Play, choices, played, played_by_lot, preferred
from routing.evaluation.references import (
    BEST_SINGLE,
    CHEAPEST,
    ORACLE,
    RANDOM,
    REFERENCES,
    TABLE,
    best_single_order,
    cheapest_order,
    oracle_forecast,
    table_forecast,
)
from routing.evaluation.results import Comparison, Standing, Thrift
from routing.forecasts import Forecast, Matrix

COMPARED_WITH = (KNN, *REFERENCES)
AREA, QUALITY, THRIFT_QUALITY, THRIFT_COST, SPEND = range(5)  # a contender's columns of `Resampled`

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    """One that plays."""

    play: Play  # over LAMBDAS
    frontier: tuple[Point, ...]
    thrift: int | None  # place in the frontier of its thriftiest point
    columns: Matrix  # queries × (what the names above say)
    forecast: Forecast | None = None  # None: it forecasts nothing


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled:
    """Every contender's means: over the queries, and over each resample of them."""

    name_to_means: Mapping[str, Vector]  # by column
    name_to_resamples: Mapping[str, Matrix]  # resamples × columns

    def difference(self, name: str, rival: str, column: int, rival_column: int) -> Difference:
        mean = self.name_to_means[name][column] - self.name_to_means[rival][rival_column]
        resampled = self.name_to_resamples[name][:, column] - self.name_to_resamples[rival][:, rival_column]
        return difference(float(mean), resampled)

    def ratio(self, name: str, rival: str, column: int, rival_column: int) -> Interval | None:
        """None where the rival's mean is zero."""
        if not self.name_to_means[rival][rival_column]:
            return None
        below = np.maximum(self.name_to_resamples[rival][:, rival_column], np.finfo(float).tiny)
        return interval(self.name_to_resamples[name][:, column] / below)

    def gate(self, name: str) -> Gate:
        rivals = tuple(rival for rival in RIVALS if rival in self.name_to_means)
        order = (name, *rivals)
        means = np.array([self.name_to_means[of][AREA] for of in order])
        resamples = np.stack([self.name_to_resamples[of][:, AREA] for of in order], axis=1)
        return verdict(means, resamples, rivals)


def standings(
    forecasts: Mapping[str, Forecast], train: Dataset, outcomes: Outcomes, *, seed: int
) -> dict[str, Standing]:
    """Routers in the order given, then REFERENCES. The gate and kNN's column need a router named `knn`."""
    contenders = _contenders(forecasts, train, outcomes)
    resampled = _resampled(contenders, seed=seed)
    best, oracle = contenders[BEST_SINGLE].play, contenders[ORACLE].play
    found = {}
    for name, contender in contenders.items():
        is_reference = name in REFERENCES
        every, chosen, redirected = _calibrations(contender, outcomes)
        found[name] = Standing(
            is_reference=is_reference,
            scores=scores(contender.play, outcomes, oracle=oracle, best_single=best),
            frontier=contender.frontier,
            thrift=_thrift(name, contender, resampled),
            comparisons={
                rival: Comparison(
                    utility_area=resampled.difference(name, rival, AREA, AREA),
                    quality=resampled.difference(name, rival, QUALITY, QUALITY),
                )
                for rival in COMPARED_WITH
                if rival in contenders and rival != name
            },
            calibration_of_all=every,
            calibration_of_chosen=chosen,
            redirected_queries=redirected,
            gate=None if is_reference else resampled.gate(name),
        )
    return found


def _contenders(forecasts: Mapping[str, Forecast], train: Dataset, outcomes: Outcomes) -> dict[str, Contender]:
    best_order = best_single_order(train)
    best = played(preferred(best_order, outcomes, LAMBDAS), outcomes, LAMBDAS)
    table = table_forecast(train, outcomes.tasks)
    unmoved = {
        RANDOM: played_by_lot(outcomes, LAMBDAS),
        CHEAPEST: played(preferred(cheapest_order(train), outcomes, LAMBDAS), outcomes, LAMBDAS),
        BEST_SINGLE: best,
    }
    oracle = _moved(oracle_forecast(outcomes), outcomes, best)
    found = {name: _moved(forecast, outcomes, best) for name, forecast in {**forecasts, TABLE: table}.items()}
    found[ORACLE] = replace(oracle, forecast=None)  # it knows; its calibration would mean nothing
    found |= {name: _unmoved(play, outcomes, best) for name, play in unmoved.items()}
    return {name: found[name] for name in (*forecasts, *REFERENCES)}


def _moved(forecast: Forecast, outcomes: Outcomes, best: Play) -> Contender:
    """One that the weight of cost moves along a frontier."""
    play = played(choices(forecast, outcomes, LAMBDAS), outcomes, LAMBDAS)
    sweep: Choices = choices(forecast, outcomes, SWEEP)
    swept = played(sweep, outcomes, SWEEP)
    frontier = points(swept, outcomes, best_single=best)
    place = thriftiest(frontier, quality=float(best.quality[0].mean()))
    at = 0 if place is None else place
    columns = _columns(play, outcomes, swept.quality[at], swept.cost_usd[at])
    return Contender(play=play, frontier=frontier, thrift=place, columns=columns, forecast=forecast)


def _unmoved(play: Play, outcomes: Outcomes, best: Play) -> Contender:
    frontier = points(play, outcomes, best_single=best)[:1]
    place = thriftiest(frontier, quality=float(best.quality[0].mean()))
    return Contender(
        play=play, frontier=frontier, thrift=place, columns=_columns(play, outcomes, play.quality[0], play.cost_usd[0])
    )


def _columns(play: Play, outcomes: Outcomes, thrift_quality: Vector, thrift_cost: Vector) -> Matrix:
    return np.stack(
        [areas(play, outcomes), play.quality[0], thrift_quality, thrift_cost, play.cost_usd[0]],
        axis=1,
    )


def _resampled(contenders: Mapping[str, Contender], *, seed: int) -> Resampled:
    stacked = np.concatenate([contender.columns for contender in contenders.values()], axis=1)
    means = np.split(stacked.mean(axis=0), len(contenders))
    resamples = np.split(resampled_means(stacked, seed=seed), len(contenders), axis=1)
    return Resampled(
        name_to_means=dict(zip(contenders, means, strict=True)),
        name_to_resamples=dict(zip(contenders, resamples, strict=True)),
    )


def _thrift(name: str, contender: Contender, resampled: Resampled) -> Thrift | None:
    if contender.thrift is None:
        return None
    return Thrift(
        point=contender.frontier[contender.thrift],
        quality=resampled.difference(name, BEST_SINGLE, THRIFT_QUALITY, QUALITY),
        cost_share=resampled.ratio(name, BEST_SINGLE, THRIFT_COST, SPEND),
    )


def _calibrations(contender: Contender, outcomes: Outcomes) -> tuple[Calibration | None, Calibration | None, int]:
    """Over all known cells, over the chosen ones, and how many queries' best candidate has no known outcome."""
    forecast, chosen = contender.forecast, contender.play.chosen
    if forecast is None or chosen is None:
        return None, None, 0
    rows = np.arange(len(outcomes))
    quality = np.clip(forecast.quality, 0.0, 1.0)
    best = np.where(outcomes.is_known, forecast.quality, -np.inf).max(axis=1)
    return (
        calibration(quality[outcomes.is_known], outcomes.quality[outcomes.is_known]),
        calibration(quality[rows, chosen[0]], outcomes.quality[rows, chosen[0]]),
        int((forecast.quality.max(axis=1) > best + 1e-9).sum()),
    )
