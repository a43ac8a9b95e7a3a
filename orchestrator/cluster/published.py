"""Trained routers on their way to the workers: read from the registry once, then taken from Ray's object store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from orchestrator.cluster.links import ActorLink
from orchestrator.cluster.scorers import RemotePredictor
from routing.artifacts import Artifact
from storage.stores import Stores

KEPT = 4  # versions

log = logging.getLogger("antroute.cluster")


class PublishedRouters:
    """The gateway's side: puts the bytes of every version that serves into the object store, once."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.references: dict[str, Any] = {}  # version to Ray's reference to its files, the newest last

    async def look(self) -> dict[str, Any]:
        """What was not published before. Raises StorageUnavailable, LogCorrupt."""
        import ray

        serving = await self._stores.policy_versions.serving()
        fresh: dict[str, Any] = {}
        for version_id in (serving.active_id, serving.shadow_id):
            if version_id is not None and version_id not in self.references:
                files = dict(await self._stores.policy_versions.artifact(version_id))
                fresh[version_id] = self.references[version_id] = await asyncio.to_thread(ray.put, files)
        while len(self.references) > KEPT:
            del self.references[next(iter(self.references))]
        return fresh


class ReceivedRouters:
    """A worker's side: a `RouterSource`. `scorer`: the actor that forecasts for all; None: each does it itself."""

    def __init__(self, scorer: ActorLink | None) -> None:
        self._scorer = scorer
        self._references: dict[str, Any] = {}

    def receive(self, references: Mapping[str, Any]) -> None:
        self._references.update(references)
        while len(self._references) > KEPT:
            del self._references[next(iter(self._references))]

    async def files(self, stores: Stores, version_id: str) -> Mapping[str, bytes]:
        """From the object store; where it is not there, from the registry. Raises as the registry does."""
        from ray.exceptions import RayError

        reference = self._references.get(version_id)
        if reference is not None:
            try:
                files: Mapping[str, bytes] = await asyncio.wrap_future(reference.future())
            except RayError as exc:
                log.warning("Router %s is read from the registry: %s", version_id, type(exc).__name__)
            else:
                return files
        return await stores.policy_versions.artifact(version_id)

    def served(self, version_id: str, artifact: Artifact) -> Artifact:
        """With forecasts by the scorer, where there is one."""
        if self._scorer is None:
            return artifact
        return Artifact(
            predictor=RemotePredictor(self._scorer, version_id, artifact.predictor),
            manifest=artifact.manifest,
            sha256=artifact.sha256,
            memory=artifact.memory,
        )
