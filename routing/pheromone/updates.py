"""How a lesson changes a trail: the bounded rule that failures count in, the rule as AMRO-S prints it, and restarts."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from routing.base import Vector
from storage.trail_records import TrailEvent

TAU_MAX = 1.0
TAU_START = 0.5
DEFAULT_RATE = 0.05  # ρ
LEAST_ENTROPY = 0.1  # of H(p) / log n: below it choices count as all the same
RESTART_WINDOW = 100  # lessons of a row in a run with choices all the same, before it is set back
GATE_QUALITY = 0.5  # AMRO-S's gate opens from here
GREATEST_DEPOSIT = 1e3  # Q / (f + ε) of a call that was free and took no time


class UpdateRule(Protocol):
    """A lesson's effect on one trail."""

    def __call__(self, tau: float, event: TrailEvent, *, weight: float, count: int) -> float:
        """The new trail. `weight`: of this task type in the lesson; `count`: of candidates that have trails here."""
        ...


class BoundedUtility:
    """τ ← clip((1 - ρw) τ + ρw u, τ_min, τ_max), τ_min = τ_max / (2n) (bounds: Stützle and Hoos, MMAS, 2000).

    Its fixed point is the mean utility, so that a failure weakens a trail.
    """

    def __init__(self, rate: float = DEFAULT_RATE) -> None:
        self.rate = rate

    def __call__(self, tau: float, event: TrailEvent, *, weight: float, count: int) -> float:
        rate = min(self.rate * weight, 1.0)
        return min(max((1.0 - rate) * tau + rate * event.utility, least_tau(count)), TAU_MAX)


class PrintedRule:
    """g = 1: τ ← (1 - ρ) τ + w Q / (f + ε), f = seconds + cost; g = 0: nothing (AMRO-S, arXiv:2603.12933, as printed).

    Only what passes the gate is booked, so that the fixed point w Q / (ρ (f + ε)) does not depend on how often a
    candidate succeeds. A baseline, kept for comparison.
    """

    def __init__(self, rate: float = DEFAULT_RATE, *, amount: float = DEFAULT_RATE, epsilon: float = 0.05) -> None:
        """`amount`: Q; with Q = ρ the fixed point is w / (f + ε)."""
        self.rate, self.amount, self.epsilon = rate, amount, epsilon

    def __call__(self, tau: float, event: TrailEvent, *, weight: float, count: int) -> float:
        if event.quality is None or event.quality < GATE_QUALITY:
            return tau
        deposit = self.amount / (event.latency_seconds + event.cost_usd + self.epsilon)
        return (1.0 - self.rate) * tau + weight * min(deposit, GREATEST_DEPOSIT)


def least_tau(count: int) -> float:
    """τ_max / (2n) for n candidates."""
    return TAU_MAX / (2.0 * max(count, 2))


def relative_entropy(tau: Vector, *, alpha: float) -> float:
    """H(p) / log n of p ∝ τ^α; 1 for fewer than two trails."""
    if len(tau) < 2:
        return 1.0
    powers = np.exp(alpha * (np.log(tau) - np.log(tau.max())))
    p = powers / powers.sum()
    entropy = -float(np.sum(p * np.log(np.maximum(p, 1e-300))))
    return entropy / float(np.log(len(tau)))
