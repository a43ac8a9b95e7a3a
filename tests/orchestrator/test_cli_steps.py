"""`antroute train|evaluate --kind steps` and `antroute data validate` on made-up trajectories."""

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
from tests.routing.steps.small_episodes import LARGE, SMALL, write_trajectories

Command = Callable[..., Result]
RUNNER = CliRunner()
PAIR = ["--small", SMALL, "--large", LARGE]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trajectories(tmp_path_factory.mktemp("cli") / "data", third=True)


@pytest.fixture
def train(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("ANTROUTE_CACHE_DIR", str(tmp_path / "cache"))

    def run(*options: str, out: str = "policy", router: str = "cql", encoder: str = "hashing") -> Result:
        command = ["train", "--kind", "steps", "--data", str(data), "--router", router, "--out", str(tmp_path / out)]
        return RUNNER.invoke(app, [*command, "--encoder", encoder, *options])

    return run


def evaluate(data: Path, router: str, *options: str) -> Result:
    return RUNNER.invoke(app, ["evaluate", "--kind", "steps", "--data", str(data), "--router", router, *options])


def test_training_tells_what_was_made_and_how_it_behaves(train: Command, tmp_path: Path) -> None:
    told = json.loads(train(*PAIR, "--json").stdout)
    assert (told["router"], told["candidates"], told["tasks"]) == (
        "cql",
        [SMALL, LARGE],
        {"train": 60, "dev": 20, "test": 0},
    )
    assert told["metrics"]["is_collapsed"] is False
    assert {row["weight"] for row in told["metrics"]["on_train"]} == {0.05, 0.3, 0.8}
    words = train(*PAIR, out="again", router="auto").stdout
    assert "success where small fails" in words
    assert f"Step policy cql {told['sha256'][:12]} over mini, grand is in {tmp_path / 'again'}" in words


def test_evaluation_prints_the_contract(train: Command, data: Path, tmp_path: Path) -> None:
    train(*PAIR)
    done = evaluate(data, str(tmp_path / "policy"), *PAIR, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["large_cost_usd"] == pytest.approx(0.3, rel=0.1)
    assert set(told["frontier"][0]) == {"setting", "success", "cost_share"}
    assert told["routers"]["policy"] == told["frontier"]
    assert told["baselines"]["always-large"][0]["cost_share"] == 1.0
    assert len(told["baselines"]) == 9


def test_several_policies_are_told_in_a_table_and_a_picture(train: Command, data: Path, tmp_path: Path) -> None:
    train(*PAIR, out="one", encoder="none")
    train(*PAIR, out="two", router="tiers", encoder="none")
    report = tmp_path / "report"
    done = evaluate(data, f"{tmp_path / 'one'},{tmp_path / 'two'}", *PAIR, "--report", str(report))
    assert done.exit_code == 0, done.output
    for name in ("one", "two", "oracle", "perfect-verifier-cascade", "random-escalation"):
        assert name in done.stdout
    assert (report / "frontier.png").read_bytes().startswith(b"\x89PNG")
    assert set(json.loads((report / "report.json").read_text())["routers"]) == {"one", "two"}


def test_all_leaves_out_candidates_without_prices_and_says_so(train: Command) -> None:
    done = train(*PAIR, "--candidates", "all", "--json", encoder="none")
    assert json.loads(done.stdout)["candidates"] == [SMALL, LARGE]
    assert "left out, for their episodes have no prices: unpriced" in done.stderr


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ([*PAIR, "--candidates", f"{SMALL},unpriced"], InvalidInput, "'unpriced' has steps without `cost_usd`"),
        (["--small", "unpriced", "--large", LARGE], InvalidInput, "'unpriced' has steps without `cost_usd`"),
        (["--small", SMALL, "--large", "nobody"], InvalidInput, "No candidate 'nobody' in the data"),
        (["--small", SMALL], InvalidInput, "needs --small and --large"),
        ([*PAIR, "--router", "cqll"], UnknownRouter, "did you mean 'cql'"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    train: Command, options: list[str], error: type[Exception], message: str
) -> None:
    found = train(*options, encoder="none").exception
    assert isinstance(found, error)
    assert message in str(found)


def test_folder_of_something_else_is_not_overwritten(train: Command, tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "diary.txt").write_text("mine")
    assert "holds other files" in str(train(*PAIR).exception)


def test_wrong_evaluation_is_refused(train: Command, data: Path, tmp_path: Path) -> None:
    train(*PAIR, encoder="none")
    policy = str(tmp_path / "policy")
    assert isinstance(evaluate(data, policy, "--small", LARGE, "--large", SMALL).exception, ArtifactRefused)
    assert isinstance(evaluate(data, str(tmp_path / "nothing"), *PAIR).exception, ArtifactRefused)
    assert "names no folder" in str(evaluate(data, " , ", *PAIR).exception)
    assert "no task of split 'test'" in str(evaluate(data, policy, *PAIR, "--split", "test").exception)
    other = write_trajectories(tmp_path / "other", seed=5)
    done = evaluate(other, policy, *PAIR)
    assert done.exit_code == 0
    assert "policy was trained on other data" in done.stderr


def test_report_is_still_needed_for_outcomes(data: Path) -> None:
    done = RUNNER.invoke(app, ["evaluate", "--data", str(data), "--router", "table"])
    assert isinstance(done.exception, InvalidInput)
    assert "--report is needed" in str(done.exception)


def test_validate_knows_trajectories(data: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["data", "validate", str(data)])
    assert done.exit_code == 0
    assert "Usable: 80 tasks (60 train, 20 dev, 0 test), 240 episodes," in done.stdout
    assert "warning: episodes.jsonl: cost_usd: candidates without prices" in done.stdout
    told = json.loads(RUNNER.invoke(app, ["data", "validate", str(data), "--json"]).stdout)
    assert (told["is_valid"], told["data"]["priced_candidates"]) == (True, [LARGE, SMALL])
    broken = write_trajectories(tmp_path / "broken")
    (broken / "tasks.jsonl").write_text('{"task_id": 3}\n')
    done = RUNNER.invoke(app, ["data", "validate", str(broken)])
    assert done.exit_code == 2
    assert "error: tasks.jsonl:1: task_id: 3 must be a text." in done.stdout
