"""How rows and sums get into their tables: read and folded beside the writer, put in by it, each event once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.canonical import moment_of
from storage.sql.batch import Batch
from storage.sql.hot import HotStatement, hot_insert
from storage.sql.store import chunks
from storage.sql.summary_tables import decision_summaries, decision_totals, summaries_progress
from storage.sql.tables import audit_events
from storage.summaries import FOLDED_KINDS, SUMS, TOKENS, Cell, Folded, LogLine, Row, folded, needed_decisions
from storage.summary_records import SummaryProgress

SLICE_SECONDS = 0.02  # how long the writer shall be held by one slice
FEWEST_EVENTS, MOST_EVENTS = 100, 3000  # of a slice
ROWS_A_REMOVAL = 2000
HOURS_A_REMOVAL = 24

events, rows, cells, progress = audit_events.c, decision_summaries.c, decision_totals.c, summaries_progress.c
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
following = audit_events.alias("following")

STATE = select(
    progress.position,
    progress.generation,
    progress.is_emptying,
    select(func.max(events.position)).scalar_subquery().label("last"),
    select(following.c.at).where(following.c.position == progress.position + 1).scalar_subquery().label("since"),
)
MOVE = update(summaries_progress).values(position=bindparam("new_position"))
BEGIN_EMPTYING = update(summaries_progress).values(position=0, generation=progress.generation + 1, is_emptying=1)
END_EMPTYING = update(summaries_progress).values(is_emptying=0)
LINES = HotStatement(
    select(events.position, events.kind, events.decision_id, events.canonical)
    .where(events.position > bindparam("after"), events.position <= bindparam("until"))
    .order_by(events.position)
)
KNOWN = (
    select(decision_summaries)
    .join(audit_events, events.position == rows.position)
    .where(events.kind == "decision", events.subject_id.in_(IDS))
)
INSERT_ROWS = hot_insert(decision_summaries)
CHANGED = (
    "status",
    "cost_nano",
    "latency_seconds",
    *TOKENS,
    "quality",
    "is_judged",
    "judged_by",
    "reward",
    "error_code",
)
CHANGE_ROWS = HotStatement(
    update(decision_summaries)
    .where(rows.position == bindparam("of_position"))
    .values({name: bindparam(f"new_{name}") for name in CHANGED})
)


def _adding(insert: Any) -> HotStatement:
    """Adds to a cell's sums, in one dialect's words."""
    statement = insert(decision_totals)
    added = statement.excluded
    later: ColumnElement[int] = case(
        (added.last_position > cells.last_position, added.last_position), else_=cells.last_position
    )
    sums = {name: cells[name] + added[name] for name in SUMS} | {"last_position": later}
    statement = statement.on_conflict_do_update(index_elements=list(decision_totals.primary_key), set_=sums)
    return HotStatement(statement, columns=[column.name for column in decision_totals.columns])


FIRST_CELL = select(cells.grain, cells.hour).order_by(cells.grain, cells.hour).limit(1)
CELL_COLUMNS = (*Cell._fields, *SUMS, "first_position", "last_position")
ADD_TO_CELLS = {"sqlite": _adding(sqlite.insert), "postgresql": _adding(postgresql.insert)}


@dataclass
class Pace:
    """How many events a slice takes, so that the writer is held for about SLICE_SECONDS."""

    events: int = 4 * FEWEST_EVENTS

    def tell(self, count: int, seconds: float) -> None:
        """So many events took the writer so long."""
        fitting = int(count * SLICE_SECONDS / max(seconds, 1e-6))
        self.events = max(FEWEST_EVENTS, min(fitting, 2 * self.events, MOST_EVENTS))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of the tables: of which log, and of which rebuilding."""

    generation: int
    is_emptying: bool
    summary: SummaryProgress

    @property
    def place(self) -> tuple[int, int, bool]:
        """What changes when anybody has gone on."""
        return self.generation, self.summary.position, self.is_emptying

    @property
    def is_behind(self) -> bool:
        return self.is_emptying or self.summary.behind > 0


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A folded stretch of the log, from the place that it was folded at until its last event."""

    generation: int
    after: int
    until: int
    added: Folded


def progress_of(connection: Connection) -> Progress:
    row = connection.execute(STATE).one()
    summary = SummaryProgress(
        position=row.position,
        last_position=max(row.last or 0, row.position),
        since=None if row.since is None else moment_of(row.since),
    )
    return Progress(generation=row.generation, is_emptying=bool(row.is_emptying), summary=summary)


def folded_slice(connection: Connection, at: Progress, count: int) -> Slice:
    """The next events folded. Raises LogCorrupt. Rows read while others go on do no harm: `put_slice` sees it."""
    after = at.summary.position
    until = min(after + count, at.summary.last_position)
    found = LINES.rows(connection, {"after": after, "until": until})
    lines = [LogLine(*row) for row in found if row[1] in FOLDED_KINDS]
    known: dict[str, Row] = {}
    for ids in chunks(needed_decisions(lines)):
        known |= {row["decision_id"]: dict(row) for row in connection.execute(KNOWN, {"ids": ids}).mappings()}
    return Slice(generation=at.generation, after=after, until=until, added=folded(lines, known))


def put_slice(batch: Batch, made: Slice, pace: Pace) -> None:
    """Puts the slice in, unless somebody has gone on meanwhile: then it is dropped."""
    started = time.perf_counter()
    connection = batch.connection
    now = connection.execute(STATE).one()
    if (now.generation, now.position, now.is_emptying) != (made.generation, made.after, 0):
        return
    INSERT_ROWS.each(connection, list(made.added.new.values()))
    CHANGE_ROWS.each(connection, [_change(row) for row in made.added.changed.values()])
    ADD_TO_CELLS[connection.dialect.name].each(
        connection,
        [
            dict(zip(CELL_COLUMNS, (*cell, *sums.counts, sums.first_position, sums.last_position), strict=True))
            for cell, sums in sorted(made.added.cells.items())
        ],
    )
    connection.execute(MOVE, {"new_position": made.until})
    pace.tell(made.until - made.after, time.perf_counter() - started)


def mark_emptying(batch: Batch) -> None:
    batch.connection.execute(BEGIN_EMPTYING)


def empty_slice(batch: Batch) -> None:
    """Removes some of the rows; when none is left, folding may begin."""
    connection = batch.connection
    first = connection.execute(select(func.min(rows.position))).scalar()
    if first is not None:
        connection.execute(delete(decision_summaries).where(rows.position < first + ROWS_A_REMOVAL))
        return
    cell = connection.execute(FIRST_CELL).one_or_none()
    if cell is not None:
        of_grain = delete(decision_totals).where(cells.grain == cell.grain)
        connection.execute(of_grain.where(cells.hour < cell.hour + HOURS_A_REMOVAL))
        return
    connection.execute(END_EMPTYING)


def _change(row: Row) -> Row:
    return {"of_position": row["position"]} | {f"new_{name}": row[name] for name in CHANGED}
