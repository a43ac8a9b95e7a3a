"""`antroute traces`, as it speaks: lists by filters, runs, explanations, following, exports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from orchestrator.cli.trace_tail import Told, new_ones
from orchestrator.cli.traces import app
from storage.errors import InvalidInput, RecordNotFound, ServiceError
from storage.summary_records import SummaryFilter
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM
from tests.orchestrator.stored_runs import StoredRuns, stored_runs

__all__ = ["stored_runs"]


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(*arguments: str) -> ServiceError:
    error = CliRunner().invoke(app, list(arguments)).exception
    assert isinstance(error, ServiceError), error
    return error


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said("list", "--json", "--limit", "500", *arguments))["decisions"]
    return found


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        (("--candidate", "large"), lambda d: d["candidate_id"] == "large"),
        (("--policy", "linucb"), lambda d: d["policy"] == "linucb"),
        (("--status", "failed"), lambda d: d["status"] == "failed"),
        (("--task", "facts", "--candidate", "large"), lambda d: (d["task"], d["candidate_id"]) == ("facts", "large")),
        (("--cost-over", "0.0001"), lambda d: float(d["cost_usd"]) > 0.0001),
        (("--close-calls",), lambda d: d["margin"] is not None and abs(d["margin"]) < 0.05),
        (("--close-calls", "--margin", "0.5"), lambda d: d["margin"] is not None and abs(d["margin"]) < 0.5),
        (("--judged",), lambda d: d["quality"] is not None),
        (("--unjudged",), lambda d: d["quality"] is None),
        (("--since", "1h"), lambda d: True),
        (("--until", "1h"), lambda d: False),
    ],
)  # fmt: skip
def test_filters_keep_what_fits_and_nothing_else(
    stored_runs: StoredRuns, arguments: tuple[str, ...], fits: Any
) -> None:
    everything = listed()
    assert [each["decision_id"] for each in everything] == list(stored_runs.decision_ids)[::-1]
    assert listed(*arguments) == [each for each in everything if fits(each)]


def test_a_run_a_job_and_a_task_are_found_by_their_names(stored_runs: StoredRuns) -> None:
    assert {each["run_id"] for each in listed("--run", stored_runs.run_ids[0])} == {stored_runs.run_ids[0]}
    assert {each["run_id"] for each in listed("--job", stored_runs.job_id)} == {stored_runs.run_ids[2]}
    task = listed()[0]["task"]
    assert {each["task"] for each in listed("--task", task)} == {task}
    assert isinstance(refused("list", "--job", "job_0000000000000000"), RecordNotFound)


def test_pages_hold_every_decision_once(stored_runs: StoredRuns) -> None:
    found, cursor = [], None
    while True:
        page = json.loads(said("list", "--json", "--limit", "2", *(("--cursor", str(cursor)) if cursor else ())))
        assert page.keys() == {"decisions", "next_cursor"}
        found += [each["decision_id"] for each in page["decisions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == list(stored_runs.decision_ids)[::-1]


def test_an_empty_list_says_what_fills_it_and_what_emptied_it(stored_runs: StoredRuns, tmp_path: Path) -> None:
    words = said("list", "--candidate", "larg", "--status", "failed")
    assert (
        "No decision fits --candidate larg --status failed. Without filters there are some: antroute traces list"
        in words
    )
    assert "No decision has the candidate 'larg'; those that have: large, small." in words
    assert (
        said("list", "--cursor", "1") == "No decisions before this cursor. From the newest on: antroute traces list\n"
    )
    asyncio.run(_made(f"sqlite:///{tmp_path / 'empty.db'}"))
    empty = ("--store", f"sqlite:///{tmp_path / 'empty.db'}")
    for filters in ((), ("--candidate", "small")):
        assert said("list", *filters, *empty) == 'No decisions yet. Make one: antroute ask "What is 17% of 2340?"\n'
    assert json.loads(said("list", "--json", *empty)) == {"decisions": [], "next_cursor": None}
    assert "No run yet." in str(refused("last", *empty))


async def _made(url: str) -> None:
    from storage.registry import open_stores

    await (await open_stores(url)).close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "is no time"),
        (("--status", "lost"), "No status 'lost'; known: succeeded"),
        (("--cost-over", "much"), "'much' is no amount of USD"),
        (("--cost-over", "-1"), "is no amount of USD"),
        (("--cost-over", "NaN"), "is no amount of USD"),
        (("--margin", "0.1"), "--margin goes with --close-calls"),
        (("--run", "a", "--job", "b"), "name two runs"),
    ],
)
def test_what_cannot_be_read_is_refused(stored_runs: StoredRuns, arguments: tuple[str, ...], words: str) -> None:
    error = refused("list", *arguments)
    assert isinstance(error, InvalidInput)
    assert words in str(error)


@pytest.mark.parametrize("width", [80, 140])
def test_nothing_is_wider_than_the_terminal(
    stored_runs: StoredRuns, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    outputs = [said("list"), said("last"), said("show", stored_runs.run_ids[1]), said("explain", "last")]
    outputs += [said("explain", stored_runs.failed_id), said("show", stored_runs.failed_id)]
    for output in outputs:
        lines = output.splitlines()
        assert max(map(cell_len, lines)) <= width
        assert all(line.isprintable() for line in lines)
    for decision_id in stored_runs.decision_ids:
        assert decision_id in outputs[0]


def test_last_and_show_and_explain_agree_on_the_newest_run(stored_runs: StoredRuns) -> None:
    newest = stored_runs.run_ids[-1]
    assert said("last") == said("show", newest) == said("show", "last") == said("show", stored_runs.decision_ids[-1])
    assert said("last").startswith(newest)
    assert json.loads(said("last", "--json"))["run_id"] == newest
    explained = json.loads(said("explain", "last", "--json"))
    assert [each["run_id"] for each in explained] == [newest] * len(explained)
    assert all(each["explanation"]["headline"].startswith("Picked ") for each in explained)
    assert said("explain", newest).count("Picked ") == len(explained) > 0
    [one] = json.loads(said("explain", stored_runs.decision_ids[0], "--json"))
    assert one["explanation"].keys() == {"verdict", "headline", "margin", "flips", "money"}


async def test_what_is_new_is_told_in_order_and_again_when_it_has_ended(
    make_service: MakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    model = GatedLLM(("Hello",))
    service = await make_service(small=model)
    summaries = service.stores.summaries
    done = [await service.run("Hello", candidate="large") for _ in range(3)]
    await summaries.catch_up(seconds=5)
    found = await new_ones(summaries, SummaryFilter(limit=2), 0)
    assert [each.decision_id for each in found] == [run.decision_id for run in done]
    begun = asyncio.create_task(service.run("Hello", candidate="small"))
    await model.has_begun.wait()
    position = (await summaries.catch_up(seconds=5)).position
    [running] = await new_ones(summaries, SummaryFilter(), found[-1].position)
    told = Told(as_json=True)
    told.new(running)
    told.again(running)
    assert told.running() == [running.decision_id]
    model.gate.set()
    await begun
    await summaries.catch_up(seconds=5)
    assert await new_ones(summaries, SummaryFilter(), position) == []
    told.again(await summaries.get(running.decision_id))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["decision_id"], line["status"]) for line in lines] == [
        (running.decision_id, "running"),
        (running.decision_id, "succeeded"),
    ]
    assert told.running() == []


async def test_followed_rows_stand_in_columns(make_service: MakeService, capsys: pytest.CaptureFixture[str]) -> None:
    service = await make_service()
    for name in ("small", "large", "small"):
        await service.run("Hello", candidate=name)
    await service.stores.summaries.catch_up(seconds=5)
    found = await new_ones(service.stores.summaries, SummaryFilter(), 0)
    told = Told(as_json=False, alike=found)
    for each in found:
        told.new(each)
    head, *lines = capsys.readouterr().out.splitlines()
    assert [line.index("succeeded") for line in lines] == [head.index("outcome")] * 3


def test_an_export_is_there_whole_with_its_manifest_and_replaces_nothing_unasked(
    stored_runs: StoredRuns, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    count = len(stored_runs.decision_ids)
    assert said("export", str(out)).startswith(f"{count} decisions exported to {out}, ")
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.jsonl", "out.jsonl.manifest.json"]
    assert len(out.read_text().splitlines()) == count
    assert "is there already" in str(refused("export", str(out)))
    again = json.loads(said("export", str(out), "--force", "--status", "failed", "--json"))
    assert (again["count"], again["filters"]) == (len(out.read_text().splitlines()), {"status": "failed"})


def test_an_export_to_the_output_holds_nothing_but_rows(stored_runs: StoredRuns) -> None:
    rows = [json.loads(line) for line in said("export", "--what", "events").splitlines()]
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "csv"), "No format 'csv'; known: jsonl, parquet, otlp-json."),
        (("--what", "texts"), "Nothing is called 'texts'"),
        (("--format", "otlp-json", "--what", "events"), "otlp-json holds spans, not events."),
        (("--what", "events", "--with-texts"), "An export of events as jsonl holds no texts."),
        (("/nowhere/at/all.jsonl",), "cannot be written"),
    ],
)
def test_an_export_that_cannot_be_is_refused(stored_runs: StoredRuns, arguments: tuple[str, ...], words: str) -> None:
    assert words in str(refused("export", *arguments))
