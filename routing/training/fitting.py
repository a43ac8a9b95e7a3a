"""Fits a router by name, or the best of several, and judges it on the dev queries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from routing.artifacts import Manifest, code_version
from routing.base import Encoder
from routing.dataset import Dataset, Progress, Split, no_progress
from routing.evaluation.evaluate import evaluate
from routing.evaluation.gate import KNN
from routing.evaluation.results import Report, metrics
from routing.forecasts import Inputs, Predictor
from routing.memory import Memory
from routing.training.registry import AUTO, trainer
from storage.errors import InvalidInput

AUTO_ROUTERS = ("table", "knn", "ridge", "mf", "gbt", "graph", "stack")  # simplest first


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A router, how long its fitting took, and on which node of a cluster."""

    predictor: Predictor
    seconds: float
    node: str = ""  # empty: in this process


class FitAll(Protocol):
    """Fits routers by name on the same data: one after the other here, side by side on Ray."""

    def __call__(
        self, names: Sequence[str], data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
    ) -> Mapping[str, Fitted]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The router that is to be kept, beside all that were fitted with it."""

    name: str
    predictor: Predictor
    manifest: Manifest
    memory: Memory
    report: Report | None  # None: there are no dev queries
    fitted: Mapping[str, Fitted]


def fit_in_turn(
    names: Sequence[str], data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
) -> dict[str, Fitted]:
    """See `FitAll`."""
    name_to_fitted: dict[str, Fitted] = {}
    for place, name in enumerate(names):
        on_progress(place, len(names), "routers fitted")
        name_to_fitted[name] = fit_one(name, data, inputs, seed=seed, on_progress=on_progress)
    on_progress(len(names), len(names), "routers fitted")
    return name_to_fitted


def fit_one(name: str, data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress = no_progress) -> Fitted:
    """Raises UnknownRouter, InvalidInput."""
    fit, began = trainer(name), time.perf_counter()
    predictor = fit(data, inputs, seed=seed, on_progress=on_progress)
    return Fitted(predictor=predictor, seconds=time.perf_counter() - began)


def train(
    name: str,
    data: Dataset,
    inputs: Inputs,
    encoder: Encoder,
    *,
    seed: int = 0,
    fit_all: FitAll = fit_in_turn,
    on_progress: Progress = no_progress,
) -> Trained:
    """Learns from the train queries; the dev queries choose (`auto`) and judge, and are not learned from.

    Beside a router, kNN is fitted, for the gate. `inputs` are of all queries of `data`. Raises UnknownRouter, and
    InvalidInput where there is no train query with an outcome, or `auto` has no dev query to choose by.
    """
    wanted = AUTO_ROUTERS if name == AUTO else (name,)
    for each in wanted:
        trainer(each)  # an unknown name is told before the work
    learned, its_inputs = _part(data, inputs, "train")
    judged, their_inputs = _part(data, inputs, "dev")
    if len(learned) == 0:
        raise InvalidInput("No train query has a known outcome; there is nothing to learn from.", field="split")
    if len(judged) == 0 and name == AUTO:
        raise InvalidInput(
            "`auto` chooses by the dev queries, and there are none with a known outcome.",
            field="split",
            hint='Mark some queries "split": "dev", or name a router, such as --router stack.',
        )
    names = tuple(dict.fromkeys((*wanted, *((KNN,) if len(judged) else ()))))
    fitted = fit_all(names, learned, its_inputs, seed=seed, on_progress=on_progress)
    report = None
    if len(judged):
        predictors = {each: fitted[each].predictor for each in names}
        report = evaluate(predictors, learned, judged, their_inputs, seed=seed, on_progress=on_progress)
    best = _best(report, wanted)
    predictor = fitted[best].predictor
    return Trained(
        name=best,
        predictor=predictor,
        manifest=_manifest(data, learned, predictor, encoder, report, best, seed),
        memory=Memory.of(learned),
        report=report,
        fitted=fitted,
    )


def _part(data: Dataset, inputs: Inputs, split: Split) -> tuple[Dataset, Inputs]:
    """The queries of a split that have an outcome."""
    places = data.places_of(split)
    places = places[(~np.isnan(data.quality[places])).any(axis=1)]
    return data.rows(places), inputs.take(places)


def _best(report: Report | None, names: Sequence[str]) -> str:
    """By utility area without labels; a log's routers by the doubly robust estimate. The earlier of equals."""
    if report is None or len(names) == 1:
        return names[0]
    alive = [name for name in names if name not in report.failures]
    if not alive:
        raise InvalidInput(f"No router could be judged: {dict(report.failures)}.", field="router")
    return max(alive, key=lambda name: judgement(report, name))


def judgement(report: Report, name: str) -> float:
    """The figure that routers are compared by: higher is better."""
    if report.text_only is not None:
        return report.text_only.standings[name].scores.utility_area
    raise InvalidInput(
        "`auto` cannot choose by logged outcomes alone.", field="router", hint="Name a router, such as --router stack."
    )


def _manifest(
    data: Dataset,
    learned: Dataset,
    predictor: Predictor,
    encoder: Encoder,
    report: Report | None,
    name: str,
    seed: int,
) -> Manifest:
    is_judged = report is not None and name not in report.failures
    return Manifest(
        kind=predictor.kind,
        cards=data.cards,
        encoder=encoder.name,
        dimension=encoder.dimension,
        reference=learned.reference,
        seed=seed,
        data_digest=data.digest,
        query_counts={split: data.splits.count(split) for split in sorted(set(data.splits))},
        settings=predictor.settings(),
        metrics=metrics(report, name) if report is not None and is_judged else {},
        code_version=code_version(),
    )
