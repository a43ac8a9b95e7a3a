"""Always the candidate with the highest mean quality: what every router must beat."""

from __future__ import annotations

import numpy as np

from routing.dataset import Dataset
from routing.forecasts import Inputs
from routing.predictors.array_predictor import Constant
from routing.predictors.means import candidate_means, check_learnable
from skills.progress import Progress

DEARER = 1 + 1e-6  # of every other candidate, so that it never wins a tie


class BestSingle(Constant):
    """Quality: the means. Cost: the mean of the best one, for all of them (a hair more for the others).

    So quality alone tells candidates apart, and the choice is the same with any weights: the answer of somebody who
    does not look at costs. Time and energy are not forecast, for the same reason.
    """

    kind = "best_single"


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> BestSingle:
    """Raises InvalidInput where no quality is known. The best one is that of `Dataset.reference`."""
    check_learnable(data, inputs)
    best = data.reference.candidate
    is_other = np.array([candidate != best for candidate in data.candidates])
    cost = data.reference.cost_usd * np.where(is_other, DEARER, 1.0)
    on_progress(1, 1, "means")
    return BestSingle(data.candidates, {"quality": candidate_means(data.quality), "cost_usd": cost})
