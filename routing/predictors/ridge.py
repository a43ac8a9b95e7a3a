"""One ridge regression a candidate, from the query's embedding to its quality and to what it costs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from routing.dataset import Dataset
from routing.forecasts import Forecast, Inputs, Matrix
from routing.predictors.array_predictor import ArrayPredictor
from routing.predictors.least_squares import Linear, fit_ridge
from routing.predictors.means import candidate_means, check_learnable, known_amounts
from skills.progress import Progress

LEAST_SHARE = 0.05  # of a candidate's mean: no amount is forecast below it, as a line may fall under zero


class RidgeRegression(ArrayPredictor):
    """quality = e·w + b; amount = max(e·v + c, 5 % of the mean), for the embedding e, candidate by candidate."""

    kind = "ridge"
    shapes: ClassVar = {
        "quality_weights": ("dimension", "candidates"),
        "quality_intercepts": ("candidates",),
        "amount_weights": ("amounts", "dimension", "candidates"),
        "amount_intercepts": ("amounts", "candidates"),
        "amount_least": ("amounts", "candidates"),
    }

    def predict(self, inputs: Inputs) -> Forecast:
        own = self.weights
        embeddings = inputs.embeddings.astype(np.float64)
        quality = embeddings @ own["quality_weights"] + own["quality_intercepts"]
        amounts = {
            name: np.maximum(embeddings @ weights + intercepts, least)
            for name, weights, intercepts, least in zip(
                self.options["amounts"],
                own["amount_weights"],
                own["amount_intercepts"],
                own["amount_least"],
                strict=True,
            )
        }
        return Forecast(quality=np.clip(quality, 0.0, 1.0), **amounts)


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> RidgeRegression:
    """Raises InvalidInput where no quality is known. Nothing is random."""
    check_learnable(data, inputs)
    features = inputs.embeddings.astype(np.float64)
    names = known_amounts(data)
    on_progress(0, 1 + len(names), "quality")
    quality = fit_ridge(features, with_empty_columns_filled(data.quality))
    amounts: list[Linear] = []
    for done, name in enumerate(names, start=1):
        on_progress(done, 1 + len(names), name)
        amounts.append(fit_ridge(features, with_empty_columns_filled(getattr(data, name))))
    on_progress(1 + len(names), 1 + len(names), "done")
    return RidgeRegression(
        data.candidates,
        {
            "quality_weights": quality.weights,
            "quality_intercepts": quality.intercepts,
            "amount_weights": np.stack([linear.weights for linear in amounts]),
            "amount_intercepts": np.stack([linear.intercepts for linear in amounts]),
            "amount_least": LEAST_SHARE * np.stack([candidate_means(getattr(data, name)) for name in names]),
        },
        options={"amounts": list(names)},
    )


def with_empty_columns_filled(matrix: Matrix) -> Matrix:
    """Candidates of whom nothing is known get the mean of all known cells, in every row."""
    return np.where(np.isnan(matrix).all(axis=0), candidate_means(matrix), matrix)
