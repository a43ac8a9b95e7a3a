"""Fits a cascade's thresholds on answers whose worth is known, under a budget (FrugalGPT, arXiv:2305.05176)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidInput

GRID = 24  # thresholds tried a rung: quantiles of its scores
SKIPS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # expected qualities below which a rung is not asked
MOST_COMBINATIONS = 60_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RungTable:
    """What each rung answered to each query: arrays of (queries, rungs)."""

    candidates: tuple[str, ...]
    scores: Floats  # in [0, 1]: how sure one may be of the answer
    quality: Floats  # in [0, 1]: how good it was
    cost_usd: Floats
    expected: Floats | None = None  # in [0, 1]: what was expected of it before; None: nothing was learned

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, kw_only=True)
class FittedCascade:
    """Thresholds for all rungs but the last, which is always accepted, and what they gave on the data."""

    candidates: tuple[str, ...]
    thresholds: tuple[float, ...]
    skip_below: tuple[float, ...]  # of the same rungs; 0: never skipped
    quality: float
    cost_usd: float  # mean a query
    queries: int


def play(table: RungTable, thresholds: Sequence[float], skip_below: Sequence[float] = ()) -> tuple[Floats, Floats]:
    """Quality and cost of each query under a cascade with these thresholds; a rung is paid when it is reached."""
    is_asked = np.ones(table.scores.shape, dtype=bool)
    if table.expected is not None and len(skip_below):
        is_asked[:, :-1] = table.expected[:, :-1] >= np.asarray(skip_below)
    accepted = np.column_stack([table.scores[:, :-1] >= np.asarray(thresholds), np.ones(len(table), dtype=bool)])
    last = (accepted & is_asked).argmax(axis=1)
    rows = np.arange(len(table))
    return table.quality[rows, last], np.cumsum(table.cost_usd * is_asked, axis=1)[rows, last]


def fit_cascade(table: RungTable, *, budget_usd: float) -> FittedCascade:
    """The best mean quality at a mean cost within the budget; of equal ones the cheapest.

    `budget_usd`: mean a query. Raises InvalidInput where not even the first rung fits it.
    """
    return _best(_cascades(table), budget_usd)


def frontier(table: RungTable, *, points: int = 12) -> list[FittedCascade]:
    """The best cascade at each of several budgets between the cheapest rung and all of them."""
    every = _cascades(table)
    least, most = min(each.cost_usd for each in every), float(table.cost_usd.sum(axis=1).mean())
    return [_best(every, float(budget) + 1e-12) for budget in np.linspace(least, most, points)]


def _best(cascades: Sequence[FittedCascade], budget_usd: float) -> FittedCascade:
    if affordable := [each for each in cascades if each.cost_usd <= budget_usd]:
        return max(affordable, key=lambda each: (each.quality, -each.cost_usd))
    least = min(each.cost_usd for each in cascades)
    raise InvalidInput(
        f"No cascade keeps to ${budget_usd:.6f} a query: the first rung alone costs ${least:.6f}.", field="budget"
    )


def _cascades(table: RungTable) -> list[FittedCascade]:
    """Every combination of thresholds, and of what is skipped. Raises InvalidInput for a table without two rungs."""
    if len(table) == 0 or len(table.candidates) < 2:
        raise InvalidInput("A cascade needs two rungs and some queries.", field="data")
    places = range(len(table.candidates) - 1)
    grids = [_grid(table.scores[:, rung]) for rung in places]
    skips = [SKIPS if table.expected is not None else (0.0,) for _ in places]
    while int(np.prod([len(grid) for grid in (*grids, *skips)])) > MOST_COMBINATIONS:
        grids = [grid[::2] for grid in grids]
    return [_played(table, thresholds, skip_below) for skip_below in product(*skips) for thresholds in product(*grids)]


def _played(table: RungTable, thresholds: tuple[float, ...], skip_below: tuple[float, ...]) -> FittedCascade:
    quality, cost = play(table, thresholds, skip_below)
    return FittedCascade(
        candidates=table.candidates,
        thresholds=thresholds,
        skip_below=skip_below,
        quality=float(quality.mean()),
        cost_usd=float(cost.mean()),
        queries=len(table),
    )


def read_rungs(path: Path) -> RungTable:
    """Lines of `{"query_id", "rungs": [{"candidate", "score", "quality", "cost_usd", "expected"?}]}`, all with the
    same candidates, `expected` on all or on none.

    Raises InvalidInput, naming line and field.
    """
    rows = list(_rows(path))
    names = tuple(str(rung["candidate"]) for rung in rows[0][1]) if rows else ()
    for number, rungs in rows:
        if tuple(rung["candidate"] for rung in rungs) != names:
            raise InvalidInput(f"{path}:{number}: the rungs are not {', '.join(names)}.", field="rungs")
    has_expected = any("expected" in rung for _, rungs in rows for rung in rungs)
    columns = {
        name: np.array([[_number(rung, name, path, number) for rung in rungs] for number, rungs in rows])
        for name in ("score", "quality", "cost_usd", *(("expected",) if has_expected else ()))
    }
    if len(names) < 2:
        raise InvalidInput(f"{path} holds no line with two rungs or more.", field="rungs")
    return RungTable(
        candidates=names,
        scores=columns["score"],
        quality=columns["quality"],
        cost_usd=columns["cost_usd"],
        expected=columns.get("expected"),
    )


def _rows(path: Path) -> Iterator[tuple[int, list[dict[str, object]]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"{str(path)!r} cannot be read: {exc}.", field="data") from exc
    for number, line in enumerate(lines, start=1):
        try:
            rungs = json.loads(line)["rungs"]
            if not all(isinstance(rung["candidate"], str) for rung in rungs):
                raise TypeError("a candidate is no text")
        except (ValueError, KeyError, TypeError) as exc:
            raise InvalidInput(f"{path}:{number}: no line of rungs: {exc!r}.", field="rungs") from exc
        yield number, rungs


def _number(rung: dict[str, object], name: str, path: Path, line: int) -> float:
    value = rung.get(name)
    most = float("inf") if name == "cost_usd" else 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or value == float("inf"):
        raise InvalidInput(f"{path}:{line}: {name} is {value!r}; it must be a number from 0 to {most:g}.", field=name)
    return float(value)


def _grid(scores: Floats) -> list[float]:
    """From accepting everything to accepting nothing."""
    inner = np.unique(np.quantile(scores, np.linspace(0, 1, GRID)))
    return [0.0, *(float(each) for each in inner if each > 0), 1.01]
