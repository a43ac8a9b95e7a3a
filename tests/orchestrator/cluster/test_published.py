"""Routers' files are read from the registry once, and taken from the object store by all others."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ObjectLostError

from orchestrator.cluster.links import ActorLink
from orchestrator.cluster.published import KEPT, ReceivedRouters
from orchestrator.cluster.scorers import RemotePredictor
from routing.artifacts import load
from storage.errors import RecordNotFound
from storage.registry import open_stores
from tests.orchestrator.cluster.actor_doubles import Reference
from tests.orchestrator.test_trained_routers import registered, router_files

FILES = {"manifest.json": b"{}"}


def kept(files: dict[str, bytes]) -> Reference:
    future: Future[Any] = Future()
    future.set_result(files)
    return Reference(future)


def lost() -> Reference:
    future: Future[Any] = Future()
    future.set_exception(ObjectLostError("01", None, ""))
    return Reference(future)


async def test_what_was_published_is_not_read_from_the_registry() -> None:
    stores, routers = await open_stores("memory:"), ReceivedRouters(None)
    routers.receive({"v1": kept(FILES)})
    assert await routers.files(stores, "v1") == FILES
    with pytest.raises(RecordNotFound):
        await routers.files(stores, "v2")


async def test_what_is_lost_or_was_never_published_is_read_from_the_registry(tmp_path: Path) -> None:
    stores, routers = await open_stores("memory:"), ReceivedRouters(None)
    files = router_files(tmp_path)
    await registered(stores, files, "shadow", id="v1")
    assert await routers.files(stores, "v1") == files
    routers.receive({"v1": lost()})
    assert await routers.files(stores, "v1") == files


async def test_only_the_newest_references_are_kept() -> None:
    stores, routers = await open_stores("memory:"), ReceivedRouters(None)
    routers.receive({f"v{number}": kept(FILES) for number in range(KEPT + 1)})
    assert await routers.files(stores, f"v{KEPT}") == FILES
    with pytest.raises(RecordNotFound):
        await routers.files(stores, "v0")


def test_with_a_scorer_forecasts_are_its_work_and_the_artefact_stays_itself(tmp_path: Path) -> None:
    router_files(tmp_path)
    artifact = load(tmp_path / "large-small0")
    assert ReceivedRouters(None).served("v1", artifact) is artifact
    served = ReceivedRouters(ActorLink("scores", None)).served("v1", artifact)
    assert isinstance(served.predictor, RemotePredictor)
    assert (served.sha256, served.manifest) == (artifact.sha256, artifact.manifest)
