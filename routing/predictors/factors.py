"""Matrix factorisation: a query's factors come from its embedding, and meet each candidate's vector (RouteLLM).

quality = mean_c + (e·W + b)·v_c, the bilinear form of Ong et al., arXiv:2406.18665, section 4.2, in closed form: the
v_c are the right singular vectors of the centred quality matrix, holes filled in turn by its low-rank approximation;
W is a ridge regression from embeddings to the queries' factors.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Inputs, Matrix
from routing.predictors.array_predictor import LengthPriced
from routing.predictors.costs import Amounts
from routing.predictors.least_squares import fit_ridge
from routing.predictors.means import candidate_means, check_learnable
from skills.progress import Progress

RANK = 8  # at most; more add nothing to what an embedding can tell
ROUNDS = 20  # of filling holes


class Factors(LengthPriced):
    """Queries and candidates as vectors of few factors."""

    kind = "mf"
    shapes: ClassVar = {
        **LengthPriced.shapes,
        "query_weights": ("dimension", "rank"),
        "query_intercepts": ("rank",),
        "candidate_factors": ("rank", "candidates"),
        "means": ("candidates",),
    }

    def quality(self, inputs: Inputs) -> Matrix:
        own = self.weights
        factors = inputs.embeddings.astype(np.float64) @ own["query_weights"] + own["query_intercepts"]
        quality: Matrix = factors @ own["candidate_factors"] + own["means"]
        return quality


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Factors:
    """Raises InvalidInput where no quality is known. Nothing is random."""
    check_learnable(data, inputs)
    means = candidate_means(data.quality)
    on_progress(0, 2, "factors")
    vectors = candidate_factors(data.quality - means)
    known = ~np.isnan(data.quality)
    filled = _filled(data.quality - means, vectors)
    on_progress(1, 2, "queries")
    scores = np.where(known.any(axis=1, keepdims=True), filled @ vectors.T, np.nan)
    queries = fit_ridge(inputs.embeddings.astype(np.float64), scores)
    on_progress(2, 2, "done")
    weights = {
        "query_weights": queries.weights,
        "query_intercepts": queries.intercepts,
        "candidate_factors": vectors,
        "means": means,
    }
    return Factors.priced(data.candidates, weights, Amounts.fit(data))


def candidate_factors(centred: Matrix) -> NDArray[np.float64]:
    """Rank × candidates, rows of length one; holes start at zero, the candidate's mean."""
    filled = np.nan_to_num(centred, nan=0.0)
    rank = min(RANK, centred.shape[1])
    vectors = _right_vectors(filled, rank)
    for _ in range(ROUNDS if np.isnan(centred).any() else 0):
        vectors = _right_vectors(_filled(centred, vectors), rank)
    return vectors


def _filled(centred: Matrix, vectors: NDArray[np.float64]) -> Matrix:
    """Holes by what the row's known cells say of its factors, by ridge with penalty one."""
    known = ~np.isnan(centred)
    rows = np.where(known, centred, 0.0)
    gram = np.einsum("nc,rc,sc->nrs", known.astype(np.float64), vectors, vectors, optimize=True)
    scores = np.linalg.solve(gram + np.eye(len(vectors)), (rows @ vectors.T)[:, :, None])[:, :, 0]
    return np.where(known, centred, scores @ vectors)


def _right_vectors(filled: Matrix, rank: int) -> NDArray[np.float64]:
    """By the eigenvectors of candidates × candidates; each row's largest entry is positive."""
    _, axes = np.linalg.eigh(filled.T @ filled)
    rows = axes[:, ::-1][:, :rank].T
    signs: NDArray[np.float64] = np.sign(np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1))
    return rows * signs
