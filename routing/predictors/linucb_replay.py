"""LinUCB that lived through the training queries once, seeing only what the candidate it picked did; then frozen.

θ_a = A_a⁻¹ b_a, score = θ_a·x + α √(x·A_a⁻¹·x) (Li et al., arXiv:1003.0146, algorithm 1), where x = [1, principal
coordinates of the embedding]. As it must serve every weighting, each query comes with a cost weight drawn from
`COST_WEIGHTS`; what is taken off is that times the candidate's mean cost over the mean of all costs, both as seen so
far. Only quality is regressed; a candidate not seen yet counts as free, so that each is tried.
The frozen estimates shrink to the mean of all that was seen rather than to zero, as forecasts must not be low where
little is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from routing.dataset import MEASURES, Dataset
from routing.forecasts import Inputs, Matrix
from routing.predictors.array_predictor import LengthPriced
from routing.predictors.costs import Amounts
from routing.predictors.means import check_learnable
from routing.predictors.principal import principal_axes, project
from skills.progress import Progress

AXES = 16
ALPHA = 0.5  # how much not knowing counts as hope
PENALTY = 1.0
COST_WEIGHTS = (0.0, 0.05, 0.2, 1.0)
TELL_EVERY = 500  # queries


class LinUCBReplay(LengthPriced):
    """quality = x·θ_a."""

    kind = "linucb"
    shapes: ClassVar = {
        **LengthPriced.shapes,
        "centre": ("dimension",),
        "axes": ("dimension", "coordinates"),
        "coordinate_weights": ("coordinates", "candidates"),
        "intercepts": ("candidates",),
    }

    def quality(self, inputs: Inputs) -> Matrix:
        own = self.weights
        x = features(inputs, own["centre"], own["axes"])
        quality: Matrix = x[:, 1:] @ own["coordinate_weights"] + own["intercepts"]
        return quality


def features(inputs: Inputs, centre: NDArray[np.float64], axes: NDArray[np.float64]) -> Matrix:
    """Queries × (1 + axes), rows about as long as one and a bit."""
    coordinates = project(inputs.embeddings, centre, axes) / np.sqrt(max(axes.shape[1], 1))
    return np.hstack([np.ones((len(inputs), 1)), coordinates])


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> LinUCBReplay:
    """Raises InvalidInput where no quality is known. `seed` orders the queries."""
    check_learnable(data, inputs)
    centre, axes = principal_axes(inputs.embeddings, AXES)
    contexts = features(inputs, centre, axes)
    thetas, is_picked = replay(contexts, data, np.random.default_rng(seed), on_progress)
    seen = replace(data, **_only(data, is_picked))
    weights = {"centre": centre, "axes": axes, "coordinate_weights": thetas[1:], "intercepts": thetas[0]}
    return LinUCBReplay.priced(data.candidates, weights, Amounts.fit(seen))


def _only(data: Dataset, cells: NDArray[np.bool_]) -> dict[str, Any]:
    """The data's measures with all other cells unknown."""
    return {name: np.where(cells, getattr(data, name), np.nan) for name in MEASURES}


def replay(
    contexts: Matrix, data: Dataset, rng: np.random.Generator, on_progress: Progress
) -> tuple[Matrix, NDArray[np.bool_]]:
    """θ (features × candidates), and which cells were seen. Only candidates with a known outcome can be picked."""
    arms = _Arms(len(data.candidates), contexts.shape[1])
    is_picked = np.zeros(data.quality.shape, dtype=bool)
    order = rng.permutation(len(data))
    for done, (row, cost_weight) in enumerate(zip(order, rng.choice(COST_WEIGHTS, size=len(data)), strict=True)):
        if done % TELL_EVERY == 0:
            on_progress(done, len(data), "replay")
        known = ~np.isnan(data.quality[row])
        if known.any():
            scores = arms.scores(contexts[row], float(cost_weight))
            arm = int(np.where(known, scores, -np.inf).argmax())
            arms.learn(arm, contexts[row], float(data.quality[row, arm]), float(data.cost_usd[row, arm]))
            is_picked[row, arm] = True
    on_progress(len(data), len(data), "replay")
    return arms.around(float(data.quality[is_picked].mean())).T.copy(), is_picked


class _Arms:
    """What LinUCB keeps of each arm."""

    def __init__(self, arms: int, size: int) -> None:
        self._thetas = np.zeros((arms, size))
        self._inverses = np.repeat(np.eye(size)[None] / PENALTY, arms, axis=0)
        self._sums = np.zeros((arms, size))
        self._costs, self._counts = np.zeros(arms), np.zeros(arms)

    def scores(self, x: NDArray[np.float64], cost_weight: float) -> NDArray[np.float64]:
        """One an arm; an arm never priced counts as free, so that it is tried."""
        width = np.sqrt(np.maximum((self._inverses @ x) @ x, 0.0))
        mean_cost = self._costs / np.maximum(self._counts, 1)
        unit = self._costs.sum() / max(self._counts.sum(), 1)
        price = cost_weight * mean_cost / unit if unit else 0.0
        scores: NDArray[np.float64] = self._thetas @ x + ALPHA * width - price
        return scores

    def learn(self, arm: int, x: NDArray[np.float64], quality: float, cost_usd: float) -> None:
        """`cost_usd` NaN: unknown."""
        reach = self._inverses[arm] @ x
        self._inverses[arm] -= np.outer(reach, reach) / (1.0 + reach @ x)
        self._sums[arm] += quality * x
        self._thetas[arm] = self._inverses[arm] @ self._sums[arm]
        if not np.isnan(cost_usd):
            self._costs[arm] += cost_usd
            self._counts[arm] += 1

    def around(self, mean: float) -> Matrix:
        """Arms × features: θ as it would be, had `mean` been taken off all rewards and put on the bias in the end."""
        return self._thetas + mean * PENALTY * self._inverses[:, :, 0]
