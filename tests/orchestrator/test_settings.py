"""Settings: what is wrong is refused by name, and secrets are never shown."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import SettingsInvalid
from orchestrator.settings import ModelSettings, Settings, load_settings

SECRET = "sk-do-not-show-this-1234567890"


@pytest.fixture(autouse=True)
def no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTROUTE_SETTINGS", raising=False)


def write(text: str | bytes) -> None:
    Path("antroute.yaml").write_bytes(text.encode() if isinstance(text, str) else text)


def refusal() -> str:
    with pytest.raises(SettingsInvalid) as raised:
        load_settings()
    return str(raised.value)


def test_defaults_need_neither_file_nor_environment() -> None:
    settings = load_settings()
    assert settings.store_url.endswith("antroute.db")
    assert {candidate.model for candidate in settings.candidates} == set(settings.models)


def test_arguments_beat_environment_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("policy: thompson\nseed: 1\nmax_attempts: 2\nbudget: {run_limit_usd: 0.5}")
    monkeypatch.setenv("ANTROUTE_SEED", "2")
    monkeypatch.setenv("ANTROUTE_MAX_ATTEMPTS", "4")
    settings = load_settings(max_attempts=5)
    assert (settings.policy, settings.seed, settings.max_attempts) == ("thompson", 2, 5)
    assert str(settings.budget.run_limit_usd) == "0.5"


def test_file_named_in_the_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text("policy: linucb")
    monkeypatch.setenv("ANTROUTE_SETTINGS", str(tmp_path / "other.yaml"))
    assert load_settings().policy == "linucb"


def test_file_named_in_the_environment_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTROUTE_SETTINGS", "/nowhere/antroute.yaml")
    assert "No settings file '/nowhere/antroute.yaml'" in refusal()


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("polciy: uniform", "polciy", "policy"),
        ("budget: {run_limit: 1}", "budget.run_limit", "run_limit_usd"),
        ("models: {a: {provider: local, contxt_window: 1}}", "models.a.contxt_window", "context_window"),
        ("candidates: [{agent: single_turn, modle: a}]", "candidates.0.modle", "model"),
    ],
)
def test_unknown_key_in_the_file_is_refused_with_the_nearest_known_one(text: str, key: str, nearest: str) -> None:
    write(text)
    message = refusal()
    assert f"Unknown setting {key!r}; did you mean {nearest!r}?" in message


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("ANTROUTE_POLCIY", "'ANTROUTE_POLCIY'; did you mean 'ANTROUTE_POLICY'?"),
        ("ANTROUTE_BUDGET__RUN_LIMTI_USD", "'budget.run_limti_usd'; did you mean 'run_limit_usd'?"),
        ("ANTROUTE_BUGDET__RUN_LIMIT_USD", "did you mean 'ANTROUTE_BUDGET'?"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_known_one(
    variable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    assert said in refusal()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("max_attempts: many", "max_attempts"),
        ("max_attempts: 0", "max_attempts"),
        ("budget: {run_limit_usd: -1}", "budget.run_limit_usd"),
        ("candidates: []", "candidates"),
        ("models: {a: {provider: openia}}", "models.a.provider"),
        ("models: [1, 2]", "models"),
        ("encoder: 7", "encoder"),
        ("encoder: 'tuned:'", "encoder"),
    ],
)
def test_wrong_value_is_refused_by_its_key(text: str, key: str) -> None:
    write(text)
    assert f"Setting {key!r}:" in refusal()


@pytest.mark.parametrize("encoder", ["minilm", "hub:org/name", "tuned:/srv/rankers/my ranker"])
def test_encoder_may_be_a_name_a_hubs_model_or_a_folder(encoder: str) -> None:
    write(f"encoder: {encoder!r}")
    assert load_settings().encoder == encoder


@pytest.mark.parametrize(
    "text",
    ["policy: [unclosed", "- a\n- list", "just words", b"\xff\xfe\x00 no text", "a: !!python/object:os.system x"],
)
def test_broken_file_is_refused(text: str | bytes) -> None:
    write(text)
    assert refusal()


def test_empty_file_changes_nothing() -> None:
    write("")
    assert load_settings() == Settings()


def test_variable_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTROUTE_MODELS", "{not json")
    assert "models" in refusal()


def test_secrets_are_not_shown() -> None:
    settings = load_settings(
        store_url=f"postgresql://antroute:{SECRET}@localhost/antroute",
        server={"admin_key": SECRET},
        models={"m": {"provider": "openai", "base_url": "http://x/v1", "api_key": SECRET}},
    )
    assert SECRET not in repr(settings) + str(settings)
    assert settings.models["m"].key() == SECRET


@pytest.mark.parametrize(
    "text",
    [
        f"server: {{admin_key: [{SECRET}]}}",
        f"models: {{m: {{provider: openai, api_key: {{value: {SECRET}}}}}}}",
        f"models: {{m: {{provider: openai, api_kye: {SECRET}}}}}",
        f"server: {{admin_key: {SECRET}, port: x}}",
        f"server:\n  admin_key: '{SECRET}\n",
        f"server: {SECRET}",
    ],
)
def test_secrets_are_not_shown_in_errors(text: str) -> None:
    write(text)
    with pytest.raises(SettingsInvalid) as raised:
        load_settings()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_number_where_a_key_belongs_is_not_shown() -> None:
    write("server: {admin_key: 1234567890123}")
    with pytest.raises(SettingsInvalid) as raised:
        load_settings()
    assert "1234567890123" not in "".join(traceback.format_exception(raised.value))


def test_key_is_read_from_the_variable_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelSettings(provider="openai", base_url="http://x/v1", api_key_variable="SOME_KEY")
    assert model.lacks_key
    monkeypatch.setenv("SOME_KEY", SECRET)
    assert model.key() == SECRET
    assert not model.lacks_key


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"indx": "x"}, "did you mean 'index'?"),
        ({"shown": 25}, "skills.shown"),
        ({"least_fit": 1.5}, "skills.least_fit"),
        ({"mcp": {"a": {"comand": "x", "url": "http://x"}}}, "did you mean 'command'?"),
        ({"mcp": {"a": {}}}, "give either `command` or `url`"),
        ({"mcp": {"a": {"url": "http://x", "env": ["HOME"]}}}, "go with `command`"),
        ({"mcp": {"a": {"command": "x"}}, "openapi": {"a": {"document": "x"}}}, "'a' is the name of an OpenAPI"),
        ({"openapi": {"a": {"document": "x", "key_variable": "KEY"}}}, "a key is sent to a `base_url` only"),
    ],
)
def test_wrong_skill_settings_are_refused_by_name(section: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        load_settings(skills=section)
    assert said in str(raised.value)


def test_an_mcp_server_sees_only_the_variables_that_the_operator_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", "yes")
    monkeypatch.setenv("HIDDEN", "no")
    settings = load_settings(skills={"mcp": {"files": {"command": "serve", "env": ["SEEN", "ABSENT"]}}})
    assert settings.skills.mcp["files"].environment() == {"SEEN": "yes"}
