"""`antroute verifiers`, as it speaks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.bootstrap import bootstrap
from orchestrator.cli.verifiers import app
from storage.errors import InvalidInput
from storage.records import Outcome
from tests.conftest import scripted_settings


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log in which `lint` passed two answers, of which a user found one wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "antroute.yaml").write_text("verifiers:\n  lint: {kind: exit_code, command: [/usr/bin/lint]}\n")
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def fill() -> None:
        service = await bootstrap(scripted_settings(store_url=url))
        for truth in (0.0, 1.0):
            run = await service.run("?")
            verdict = Outcome(
                decision_id=run.decision_id, run_id=run.run_id, status="judged", quality=1.0, judged_by="verifier",
                verifier="lint", has_passed=True,
            )  # fmt: skip
            await service.stores.journal.write(verdict)
            await service.feedback(run.decision_id, quality=truth)
        await service.close()

    asyncio.run(fill())
    return url


def test_list_tells_rates_and_counts(store: str) -> None:
    shown = CliRunner().invoke(app, ["list", "--store", store])
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[1].split() == ["lint", "exit_code", "2", "0.182", "0.045"]
    (told,) = json.loads(CliRunner().invoke(app, ["list", "--store", store, "--json"]).stdout)
    assert told["false_accept"] == pytest.approx((1 + 10 * 0.1) / 11)
    assert told["counts"] == {"accepted_right": 1, "rejected_right": 0, "accepted_wrong": 1, "rejected_wrong": 0}


def test_show_tells_options_and_what_its_word_is_worth(store: str) -> None:
    shown = CliRunner().invoke(app, ["show", "lint", "--store", store])
    assert shown.exit_code == 0
    assert "command            ['/usr/bin/lint']" in shown.stdout
    assert "an even chance becomes 0.840 if it passes" in shown.stdout
    told = json.loads(CliRunner().invoke(app, ["show", "lint", "--store", store, "--json"]).stdout)
    assert (told["judged"], told["options"]) == (2, {"command": ["/usr/bin/lint"]})


def test_unknown_verifier_is_refused_with_the_nearest(store: str) -> None:
    done = CliRunner().invoke(app, ["show", "lind", "--store", store])
    assert isinstance(done.exception, InvalidInput)
    assert "lint" in str(done.exception)
