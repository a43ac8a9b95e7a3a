"""`antroute memory`, as it speaks."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.memory import app, moment_of
from routing.registry import POLICIES
from storage.errors import InvalidInput
from storage.registry import open_stores
from storage.trail_records import TrailEvent
from tests.orchestrator.test_trail_keeper import NOON, lesson

DOUBLE = ("--memory", "double")


@pytest.fixture(autouse=True)
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in which the memory `double` has learned five lessons."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setitem(POLICIES, "double", "tests.orchestrator.trail_doubles:DoubleMemory")
    monkeypatch.setenv("ANTROUTE_STORE_URL", url)
    asyncio.run(appended(url, *(lesson(number) for number in range(5))))
    return url


async def appended(url: str, *events: TrailEvent) -> None:
    stores = await open_stores(url)
    await stores.trails.append(events)
    await stores.close()


async def stored(url: str) -> list[TrailEvent]:
    stores = await open_stores(url)
    events = await stores.trails.events("double")
    await stores.close()
    return events


def result_of(*arguments: str | Path, typed: str = "") -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], input=typed)


def said(*arguments: str | Path, code: int = 0, typed: str = "") -> str:
    result = result_of(*arguments, typed=typed)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def refused(*arguments: str | Path) -> str:
    error = result_of(*arguments).exception
    assert isinstance(error, InvalidInput)
    return str(error)


def test_show_is_a_table_of_cells() -> None:
    lines = said("show", *DOUBLE).splitlines()
    assert lines[1].split() == ["task", "stage", "candidate", "trail", "n", "mean", "deviation", "last", "use"]
    used = (NOON + timedelta(hours=4)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    [row] = [line for line in lines if "sql" in line and "candidate_0" in line]
    assert row.split()[:3] == ["sql", "solve", "candidate_0"]
    assert row.split()[4:7] == ["2.25", "0.6667", "0.0000"]
    assert row.endswith(used)


def test_show_takes_stage_candidate_and_json() -> None:
    [table] = json.loads(said("show", *DOUBLE, "--candidate", "candidate_1", "--json"))
    assert table["memory"] == "double"
    assert {cell["candidate_id"] for cell in table["cells"]} == {"candidate_1"}
    assert "nothing was learned" in said("show", *DOUBLE, "--stage", "verify")


def test_show_goes_back_to_any_moment() -> None:
    at = (NOON + timedelta(hours=1)).isoformat()
    [table] = json.loads(said("show", *DOUBLE, "--at", at, "--json"))
    assert sum(cell["n"] for cell in table["cells"]) == 2
    assert datetime.fromisoformat(table["at"]) == NOON + timedelta(hours=1)
    assert "is no time; write it as" in refused("show", "--at", "yesterday")


def test_a_time_without_a_zone_is_local() -> None:
    assert moment_of("2026-11-02T14:30") == datetime(2026, 11, 2, 14, 30).astimezone()
    assert moment_of(None) is None


def test_names_of_strangers_are_written_out(url: str) -> None:
    asyncio.run(appended(url, lesson(9, candidate_id="evil\x1b[2J\u202e", stage="[bold]")))
    shown = said("show", *DOUBLE)
    assert "\x1b" not in shown
    assert r"evil\x1b[2J\u202e" in shown
    assert "[bold]" in shown


def test_show_draws_a_heat_map(tmp_path: Path) -> None:
    said("show", *DOUBLE, "--picture", tmp_path / "heat.svg")
    assert ElementTree.parse(tmp_path / "heat.svg").getroot().tag.endswith("svg")
    assert "end it with .svg" in refused("show", "--picture", tmp_path / "heat.png")


def test_several_memories_are_drawn_each_in_a_file_of_its_own(tmp_path: Path) -> None:
    said("show", "--picture", tmp_path / "heat.svg")
    drawn = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert drawn[:2] == ["heat-1.svg", "heat-2.svg"]


def test_an_unknown_memory_is_told_with_the_nearest() -> None:
    assert "did you mean 'double'" in refused("show", "--memory", "doubel")


def test_reset_asks_first_and_forgets_nothing_at_a_no(url: str) -> None:
    result = result_of("reset", *DOUBLE, typed="n\n")
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert "Forget 4 cells of double?" in result.output
    assert {event.kind for event in asyncio.run(stored(url))} == {"deposit"}


def test_reset_forgets_the_cells_that_were_named_and_the_past_stays(url: str) -> None:
    assert "2 cells are forgotten" in said("reset", *DOUBLE, "--candidate", "candidate_1", "--yes")
    [table] = json.loads(said("show", *DOUBLE, "--json"))
    assert {cell["candidate_id"] for cell in table["cells"]} == {"candidate_0"}
    [table] = json.loads(said("show", *DOUBLE, "--at", (NOON + timedelta(hours=9)).isoformat(), "--json"))
    assert {cell["candidate_id"] for cell in table["cells"]} == {"candidate_0", "candidate_1"}
    last = asyncio.run(stored(url))[-1]
    assert (last.kind, last.candidate_id, last.stage) == ("reset", "candidate_1", "")


def test_reset_of_cells_that_are_not_there_writes_nothing(url: str) -> None:
    assert "nothing to forget" in said("reset", *DOUBLE, "--stage", "verify", "--yes")
    assert len(asyncio.run(stored(url))) == 5


def test_reset_speaks_json() -> None:
    [event] = json.loads(said("reset", *DOUBLE, "--yes", "--json"))
    assert (event["kind"], event["memory"], event["position"]) == ("reset", "double", 6)


def test_export_writes_cells_or_events(tmp_path: Path) -> None:
    cells, events = tmp_path / "cells.csv", tmp_path / "events.jsonl"
    assert "4 cells written" in said("export", cells, *DOUBLE)
    with cells.open(newline="") as source:
        assert [row["memory"] for row in csv.DictReader(source)] == ["double"] * 4
    assert "5 events written" in said("export", events, "--events", *DOUBLE)
    ids = [json.loads(line)["decision_id"] for line in events.read_text().splitlines()]
    assert ids == [f"decision_{number}" for number in range(5)]
    at = (NOON + timedelta(hours=1)).isoformat()
    assert "2 events written" in said("export", events, "--events", *DOUBLE, "--at", at)
    assert "names no format" in refused("export", tmp_path / "cells.xlsx")


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No database" in refused("show", "--store", f"sqlite:///{tmp_path / 'none.db'}")
