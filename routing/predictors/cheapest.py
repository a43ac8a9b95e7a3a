"""Always the candidate with the lowest mean cost: the floor of what can be spent."""

from __future__ import annotations

import numpy as np

from routing.dataset import Dataset
from routing.forecasts import Inputs
from routing.predictors.array_predictor import Constant
from routing.predictors.means import candidate_means, check_learnable
from skills.progress import Progress


class Cheapest(Constant):
    """Cost: the means. Quality: the mean of all outcomes, for every candidate.

    So cost alone tells candidates apart, and, as ties go to the cheapest, the choice is the same with any weights. Time
    and energy are not forecast, for the same reason. Without known costs all are alike, and the first one is chosen.
    """

    kind = "cheapest"


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Cheapest:
    """Raises InvalidInput where no quality is known."""
    check_learnable(data, inputs)
    quality = np.full(len(data.candidates), np.nanmean(data.quality))
    on_progress(1, 1, "means")
    return Cheapest(data.candidates, {"quality": quality, "cost_usd": candidate_means(data.cost_usd)})
