"""The command line, as a newcomer and as a script meet it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.antroute import COMMAND, SCRIPTED, Home


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which one question was asked."""
    home = Home(tmp_path_factory.mktemp("used"))
    done = home.run("ask", "Hello there")
    assert (done.returncode, done.stdout) == (0, "You said: Hello there\n")
    assert "why: antroute traces explain decision_" in done.stderr
    return home


def decision_of(home: Home) -> dict[str, object]:
    decision: dict[str, object] = json.loads(home.run("traces", "list", "--json").stdout)["decisions"][-1]
    return decision


def test_answer_as_json_is_a_run(used: Home) -> None:
    done = used.run("ask", "Hello again", "--candidate", "small", "--json")
    run = json.loads(done.stdout)
    assert (run["answer"], run["candidate_id"]) == ("You said: Hello again", "small")


def test_route_shows_a_decision_that_is_not_stored(used: Home) -> None:
    count = len(json.loads(used.run("traces", "list", "--json").stdout)["decisions"])
    said = used.run("route", "Hello there", "--budget", "0.002").stdout
    assert "Picked small with probability 1.000" in said
    assert "Masked" in said
    assert len(json.loads(used.run("traces", "list", "--json").stdout)["decisions"]) == count


def test_traces_are_listed_shown_and_explained(used: Home) -> None:
    decision = decision_of(used)
    assert str(decision["decision_id"]) in used.run("traces", "list").stdout
    last = used.run("traces", "last").stdout
    assert "You said: Hello" in last
    shown = used.run("traces", "show", str(decision["run_id"])).stdout
    assert "query   Hello there" in shown
    assert used.run("traces", "show", str(decision["decision_id"])).stdout == shown
    explained = used.run("traces", "explain", str(decision["decision_id"])).stdout
    assert f"Picked {decision['candidate_id']} with probability 0.5" in explained
    trace = json.loads(used.run("traces", "show", str(decision["run_id"]), "--json").stdout)
    assert trace["answer"] == "You said: Hello there"
    (attempt,) = json.loads(used.run("traces", "explain", str(decision["run_id"]), "--json").stdout)
    assert (attempt["id"], attempt["explanation"]["verdict"]) == (decision["decision_id"], "level")


def test_wrong_input_is_told_in_words_with_what_to_do(used: Home) -> None:
    cases = [
        (("ask", ""), 2, "The query is empty.", "Send at least one word."),
        (("ask", "hello", "--candidate", "nobody"), 2, "No candidate 'nobody'; known: large, small.", ""),
        (("ask", "hello", "--budget", "0.0000001"), 1, "is left", "Hint: Raise the budget"),
        (("traces", "explain", "decision_0000000000000000"), 1, "No decision 'decision_0000000000000000'", ""),
        (("traces", "show", "run_0000000000000000"), 1, "No run", "traces list"),
        (("audit", "verify", "--store", "sqlite:///nowhere.db"), 2, "No database 'nowhere.db'", "Correct --store"),
    ]
    for arguments, status, error, hint in cases:
        done = used.run(*arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith("Error: ")
        assert error in done.stderr
        assert hint in done.stderr
        assert "Traceback" not in done.stderr


def test_reader_that_has_enough_is_no_error(used: Home) -> None:
    for arguments in (("traces", "list", "--json"), ("--help",)):
        writer = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=used.folder,
            env=used.environment(),
        )
        assert writer.stdout is not None
        writer.stdout.close()  # as `| head -0`
        _, said = writer.communicate(timeout=60)
        assert said == b""


def test_log_that_was_touched_is_found_out(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run("ask", "Hello there", "--candidate", "small")
    whole = home.run("audit", "verify")
    assert (whole.returncode, whole.stdout.startswith("Whole: 3 events")) == (0, True)
    with closing(sqlite3.connect(home.store_path)) as database:
        with pytest.raises(sqlite3.DatabaseError, match="refuses UPDATE"):
            database.execute("UPDATE audit_events SET canonical = canonical || ' '")
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f"DROP TRIGGER {name}")
        changed = database.execute(
            "UPDATE audit_events SET canonical = replace(canonical, '\"small\"', '\"smalk\"') WHERE kind = 'decision'"
        )
        assert changed.rowcount == 1
        database.commit()
        (subject,) = database.execute("SELECT subject_id FROM audit_events WHERE kind = 'decision'").fetchone()
    broken = home.run("audit", "verify")
    assert broken.returncode == 1
    assert "BROKEN at event 2" in broken.stdout
    assert subject in broken.stdout
    found = json.loads(home.run("audit", "verify", "--json").stdout)
    assert found["first_bad_event"]["subject_id"] == subject


def test_doctor_tells_what_is_here_and_what_is_missing(tmp_path: Path) -> None:
    models = {
        "small": {"provider": "scripted"},
        "local": {"provider": "local", "file": "smollm2-135m"},
        "hosted": {"provider": "openai", "base_url": "http://x/v1", "api_key_variable": "NO_SUCH_KEY"},
    }
    home = Home(tmp_path, {**SCRIPTED, "models": models, "candidates": [{"agent": "single_turn", "model": "small"}]})
    done = home.run("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"python", "settings", "encoder", "store", "langgraph"} <= set(findings)
    assert findings["local"]["fix"] == "antroute models fetch smollm2-135m"
    assert findings["hosted"]["status"] == "note"
    assert "NO_SUCH_KEY" in findings["hosted"]["fix"]


def test_doctor_names_what_must_be_mended(tmp_path: Path) -> None:
    home = Home(tmp_path, {**SCRIPTED, "polciy": "x"})
    done = home.run("doctor")
    assert done.returncode == 1
    assert "✗ settings" in done.stdout
    assert "did you mean 'policy'" in done.stdout
