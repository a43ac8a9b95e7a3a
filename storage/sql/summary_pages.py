"""One page of decisions, newest first: which index leads, and between which places of the log it need not look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, literal_column, select

from storage.sql.summary_tables import decision_summaries, decision_totals
from storage.summaries import DAY, HOURS_A_DAY, TENANT_HOUR, hour_of
from storage.summary_filters import Wanted
from storage.summary_records import CLOSE_MARGIN

FEW = 5000  # rows that are sooner sorted than looked for among all

# Which filter leads, the first that is given: those that as a rule leave fewer rows stand first.
LEADERS = ("run_id", "task", "candidate_id", "policy", "plan", "tenant")
IN_CELLS = ("tenant", "candidate_id", "policy", "task")

rows, cells = decision_summaries.c, decision_totals.c


def page_of(connection: Connection, wanted: Wanted) -> Sequence[RowMapping]:
    bounds = _bounds(connection, wanted)
    if bounds is None or wanted.limit == 0:
        return []
    return connection.execute(_page(connection, wanted, bounds)).mappings().all()


def _bounds(connection: Connection, wanted: Wanted) -> tuple[int, int] | None:
    """The first and last place where a wanted decision may stand, from the sums; None: there is none."""
    first, last = (wanted.after_position or 0) + 1, (wanted.before_position or 2**63 - 1) - 1
    named = {name: wanted.names[name] for name in IN_CELLS if name in wanted.names}
    if wanted.since is None and wanted.until is None and len(named) < 2:
        return first, last
    grain, hours = (TENANT_HOUR, 1) if named.keys() <= {"tenant"} else (DAY, HOURS_A_DAY)
    query = select(func.min(cells.first_position), func.max(cells.last_position)).where(cells.grain == grain)
    for name, value in named.items():
        query = query.where(cells[name] == value)
    if wanted.since is not None:
        query = query.where(cells.hour >= hour_of(wanted.since) // hours * hours)
    if wanted.until is not None:
        query = query.where(cells.hour <= hour_of(wanted.until))
    lowest, highest = connection.execute(query).one()
    if lowest is None:
        return None
    return max(first, lowest), min(last, highest)


def _page(connection: Connection, wanted: Wanted, bounds: tuple[int, int]) -> Select[Any]:
    """It names the index: a planner without statistics guesses."""
    leader = _leader(connection, wanted)
    query = select(decision_summaries)
    if leader == "cost_nano":
        few = select(rows.position).where(rows.cost_nano > wanted.cost_over_nano)
        query = query.where(rows.position.in_(few))
    elif wanted.cost_over_nano is not None:
        query = query.where(_unindexed(rows.cost_nano) > wanted.cost_over_nano)
    for name, value in wanted.names.items():
        query = query.where((rows[name] if name == leader else _unindexed(rows[name])) == value)
    if wanted.margin_under is not None:
        query = query.where(func.abs(rows.margin) < wanted.margin_under)
        if leader == "is_close":
            query = query.where(rows.is_close == literal_column("1"))  # said in the words of the index
    if wanted.is_judged is not None:
        judged = rows.is_judged if leader == "is_judged" else _unindexed(rows.is_judged)
        query = query.where(judged == wanted.is_judged)
    if wanted.since is not None:
        query = query.where(rows.decided_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(rows.decided_at < wanted.until)
    first, last = bounds
    query = query.where(rows.position >= first, rows.position <= last)
    return query.order_by(rows.position.desc()).limit(wanted.limit)


def _leader(connection: Connection, wanted: Wanted) -> str | None:
    """The column whose index leads; None: the log's order."""
    names = wanted.names
    if "run_id" in names:
        return "run_id"
    if wanted.cost_over_nano is not None and _are_few(connection, wanted.cost_over_nano):
        return "cost_nano"
    if "status" in names and names["status"] != "succeeded":
        return "status"
    if wanted.margin_under is not None and wanted.margin_under <= CLOSE_MARGIN:
        return "is_close"
    named = next((name for name in LEADERS if name in names), None)
    if named is None and wanted.is_judged is not None:
        return "is_judged"
    return named or ("status" if "status" in names else None)


def _are_few(connection: Connection, over_nano: int) -> bool:
    some = select(rows.position).where(rows.cost_nano > over_nano).limit(FEW).subquery()
    return (connection.execute(select(func.count()).select_from(some)).scalar() or 0) < FEW


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column in a form that no index serves."""
    return func.coalesce(column, column)
