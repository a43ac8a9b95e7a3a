"""The watch loads what serves, tells of changes once, and survives what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.router_watch import LoadedRouters, RouterWatch
from orchestrator.routers import Routers
from routing.encoders.hashing import HashingEncoder
from storage.errors import StorageUnavailable
from storage.registry import open_stores
from storage.stores import PolicyVersionStore, Stores
from storage.version_records import ServingVersions
from tests.orchestrator.trained_folders import SERVED, a_trained_folder

ENCODER = HashingEncoder().name


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    stores = await open_stores("memory:")
    yield stores
    await stores.close()


async def kept(stores: Stores, folder: Path, **more: object) -> str:
    change = await Routers(stores, candidates=SERVED).register(a_trained_folder(folder, **more))  # type: ignore[arg-type]  # checked by use
    return change.version.id


async def test_first_look_tells_that_nobody_serves(stores: Stores) -> None:
    told: list[LoadedRouters] = []
    watch = RouterWatch(stores, encoder_name=ENCODER, on_change=told.append)
    await watch.check()
    await watch.check()
    assert told == [LoadedRouters()]


async def test_changes_are_loaded_and_told_once(stores: Stores, tmp_path: Path) -> None:
    first, second = await kept(stores, tmp_path / "1"), await kept(stores, tmp_path / "2", seed=1)
    told: list[LoadedRouters] = []
    watch = RouterWatch(stores, encoder_name=ENCODER, on_change=told.append)
    await stores.policy_versions.move(first, "active", reason="")
    await watch.check()
    await stores.policy_versions.move(second, "shadow", reason="")
    await watch.check()
    await watch.check()
    assert len(told) == 2
    assert told[0].active is not None
    assert (told[0].active.version_id, told[0].active.artifact.predictor.candidates) == (first, SERVED)
    assert told[0].shadow is None
    assert told[1].active is told[0].active  # it was not loaded again
    assert told[1].shadow is not None
    assert told[1].shadow.version_id == second
    await stores.policy_versions.move(second, "active", reason="")
    await watch.check()
    assert (told[2].active, told[2].shadow) == (told[1].shadow, None)


async def test_router_that_cannot_serve_is_none_and_says_why(stores: Stores, tmp_path: Path) -> None:
    active = await kept(stores, tmp_path / "1", encoder="minilm-9")
    shadow = await kept(stores, tmp_path / "2", seed=1)
    await stores.policy_versions.move(active, "active", reason="")
    await stores.policy_versions.move(shadow, "shadow", reason="")
    told: list[LoadedRouters] = []
    await RouterWatch(stores, encoder_name=ENCODER, on_change=told.append).check()
    assert told[0].active is None
    assert told[0].is_refused
    assert told[0].shadow is not None
    assert f"the active router {active} cannot serve" in told[0].notices[0]
    assert "'minilm-9'" in told[0].notices[0]


async def test_watch_sees_a_change_by_itself_and_stops(stores: Stores, tmp_path: Path) -> None:
    version_id = await kept(stores, tmp_path / "1")
    is_told = asyncio.Event()

    def tell(loaded: LoadedRouters) -> None:
        if loaded.active is not None:
            is_told.set()

    watch = RouterWatch(stores, encoder_name=ENCODER, on_change=tell, seconds=0.001)
    await watch.check()
    watch.start()
    await stores.policy_versions.move(version_id, "active", reason="")
    await asyncio.wait_for(is_told.wait(), 10)
    await watch.stop()
    is_told.clear()
    await stores.policy_versions.move(version_id, "retired", reason="")
    await watch.stop()  # once more harms nothing
    assert not is_told.is_set()


class FailingVersions:
    """Serves nobody, but fails the first time."""

    def __init__(self) -> None:
        self.looks = 0

    async def serving(self) -> ServingVersions:
        self.looks += 1
        if self.looks == 1:
            raise StorageUnavailable("The database is away.")
        return ServingVersions()


async def test_look_that_failed_is_made_again(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    is_told = asyncio.Event()
    failing: PolicyVersionStore = FailingVersions()  # type: ignore[assignment]  # a double of the one method
    stores = replace(stores, policy_versions=failing)
    watch = RouterWatch(stores, encoder_name=ENCODER, on_change=lambda loaded: is_told.set(), seconds=0.001)
    watch.start()
    await asyncio.wait_for(is_told.wait(), 10)
    await watch.stop()
    assert "could not be looked up: The database is away." in caplog.text
