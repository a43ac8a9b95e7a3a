"""`antroute jobs`, over a store of this machine and on a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.job_progress import Standing, line_of
from orchestrator.cli.main import app
from orchestrator.rest.app import make_app
from storage.errors import InvalidInput
from storage.job_records import JobEvent
from tests.conftest import MakeService
from tests.orchestrator.live_server import live

REVIEW = {
    "inputs": ["text"],
    "steps": [{"name": "claims", "prompt": "List: {text}"}, {"name": "check", "prompt": "Doubt: {claims}"}],
}
SETTINGS = {
    "encoder": "hashing",
    "models": {"echo": {"provider": "scripted", "price_output_usd_per_mtok": 1}},
    "candidates": [{"agent": "single_turn", "model": "echo", "id": "echo"}],
    "workflows": {"review": REVIEW},
}


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    file = tmp_path / "antroute.yaml"
    whole = {**SETTINGS, "store_url": f"sqlite:///{tmp_path / 'a.db'}", "server": {"secret": "s" * 48}}
    file.write_text(yaml.safe_dump(whole))
    monkeypatch.setenv("ANTROUTE_SETTINGS", str(file))
    monkeypatch.chdir(tmp_path)
    yield


def antroute(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["jobs", *arguments])


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_job_is_stored_then_run_by_whoever_follows_it() -> None:
    job = told(antroute("submit", "What is 17% of 2340?", "--priority", "5", "--metadata", "a=b=c", "--json"))
    assert (job["state"], job["priority"], job["metadata"]) == ("queued", 5, {"a": "b=c"})
    early = antroute("result", job["id"])
    assert "there is no result yet" in str(early.exception)
    watched = antroute("watch", job["id"], "--json")
    assert watched.exit_code == 0
    kinds = [json.loads(line)["kind"] for line in watched.stdout.splitlines()]
    assert kinds == ["queued", "started", "step_started", "step_finished", "succeeded"]
    assert told(antroute("show", job["id"], "--json"))["state"] == "succeeded"
    assert told(antroute("result", job["id"], "--json"))["answer"] == "You said: What is 17% of 2340?"
    assert [each["id"] for each in told(antroute("list", "--state", "succeeded", "--json"))["jobs"]] == [job["id"]]


def test_workflow_is_followed_to_its_answer(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("The moon is cheese.")
    done = antroute("submit", "--workflow", "review", "--input", "text=@note.txt", "--follow")
    assert done.exit_code == 0
    assert done.stdout.strip() == "You said: Doubt: You said: List: The moon is cheese."
    assert "step started  step=check" in done.stderr


def test_workflow_may_be_a_file(tmp_path: Path) -> None:
    definition = {"name": "own", **REVIEW}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(definition))
    done = told(antroute("submit", "--workflow", "own.yaml", "--input", "text=x", "--follow", "--json"))
    assert done["job"]["workflow"] == "own"
    assert set(done["result"]["answers"]) == {"claims", "check"}


def test_job_that_fails_ends_with_code_1() -> None:
    failed = antroute("submit", "x", "--budget", "0", "--follow", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["job"]["error"]["code"] == "budget_exceeded"


def test_cancelled_job_is_told() -> None:
    job = told(antroute("submit", "x", "--json"))
    assert antroute("cancel", job["id"]).stdout == f"{job['id']} is cancelled.\n"
    assert "was cancelled" in str(antroute("result", job["id"]).exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submit", "--workflow", "reviw"], "did you mean 'review'"),
        (["submit", "x", "--workflow", "review"], "takes named inputs"),
        (["submit", "--workflow", "review", "--input", "text"], "is no NAME=TEXT"),
        (["submit", "--workflow", "review", "--input", "text=@gone.txt"], "cannot be read"),
        (["submit", "--workflow", "gone.yaml"], "cannot be read"),
        (["submit", "x", "--webhook-url", "http://127.0.0.1/"], "over https only"),
        (["list", "--state", "waiting"], "No state 'waiting'"),
        (["list", "--key", "k"], "A key is for a server"),
        (["list", "--url", "http://x", "--store", "memory:"], "either --url or --store"),
        (["list", "--url", "localhost"], "no http:// or https:// URL"),
    ],
)
def test_wrong_option_is_told_in_words(arguments: list[str], message: str) -> None:
    wrong = antroute(*arguments)
    assert isinstance(wrong.exception, InvalidInput)
    assert message in str(wrong.exception)


async def test_same_commands_speak_to_a_server(make_service: MakeService, tmp_path: Path) -> None:
    service = await make_service(server={"secret": "s" * 48})
    service.worker.start()
    key = tmp_path / "key"
    key.write_text("k" * 40 + "\n")
    async with live(make_app(service, key="k" * 40)) as port:
        there = ["--url", f"http://127.0.0.1:{port}", "--key-file", str(key)]

        async def answer(*arguments: str) -> Any:
            return told(await asyncio.to_thread(antroute, *arguments, *there, "--json"))

        done = await answer("submit", "What is the capital of France?", "--follow")
        assert done["result"]["answer"] == "Paris"
        assert (await answer("result", done["job"]["id"]))["answer"] == "Paris"
        assert [job["id"] for job in (await answer("list"))["jobs"]] == [done["job"]["id"]]
        refused = await asyncio.to_thread(antroute, "list", *there[:2])
        assert "key" in str(refused.exception)


def test_line_of_a_job_says_which_step_and_what_it_has_cost() -> None:
    standing = Standing()

    def after(kind: Any, **data: str) -> str:
        return standing.after(JobEvent(job_id="job_1", kind=kind, data=data, seq=1))

    assert after("started") == "started; 0 done, $0.000000"
    assert after("step_started", step="claims\x1b[2J") == "step claims\\x1b[2J; 0 done, $0.000000"
    assert after("step_finished", step="claims", cost_usd="0.0012") == "step finished; 1 done, $0.001200"
    assert "\x1b" not in line_of(JobEvent(job_id="job_1", kind="started", data={"step": "\x1b[2J"}, seq=1))
