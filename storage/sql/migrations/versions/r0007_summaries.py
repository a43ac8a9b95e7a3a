"""Decisions in flat rows and sums, made from the log by whoever looks."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SEARCHED = ("run_id", "candidate_id", "policy", "task", "plan", "status", "tenant", "is_judged")
FILTERED = (
    "position",
    "tenant",
    "candidate_id",
    "policy",
    "task",
    "plan",
    "status",
    "is_judged",
    "cost_nano",
    "margin",
    "decided_at",
)
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
COUNTED = ("decisions", "succeeded", "failed", "unanswered", "close_calls", "judged")
SUMMED = (*COUNTED, "quality_nano", "cost_nano", "latency_microseconds", *TOKENS, "first_position", "last_position")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    _create_rows(sa.Integer() if is_sqlite else sa.BigInteger())
    op.create_table(
        "decision_totals",
        sa.Column("grain", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "candidate_id", "policy", "task")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMMED),
        sqlite_with_rowid=False,
    )
    progress = op.create_table(
        "summaries_progress",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("is_emptying", sa.Integer, nullable=False),
    )
    op.bulk_insert(progress, [{"id": 1, "position": 0, "generation": 0, "is_emptying": 0}])


def _create_rows(place: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "decision_summaries",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("candidate_id", sa.Text),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("propensity", sa.Double, nullable=False),
        sa.Column("margin", sa.Double),
        sa.Column("is_close", sa.Integer, nullable=False),
        sa.Column("allowed", sa.Integer, nullable=False),
        sa.Column("masked", sa.Integer, nullable=False),
        sa.Column("reserved_nano", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("latency_seconds", sa.Double, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in TOKENS),
        sa.Column("quality", sa.Double),
        sa.Column("is_judged", sa.Integer, nullable=False),
        sa.Column("judged_by", sa.Text),
        sa.Column("reward", sa.Double),
        sa.Column("error_code", sa.Text),
    )
    for name in SEARCHED:
        op.create_index(f"decision_summaries_{name}", "decision_summaries", [name, "position"])
    op.create_index("decision_summaries_cost", "decision_summaries", ["cost_nano", "position"])
    op.create_index("decision_summaries_filters", "decision_summaries", list(FILTERED))
    close = sa.text("is_close = 1")
    op.create_index(
        "decision_summaries_close", "decision_summaries", ["position"], sqlite_where=close, postgresql_where=close
    )
