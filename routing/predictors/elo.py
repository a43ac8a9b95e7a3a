"""One rating a candidate, from whom it beat on the same queries; the rating says its expected quality.

P(a beats b) = 1 / (1 + exp(r_b - r_a)) (Bradley and Terry, 1952; Elo's scale but for a factor), a tie is half a win
to each. Ratings are found by the minorisation of Hunter (2004), with one tie against an opponent of rating 0 as prior.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Inputs, Matrix
from routing.predictors.array_predictor import LengthPriced
from routing.predictors.costs import Amounts
from routing.predictors.means import candidate_means, check_learnable
from skills.progress import Progress

ROUNDS = 1000  # at most
STEADY = 1e-10  # change of a rating, below which they are found


class Elo(LengthPriced):
    """quality = level + slope · rating, the same for every query."""

    kind = "elo"
    shapes: ClassVar = {**LengthPriced.shapes, "ratings": ("candidates",), "line": (2,)}

    def quality(self, inputs: Inputs) -> Matrix:
        level, slope = self.weights["line"]
        return np.repeat((level + slope * self.weights["ratings"])[None, :], len(inputs), axis=0)


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Elo:
    """Raises InvalidInput where no quality is known. Nothing is random."""
    check_learnable(data, inputs)
    on_progress(0, 1, "ratings")
    ratings = bradley_terry(wins(data.quality))
    on_progress(1, 1, "done")
    weights = {"ratings": ratings, "line": _line(ratings, data.quality)}
    return Elo.priced(data.candidates, weights, Amounts.fit(data))


def wins(quality: Matrix) -> Matrix:
    """Candidates × candidates: how often the row did better than the column on a query both answered; ties half."""
    known = ~np.isnan(quality)
    won = np.zeros((quality.shape[1], quality.shape[1]))
    for place in range(quality.shape[1]):
        shared = known & known[:, [place]]
        mine = quality[:, [place]]
        won[place] = (shared & (mine > quality)).sum(axis=0) + 0.5 * (shared & (mine == quality)).sum(axis=0)
        won[place, place] = 0.0
    return won


def bradley_terry(won: Matrix) -> NDArray[np.float64]:
    """Ratings; 0 for who met nobody."""
    met = won + won.T
    total = won.sum(axis=1) + 0.5
    strengths = np.ones(len(won))
    for _ in range(ROUNDS):
        expected = (met / (strengths[:, None] + strengths[None, :])).sum(axis=1) + 1.0 / (strengths + 1.0)
        before, strengths = strengths, total / expected
        if np.abs(np.log(strengths / before)).max() < STEADY:
            break
    ratings: NDArray[np.float64] = np.log(strengths)
    return ratings


def _line(ratings: NDArray[np.float64], quality: Matrix) -> NDArray[np.float64]:
    """Level and slope by least squares over the candidates, each counted as often as its outcomes are known."""
    counts = (~np.isnan(quality)).sum(axis=0)
    means = candidate_means(quality)
    level, centre = np.average(means, weights=counts), np.average(ratings, weights=counts)
    variance = np.average((ratings - centre) ** 2, weights=counts)
    covariance = np.average((ratings - centre) * (means - level), weights=counts)
    slope = max(covariance / variance, 0.0) if variance > 0 else 0.0
    return np.array([level - slope * centre, slope])
