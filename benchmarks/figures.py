"""What of an evaluation goes into the benchmark's results: plain values of one router or reference."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from routing.dataset import Dataset
from routing.evaluation.measures import areas
from routing.evaluation.outcomes import Outcomes, outcomes_of
from routing.evaluation.play import LAMBDAS, choices, played
from routing.evaluation.results import Report, Standing, View
from routing.forecasts import Forecast, Inputs, Reference

Row = dict[str, Any]


def figures(standing: Standing) -> Row:
    """Where a weight of cost is not named it is 0; `points` has one for each of LAMBDAS."""
    scores, thrift, every = standing.scores, standing.thrift, standing.calibration_of_all
    return {
        "utility_area": scores.utility_area,
        "quality": scores.quality,
        "cost_share": scores.cost_share,
        "cost_usd": scores.cost_usd,
        "regret": scores.regret,
        "points": [[point.weight, point.quality, point.cost_share, point.utility] for point in scores.points],
        "cost_share_at_best_single": None if thrift is None else thrift.point.cost_share,
        "ece": None if every is None else every.ece,
        "brier": None if every is None else every.brier,
        "against": {rival: asdict(found) for rival, found in standing.comparisons.items()},
        "redirected_queries": standing.redirected_queries,
        "is_gate_passed": None if standing.gate is None else standing.gate.is_passed,
    }


def views(report: Report, router: str) -> Row:
    """Of one router, without and with the labels; None where it was not judged."""
    return {"text_only": _of(report.text_only, router), "with_labels": _of(report.with_labels, router)}


def references(report: Report) -> Row:
    """Those that need no training; they are the same with and without labels."""
    view = report.text_only
    if view is None:
        return {}
    return {name: figures(standing) for name, standing in view.standings.items() if standing.is_reference}


def measured_outcomes(dev: Dataset, inputs: Inputs, reference: Reference) -> tuple[Outcomes, Inputs]:
    return outcomes_of(dev, inputs, reference)


def area_of(forecast: Forecast, outcomes: Outcomes) -> float:
    """Utility area of choosing by this forecast."""
    return float(areas(played(choices(forecast, outcomes, LAMBDAS), outcomes, LAMBDAS), outcomes).mean())


def share_changed(one: Forecast, other: Forecast, outcomes: Outcomes) -> float:
    """Of all choices, over queries and weights of cost; both forecasts have the outcomes' columns."""
    return float(np.mean(choices(one, outcomes, LAMBDAS) != choices(other, outcomes, LAMBDAS)))


def _of(view: View | None, router: str) -> Row | None:
    return None if view is None or router not in view.standings else figures(view.standings[router])
