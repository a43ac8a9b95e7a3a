"""What replays are made with: the stores, fresh policies of the settings, and an encoder once one is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.candidates import candidates_in
from orchestrator.policies import made_policies, weights_in
from orchestrator.settings import Settings
from routing.base import Policy
from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.forecasts import Weights
from routing.policies.pheromone import TrailPolicy
from routing.registry import choose_encoder
from skills.encoder import Encoder
from storage.stores import Stores


@dataclass(frozen=True, kw_only=True)
class ReplayParts:
    """Policies and memories are new and empty each time.

    `encoder`: the one of this name, or where it cannot be had, the settings' one; raises EncoderUnavailable.
    """

    stores: Stores
    policies: Callable[[], dict[str, Policy]]
    memories: Callable[[], dict[str, TrailPolicy]]  # those of the policies that are memories of trails
    encoder: Callable[[str], CachedEncoder]
    weights: Weights  # of who says nothing else
    relearn_limit: int
    cache_dir: Path | None = None  # keeps vectors of texts there, where they outlive an erasure; None: nowhere


def parts_of(
    settings: Settings, stores: Stores, *, encoder: Encoder | None = None, keeps_vectors: bool = False
) -> ReplayParts:
    """`encoder`: the one that is open already; else the settings' one, opened when it is first needed."""
    candidates = candidates_in(settings)

    hashing = HashingEncoder()

    @cache
    def own() -> CachedEncoder:
        return CachedEncoder(encoder or choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder)

    def opened(name: str) -> CachedEncoder:
        return CachedEncoder(hashing) if name == hashing.name else own()

    def policies() -> dict[str, Policy]:
        return made_policies(settings, candidates.values())

    def memories() -> dict[str, TrailPolicy]:
        return {name: policy for name, policy in policies().items() if isinstance(policy, TrailPolicy)}

    return ReplayParts(
        stores=stores,
        policies=policies,
        memories=memories,
        encoder=opened,
        weights=weights_in(settings),
        relearn_limit=settings.relearn_limit,
        cache_dir=settings.cache_dir / "embeddings" if keeps_vectors else None,
    )
