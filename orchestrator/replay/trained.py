"""Replays decisions of trained routers: artefact from the registry, text from the payload store, weights as stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.replay.again import replayed, seen_by
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import DecisionReplay
from orchestrator.replay.served import version_router
from orchestrator.replay.texts import SeenText, text_of
from routing.base import ACTIVE, ArmForecasts
from routing.errors import ArtifactRefused
from routing.forecasts import PREDICTOR_ERRORS, Inputs
from routing.learned import RouterForecasts
from routing.policies.graph_neural import UNKNOWN_ARM
from routing.router import TRAINED
from storage.errors import LogCorrupt, RecordNotFound
from storage.records import Decision


class TrainedReplay:
    """Loads each version once."""

    def __init__(self, parts: ReplayParts) -> None:
        self._parts = parts
        self._policy = parts.policies()[TRAINED]
        self._id_to_router: dict[str, RouterForecasts | str] = {}  # or why it is not to be had

    async def replay(self, found: DecisionReplay, decision: Decision, before: Decision | None) -> DecisionReplay:
        unknown = sorted(a.candidate_id for a in decision.assessments if UNKNOWN_ARM in a.contributions)
        if unknown:
            words = f"the router does not know {unknown[0]!r}; that score is the table's, whose state is not logged"
            return replace(found, reason=words)
        seen = await text_of(self._parts, decision)
        if seen.lack:
            return replace(found, reason=seen.lack)
        forecast = await self.forecast(decision.policy_version, decision.policy_sha256, decision, seen)
        if isinstance(forecast, str):
            return replace(found, reason=forecast)
        context = replace(seen_by(decision), forecasts={ACTIVE: forecast}, embedding=seen.vector)
        return replayed(found, self._policy, decision, context, before=before)

    async def forecast(self, version_id: str, sha256: str, decision: Decision, seen: SeenText) -> ArmForecasts | str:
        """What this version expects for the text; or why that cannot be told. An empty `sha256`: whichever it has."""
        router = await self._router(version_id, sha256, decision.encoder)
        if isinstance(router, str) or seen.text is None or seen.vector is None:
            return router if isinstance(router, str) else seen.lack
        inputs = Inputs(texts=(seen.text,), embeddings=seen.vector[None, :], tasks=(None,))
        try:
            [row] = await asyncio.to_thread(router.forecasts, inputs)
        except PREDICTOR_ERRORS as error:
            return f"router {version_id!r} cannot forecast for this text: {error!r}"
        return row if row is not None else f"router {version_id!r} forecasts a NaN or a number too large for this text"

    async def _router(self, version_id: str, sha256: str, encoder: str) -> RouterForecasts | str:
        if version_id not in self._id_to_router:
            self._id_to_router[version_id] = await self._loaded(version_id, sha256, encoder)
        return self._id_to_router[version_id]

    async def _loaded(self, version_id: str, sha256: str, encoder: str) -> RouterForecasts | str:
        try:
            router = await version_router(self._parts.stores, version_id, encoder=encoder)
        except (ArtifactRefused, LogCorrupt, RecordNotFound) as error:
            return f"the artefact of router {version_id!r} is not to be had: {error}"
        if sha256 not in ("", router.artifact.sha256):
            return f"router {version_id!r} has the artefact {router.artifact.sha256[:12]}, not {sha256[:12]}"
        return RouterForecasts(router)
