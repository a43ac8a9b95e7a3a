"""Judges routers on queries that they did not learn from: the dev queries, and the train queries in turn.

A few hundred dev queries tell good routers from bad ones, not the best from the second best: what is picked on them
alone is often picked by luck. Cross-validation makes every training query a witness too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.evaluation.gate import RIVALS, Gate, gate
from routing.evaluation.measures import areas
from routing.evaluation.outcomes import outcomes_of
from routing.evaluation.play import LAMBDAS, choices, played, preferred
from routing.evaluation.references import BEST_SINGLE, best_single_order
from routing.forecasts import Inputs, Predictor
from routing.training.fits import FitAll
from skills.progress import Progress

FOLDS = 3
LEAST_QUERIES = 60  # fewer are not parted into folds

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Queries, and what is seen of them, in the same order."""

    data: Dataset
    inputs: Inputs

    def __len__(self) -> int:
        return len(self.data)

    def take(self, places: NDArray[np.int64]) -> Sample:
        return Sample(self.data.rows(places), self.inputs.take(places))


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Each held-out query's utility area, by router and for best_single; text only. The same queries for all."""

    cross_validated: Mapping[str, Vector]  # empty vectors: there were too few train queries
    dev: Mapping[str, Vector]  # empty vectors: there are no dev queries

    def pooled(self, name: str) -> Vector:
        return np.concatenate([self.cross_validated[name], self.dev[name]])

    def best(self, names: Sequence[str]) -> str:
        """The highest mean over all held-out queries; the earlier of equals."""
        return max(names, key=lambda name: float(self.pooled(name).mean()))

    def gate(self, name: str, *, seed: int) -> Gate:
        """kNN does not beat itself: it is the bar, and is served only by force."""
        rivals = {rival: self.pooled(rival) for rival in RIVALS if rival in self.dev}
        return gate(self.pooled(name), rivals, seed=seed)

    def summary(self, *, seed: int) -> dict[str, Any]:
        """JSON values, for a manifest: means, and each router's gate."""
        names = [name for name in self.dev if name != BEST_SINGLE]
        return {
            "cross_validated_queries": len(self.cross_validated[BEST_SINGLE]),
            "dev_queries": len(self.dev[BEST_SINGLE]),
            "utility_area": {
                name: {
                    "cross_validated": _mean(self.cross_validated[name]),
                    "dev": _mean(self.dev[name]),
                    "pooled": _mean(self.pooled(name)),
                }
                for name in (*names, BEST_SINGLE)
            },
            "gates": {name: asdict(self.gate(name, seed=seed)) for name in names},
        }


def evidence(
    predictors: Mapping[str, Predictor],
    learned: Sample,
    judged: Sample,
    *,
    fit_all: FitAll,
    folds: int,
    seed: int,
    on_progress: Progress,
) -> Evidence:
    """`predictors` learned from all of `learned`, and are judged on `judged`; for the folds they are fitted anew.

    `folds` below 2: no cross-validation.
    """
    names = (*predictors, BEST_SINGLE)
    dev = {name: np.zeros(0) for name in names}
    if len(judged):
        dev = areas_of(predictors, learned, judged)
    parts: dict[str, list[Vector]] = {name: [] for name in names}
    if folds >= 2 and len(learned) >= LEAST_QUERIES:
        order = np.random.default_rng(seed).permutation(len(learned))
        for fold in range(folds):
            on_progress(fold, folds, "cross-validation")
            these, others = np.sort(order[fold::folds]), np.sort(np.setdiff1d(order, order[fold::folds]))
            held_in, held_out = learned.take(others), learned.take(these)
            fitted = fit_all(tuple(predictors), held_in.data, held_in.inputs, seed=seed, on_progress=on_progress)
            found = areas_of({name: each.predictor for name, each in fitted.items()}, held_in, held_out)
            for name in names:
                parts[name].append(found[name])
        on_progress(folds, folds, "cross-validation")
    return Evidence(
        cross_validated={name: np.concatenate([np.zeros(0), *found]) for name, found in parts.items()}, dev=dev
    )


def areas_of(predictors: Mapping[str, Predictor], learned: Sample, judged: Sample) -> dict[str, Vector]:
    """Each query's utility area without sight of its label, by router and for best_single."""
    outcomes, kept = outcomes_of(judged.data, judged.inputs, learned.data.reference)
    seen = kept.without_tasks()
    found = {
        name: areas(played(choices(predictor.predict(seen), outcomes, LAMBDAS), outcomes, LAMBDAS), outcomes)
        for name, predictor in predictors.items()
    }
    best = played(preferred(best_single_order(learned.data), outcomes, LAMBDAS), outcomes, LAMBDAS)
    return {**found, BEST_SINGLE: areas(best, outcomes)}


def _mean(values: Vector) -> float | None:
    return float(values.mean()) if len(values) else None
