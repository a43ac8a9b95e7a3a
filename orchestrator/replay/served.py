"""Trained routers out of the registry or a folder, ready to forecast for stored queries."""

from __future__ import annotations

import asyncio
from pathlib import Path

from orchestrator.router_watch import LoadedRouter
from routing.artifacts import load, loads, read_manifest
from storage.stores import Stores


async def encoder_of_version(stores: Stores, version_id: str) -> str:
    """Name of the encoder that it was trained with. Raises RecordNotFound; InvalidInput where several begin so."""
    return (await stores.policy_versions.get(version_id)).encoder


async def encoder_of_folder(folder: Path) -> str:
    """Name of the encoder that it was trained with. Raises ArtifactRefused."""
    manifest, _ = await asyncio.to_thread(read_manifest, folder)
    return manifest.encoder


async def version_router(stores: Stores, version_id: str, *, encoder: str) -> LoadedRouter:
    """Of the registry. Raises RecordNotFound, LogCorrupt, and ArtifactRefused, also for another encoder."""
    version = await stores.policy_versions.get(version_id)
    files = await stores.policy_versions.artifact(version.id)
    artifact = await asyncio.to_thread(loads, files, encoder=encoder, where=version.id)
    return LoadedRouter(version_id=version.id, artifact=artifact)


async def folder_router(folder: Path, *, encoder: str) -> LoadedRouter:
    """As `antroute train` leaves it. Raises ArtifactRefused, also for another encoder."""
    artifact = await asyncio.to_thread(load, folder, encoder=encoder)
    return LoadedRouter(version_id=artifact.sha256[:12], artifact=artifact)
