"""From what the memory knows to scores and preferences: follow the trail, the chance of being best, or optimism."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

import numpy as np

from routing.base import Vector
from routing.chances import chances_of_best, share_of_best
from routing.pheromone.trail_state import View
from storage.errors import InvalidInput

DEFAULT_WIDTH = 0.3  # σ of the posterior: narrower settles sooner and is moved more by false feedback
DEFAULT_OPTIMISM = 0.35  # standard deviations
DEFAULT_ALPHA = 8.0  # exponent of the trail: bounded trails differ by a few tenths
DEFAULT_BETA = 1.0  # exponent of the heuristic
LEAST_HEURISTIC = 0.01
LEAST_TRAIL = 1e-12

Parts = list[dict[str, float]]  # one an arm: named contributions whose sum is its score


class Estimator(Protocol):
    """How a policy reads the memory."""

    def contributions(self, view: View, *, expected: Vector, taken_off: Sequence[Mapping[str, float]]) -> Parts:
        """`expected` (arms,): before anything was seen; `taken_off`: an arm's penalties for how it is just now."""
        ...

    def preferred(self, scores: Vector, view: View) -> Vector:
        """(arms,) probabilities before the floor."""
        ...


@dataclass(frozen=True, kw_only=True)
class GreedyTrail:
    """p ∝ τ^α η^β (ant system: Dorigo, Maniezzo and Colorni, 1996); η: what is expected, less the penalties.

    The score is α log τ + β log η.
    """

    alpha: float = DEFAULT_ALPHA
    beta: float = DEFAULT_BETA

    def contributions(self, view: View, *, expected: Vector, taken_off: Sequence[Mapping[str, float]]) -> Parts:
        eta = np.maximum(expected + [sum(off.values()) for off in taken_off], LEAST_HEURISTIC)
        trail = self.alpha * np.log(np.maximum(view.cells.tau, LEAST_TRAIL))
        heuristic = self.beta * np.log(eta)
        return [{"trail": t, "heuristic": h} for t, h in zip(trail.tolist(), heuristic.tolist(), strict=True)]

    def preferred(self, scores: Vector, view: View) -> Vector:
        if len(scores) == 0:
            return scores
        powers = np.exp(scores - scores.max())
        shares: Vector = powers / powers.sum()
        return shares


@dataclass(frozen=True, kw_only=True)
class Probable:
    """p_a = P(a is the best) of independent posteriors N(m'_a, σ² v'_a), by quadrature: Thompson sampling, whose
    probabilities are the same when asked twice. The score is m'.
    """

    width: float = DEFAULT_WIDTH

    def contributions(self, view: View, *, expected: Vector, taken_off: Sequence[Mapping[str, float]]) -> Parts:
        return [{**means, **off} for means, off in zip(_means(view), taken_off, strict=True)]

    def preferred(self, scores: Vector, view: View) -> Vector:
        return chances_of_best(scores, self.width * np.sqrt(view.variance))


@dataclass(frozen=True, kw_only=True)
class Optimistic:
    """All to the greatest m' + c √v' (Auer, Cesa-Bianchi and Fischer, 2002, with v' in the place of log t / n)."""

    optimism: float = DEFAULT_OPTIMISM

    def contributions(self, view: View, *, expected: Vector, taken_off: Sequence[Mapping[str, float]]) -> Parts:
        bonuses = (self.optimism * np.sqrt(view.variance)).tolist()
        return [
            {**means, "exploration_bonus": bonus, **off}
            for means, bonus, off in zip(_means(view), bonuses, taken_off, strict=True)
        ]

    def preferred(self, scores: Vector, view: View) -> Vector:
        return share_of_best(scores.tolist())


ESTIMATORS: Mapping[str, Callable[..., Estimator]] = {
    "greedy_trail": GreedyTrail,
    "thompson": Probable,
    "ucb": Optimistic,
}


def make_estimator(name: str, **options: float) -> Estimator:
    """The estimator of this name. Raises InvalidInput for an unknown one."""
    if name not in ESTIMATORS:
        nearest = get_close_matches(name, list(ESTIMATORS), n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise InvalidInput(f"No estimator {name!r}; {hint}known: {', '.join(ESTIMATORS)}.", field="estimator")
    return ESTIMATORS[name](**options)


def _means(view: View) -> Parts:
    cells = view.cells
    adjusted, nearby = (cells.mean - cells.overall).tolist(), (view.mean - cells.mean).tolist()
    return [
        {"overall_mean": overall, "task_adjustment": adjustment, "neighbours": near}
        for overall, adjustment, near in zip(cells.overall.tolist(), adjusted, nearby, strict=True)
    ]
