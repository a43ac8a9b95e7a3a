"""Settings to a service: what does not fit together is refused in words, and what is missing is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.errors import SettingsInvalid
from orchestrator.settings import Settings
from routing.errors import NoCandidate, UnknownPolicy
from storage.errors import InvalidInput, StorageUnavailable
from tests.conftest import MakeService, scripted_settings


def candidate(**changes: Any) -> list[dict[str, Any]]:
    return [{"agent": "single_turn", "model": "small", **changes}]


def writers() -> list[str]:
    """The threads of open stores."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("antroute-writer")]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"policy": "magic"}, UnknownPolicy, "'magic'"),
        ({"candidates": candidate(agent="wizard")}, SettingsInvalid, "no known agent, 'wizard'; known: single_turn"),
        ({"candidates": candidate(model="nobody")}, SettingsInvalid, "known: large, small"),
        ({"candidates": candidate(id="auto")}, SettingsInvalid, "cannot be a candidate's id"),
        ({"candidates": candidate(id="auto:table")}, SettingsInvalid, "cannot be a candidate's id"),
        ({"candidates": candidate(id="ünïcode")}, SettingsInvalid, "cannot be a candidate's id"),
        ({"candidates": candidate(id="two\nlines")}, SettingsInvalid, "cannot be a candidate's id"),
        ({"candidates": candidate() + candidate()}, SettingsInvalid, "Two candidates have one id"),
        ({"candidates": candidate(agent="tool_loop", skills=["fly"])}, SettingsInvalid, r"unknown skills \['fly'\]"),
        ({"models": {"small": {"provider": "openai"}}, "candidates": candidate()}, SettingsInvalid, "base_url"),
        ({"store_url": "mysql://x"}, InvalidInput, "No store for 'mysql'"),
        ({"store_url": "sqlite:////proc/nowhere/a.db"}, StorageUnavailable, "/proc/nowhere"),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_stays_open(
    changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await bootstrap(scripted_settings(**changes))
    assert writers() == []


async def test_unknown_policy_closes_the_store_that_was_opened(tmp_path: Path) -> None:
    with pytest.raises(UnknownPolicy):
        await bootstrap(scripted_settings(policy="magic", store_url=f"sqlite:///{tmp_path / 'a.db'}"))
    assert writers() == []


def with_model(**model: Any) -> Settings:
    models = {"small": {"provider": "scripted"}, "other": model}
    return scripted_settings(models=models, candidates=candidate() + candidate(model="other", id="other"))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"provider": "openai", "base_url": "http://x/v1", "api_key_variable": "NO_SUCH_KEY"}, "'NO_SUCH_KEY'"),
        ({"provider": "local", "file": "/nowhere/model.gguf"}, "has no file '/nowhere/model.gguf'"),
        ({"provider": "local", "file": "smollm2-135m"}, "antroute models fetch smollm2-135m"),
    ],
)
async def test_model_that_cannot_be_asked_is_told_and_masked(
    model: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    settings = with_model(**model).model_copy(update={"cache_dir": tmp_path})
    service = await bootstrap(settings)
    assert [reason in notice for notice in service.notices if "'other'" in notice] == [True]
    assert (await service.run("hello")).candidate_id.startswith("single_turn/small")
    with pytest.raises(NoCandidate, match="other: model 'other'"):
        await service.run("hello", candidate="other")
    await service.close()


async def test_given_models_replace_those_of_the_settings(make_service: MakeService) -> None:
    service = await make_service(models={"small": {"provider": "local"}, "large": {"provider": "local"}})
    assert (await service.run("What is the capital of France?")).answer == "Paris"
