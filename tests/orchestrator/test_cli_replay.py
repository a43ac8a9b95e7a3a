"""`antroute replay` and `antroute routers compare`, as they speak."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.bootstrap import bootstrap
from orchestrator.cli import replay
from orchestrator.replay.periods import moment_in
from orchestrator.settings import Settings
from storage.errors import InvalidInput
from tests.conftest import scripted_settings
from tests.orchestrator.replay.replay_doubles import asked

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

app = typer.Typer()
app.command("replay")(replay.replay)
app.command("compare")(replay.compare)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[str]]:
    settings = scripted_settings(store_url=f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.db'}")

    async def made() -> list[str]:
        service = await bootstrap(settings)
        ids = await asked(service, 12, policy="cheapest")
        await service.close()
        return ids

    return settings, asyncio.run(made())


@pytest.fixture
def ids(log: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of the log's decisions; commands read it."""
    settings, ids = log
    monkeypatch.setattr("orchestrator.settings.load_settings", lambda: settings)
    return ids


def result_of(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def said(*arguments: str | Path) -> str:
    result = result_of(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_same_decision_ends_with_code_0_and_says_how_it_was_made(ids: list[str]) -> None:
    words = said("replay", ids[0])
    assert "picks small: the same" in words
    assert "equal to the last bit" in words
    assert json.loads(said("replay", ids[0], "--json"))["counts"]["bit_equal"] == 1


def test_different_decision_ends_with_code_1(
    ids: list[str], log: tuple[Settings, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dear = {"provider": "scripted", "price_input_usd_per_mtok": "90", "price_output_usd_per_mtok": "90"}
    models = {"small": dear, "large": dear}
    changed = scripted_settings(store_url=log[0].store_url, models=models)
    monkeypatch.setattr("orchestrator.settings.load_settings", lambda: changed)
    result = result_of("replay", ids[0])
    assert result.exit_code == 1
    assert "DIFFERENT" in result.stdout


def test_traffic_is_told_as_tables_json_and_page(ids: list[str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    words = said("replay", "--router", "uniform", "--since", "7d", "--html", page)
    assert "Side by side" in words
    assert f"12 of {len(ids)} decisions" in words
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    view = json.loads(said("replay", "--router", "uniform", "--limit", "5", "--json"))
    assert view["traffic"]["replayed"] == 5


def test_two_routers_are_compared(ids: list[str]) -> None:
    assert "between     0 of 12" in said("compare", "cheapest", "cheapest")
    assert json.loads(said("compare", "cheapest", "table", "--json"))["kind"] == "comparison"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "Name either a decision or run, or --router"),
        (["replay", "decision_x", "--router", "table"], "Name either"),
        (["replay", "--router", "table", "--since", "tomorrow"], "write 24h, 7d"),
        (["replay", "--router", "table", "--since", "2999-01-01"], "still to come"),
        (["replay", "--router", "table", "--html", "/nowhere/at/all.html"], "name a file in a folder"),
        (["compare", "tabel", "table"], "did you mean 'table'"),
    ],
)
def test_wrong_wishes_are_told_what_would_be_right(ids: list[str], arguments: list[str], words: str) -> None:
    error = result_of(*arguments).exception
    assert isinstance(error, InvalidInput)
    assert words in str(error)


def test_moments_are_read_as_people_write_them() -> None:
    assert moment_in("24h", now=NOW, field="since") == datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert moment_in(" 2w ", now=NOW, field="since") == datetime(2026, 2, 24, 12, tzinfo=UTC)
    assert moment_in("2026-03-01T08:00+02:00", now=NOW, field="since") == datetime(2026, 3, 1, 6, tzinfo=UTC)
    for text in ("", "7", "-7d", "999999w", "yesterday"):
        with pytest.raises(InvalidInput, match="`since` is"):
            moment_in(text, now=NOW, field="since")
