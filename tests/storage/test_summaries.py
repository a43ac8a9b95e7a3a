"""Folding: in whatever slices, the same rows and sums; a damaged log is told by its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.canonical import entry_of
from storage.conformance_records import a_decision, a_payload, a_reward, an_outcome
from storage.errors import LogCorrupt
from storage.records import Outcome, OutcomeStatus, Reward
from storage.summaries import (
    LONGEST_KEY,
    SHAPES,
    Cell,
    LogLine,
    Row,
    Sums,
    folded,
    grain_of,
    key_text,
    needed_decisions,
)
from storage.summary_filters import Stretch, stretches
from storage.summary_records import TotalsFilter

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECISION = replace(a_decision(a_payload()), decided_at=NOON)
STATUSES: tuple[OutcomeStatus, ...] = ("succeeded", "failed", "refused", "cancelled", "judged")


@dataclass(frozen=True)
class Told:
    """An event of the program: of which decision, and what; `what` 0: the decision itself."""

    decision: int
    what: int
    number: float


def lines_of(program: list[Told]) -> list[LogLine]:
    """The log of what was told, each decision where it is first named."""
    lines: list[LogLine] = []
    known = set()
    for told in program:
        decision = replace(
            DECISION,
            id=f"decision_{told.decision}",
            tenant=("ours", "theirs")[told.decision % 2],
            candidate_id=(None, "candidate_0", "candidate_1")[told.decision % 3],
            task=("a", "b")[told.decision // 2 % 2],
            decided_at=NOON + told.decision * timedelta(hours=7),
        )
        outcome = replace(an_outcome(decision), id="outcome")
        record: Outcome | Reward = replace(a_reward(decision, outcome, told.number), id="reward")
        if told.what < len(STATUSES):
            record = replace(
                outcome,
                status=STATUSES[told.what],
                quality=None if told.number > 0.7 else told.number,
                cost_usd=Decimal(round(told.number * 1e6)).scaleb(-9),
                latency_seconds=told.number * 3,
            )
        if told.decision not in known:
            known.add(told.decision)
            lines.append(LogLine(len(lines) + 1, "decision", decision.id, entry_of(decision).canonical))
        entry = entry_of(record)
        lines.append(LogLine(len(lines) + 1, entry.kind, decision.id, entry.canonical))
    return lines


def in_slices(lines: list[LogLine], cuts: list[int]) -> tuple[dict[str, Row], dict[Cell, Sums]]:
    rows: dict[str, Row] = {}
    cells: dict[Cell, Sums] = {}
    edges = [0, *sorted(cut % (len(lines) + 1) for cut in cuts), len(lines)]
    for start, end in pairwise(edges):
        some = lines[start:end]
        added = folded(some, {each: rows[each] for each in needed_decisions(some)})
        assert not added.new.keys() & added.changed.keys()
        rows |= added.new | added.changed
        for cell, sums in added.cells.items():
            cells.setdefault(cell, Sums([0] * len(sums.counts))).include(sums)
    return rows, cells


PROGRAMS = st.lists(
    st.builds(Told, st.integers(0, 7), st.integers(0, len(STATUSES)), st.floats(0, 1, allow_nan=False)), max_size=40
)


@given(PROGRAMS, st.lists(st.integers(0, 100), max_size=6))
def test_in_whatever_slices_the_log_is_folded_rows_and_sums_are_the_same(program: list[Told], cuts: list[int]) -> None:
    lines = lines_of(program)
    assert in_slices(lines, cuts) == in_slices(lines, [])


@given(PROGRAMS)
def test_the_sums_of_every_shape_add_up_to_the_same(program: list[Told]) -> None:
    rows, cells = in_slices(lines_of(program), [])
    wholes = []
    for grain in range(2 * len(SHAPES)):
        of_grain = [sums for cell, sums in cells.items() if cell.grain == grain]
        wholes.append([sum(counts) for counts in zip(*(sums.counts for sums in of_grain), strict=True)])
        assert max((sums.last_position for sums in of_grain), default=0) == max(
            (row["position"] for row in rows.values()), default=0
        )
    assert wholes == wholes[:1] * len(wholes)
    assert not rows or wholes[0][0] == len(rows)


def test_a_text_that_is_too_long_ends_in_its_digest_and_others_stay() -> None:
    assert key_text("π" * LONGEST_KEY) == "π" * LONGEST_KEY
    one, other = key_text("x" * 5000 + "1"), key_text("x" * 5000 + "2")
    assert one != other
    assert max(len(one), len(other)) < LONGEST_KEY
    assert key_text("nul \x00") == "nul \ufffd"


@pytest.mark.parametrize(
    ("kind", "canonical"),
    [
        ("decision", "{"),
        ("decision", "[]"),
        ("decision", "{}"),
        ("outcome", '{"status": "invented"}'),
        ("outcome", "{}"),
        ("reward", '{"value": "much"}'),
        ("reward", '{"value": []}'),
    ],
)
def test_an_event_that_is_none_is_told_by_its_place(kind: str, canonical: str) -> None:
    whole = LogLine(16, "decision", DECISION.id, entry_of(DECISION).canonical)
    with pytest.raises(LogCorrupt, match=f"Event 17 of the log is no {kind} that adds up"):
        folded([whole, LogLine(17, kind, DECISION.id, canonical)], {})


def test_an_outcome_of_a_decision_that_the_log_lacks_is_told() -> None:
    line = LogLine(5, "outcome", DECISION.id, entry_of(an_outcome(DECISION)).canonical)
    with pytest.raises(LogCorrupt, match=f"Event 5 .*{DECISION.id}"):
        folded([line], {})


def test_an_event_changes_no_row_that_it_was_given() -> None:
    made = folded([LogLine(1, "decision", DECISION.id, entry_of(DECISION).canonical)], {}).new
    before = {each: dict(row) for each, row in made.items()}
    folded([LogLine(2, "outcome", DECISION.id, entry_of(an_outcome(DECISION)).canonical)], made)
    assert made == before


def test_sums_are_read_from_whole_days_and_the_hours_at_their_edges() -> None:
    first = int(NOON.timestamp()) // 3600
    day = first - first % 24
    wanted = TotalsFilter(by="task", since=NOON + timedelta(minutes=30), until=NOON + timedelta(days=3, minutes=1))
    hours, days = grain_of({"task"}, is_day=False), grain_of({"task"}, is_day=True)
    assert stretches(wanted) == [
        Stretch(grain=days, since=day + 24, until=day + 72),
        Stretch(grain=hours, since=first, until=day + 24),
        Stretch(grain=hours, since=day + 72, until=first + 73),
    ]
    short = replace(wanted, until=NOON + timedelta(hours=3))
    assert stretches(short) == [Stretch(grain=hours, since=first, until=first + 3)]
    crossed = replace(short, by="time", policy="linucb", candidate_id="candidate_0")
    assert [each.grain for each in stretches(crossed)] == [len(SHAPES) - 1]
