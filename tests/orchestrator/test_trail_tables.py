"""A memory as a table: what a service, the command line, JSON and CSV show of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from orchestrator.trail_keeper import TrailKeeper
from orchestrator.trail_tables import (
    CELL_FIELDS,
    checked_target,
    event_row,
    of_these,
    rows_of,
    table_of,
    tables_of,
    tables_view,
    written,
)
from storage.errors import InvalidInput
from storage.registry import open_stores
from tests.orchestrator.test_trail_keeper import NOON, lesson
from tests.orchestrator.trail_doubles import DoubleMemory

HOSTILE = '=cmd|"x"\n\x00 π \ud800'


async def a_keeper(*names: str) -> TrailKeeper:
    stores = await open_stores("memory:")
    return TrailKeeper(stores.trails, [(DoubleMemory(name), partial(DoubleMemory, name)) for name in names])


def taught(*numbers: int) -> DoubleMemory:
    memory = DoubleMemory()
    for number in numbers:
        memory.learn(lesson(number))
    return memory


async def test_every_memory_is_shown_or_the_one_that_was_asked_for() -> None:
    keeper = await a_keeper("double", "other")
    assert [table.memory for table in await tables_of(keeper)] == ["double", "other"]
    assert [table.memory for table in await tables_of(keeper, memory="other")] == ["other"]
    with pytest.raises(InvalidInput, match="No memory 'othr'; did you mean 'other'"):
        await tables_of(keeper, memory="othr")


async def test_now_is_what_was_learned_a_moment_ago_and_the_past_is_what_was_stored() -> None:
    keeper = await a_keeper("double")
    live = keeper.live("double")
    assert isinstance(live, DoubleMemory)
    live.learn(lesson(1))
    [now] = await tables_of(keeper)
    assert [cell.candidate_id for cell in now.cells] == ["candidate_1", "candidate_1"]
    assert abs(now.at - datetime.now(UTC)) < timedelta(minutes=1)
    await keeper.flush()
    live.learn(lesson(2))
    await keeper.flush()
    [past] = await tables_of(keeper, at=NOON + timedelta(hours=1))
    assert (past.cells, past.at) == (now.cells, NOON + timedelta(hours=1))


def test_a_memory_without_cells_is_told() -> None:
    with pytest.raises(InvalidInput, match="'blind' has no cells to show"):
        table_of("blind", object(), NOON)


def test_cells_are_chosen_by_stage_and_candidate() -> None:
    table = table_of("double", taught(1, 2, 3), NOON)
    assert {cell.candidate_id for cell in of_these(table, candidate_id="candidate_1").cells} == {"candidate_1"}
    assert of_these(table, stage="solve") == table
    assert of_these(table, stage="verify").cells == ()


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
def test_every_format_gives_the_cells_back(suffix: str) -> None:
    rows = rows_of([table_of("double", taught(1, 2), NOON)])
    text = written(rows, suffix)
    if suffix == ".csv":
        found = list(csv.DictReader(io.StringIO(text)))
        assert [tuple(row) for row in found] == [CELL_FIELDS] * len(rows)
        assert [float(row["tau"]) for row in found] == [row["tau"] for row in rows]
    else:
        found = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        assert found == rows
    assert len(found) == 4


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
def test_hostile_names_are_written_and_break_no_line(suffix: str) -> None:
    memory = DoubleMemory()
    memory.learn(lesson(1, candidate_id=HOSTILE, stage=HOSTILE, mixture={HOSTILE: 1.0}))
    text = written(rows_of([table_of("double", memory, NOON)]), suffix)
    assert text.encode("utf-8")
    if suffix == ".csv":
        [row] = csv.DictReader(io.StringIO(text, newline=""))
        assert row["candidate_id"] == HOSTILE.replace("\ud800", "?")
    else:
        [row] = json.loads(text) if suffix == ".json" else map(json.loads, text.splitlines())
        assert row["candidate_id"] == HOSTILE


def test_a_table_without_cells_is_still_a_file() -> None:
    assert written([], ".csv") == ",".join(CELL_FIELDS) + "\n"
    assert json.loads(written([], ".json")) == []
    assert written([], ".jsonl") == ""


def test_an_event_is_exported_without_its_vector() -> None:
    row = event_row(lesson(1, payload_id="payload_1", embedding=b"\x00\xff"))
    assert (row["embedding"], row["has_embedding"], row["mixture"]) == (None, True, {"sql": 0.75, "mathe": 0.25})
    assert json.loads(json.dumps(row)) == row


def test_the_view_is_json() -> None:
    view = tables_view([table_of("double", taught(1), NOON)])
    assert json.loads(json.dumps(view)) == view
    assert view[0]["cells"][0]["used_at"] == "2026-03-01T13:00:00+00:00"


def test_a_file_of_no_known_format_is_refused() -> None:
    assert checked_target(Path("cells.csv")) == Path("cells.csv")
    with pytest.raises(InvalidInput, match="names no format"):
        checked_target(Path("cells.parquet"))
