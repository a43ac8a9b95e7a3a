"""A linear softmax policy in numpy: logits, sampling, and the gradient of a weighted log-likelihood, with Adam."""

from __future__ import annotations

import numpy as np

from routing.steps.journey import Bools, Floats, Ints, View


def surroundings(view: View) -> Floats:
    """B × D: what is known beside the running candidate: 1, the text, λ on a curve, what remains."""
    t = np.log(view.weight + 0.05)[:, None] / 1.5
    left = np.minimum(view.remaining, 2.0)
    limit = np.stack([left, np.log(left + 0.01), view.remaining < 4.0], axis=1)
    return np.concatenate([np.ones((len(view), 1)), view.texts, t, t * t - 1.0, limit], axis=1)


def running_inputs(view: View) -> Floats:
    """B × D: the surroundings, the running candidate's signals, also by λ, and who was tried."""
    rows = np.arange(len(view))
    signals = view.signals[rows, np.maximum(view.current, 0)] * (view.current >= 0)[:, None]
    around = surroundings(view)
    t = around[:, [1 + view.texts.shape[1]]]
    return np.concatenate([around, signals, signals * t, (view.seen > 0).astype(np.float64)], axis=1)


def logits_of(weights: Floats, group: Ints, inputs: Floats) -> Floats:
    """weights: G × D × A, one matrix a group; group: B; inputs: B × D → B × A."""
    if len(group) == 1:
        found: Floats = inputs @ weights[group[0]]
        return found
    out = np.zeros((len(group), weights.shape[2]))
    for each in np.unique(group):
        rows = group == each
        out[rows] = inputs[rows] @ weights[each]
    return out


def probabilities(logits: Floats, allowed: Bools) -> Floats:
    """Softmax over the allowed actions."""
    masked = np.where(allowed, logits, -np.inf)
    odds = np.exp(masked - masked.max(axis=1, keepdims=True))
    found: Floats = odds / odds.sum(axis=1, keepdims=True)
    return found


def sampled(chances: Floats, rng: np.random.Generator) -> Ints:
    """One action a row."""
    drawn = rng.random((len(chances), 1))
    place: Ints = np.minimum((np.cumsum(chances, axis=1) < drawn).sum(axis=1), chances.shape[1] - 1)
    return place


def log_gradient(group: Ints, inputs: Floats, errors: Floats, shape: tuple[int, ...]) -> Floats:
    """Σ over rows of inputs ⊗ errors, by group. `errors`: B × A, the gradient with respect to the logits."""
    gradient = np.zeros(shape)
    for each in np.unique(group):
        rows = group == each
        gradient[each] = inputs[rows].T @ errors[rows]
    return gradient


class Adam:
    """Kingma and Ba (2015), climbing; `decay`: pulls the weights toward zero (Loshchilov and Hutter, 2019)."""

    def __init__(self, shape: tuple[int, ...], *, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay
        self._mean, self._square, self._count = np.zeros(shape), np.zeros(shape), 0

    def step(self, weights: Floats, gradient: Floats, *, share: float = 1.0) -> Floats:
        """The weights after one step; `share`: of the rate."""
        self._count += 1
        self._mean = 0.9 * self._mean + 0.1 * gradient
        self._square = 0.999 * self._square + 0.001 * gradient**2
        mean = self._mean / (1 - 0.9**self._count)
        size = np.sqrt(self._square / (1 - 0.999**self._count)) + 1e-8
        rate = self.rate * share
        found: Floats = weights * (1 - rate * self.decay) + rate * mean / size
        return found
