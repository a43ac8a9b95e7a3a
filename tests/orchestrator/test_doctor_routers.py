"""What the doctor says of trained routers: which serves, since when, whom it does not know, and why one cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.doctor import router_findings
from routing.artifacts import read_files
from routing.encoders.hashing import HashingEncoder
from storage.registry import open_stores
from storage.stores import Stores
from storage.version_records import PolicyVersion
from tests.conftest import scripted_settings
from tests.routing.trained import trained_files


async def with_active(stores: Stores, folder: Path, ids: tuple[str, ...]) -> PolicyVersion:
    artifact = trained_files(folder, ids)
    version = PolicyVersion(
        id="router_a",
        name="first",
        predictor="ridge",
        artifact_sha256=artifact.sha256,
        encoder=artifact.manifest.encoder,
        candidates=ids,
    )
    await stores.policy_versions.register(version, read_files(folder))
    return await stores.policy_versions.move("router_a", "active", reason="test")


@pytest.mark.parametrize(
    ("ids", "status", "fix"),
    [(("large", "small"), "ok", ""), (("large", "other"), "note", "it does not know small, whose worth the table")],
)
async def test_active_router_is_named_with_its_time_and_whom_it_does_not_know(
    tmp_path: Path, ids: tuple[str, ...], status: str, fix: str
) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path / 'a.db'}")
    version = await with_active(stores, tmp_path / "router", ids)
    (finding,) = await router_findings(scripted_settings(), stores, HashingEncoder().name)
    await stores.close()
    assert (finding.subject, finding.status) == ("router", status)
    assert finding.found == (
        f"the active router is router_a, of kind 'ridge', since {version.changed_at.astimezone():%Y-%m-%d %H:%M}"
    )
    assert fix in finding.fix
    assert bool(fix) == bool(finding.fix)


async def test_router_of_another_encoder_must_be_mended(tmp_path: Path) -> None:
    stores = await open_stores("memory:")
    await with_active(stores, tmp_path / "router", ("large", "small"))
    (finding,) = await router_findings(scripted_settings(), stores, "another encoder")
    assert finding.status == "bad"
    assert "here is 'another encoder'" in finding.found


@pytest.mark.parametrize(("policy", "chooses"), [("auto", "the per-task table"), ("pheromone", "policy pheromone")])
async def test_no_router_is_no_trouble(policy: str, chooses: str) -> None:
    (finding,) = await router_findings(scripted_settings(policy=policy), await open_stores("memory:"), "any")
    assert (finding.status, finding.found) == ("ok", f"none is active: {chooses} chooses")
