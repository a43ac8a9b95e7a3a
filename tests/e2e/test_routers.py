"""`antroute routers`: from a trained folder to the router that serves, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.antroute import Home
from tests.orchestrator.trained_folders import FAILED, a_trained_folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


def test_router_goes_from_folder_to_service_and_back(home: Home, tmp_path: Path) -> None:
    first, second = a_trained_folder(tmp_path / "first"), a_trained_folder(tmp_path / "second", seed=1)
    done = home.run("routers", "promote", str(first), "--reason", "the first", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    version = json.loads(done.stdout)["version"]
    assert (version["state"], version["name"]) == ("active", "first")
    registered = home.run("routers", "register", str(second), "--name", "tuesday")
    assert "(tuesday, best_single) is candidate" in registered.stdout
    other = registered.stdout.split()[0]
    assert "is shadow" in home.run("routers", "shadow", other[:14]).stdout
    assert "is active" in home.run("routers", "promote", other).stdout
    assert version["id"] in home.run("routers", "rollback", "--reason", "dearer").stdout
    listed = json.loads(home.run("routers", "list", "--json").stdout)
    assert [(each["name"], each["state"]) for each in listed] == [("tuesday", "retired"), ("first", "active")]
    assert "is retired" in home.run("routers", "retire", version["id"]).stdout
    said = home.run("routers", "list").stdout
    assert "0.6100" in said
    assert "passed" in said
    assert json.loads(home.run("audit", "verify", "--json").stdout)["is_whole"]


def test_show_tells_figures_gate_candidates_lineage_and_history(home: Home, tmp_path: Path) -> None:
    version = json.loads(home.run("routers", "promote", str(a_trained_folder(tmp_path / "r")), "--json").stdout)
    parent = version["version"]
    child = a_trained_folder(tmp_path / "child", gate=FAILED, seed=1, parent_sha256=parent["artifact_sha256"])
    refused = home.run("routers", "promote", str(child))
    assert refused.returncode == 1
    assert "-0.0042 against knn" in refused.stderr
    assert "Hint:" in refused.stderr
    forced = home.run("routers", "promote", str(child), "--force", "--reason", "a trial")
    assert "forced past its gate" in forced.stderr
    shown = home.run("routers", "show", forced.stdout.split()[0]).stdout
    for told in ("Not passed", "0.61", "large, small", f"adapted of  {parent['id']}", "(forced): a trial"):
        assert told in shown
    history = json.loads(home.run("routers", "show", parent["id"], "--json").stdout)
    assert [move["to_state"] for move in history["moves"]] == ["active", "retired"]
    assert history["moves"][1]["reason"].startswith("replaced by")


def test_promoted_router_answers_in_the_service(home: Home, tmp_path: Path) -> None:
    done = home.run("routers", "promote", str(a_trained_folder(tmp_path / "r")), "--json")
    version_id = json.loads(done.stdout)["version"]["id"]
    decision = json.loads(home.run("route", "Which king ruled?", "--policy", "graph", "--json").stdout)
    assert (decision["policy"], decision["policy_version"]) == ("graph", version_id)


def test_what_is_wrong_is_told_in_words(home: Home, tmp_path: Path) -> None:
    assert "No database" in home.run("routers", "list").stderr
    foreign = home.run("routers", "register", str(a_trained_folder(tmp_path / "foreign", ["a", "b"])))
    assert foreign.returncode == 1
    assert "none of the service's candidates (small, large)" in foreign.stderr
    assert "No routers yet" in home.run("routers", "list").stdout
    nobody = home.run("routers", "show", "nobody")
    assert (nobody.returncode, "No router version 'nobody'" in nobody.stderr) == (1, True)
