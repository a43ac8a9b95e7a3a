"""One router on one set: fitted with each seed, judged on the dev queries, beside kNN."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from json import dumps
from typing import Any

import numpy as np

from benchmarks.figures import Row, area_of, measured_outcomes, references, share_changed, views
from benchmarks.sets import LoadedSet, Part, renamed
from routing.evaluation.evaluate import evaluate
from routing.evaluation.gate import KNN
from routing.forecasts import Forecast, Predictor
from routing.training.registry import trainer
from skills.progress import Progress, no_progress


def fit_rows(
    found: LoadedSet, router: str, seeds: Sequence[int], *, deadline: float, on_progress: Progress
) -> Iterator[Row]:
    """One row a seed, and none for seeds that cannot differ: once two seeds gave the same weights, it stops.

    `deadline`: by `time.monotonic()`; no fit begins after it.
    """
    knn, _ = _fitted(KNN, found.train, 0, no_progress)
    digests: list[str] = []
    for seed in seeds:
        if time.monotonic() > deadline or (len(digests) > 1 and len(set(digests)) == 1):
            return
        predictor, spent = _fitted(router, found.train, seed, on_progress)
        digests.append(weights_digest(predictor))
        routers = {router: predictor, KNN: knn} if router != KNN else {KNN: predictor}
        report = evaluate(routers, found.train.data, found.dev.data, found.dev.inputs, seed=seed)
        row = {"seed": seed, "weights_sha256": digests[-1], **spent, **views(report, router)}
        if router in report.failures:
            row["problem"] = report.failures[router]
        yield {**row, "references": references(report)} if seed == seeds[0] else row


def renamed_row(found: LoadedSet, router: str) -> Row:
    """How many choices change when the candidates' ids sort the other way round."""
    outcomes, kept = measured_outcomes(found.dev.data, found.dev.inputs.without_tasks(), found.train.data.reference)
    one = _fitted(router, found.train, 0, no_progress)[0].predict(kept)
    turned = _fitted(router, renamed(found.train), 0, no_progress)[0].predict(kept)
    other = Forecast(quality=turned.quality[:, ::-1], cost_usd=turned.cost_usd[:, ::-1])
    return {
        "share_of_choices_changed": share_changed(one, other, outcomes),
        "utility_area_difference": area_of(other, outcomes) - area_of(one, outcomes),
    }


def weights_digest(predictor: Predictor) -> str:
    """SHA-256 of all that is saved of it."""
    whole = sha256(dumps(predictor.settings(), sort_keys=True, default=str).encode())
    for name, array in sorted(predictor.arrays().items()):
        whole.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def _fitted(router: str, train: Part, seed: int, on_progress: Progress) -> tuple[Predictor, Mapping[str, Any]]:
    fit = trainer(router)
    began, cpu_began = time.perf_counter(), _cpu_seconds()
    predictor = fit(train.data, train.inputs, seed=seed, on_progress=on_progress)
    spent = {
        "fit_seconds": time.perf_counter() - began,
        "fit_cpu_seconds": _cpu_seconds() - cpu_began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return predictor, spent


def _cpu_seconds() -> float:
    """All threads, and children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
