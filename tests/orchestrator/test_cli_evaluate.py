"""`antroute evaluate` on a small set: names and folders, labels, splits, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.main import app
from routing.errors import ArtifactRefused, UnknownRouter
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, write_dataset

Evaluate = Callable[..., Result]
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "data"
    write_dataset(small_dataset(queries=160), folder)
    return folder


@pytest.fixture
def evaluate(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    monkeypatch.setenv("ANTROUTE_CACHE_DIR", str(tmp_path / "cache"))

    def run(router: str, *options: str, folder: Path = data, encoder: str = "hashing") -> Result:
        command = ["evaluate", "--data", str(folder), "--router", router, "--report", str(tmp_path / "report")]
        return RUNNER.invoke(app, [*command, "--encoder", encoder, *options])

    return run


@pytest.fixture
def trained(data: Path, tmp_path: Path, evaluate: Evaluate) -> Path:
    out = tmp_path / "my-table"
    command = ["train", "--data", str(data), "--router", "table", "--out", str(out), "--encoder", "hashing"]
    assert RUNNER.invoke(app, command).exit_code == 0
    return out


def test_names_are_fitted_and_the_report_lies_where_it_is_told(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("table,random")
    assert result.exit_code == 0, result.output
    for name in ("oracle", "best_single", "cheapest", "random", "table (labels)", "knn"):
        assert name in result.stdout
    assert f"Report: {tmp_path / 'report' / 'report.html'}" in result.stdout
    assert (tmp_path / "report" / "report.html").is_file()


def test_json_is_the_report(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("table", "--json", "--with-labels", "--seed", "3")
    printed = json.loads(result.stdout)
    assert printed == json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert (printed["seed"], printed["headline"], printed["asked"]) == (3, "with_labels", ["table"])


def test_trained_router_is_judged_under_its_folders_name(evaluate: Evaluate, trained: Path) -> None:
    printed = json.loads(evaluate(f"{trained},table", "--json", encoder="auto").stdout)
    mine, fitted = (printed["text_only"]["standings"][name]["scores"] for name in ("my-table", "table"))
    assert mine == fitted
    assert printed["encoder"].startswith("hashing")
    assert printed["notes"] == []


def test_other_training_data_is_told(evaluate: Evaluate, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_dataset(small_dataset(queries=160, seed=1), other)
    result = evaluate(str(trained), folder=other)
    assert result.exit_code == 0, result.output
    assert "my-table was trained on other data (digest" in result.stderr


def test_router_of_other_candidates_is_refused(evaluate: Evaluate, trained: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    write_dataset(small_dataset(queries=160, candidates=7), more)
    result = evaluate(str(trained), folder=more)
    assert isinstance(result.exception, ArtifactRefused)
    assert "it lacks 'model-g' and knows none besides" in str(result.exception)


def test_folder_without_a_router_is_refused(evaluate: Evaluate, tmp_path: Path) -> None:
    assert isinstance(evaluate(f"{tmp_path}/nothing", encoder="auto").exception, ArtifactRefused)


@pytest.mark.parametrize(
    ("router", "error", "message"),
    [
        ("tabel", UnknownRouter, "table"),
        (" , ", InvalidInput, "names no router"),
        ("", InvalidInput, "names no router"),
    ],
)
def test_name_that_is_no_router_is_refused(
    evaluate: Evaluate, router: str, error: type[Exception], message: str
) -> None:
    result = evaluate(router)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_split_without_queries_is_refused(evaluate: Evaluate) -> None:
    result = evaluate("table", "--split", "test")
    assert isinstance(result.exception, InvalidInput)
    assert "has no queries of split 'test'" in str(result.exception)
