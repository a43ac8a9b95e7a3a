"""Tables of what is made from the log for lists and charts. They may be emptied at any time, and made anew."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text

from storage.sql.tables import RowId, metadata
from storage.summaries import SUMS, TOKENS

decision_summaries = Table(
    "decision_summaries",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),  # of the decision in the log
    Column("decision_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("plan", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("candidate_id", Text),
    Column("policy", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("margin", Double),
    Column("is_close", Integer, nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("masked", Integer, nullable=False),
    Column("reserved_nano", BigInteger, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("latency_seconds", Double, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in TOKENS),
    Column("quality", Double),
    Column("is_judged", Integer, nullable=False),
    Column("judged_by", Text),
    Column("reward", Double),
    Column("error_code", Text),
)

# Sums of cells (storage.summaries). `hour` counts from 1970. The places bound where the cell's decisions are.
decision_totals = Table(
    "decision_totals",
    metadata,
    Column("grain", Integer, primary_key=True, autoincrement=False),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, primary_key=True) for name in ("tenant", "candidate_id", "policy", "task")),
    *(Column(name, BigInteger, nullable=False) for name in SUMS),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One row. `generation` grows with each rebuilding; while `is_emptying`, old rows are still being removed.
summaries_progress = Table(
    "summaries_progress",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("is_emptying", Integer, nullable=False),
)

_row = decision_summaries.c
for _name in ("run_id", "candidate_id", "policy", "task", "plan", "status", "tenant", "is_judged"):
    Index(f"decision_summaries_{_name}", _row[_name], _row.position)
Index("decision_summaries_cost", _row.cost_nano, _row.position)
# All that is filtered by, for when no filter leaves few rows: a tenth of the rows' own length.
_names = (_row.tenant, _row.candidate_id, _row.policy, _row.task, _row.plan, _row.status)
_told = (_row.is_judged, _row.cost_nano, _row.margin, _row.decided_at)
Index("decision_summaries_filters", _row.position, *_names, *_told)
_close = _row.is_close == 1
Index("decision_summaries_close", _row.position, sqlite_where=_close, postgresql_where=_close)
