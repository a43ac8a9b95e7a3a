"""`antroute data`, as it speaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.data import app
from orchestrator.terminal import progress_bar
from routing.training.files import write_dataset
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(small_dataset(queries=40, missing=0.5), tmp_path / "data")
    return tmp_path / "data"


def test_valid_folder_is_described(folder: Path) -> None:
    done = CliRunner().invoke(app, ["validate", str(folder)])
    assert done.exit_code == 0
    assert "Usable: 40 queries (30 train, 10 dev, 0 test), 4 tasks, 6 candidates," in done.stdout
    told = json.loads(CliRunner().invoke(app, ["validate", str(folder), "--json"]).stdout)
    assert (told["is_valid"], told["problems"], told["data"]["queries"]) == (True, [], 40)


def test_wrong_folder_exits_with_2_and_says_why(folder: Path) -> None:
    (folder / "candidates.json").write_text('[{"id": "model-a"}, {"id": "model-a"}]')
    done = CliRunner().invoke(app, ["validate", str(folder)])
    assert done.exit_code == 2
    assert "error: candidates.json:1: id: 'model-a' is there already" in done.stdout
    assert "Not usable:" in done.stdout
    done = CliRunner().invoke(app, ["validate", str(folder), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["is_valid"], told["data"]) == (2, False, None)
    assert told["problems"][0]["file"] == "candidates.json"


def test_import_tells_counts_and_next_step(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("prompt,model,quality\na,m,1\nb,m,\nc,n,0.5\n")
    given = [str(tmp_path / "t.csv"), "--column", "text=prompt", "--column", "candidate=model"]
    done = CliRunner().invoke(app, ["import", *given, "--out", str(tmp_path / "one")])
    assert done.exit_code == 0
    assert "Taken: 2 outcomes." in done.stdout
    assert "Left out: 1: no quality, or one that is not a number (first: t.csv:3)" in done.stdout
    assert f"Next: antroute data validate {tmp_path / 'one'}" in done.stdout
    done = CliRunner().invoke(app, ["import", *given, "--out", str(tmp_path / "two"), "--json"])
    told = json.loads(done.stdout)
    assert (told["taken"], told["left_out"][0]["count"], told["data"]["candidates"]) == (2, 1, 2)
    assert (tmp_path / "one" / "outcomes.csv.gz").read_bytes() == (tmp_path / "two" / "outcomes.csv.gz").read_bytes()


def test_import_needs_one_source() -> None:
    for given in ([], ["t.csv", "--store", "memory:"]):
        done = CliRunner().invoke(app, ["import", *given, "--out", "x"])
        assert isinstance(done.exception, InvalidInput)
        assert "Name either a table (SOURCE) or a store" in str(done.exception)


def test_progress_is_drawn_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as on_progress:
        on_progress(3, 3, "counting [things]")
        on_progress(5, 0, "of unknown length")
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting [things]" in err
    assert "3/3" in err
    assert "5/?" in err


def test_progress_of_nothing_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar():
        pass
    assert capsys.readouterr() == ("", "")
