"""Judges routers on held-out queries, beside references that need no training: data and routers to a Report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from routing.artifacts import code_version
from routing.dataset import Dataset
from routing.errors import ArtifactRefused
from routing.evaluation.log_report import judge_log
from routing.evaluation.outcomes import Outcomes, outcomes_of
from routing.evaluation.references import REFERENCES
from routing.evaluation.results import DataFacts, Report, View
from routing.evaluation.standings import standings
from routing.forecasts import Forecast, Inputs, Predictor
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

MOST_TOLD = 5  # candidates in an error's words
FORECAST_SLACK = 1e-6  # how far outside [0, 1] rounding may carry a forecast of quality


def evaluate(
    routers: Mapping[str, Predictor],
    train: Dataset,
    dev: Dataset,
    inputs: Inputs,
    *,
    seed: int,
    on_progress: Progress = no_progress,
) -> Report:
    """`inputs` are `dev`'s, with labels where there are any: routers are judged without them, then with them.

    Data with propensities comes from a log, where only the candidate that was picked has an outcome: it gets off-policy
    estimates. A router whose forecast is no forecast is counted under `failures`. Raises InvalidInput where no outcome
    is known or a name is a reference's, ArtifactRefused where a router knows other candidates.
    """
    tested = _tested(routers, train, dev)
    outcomes, kept = outcomes_of(dev, inputs, train.reference)
    report = Report(
        data=_facts(train, dev, outcomes),
        reference=train.reference,
        seed=seed,
        code_version=code_version(),
        code_sha256=code_sha256(),
        text_only=None,
        notes=tuple(f"{name}: the reference of this name stands for it." for name in routers if name not in tested),
    )
    is_log = not np.isnan(dev.propensity).all()
    sights = [kept.without_tasks()] if is_log or not kept.has_tasks else [kept.without_tasks(), kept]
    views: list[View] = []
    failures: dict[str, str] = {}
    for sight in sights:
        forecasts, failed = _forecasts(tested, sight, outcomes, on_progress)
        failures |= failed
        if is_log:
            log = judge_log(forecasts, train, dev.rows(outcomes.rows), seed=seed)
            return replace(report, log=log, failures=failures)
        views.append(View(shows_labels=sight.has_tasks, standings=standings(forecasts, train, outcomes, seed=seed)))
    return replace(report, text_only=views[0], with_labels=views[1] if len(views) > 1 else None, failures=failures)


@cache
def code_sha256() -> str:
    """Of all Python sources of the folder `routing`, by path: which code judged. Read once."""
    root = Path(__file__).parents[1]
    whole = sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def check_candidates(name: str, router: Predictor, candidates: Sequence[str]) -> None:
    """Raises ArtifactRefused where the router knows others than these."""
    if router.candidates != tuple(candidates):
        lacking, strange = set(candidates) - set(router.candidates), set(router.candidates) - set(candidates)
        raise ArtifactRefused(
            f"Router {name!r} knows other candidates than the data: it lacks {_some(lacking)}"
            f" and knows {_some(strange)} besides.",
            hint="Adapt it to new candidates (`antroute routers adapt`), or train it on this data.",
        )


def _some(names: set[str]) -> str:
    told = ", ".join(map(repr, sorted(names)[:MOST_TOLD])) or "none"
    return f"{told} and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else told


def _tested(routers: Mapping[str, Predictor], train: Dataset, dev: Dataset) -> dict[str, Predictor]:
    """Without those that are references themselves."""
    if train.candidates != dev.candidates:
        raise InvalidInput("Training and held-out data name different candidates.", field="candidates")
    for name, router in routers.items():
        if name in REFERENCES and router.kind != name:
            raise InvalidInput(f"{name!r} is a reference's name; call the router otherwise.", field="router")
        check_candidates(name, router, dev.candidates)
    return {name: router for name, router in routers.items() if name not in REFERENCES}


def _forecasts(
    routers: Mapping[str, Predictor], inputs: Inputs, outcomes: Outcomes, on_progress: Progress
) -> tuple[dict[str, Forecast], dict[str, str]]:
    """And the reason why, of each router that made none."""
    forecasts, failures = {}, {}
    sight = "with labels" if inputs.has_tasks else "text only"
    for done, (name, router) in enumerate(routers.items()):
        on_progress(done, len(routers), f"judging, {sight}")
        forecast = router.predict(inputs)
        if reason := _flaw(forecast, (len(inputs), len(outcomes.candidates))):
            failures[name] = f"Its forecast ({sight}) {reason}."
        else:
            forecasts[name] = forecast
    on_progress(len(routers), len(routers), f"judging, {sight}")
    return forecasts, failures


def _flaw(forecast: Forecast, shape: tuple[int, int]) -> str:
    """Empty for a sound forecast."""
    for name, matrix in (("quality", forecast.quality), ("cost", forecast.cost_usd)):
        if matrix.shape != shape:
            return f"of {name} has the shape {matrix.shape} and not {shape}"
        if not np.isfinite(matrix).all():
            return f"of {name} holds {int((~np.isfinite(matrix)).sum())} cells that are no numbers"
    if forecast.quality.min() < -FORECAST_SLACK or forecast.quality.max() > 1 + FORECAST_SLACK:
        return "of quality leaves the range from 0 to 1"
    return ""


def _facts(train: Dataset, dev: Dataset, outcomes: Outcomes) -> DataFacts:
    return DataFacts(
        split="+".join(sorted(set(dev.splits))),
        train_digest=train.digest,
        digest=dev.digest,
        train_queries=len(train),
        queries=len(outcomes),
        excluded_queries=outcomes.excluded_queries,
        missing_cells=outcomes.missing_cells,
        candidates=dev.candidates,
        has_costs=not np.isnan(dev.cost_usd).all(),
        has_labels=any(task is not None for task in outcomes.tasks),
    )
