"""The policies of the settings, and those among them that are memories of trails, each with a maker of empty ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from orchestrator.rewards import USUAL_CALL
from orchestrator.settings import Settings
from routing.base import Policy
from routing.forecasts import Weights
from routing.pheromone.base import TrailMemory
from routing.registry import POLICIES, make_policy
from routing.router import TRAINED
from storage.records import Candidate

Fresh = Callable[[], TrailMemory]


def made_policies(settings: Settings, candidates: Iterable[Candidate]) -> dict[str, Policy]:
    """One of each policy in the registry, by name."""
    options = _options(settings, candidates)
    return {name: make_policy(name, **options.get(name, {})) for name in POLICIES}


def trail_memories(
    policies: Mapping[str, Policy], settings: Settings, candidates: Iterable[Candidate]
) -> list[tuple[TrailMemory, Fresh]]:
    """Those of the policies that are memories, each once, with what makes an empty one of the same settings."""
    options = _options(settings, candidates)
    found: dict[str, tuple[TrailMemory, Fresh]] = {}
    for name, policy in policies.items():
        if isinstance(policy, TrailMemory):
            found.setdefault(policy.name, (policy, _maker(name, options.get(name, {}))))
    return list(found.values())


def weights_in(settings: Settings) -> Weights:
    """What a caller who says nothing else wants."""
    if settings.weights is None:
        return Weights(quality=1.0, cost=settings.reward.cost_weight)
    return Weights(**settings.weights.model_dump())


def _maker(name: str, options: Mapping[str, object]) -> Fresh:
    def fresh() -> TrailMemory:
        return cast(TrailMemory, make_policy(name, **options))

    return fresh


def _options(settings: Settings, candidates: Iterable[Candidate]) -> dict[str, dict[str, object]]:
    """Policy to the options of its constructor."""
    prices = {candidate.id: float(candidate.card.cost_usd(USUAL_CALL)) for candidate in candidates}
    weights = weights_in(settings)
    return {
        "cheapest": {"arm_to_price_usd": prices},
        "lints": {"energy_weight": settings.reward.energy_weight},
        "linucb": {"energy_weight": settings.reward.energy_weight},
        "pheromone": {**settings.memory.model_dump(), "weights": weights},
        TRAINED: {"weights": weights},
    }
