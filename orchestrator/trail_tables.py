"""What a memory of trails holds, now or at a past moment, as a table: for people, JSON, CSV and pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import sqrt
from pathlib import Path
from typing import Any

from orchestrator.trail_keeper import TrailKeeper
from orchestrator.views import plain
from routing.pheromone.base import ShownMemory, TrailCell
from storage.errors import InvalidInput
from storage.records import utc_now
from storage.trail_records import TrailEvent

FORMATS = (".jsonl", ".csv", ".json")
CELL_FIELDS = ("memory", "task", "stage", "candidate_id", "tau", "n", "mean", "deviation", "used_at")


@dataclass(frozen=True, kw_only=True)
class TrailTable:
    """The cells of one memory, trails evaporated until `at`."""

    memory: str
    at: datetime
    cells: tuple[TrailCell, ...]


def deviation_of(cell: TrailCell) -> float:
    """Standard deviation of the utility."""
    return sqrt(max(cell.variance, 0.0))


async def tables_of(
    keeper: TrailKeeper, *, memory: str | None = None, at: datetime | None = None
) -> tuple[TrailTable, ...]:
    """Of every memory, or of this one. Raises InvalidInput for an unknown memory or a moment without a time zone."""
    names = keeper.memories if memory is None else (memory,)
    tables = []
    for name in names:
        found = keeper.live(name) if at is None else (await keeper.memory_at(name, at)).memory
        tables.append(table_of(name, found, at or utc_now()))
    return tuple(tables)


def table_of(name: str, memory: object, at: datetime) -> TrailTable:
    """Raises InvalidInput for a memory that has no cells to show."""
    if not isinstance(memory, ShownMemory):
        raise InvalidInput(f"Memory {name!r} has no cells to show.", field="memory")
    return TrailTable(memory=name, at=at, cells=tuple(memory.cells(at=at)))


def of_these(table: TrailTable, *, stage: str | None = None, candidate_id: str | None = None) -> TrailTable:
    """Only the cells of this stage and candidate; None: of all."""
    kept = (cell for cell in table.cells if stage in (None, cell.stage) and candidate_id in (None, cell.candidate_id))
    return replace(table, cells=tuple(kept))


def rows_of(tables: Iterable[TrailTable]) -> list[dict[str, Any]]:
    """Each cell as plain values under `CELL_FIELDS`."""
    rows = []
    for table in tables:
        for cell in table.cells:
            values = {**plain(cell), "memory": table.memory, "deviation": deviation_of(cell)}
            rows.append({name: values[name] for name in CELL_FIELDS})
    return rows


def tables_view(tables: Iterable[TrailTable]) -> list[dict[str, Any]]:
    """Each memory with its cells, as JSON has it."""
    return [{"memory": t.memory, "at": plain(t.at), "cells": rows_of([t])} for t in tables]


def event_row(event: TrailEvent) -> dict[str, Any]:
    """An event without its embedding, which is the text's and stays where it can be erased."""
    row: dict[str, Any] = plain(replace(event, embedding=None))
    row["has_embedding"] = event.embedding is not None
    return row


def checked_target(path: Path) -> Path:
    """Raises InvalidInput for an ending that names no format."""
    if path.suffix not in FORMATS:
        raise InvalidInput(f"{str(path)!r} names no format; end it with {', '.join(FORMATS)}.", field="out")
    return path


def written(rows: Sequence[dict[str, Any]], suffix: str) -> str:
    """The rows as `.json`, `.jsonl` or `.csv`; a value that is a list or an object stands in CSV as its JSON."""
    if suffix == ".json":
        return json.dumps(list(rows), indent=2, ensure_ascii=True) + "\n"
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(rows[0]) if rows else list(CELL_FIELDS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_value(value) for name, value in row.items()} for row in rows)
    return target.getvalue()


def _csv_value(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=True)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8
    return value
