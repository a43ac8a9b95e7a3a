"""AMRO-S as its paper prints it, as a baseline: trails of what passed the gate, by seconds and cost alone."""

from __future__ import annotations

from routing.pheromone.estimators import DEFAULT_BETA, GreedyTrail
from routing.pheromone.memory import PheromoneMemory
from routing.pheromone.trail_state import MemoryParts
from routing.pheromone.updates import PrintedRule
from routing.policies.exploration import DEFAULT_EXPLORATION
from routing.policies.pheromone import TrailPolicy

NAME = "amro_paper"
PRINTED_ALPHA = 1.0


class AmroPaper(TrailPolicy):
    """p ∝ τ^α η^β with `PrintedRule` (arXiv:2603.12933): no neighbours, no changes, no cap, nothing fades by the clock.

    Its trails do not tell a candidate that always succeeds from one that seldom does: prefer `pheromone`.
    """

    def __init__(
        self,
        *,
        alpha: float = PRINTED_ALPHA,
        beta: float = DEFAULT_BETA,
        exploration: float = DEFAULT_EXPLORATION,
    ) -> None:
        parts = MemoryParts(neighbours=False, changes=False, cap=False, restart_alpha=None)
        super().__init__(
            PheromoneMemory(NAME, rule=PrintedRule(), half_life_days=None, parts=parts),
            GreedyTrail(alpha=alpha, beta=beta),
            exploration=exploration,
        )
