"""What travels to workers: all they need, and nothing that a repr would show."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from orchestrator.cluster.carried import carried, is_on_one_machine, without_own_worker
from orchestrator.errors import SettingsInvalid
from orchestrator.secret import service_secret
from orchestrator.settings import Settings
from tests.conftest import LARGE, SMALL, scripted_settings

KEY = "canary-of-a-provider"
SECRET = "canary-of-the-service-that-is-long-enough"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("UPSTREAM_KEY", KEY)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    return scripted_settings(
        store_url=f"sqlite:///{tmp_path / 'store.db'}",
        models={"small": {**SMALL, "api_key_variable": "UPSTREAM_KEY"}, "large": LARGE},
        server={"secret_file": tmp_path / "secret", "admin_key": "a" * 40},
    )


def test_keys_and_the_secret_are_there_where_environment_and_file_are_not(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    travelled = pickle.dumps(carried(settings))
    monkeypatch.delenv("UPSTREAM_KEY")
    (tmp_path / "secret").unlink()
    arrived: Settings = pickle.loads(travelled)
    assert arrived.models["small"].key() == KEY
    assert not arrived.models["small"].lacks_key
    assert service_secret(arrived) == SECRET.encode()
    assert arrived.server.admin_key is None  # workers open no door
    assert arrived.candidates == settings.candidates


def test_nothing_secret_shows_in_a_repr(settings: Settings) -> None:
    assert KEY not in repr(carried(settings))
    assert SECRET not in repr(carried(settings))


def test_a_store_in_memory_cannot_be_shared() -> None:
    with pytest.raises(SettingsInvalid, match="workers are processes of their own"):
        carried(scripted_settings(store_url="memory:"))


def test_a_file_is_on_one_machine_and_a_server_is_not(settings: Settings) -> None:
    assert is_on_one_machine(settings)
    assert not is_on_one_machine(settings.model_copy(update={"store_url": "postgresql://u@h/d"}))


def test_the_gateways_own_worker_is_off(settings: Settings) -> None:
    assert without_own_worker(settings).jobs.slots == 0
    assert carried(settings).jobs.slots > 0
