"""Trains a router by name, or the best of several, and judges it on queries that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routing.artifacts import Manifest, code_version
from routing.dataset import Dataset, Split
from routing.evaluation.evaluate import evaluate
from routing.evaluation.gate import KNN
from routing.evaluation.references import BEST_SINGLE
from routing.evaluation.results import Report, metrics
from routing.forecasts import Inputs, Predictor
from routing.memory import Memory
from routing.training.fits import FitAll, Fitted, fit_in_turn
from routing.training.registry import AUTO, trainer
from routing.training.selection import FOLDS, LEAST_QUERIES, Evidence, Sample, evidence
from skills.encoder import Encoder
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

AUTO_ROUTERS = ("table", "ridge", "mf", "mlp", "gbt", "kernel", "graph", "stack")  # simplest first; kNN is the bar


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How to train. `folds` below 2: the train queries judge nobody."""

    seed: int = 0
    folds: int = FOLDS
    fit_all: FitAll = fit_in_turn
    on_progress: Progress = no_progress


DEFAULT_OPTIONS = TrainingOptions()


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The router that is to be kept, beside all that were fitted with it."""

    name: str
    predictor: Predictor
    manifest: Manifest
    memory: Memory
    evidence: Evidence | None  # None: the data comes from a log, where only off-policy estimates judge
    report: Report | None  # on dev; None: there are no dev queries
    fitted: Mapping[str, Fitted]


def train(
    name: str, data: Dataset, inputs: Inputs, encoder: Encoder, options: TrainingOptions = DEFAULT_OPTIONS
) -> Trained:
    """Learns from the train queries alone. `auto` keeps the router with the highest utility area on the dev queries
    and, by cross-validation, the train queries together.

    Beside a router, kNN is fitted, for the gate. `inputs` are of all queries of `data`. Raises UnknownRouter, and
    InvalidInput where there is no train query with an outcome, or nothing for `auto` to choose by.
    """
    wanted = AUTO_ROUTERS if name == AUTO else (name,)
    for each in wanted:
        trainer(each)  # an unknown name is told before the work
    whole = Sample(data, inputs)
    learned, judged = _part(whole, "train"), _part(whole, "dev")
    is_log = not np.isnan(data.propensity).all()
    _check(name, learned, judged, options, is_log=is_log)
    names = tuple(dict.fromkeys((*wanted, KNN)))
    seed, on_progress = options.seed, options.on_progress
    fitted = options.fit_all(names, learned.data, learned.inputs, seed=seed, on_progress=on_progress)
    predictors = {each: fitted[each].predictor for each in names}
    found = None
    if not is_log:
        witnesses = {each: predictor for each, predictor in predictors.items() if each != BEST_SINGLE}
        found = evidence(
            witnesses, learned, judged, fit_all=options.fit_all, folds=options.folds, seed=seed, on_progress=on_progress
        )
    report = None
    if len(judged):
        report = evaluate(predictors, learned.data, judged.data, judged.inputs, seed=seed, on_progress=on_progress)
    best = wanted[0] if len(wanted) == 1 or found is None else found.best(wanted)
    return Trained(
        name=best,
        predictor=predictors[best],
        manifest=_manifest(data, learned.data, predictors[best], encoder, _metrics(best, report, found, seed), seed),
        memory=Memory.of(learned.data),
        evidence=found,
        report=report,
        fitted=fitted,
    )


def _part(whole: Sample, split: Split) -> Sample:
    """The queries of a split that have an outcome."""
    places = whole.data.places_of(split)
    return whole.take(places[(~np.isnan(whole.data.quality[places])).any(axis=1)])


def _check(name: str, learned: Sample, judged: Sample, options: TrainingOptions, *, is_log: bool) -> None:
    if len(learned) == 0:
        raise InvalidInput("No train query has a known outcome; there is nothing to learn from.", field="split")
    if name != AUTO:
        return
    if is_log:
        raise InvalidInput(
            "`auto` cannot choose by logged outcomes alone.", field="router", hint="Name one: --router stack"
        )
    if len(judged) == 0 and (options.folds < 2 or len(learned) < LEAST_QUERIES):
        raise InvalidInput(
            f"`auto` has nothing to choose by: no dev query has an outcome, and {len(learned)} train queries are too"
            f" few to be parted (at least {LEAST_QUERIES}).",
            field="split",
            hint='Mark some queries "split": "dev", or name a router, such as --router table.',
        )


def _metrics(name: str, report: Report | None, found: Evidence | None, seed: int) -> dict[str, object]:
    """What the manifest keeps: figures on dev, and the gate over all held-out queries."""
    is_judged = report is not None and name not in report.failures
    kept: dict[str, object] = dict(metrics(report, name)) if report is not None and is_judged else {}
    if found is None or name == BEST_SINGLE or not len(found.pooled(name)):
        return kept
    summary = found.summary(seed=seed)
    return {**kept, "selection": summary, "gate": summary["gates"][name]}


def _manifest(
    data: Dataset, learned: Dataset, predictor: Predictor, encoder: Encoder, figures: dict[str, object], seed: int
) -> Manifest:
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
        metrics=figures,
        code_version=code_version(),
    )
