"""The gate, the cover and the log of what operators do with trained routers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.errors import PromotionRefused
from orchestrator.routers import Routers, finite
from routing.artifacts import WEIGHTS_FILE, load, loads
from routing.encoders.hashing import HashingEncoder
from routing.errors import ArtifactRefused
from storage.audit import verify
from storage.errors import InvalidInput, VersionConflict
from storage.registry import open_stores
from storage.stores import Stores
from tests.orchestrator.trained_folders import FAILED, SERVED, a_trained_folder


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    yield stores
    await stores.close()


@pytest.fixture
def routers(stores: Stores) -> Routers:
    return Routers(stores, candidates=SERVED, encoder_name=HashingEncoder().name)


async def test_registered_router_tells_of_itself_and_comes_back_from_the_store(
    routers: Routers, stores: Stores, tmp_path: Path
) -> None:
    folder = a_trained_folder(tmp_path / "morning")
    change = await routers.register(folder)
    version, artifact = change.version, load(folder)
    assert change.notices == ()
    assert (version.id, version.name) == (f"router_{artifact.sha256[:16]}", "morning")
    assert (version.predictor, version.state, version.candidates) == ("best_single", "candidate", SERVED)
    assert version.metrics["text_only"]["utility_area"] == 0.61
    assert (await routers.register(folder, name="evening")).version == version
    kept = loads(await stores.policy_versions.artifact(version.id))
    assert (kept.sha256, kept.manifest) == (artifact.sha256, artifact.manifest)
    assert await routers.list() == [version]


async def test_router_that_passed_its_gate_is_promoted_and_the_former_one_retired(
    routers: Routers, tmp_path: Path
) -> None:
    first = (await routers.register(a_trained_folder(tmp_path / "first"))).version
    second = (await routers.register(a_trained_folder(tmp_path / "second", seed=1))).version
    await routers.promote(first.id, reason="the first")
    change = await routers.promote(second.id.removeprefix("router_"), reason="better")
    assert (change.version.id, change.version.state, change.notices) == (second.id, "active", ())
    assert [version.state for version in await routers.list()] == ["active", "retired"]
    history = await routers.show(first.id)
    assert [(move.from_state, move.to_state) for move in history.moves] == [
        ("candidate", "active"),
        ("active", "retired"),
    ]
    back = await routers.rollback(reason="worse after all")
    assert (back.version.id, back.version.state) == (first.id, "active")


async def test_router_that_failed_its_gate_is_refused_with_the_figures(routers: Routers, tmp_path: Path) -> None:
    version = (await routers.register(a_trained_folder(tmp_path / "weak", gate=FAILED))).version
    with pytest.raises(PromotionRefused, match=r"-0\.0042 against knn") as refused:
        await routers.promote(version.id)
    assert "--force" in refused.value.hint
    assert (await routers.show(version.id)).version.state == "candidate"


@pytest.mark.parametrize("gate", [None, {"is_passed": "yes"}, {"is_passed": False, "rivals": {"knn": -0.5}}])
async def test_router_without_a_gate_that_says_passed_is_refused(
    routers: Routers, tmp_path: Path, gate: dict[str, object] | None
) -> None:
    version = (await routers.register(a_trained_folder(tmp_path / "weak", gate=gate))).version
    with pytest.raises(PromotionRefused, match="never compared" if gate is None else "is_passed"):
        await routers.promote(version.id)


async def test_force_needs_a_reason_and_is_logged_as_such(routers: Routers, stores: Stores, tmp_path: Path) -> None:
    version = (await routers.register(a_trained_folder(tmp_path / "weak", gate=FAILED))).version
    for reason in ("", "  "):
        with pytest.raises(InvalidInput, match="needs a reason"):
            await routers.promote(version.id, force=True, reason=reason)
    change = await routers.promote(version.id, force=True, reason="only for the demo")
    assert "forced past its gate. Not passed" in change.notices[0]
    [move] = (await routers.show(version.id)).moves
    assert (move.is_forced, move.reason) == (True, "only for the demo")
    assert '"is_forced":true' in (await stores.audit.events())[-1].canonical
    assert (await verify(stores)).is_whole


async def test_force_of_a_router_that_passed_is_no_forced_move(routers: Routers, tmp_path: Path) -> None:
    version = (await routers.register(a_trained_folder(tmp_path / "good"))).version
    await routers.promote(version.id, force=True, reason="to be sure")
    assert not (await routers.show(version.id)).moves[0].is_forced


async def test_router_that_knows_no_candidate_of_the_service_is_refused(
    routers: Routers, stores: Stores, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactRefused, match=r"none of the service's candidates \(large, small\); it knows: a, b"):
        await routers.register(a_trained_folder(tmp_path / "foreign", ["a", "b"]))
    elsewhere = Routers(stores, candidates=["a"])
    version = (await elsewhere.register(tmp_path / "foreign")).version
    for move in (routers.promote, routers.shadow):
        with pytest.raises(ArtifactRefused, match="none of the service's candidates"):
            await move(version.id)


async def test_candidates_that_the_router_does_not_know_are_told(stores: Stores, tmp_path: Path) -> None:
    routers = Routers(stores, candidates=["large", "newest"])
    change = await routers.register(a_trained_folder(tmp_path / "router"))
    assert "does not know 1 of the service's 2 candidates: newest" in change.notices[0]
    assert (await routers.promote(change.version.id)).notices == change.notices


async def test_router_of_another_encoder_may_be_kept_but_not_serve(
    routers: Routers, stores: Stores, tmp_path: Path
) -> None:
    folder = a_trained_folder(tmp_path / "router", encoder="minilm-9")
    version = (await routers.register(folder)).version
    for move in (routers.promote, routers.shadow):
        with pytest.raises(ArtifactRefused, match="encoder 'minilm-9'; the service has 'hashing"):
            await move(version.id)
    assert (await Routers(stores, candidates=SERVED).shadow(version.id)).version.state == "shadow"


async def test_changed_artefact_is_not_registered(routers: Routers, tmp_path: Path) -> None:
    folder = a_trained_folder(tmp_path / "router")
    (folder / WEIGHTS_FILE).write_bytes(b"something else")
    with pytest.raises(ArtifactRefused, match="SHA-256"):
        await routers.register(folder)
    with pytest.raises(ArtifactRefused, match=r"manifest\.json.* cannot be read"):
        await routers.register(tmp_path / "nothing")
    assert await routers.list() == []


async def test_adapted_router_names_its_parent(routers: Routers, tmp_path: Path) -> None:
    parent = (await routers.register(a_trained_folder(tmp_path / "parent"))).version
    child = a_trained_folder(tmp_path / "child", seed=1, parent_sha256=parent.artifact_sha256)
    assert (await routers.register(child)).version.parent_id == parent.id


async def test_retiring_the_active_router_leaves_the_table(routers: Routers, tmp_path: Path) -> None:
    version = (await routers.register(a_trained_folder(tmp_path / "router"))).version
    await routers.promote(version.id)
    change = await routers.retire(version.id, reason="too dear")
    assert (change.version.state, change.notices) == ("retired", ("no trained router is active: the table chooses",))
    with pytest.raises(VersionConflict, match="retired already"):
        await routers.retire(version.id)


def test_figures_that_the_data_did_not_allow_become_none() -> None:
    assert finite({"a": [float("nan"), 1.5], "b": {"c": float("inf"), "d": True}, "e": "text"}) == {
        "a": [None, 1.5],
        "b": {"c": None, "d": True},
        "e": "text",
    }
