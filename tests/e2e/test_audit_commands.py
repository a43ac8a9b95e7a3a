"""The commands of the audit log, in processes of their own, as an operator and a stranger would run them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.e2e.antroute import Home


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home where three questions were asked, the third after a rotation of the key."""
    home = Home(tmp_path_factory.mktemp("asked"))
    for number in range(3):
        if number == 2:
            assert "signs from now on" in home.run("audit", "rotate-key").stdout
        assert home.run("ask", "What is the capital of France?").returncode == 0
    return home


def decisions(home: Home) -> list[str]:
    with sqlite3.connect(home.store_path) as database:
        query = "SELECT subject_id FROM audit_events WHERE kind = 'decision' ORDER BY position"
        return [row[0] for row in database.execute(query)]


def test_each_command_leaves_a_signed_log_and_a_copy_outside(asked: Home) -> None:
    whole = asked.run("audit", "verify")
    assert whole.returncode == 0
    assert "Signed: 3 checkpoints" in whole.stdout
    assert "Outside: 3 of them stand the same" in whole.stdout
    listed = json.loads(asked.run("audit", "checkpoints", "--json").stdout)
    assert [each["number"] for each in listed] == [1, 2, 3]
    assert len({each["key_id"] for each in listed}) == 2
    assert listed[-1]["root_hash"] in asked.run("audit", "checkpoints").stdout
    assert (asked.store_path.parent / "audit.key").stat().st_mode & 0o777 == 0o600
    begins = asked.run("audit", "consistency", "1", "3")
    assert (begins.returncode, "begins with checkpoint 1" in begins.stdout) == (0, True)


def test_a_decision_is_proven_to_a_stranger_who_has_the_file_alone(asked: Home, tmp_path: Path) -> None:
    decision_id = decisions(asked)[-1]
    file = tmp_path / "proof.json"
    assert asked.run("audit", "prove", decision_id, "--out", str(file)).returncode == 0
    stranger = Home(tmp_path)
    proven = stranger.run("audit", "verify-proof", str(file), "--json")
    found = json.loads(proven.stdout)
    assert (proven.returncode, found["is_proven"], len(found["public_keys"])) == (0, True, 2)
    assert "PROVEN" in stranger.run("audit", "verify-proof", str(file), "--public-key", found["public_keys"][0]).stdout
    assert stranger.run("audit", "verify-proof", str(file), "--public-key", "ab" * 32).returncode == 1
    file.write_text(file.read_text().replace("small", "smalk").replace("large", "larger"))
    refused = stranger.run("audit", "verify-proof", str(file))
    assert (refused.returncode, refused.stdout.splitlines()[0]) == (1, "NOT PROVEN")
    assert not stranger.store_path.exists(), "no store was made or opened"
    assert stranger.run("audit", "verify-proof", str(tmp_path / "nothing.json")).returncode == 2


def test_a_log_cut_off_with_its_checkpoint_is_found_by_the_copy_outside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for _ in range(2):
        home.run("ask", "What is the capital of France?")
    with sqlite3.connect(home.store_path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        (size,) = database.execute("SELECT tree_size FROM audit_checkpoints WHERE number = 1").fetchone()
        database.execute("DELETE FROM audit_checkpoints WHERE number = 2")
        database.execute("DELETE FROM audit_events WHERE position > ?", (size,))
    database.close()
    assert home.run("audit", "verify", "--outside", "").returncode == 0
    required = home.run("audit", "verify", "--outside", "", "--require-outside")
    assert (required.returncode, "only 0 of 1 checkpoints" in required.stderr) == (1, True)
    broken = home.run("audit", "verify")
    assert broken.returncode == 1
    assert f"BROKEN at event {size + 1}" in broken.stdout
    assert "BROKEN at checkpoint 2" in broken.stdout


def test_what_cannot_be_done_is_said_in_words(asked: Home) -> None:
    no_folder = str(asked.folder / "nothing" / "proof.json")
    for arguments, said in (
        (("audit", "prove", decisions(asked)[0], "--out", no_folder), "The proof cannot be written"),
        (("audit", "verify", "--trust-key", "zz"), "'zz' is no public key"),
        (("audit", "checkpoints", "--after", str(10**20)), "'--after'"),
        (("audit", "consistency", "1", str(10**20)), "Invalid value"),
        (("traces", "list", "--cursor", str(10**20)), "'--cursor'"),
    ):
        refused = asked.run(*arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_narrow_terminal_that_knows_no_utf_8_shows_what_it_can(asked: Home) -> None:
    shown = asked.run("traces", "show", "last", COLUMNS="1", PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\\u2588" in shown.stdout
