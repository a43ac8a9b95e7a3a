"""Nearest neighbours: what each candidate did with the training queries that are most like this one.

Vectors are kept as whole numbers of eight bits. Their products are exact in any order of summing, so that a query has
the same neighbours alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Arrays, Forecast, Inputs, Matrix
from routing.predictors.array_predictor import ArrayPredictor
from routing.predictors.means import candidate_means, check_learnable, known_amounts
from skills.progress import Progress

NEIGHBOURS = (4, 8, 16, 32, 64, 128)
WIDTHS = (0.03, 0.1, 0.3)  # of cosines: a neighbour less alike than the nearest by this counts 1/e of it
PRIOR_NEIGHBOURS = 1.0  # so much does the candidate's mean count beside a nearest neighbour's 1
UNKNOWN = -1.0  # stands for a hole; what was measured is 0 or more
LEVELS = 127  # of whole numbers to each side of zero
EXACT_DIMENSION = 1024  # so many products of two such numbers sum exactly in 32-bit floats
ROWS_AT_ONCE = 128
JUDGED = 1000  # training queries, each answered from all the others, to pick count and width by
LEAST_JUDGED = 10
SURELY = 0.01  # no forecast counts as surer than this when judging


Whole = NDArray[np.int8] | NDArray[np.float32]  # whole numbers from -LEVELS to LEVELS, however they are stored


class Nearest(ArrayPredictor):
    """value = (Σ w·y + mean) / (Σ w + 1) over the k nearest with a known y; w = exp((cosine - best) / width)."""

    kind = "knn"
    shapes: ClassVar = {
        "vectors": ("queries", "dimension"),
        "scales": ("queries",),
        "quality": ("queries", "candidates"),  # -1: unknown
        "amounts": ("amounts", "queries", "candidates"),  # -1: unknown
        "quality_means": ("candidates",),
        "amount_means": ("amounts", "candidates"),
    }

    def __init__(self, candidates: Sequence[str], weights: Arrays, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(candidates, weights, options=options)
        self._vectors = self.weights["vectors"].astype(np.float32)  # four times the memory, for a fast product

    def predict(self, inputs: Inputs) -> Forecast:
        own = self.weights
        quality = np.empty((len(inputs), len(self.candidates)))
        amounts = np.empty((len(own["amounts"]), *quality.shape))
        for start in range(0, len(inputs), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            similar = similarities(*as_whole_numbers(inputs.embeddings[rows]), self._vectors, own["scales"])
            places, cosines = nearest(similar, min(int(self.options["neighbours"]), len(self._vectors)))
            shares = weights_of(cosines, float(self.options["width"]))
            quality[rows] = _weighted(shares, own["quality"][places], own["quality_means"])
            for amount, known, means in zip(amounts, own["amounts"], own["amount_means"], strict=True):
                amount[rows] = _weighted(shares, known[places], means)
        return Forecast(quality=np.clip(quality, 0, 1), **dict(zip(self.options["amounts"], amounts, strict=True)))


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Nearest:
    """Raises InvalidInput where no quality is known. `seed` says which queries count and width are judged on."""
    check_learnable(data, inputs)
    names = known_amounts(data)
    vectors, scales = as_whole_numbers(inputs.embeddings)
    quality, means = _stored(data.quality), candidate_means(data.quality)
    on_progress(0, 1, "count and width of the neighbourhood")
    judged = np.sort(np.random.default_rng(seed).permutation(len(data))[:JUDGED])
    neighbours, width = pick(vectors, scales, quality, means, judged)
    on_progress(1, 1, "done")
    return Nearest(
        data.candidates,
        {
            "vectors": vectors,
            "scales": scales,
            "quality": quality,
            "amounts": np.stack([_stored(getattr(data, name)) for name in names]),
            "quality_means": means,
            "amount_means": np.stack([candidate_means(getattr(data, name)) for name in names]),
        },
        options={"neighbours": neighbours, "width": width, "amounts": list(names)},
    )


def _stored(matrix: Matrix) -> NDArray[np.float32]:
    return np.nan_to_num(matrix, nan=UNKNOWN).astype(np.float32)


def as_whole_numbers(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Rows as whole numbers, and what each row's must be multiplied by."""
    most = np.abs(embeddings).max(axis=1, initial=0.0).astype(np.float64)
    scales = np.where(most > 0, most, 1.0) / LEVELS
    return np.rint(embeddings / scales[:, None]).astype(np.int8), scales


def similarities(
    vectors: Whole, scales: NDArray[np.float64], others: Whole, other_scales: NDArray[np.float64]
) -> Matrix:
    """Cosines, rows × others."""
    products = np.zeros((len(vectors), len(others)))
    for start in range(0, vectors.shape[1], EXACT_DIMENSION):
        part = slice(start, start + EXACT_DIMENSION)
        products += vectors[:, part].astype(np.float32) @ others[:, part].astype(np.float32, copy=False).T
    return products * scales[:, None] * other_scales


def nearest(cosines: Matrix, count: int) -> tuple[NDArray[np.int64], Matrix]:
    """Places and cosines of the `count` most alike in each row, most alike first."""
    places = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(cosines, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)


def weights_of(cosines: Matrix, width: float) -> Matrix:
    weights: Matrix = np.exp((cosines - cosines[:, :1]) / width)
    return weights


def _weighted(weights: Matrix, outcomes: NDArray[np.float32], means: NDArray[np.float64]) -> Matrix:
    """`outcomes`: rows × neighbours × candidates."""
    counting = np.where(outcomes >= 0, weights[:, :, None], 0.0)
    total = (counting * outcomes).sum(axis=1) + PRIOR_NEIGHBOURS * means
    value: Matrix = total / (counting.sum(axis=1) + PRIOR_NEIGHBOURS)
    return value


def pick(
    vectors: NDArray[np.int8],
    scales: NDArray[np.float64],
    outcomes: NDArray[np.float32],
    means: NDArray[np.float64],
    judged: NDArray[np.int64],
) -> tuple[int, float]:
    """Count and width by which the judged queries' outcomes are likeliest, each left out of its own neighbours."""
    most = min(max(NEIGHBOURS), len(vectors) - 1)
    if len(judged) < LEAST_JUDGED:
        return NEIGHBOURS[1], WIDTHS[1]
    losses = dict.fromkeys([(count, width) for count in NEIGHBOURS for width in WIDTHS], 0.0)
    for rows in np.array_split(judged, -(-len(judged) // ROWS_AT_ONCE)):
        cosines = similarities(vectors[rows], scales[rows], vectors, scales)
        cosines[np.arange(len(rows)), rows] = -np.inf
        places, found = nearest(cosines, most)
        for count, width in losses:
            forecast = _weighted(weights_of(found[:, :count], width), outcomes[places[:, :count]], means)
            losses[count, width] += _log_loss(forecast, outcomes[rows])
    return min(losses, key=lambda each: losses[each])


def _log_loss(forecast: Matrix, outcomes: NDArray[np.float32]) -> float:
    sure = np.clip(forecast, SURELY, 1 - SURELY)
    loss = -outcomes * np.log(sure) - (1 - outcomes) * np.log(1 - sure)
    return float(loss[outcomes >= 0].sum())
