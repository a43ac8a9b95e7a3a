"""The outcomes table, CSV or Parquet, read into matrices with every problem told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.dataset import MEASURES
from routing.forecasts import Matrix
from routing.training.problems import Findings
from routing.training.sources import Table, lacks_columns, numbers, read_csv
from routing.training.tables import read_parquet

NEEDED = ("query_id", "candidate", "quality")
KEYS = ("query_id", "candidate")
LARGEST = 1e9  # USD, seconds, joules or tokens of one answer: more is a wrong unit


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which query (row) and which candidate (column) each line of the table speaks of; -1: nobody known."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def are_known(self) -> NDArray[np.bool_]:
        return (self.rows >= 0) & (self.columns >= 0)


def read_outcomes(
    path: Path, findings: Findings, *, query_ids: Sequence[str], candidates: Sequence[str]
) -> dict[str, Matrix] | None:
    """Measure to matrix, queries × candidates, NaN where nothing is known. None, and told: no table can be read."""
    is_parquet = path.suffix == ".parquet"
    table = read_parquet(path, findings) if is_parquet else read_csv(path, findings, needed=NEEDED)
    if table is None or lacks_columns(table, NEEDED if is_parquet else (), findings):
        return None
    if not len(table.lines):
        findings.error(table.file, None, "", "there is a header and no outcome; at least one is needed.")
        return None
    for name in table.columns:
        if name not in (*KEYS, *MEASURES):
            findings.warning(table.file, 1, name, "this column is not read.")
    places = Places(
        rows=_places(table, "query_id", query_ids, findings, listed_in="the queries file"),
        columns=_places(table, "candidate", candidates, findings, listed_in="candidates.json"),
    )
    _tell_twice(table, places, len(candidates), findings)
    name_to_values = {name: _measure(table, name, findings) for name in MEASURES if name in table.columns}
    return _matrices(table, name_to_values, places, (len(query_ids), len(candidates)), findings)


def _places(table: Table, name: str, ids: Sequence[str], findings: Findings, *, listed_in: str) -> NDArray[np.int64]:
    cells = [cell if isinstance(cell, str) else str(cell) for cell in table.columns[name]]
    id_to_place = {id: place for place, id in enumerate(ids)}
    found = np.array([id_to_place.get(cell, -1) for cell in cells], dtype=np.int64)
    unknown: dict[str, list[int]] = {}
    for place in np.flatnonzero(found < 0).tolist():
        unknown.setdefault(cells[place], []).append(place)
    for cell, places in unknown.items():
        times = f" (in {len(places)} lines, this one first)" if len(places) > 1 else ""
        findings.error(table.file, table.lines[places[0]], name, f"{cell!r:.80} is not listed in {listed_in}{times}.")
    return found


def _tell_twice(table: Table, places: Places, candidate_count: int, findings: Findings) -> None:
    known = np.flatnonzero(places.are_known)
    keys = places.rows[known] * candidate_count + places.columns[known]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    first_place = known[first[which]]
    again = np.flatnonzero(first_place != known)
    line_of = {int(known[place]): table.lines[int(first_place[place])] for place in again.tolist()}
    query_ids, candidates = table.columns["query_id"], table.columns["candidate"]

    def message(place: int) -> str:
        pair = f"({query_ids[place]!r:.60}, {candidates[place]!r:.60})"
        return f"the pair {pair} stands in line {line_of[place]} already; keep one of them, or their mean."

    findings.errors_at(table.file, table.lines, "query_id, candidate", known[again].tolist(), message)


def _measure(table: Table, name: str, findings: Findings) -> NDArray[np.float64]:
    """One column, checked; NaN where it is empty or wrong."""
    cells = table.columns[name]
    found = numbers(cells)
    empty = " Leave the cell empty where nothing is known." if name != "quality" else ""
    findings.errors_at(
        table.file, table.lines, name, found.wrong, lambda place: f"{cells[place]!r:.60} is not a finite number.{empty}"
    )
    bound, is_outside = _outside(name, found.values)
    findings.errors_at(
        table.file,
        table.lines,
        name,
        np.flatnonzero(is_outside).tolist(),
        lambda place: f"{cells[place]!r:.60} {bound}",
    )
    return np.where(is_outside, np.nan, found.values)


def _outside(name: str, values: NDArray[np.float64]) -> tuple[str, NDArray[np.bool_]]:
    """What a measure must be, and where it is not."""
    if name == "quality":
        bound = "is outside 0 to 1; divide by the best mark there is, so that 1 is perfect."
        return bound, (values < 0) | (values > 1)
    if name == "propensity":
        return "cannot be the chance of a choice that was made; it lies above 0, up to 1.", (values <= 0) | (values > 1)
    return f"is outside 0 to {LARGEST:g}; is the unit right?", (values < 0) | (values > LARGEST)


def _matrices(
    table: Table,
    name_to_values: Mapping[str, NDArray[np.float64]],
    places: Places,
    shape: tuple[int, int],
    findings: Findings,
) -> dict[str, Matrix]:
    is_empty = np.array([cell is None or cell == "" for cell in table.columns["quality"]])
    if is_empty.any():
        line = table.lines[int(is_empty.argmax())]
        message = f"is empty; outcomes without quality are left out: {int(is_empty.sum())}, this one first."
        findings.warning(table.file, line, "quality", message)
    taken = np.flatnonzero(places.are_known & ~is_empty)
    matrices = {}
    for name, values in name_to_values.items():
        matrices[name] = np.full(shape, np.nan)
        matrices[name][places.rows[taken], places.columns[taken]] = values[taken]
    return matrices
