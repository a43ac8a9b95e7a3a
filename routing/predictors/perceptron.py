"""A network of one hidden layer, from the query's embedding to all candidates' qualities at once."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Inputs, Matrix
from routing.predictors.array_predictor import LengthPriced
from routing.predictors.costs import Amounts
from routing.predictors.means import candidate_means, check_learnable
from skills.progress import Progress

HIDDEN = 64
EPOCHS = 200  # at most; it stops when the held-out queries no longer get better
BEGINNING = 0.01  # size of the output weights before learning: near to forecasting the means
PENALTIES = (3.0, 10.0, 30.0)  # of the squared weights; the held-out queries pick one
BATCH = 128
HELD_OUT_SHARE = 0.1
PATIENCE = 10  # epochs
LEAST_QUERIES = 20  # with fewer there is nothing to hold out, and the candidates' means are forecast


class Perceptron(LengthPriced):
    """quality = means + relu(e·W + b)·V + c."""

    kind = "mlp"
    shapes: ClassVar = {
        **LengthPriced.shapes,
        "hidden_weights": ("dimension", "hidden"),
        "hidden_intercepts": ("hidden",),
        "output_weights": ("hidden", "candidates"),
        "output_intercepts": ("candidates",),
    }

    def quality(self, inputs: Inputs) -> Matrix:
        own = self.weights
        hidden = np.maximum(inputs.embeddings.astype(np.float64) @ own["hidden_weights"] + own["hidden_intercepts"], 0)
        quality: Matrix = hidden @ own["output_weights"] + own["output_intercepts"]
        return quality


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Perceptron:
    """Holes are learned as their candidate's mean. Raises InvalidInput where no quality is known."""
    check_learnable(data, inputs)
    means = candidate_means(data.quality)
    dimension = inputs.embeddings.shape[1]
    scale = np.sqrt(dimension)  # entries of a row of length one are small; a network learns best from about one
    if len(data) < LEAST_QUERIES:
        coefs = [np.zeros((dimension, HIDDEN)), np.zeros((HIDDEN, len(means)))]
        intercepts = [np.zeros(HIDDEN), np.zeros(len(means))]
    else:
        rest = np.where(np.isnan(data.quality), 0.0, data.quality - means)
        networks = []
        for done, penalty in enumerate(PENALTIES):
            on_progress(done, len(PENALTIES), f"network with penalty {penalty:g}")
            networks.append(_fit_network(inputs.embeddings * scale, rest, data.candidates, penalty, seed=seed))
        best = max(networks, key=lambda network: network.best_validation_score_)
        coefs, intercepts = best.coefs_, best.intercepts_
    on_progress(len(PENALTIES), len(PENALTIES), "done")
    weights = {
        "hidden_weights": coefs[0] * scale,
        "hidden_intercepts": intercepts[0],
        "output_weights": coefs[1],
        "output_intercepts": intercepts[1] + means,
    }
    return Perceptron.priced(data.candidates, weights, Amounts.fit(data))


def _fit_network(
    features: NDArray[np.float64], targets: Matrix, candidates: Sequence[str], penalty: float, *, seed: int
) -> Any:
    """An MLPRegressor that stopped when the held-out queries, the same for each penalty, were forecast best."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    wanted = targets[:, 0] if targets.shape[1] == 1 else targets
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,),
        batch_size=min(BATCH, len(features) - ceil(HELD_OUT_SHARE * len(features))),
        alpha=penalty,
        max_iter=1,
        early_stopping=True,
        validation_fraction=HELD_OUT_SHARE,
        n_iter_no_change=PATIENCE,
        warm_start=True,
        random_state=seed,
    )
    hidden = _normal(f"{seed}", features.shape[1], HIDDEN, scale=np.sqrt(2 / features.shape[1]))
    outputs = [_normal(f"{seed}:{id}", HIDDEN, 1, scale=BEGINNING / np.sqrt(HIDDEN)) for id in candidates]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that all epochs were used is no fault
        network.fit(features, wanted)  # makes the layers, which then begin anew
        network.coefs_[0][:], network.coefs_[1][:] = hidden, np.hstack(outputs)
        network.intercepts_[0][:], network.intercepts_[1][:] = 0.0, 0.0
        network.best_validation_score_ = -np.inf
        network.set_params(max_iter=EPOCHS).fit(features, wanted)
    return network


def _normal(name: str, rows: int, columns: int, *, scale: float) -> NDArray[np.float64]:
    """Random weights to begin with: a candidate's follow its id, not its place in the list."""
    digest = sha256(name.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(0.0, scale, size=(rows, columns))
