"""One page of decisions, newest first: which index leads, and between which places of the log it need not look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, literal_column, select

from storage.sql.summary_tables import decision_summaries, decision_totals
from storage.summaries import HOURS_A_DAY, grain_of, hour_of
from storage.summary_filters import Wanted
from storage.summary_records import CLOSE_MARGIN

FEW = 3000  # rows that are sooner read and sorted out than all others are walked along
LAST_PLACE = 2**63 - 1  # that a column can hold
IN_CELLS = ("tenant", "candidate_id", "policy", "task")

rows, cells = decision_summaries.c, decision_totals.c
Condition = ColumnElement[bool]


def page_of(connection: Connection, wanted: Wanted) -> Sequence[RowMapping]:
    bounds = _bounds(connection, wanted)
    if bounds is None or wanted.limit == 0:
        return []
    places = _places(connection, wanted, bounds)
    query = select(decision_summaries).where(rows.position.in_(places)).order_by(rows.position.desc())
    return connection.execute(query).mappings().all()


def _bounds(connection: Connection, wanted: Wanted) -> tuple[int, int] | None:
    """The first and last place where a wanted decision may stand, from the sums; None: there is none."""
    before = LAST_PLACE if wanted.before_position is None else wanted.before_position
    first, last = (wanted.after_position or 0) + 1, before - 1
    if first > last:  # a database could not even be told the place after the last one
        return None
    named = {name: wanted.names[name] for name in IN_CELLS if name in wanted.names}
    if wanted.since is None and wanted.until is None and len(named) < 2:
        return first, last
    shape = named.keys() - {"tenant"}
    grain, hours = grain_of(shape, is_day=bool(shape)), HOURS_A_DAY if shape else 1
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


def _places(connection: Connection, wanted: Wanted, bounds: tuple[int, int]) -> Select[tuple[int]]:
    """Where the page's rows stand. It names the index: a planner without statistics guesses."""
    leader = _leader(connection, _served(wanted))
    query = select(rows.position).where(*_conditions(wanted, leader))
    first, last = bounds
    place: ColumnElement[int] = _unindexed(rows.position) if leader == "cost_nano" else rows.position
    query = query.where(place >= first, place <= last)
    return query.order_by(place.desc()).limit(wanted.limit)


def _served(wanted: Wanted) -> dict[str, Condition]:
    """The conditions that have an index of their own, by its column."""
    served: dict[str, Condition] = {name: rows[name] == value for name, value in wanted.names.items()}
    if wanted.cost_over_nano is not None:
        served["cost_nano"] = rows.cost_nano > wanted.cost_over_nano
    if wanted.margin_under is not None and wanted.margin_under <= CLOSE_MARGIN:
        served["is_close"] = rows.is_close == literal_column("1")  # in the words of the index
    if wanted.is_judged is not None:
        served["is_judged"] = rows.is_judged == wanted.is_judged
    return served


def _leader(connection: Connection, served: Mapping[str, Condition]) -> str | None:
    """The column whose index leads: one that leaves few rows, or the only one; None: the index that holds them all."""
    if len(served) == 1 and "cost_nano" not in served:
        return next(iter(served))
    counted = {name: _at_most(connection, condition) for name, condition in served.items()}
    least = min(counted, key=lambda name: counted[name], default=None)
    return least if least is not None and counted[least] < FEW else None


def _at_most(connection: Connection, condition: Condition) -> int:
    some = select(rows.position).where(condition).limit(FEW).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0


def _conditions(wanted: Wanted, leader: str | None) -> list[Condition]:
    """All of them, in a form that no other index serves than the leader's."""
    served = _served(wanted)
    conditions = [served[leader]] if leader is not None else []
    conditions += [_unindexed(rows[name]) == value for name, value in wanted.names.items() if name != leader]
    if wanted.cost_over_nano is not None and leader != "cost_nano":
        conditions.append(_unindexed(rows.cost_nano) > wanted.cost_over_nano)
    if wanted.margin_under is not None:
        conditions.append(func.abs(rows.margin) < wanted.margin_under)
    if wanted.is_judged is not None and leader != "is_judged":
        conditions.append(_unindexed(rows.is_judged) == wanted.is_judged)
    if wanted.since is not None:
        conditions.append(rows.decided_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(rows.decided_at < wanted.until)
    return conditions


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, column)
