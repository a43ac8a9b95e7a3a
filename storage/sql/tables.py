"""The tables, as the newest migration leaves them; no engine and no query."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy import UniqueConstraint as Unique

HEAD_REVISION = "0008"  # a test compares it with the migrations

# SQLite's row id must be declared INTEGER; PostgreSQL's is eight bytes by name.
RowId = BigInteger().with_variant(Integer(), "sqlite")

# SQLite compares texts by their bytes; PostgreSQL does so under the collation "C" alone.
Key = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData()

# Append-only by trigger. Decisions, outcomes and rewards live here alone. `position` is dense and in commit order.
audit_events = Table(
    "audit_events",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("writer", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("decision_id", Text),
    Column("run_id", Text),
    Column("tenant", Text),
    Column("candidate_id", Text),
    Column("policy", Text),
    Column("at", Text, nullable=False),  # ISO-8601 UTC of one length: sorts as time
    Column("canonical", Text, nullable=False),
    Column("leaf_hash", Text, nullable=False),
    Column("chain_hash", Text, nullable=False),
    Unique("writer", "seq", name="audit_events_writer_seq"),
    Unique("subject_id", "kind", name="audit_events_subject"),
)

# Text as bytes: any Python text fits, NUL and lone surrogates included.
payloads = Table(
    "payloads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("text", LargeBinary),
    Column("salt", Text),
    Column("digest", Text, nullable=False),
    Column("erased_at", Text),
)

# Insert-only by trigger.
spans = Table(
    "spans",
    metadata,
    Column("row", RowId, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("run_id", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index("spans_run", "run_id", "started_at"),
)

# Insert-only by trigger. Files of trained routers; the log holds their digests.
artifact_files = Table(
    "artifact_files",
    metadata,
    Column("artifact_sha256", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# Insert-only by trigger. Texts as bytes: any Python text fits; the log holds all but the body.
skill_versions = Table(
    "skill_versions",
    metadata,
    Column("skill_id", Key, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Insert-only by trigger.
skill_moves = Table(
    "skill_moves",
    metadata,
    Column("row", RowId, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("skill_id", Key, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("skill_moves_skill", "skill_id", "row"),
)

# The latest version of each skill and where its moves have led, written with them.
skills = Table(
    "skills",
    metadata,
    Column("skill_id", Key, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("library", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("folded_name", Text, nullable=False),
    Index("skills_library", "library", "skill_id"),
    Index("skills_state", "state", "skill_id", "sha256"),
)

# Append-only by trigger. What memories learned; `position` is dense, in commit order, over all memories.
trail_events = Table(
    "trail_events",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("memory", Key, nullable=False),
    Column("kind", Text, nullable=False),
    Column("decision_id", Text),
    Column("at", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("trail_events_memory", "memory", "position"),
)

# Not changed by trigger; a row goes when its text is erased.
trail_vectors = Table(
    "trail_vectors",
    metadata,
    Column("payload_id", Text, primary_key=True),
    Column("position", RowId, ForeignKey("trail_events.position"), primary_key=True, autoincrement=False),
    Column("embedding", LargeBinary, nullable=False),
    Index("trail_vectors_event", "position"),
)

# Not changed by trigger; a row goes when a text is erased whose embedding it may hold: events give it again.
trail_snapshots = Table(
    "trail_snapshots",
    metadata,
    Column("memory", Key, primary_key=True),
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

# Durable jobs. What was sent never changes, what a move changes stands behind it. Claims go by `rank`, then `position`.
jobs = Table(
    "jobs",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("rank", Integer, nullable=False),  # the priority, turned round
    Column("idempotency_key", Text),
    Column("request_sha256", Text, nullable=False),
    Column("sent", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("deadline", Text),
    Column("not_before", Text),
    Column("state", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("worker", Text),
    Column("lease_expires_at", Text),
    Column("is_cancel_requested", Integer, nullable=False),
    Column("last_event", BigInteger, nullable=False),
    Column("started_at", Text),
    Column("ended_at", Text),
    Column("result", Text),
    Index("jobs_tenant", "tenant", "position"),
    Index("jobs_tenant_state", "tenant", "state", "position"),
    Index("jobs_workflow", "workflow", "position"),
    postgresql_with={"fillfactor": 50},  # room for a row's next version beside it: then no index is touched
)

# How many jobs are in each state, counted with every move.
job_totals = Table(
    "job_totals",
    metadata,
    Column("state", Text, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
)

# Append-only by trigger. `seq` has no gaps within a job.
job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("data", Text, nullable=False),
)

# No key's text: a digest under the service's secret.
api_keys = Table(
    "api_keys",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("record", Text, nullable=False),
    Index("api_keys_tenant", "tenant", "position"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", Key, primary_key=True),
    Column("record", Text, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_try_at", Text, nullable=False),
    Column("tried", Text, nullable=False),
    Index("webhook_deliveries_tenant", "tenant", "position"),
    Index("webhook_deliveries_job", "job_id", "position"),
)


def _counted(what: str, *, may_be_empty: bool = False) -> list[Column[int]]:
    """Tokens and whole millionths of seconds and joules, beside the column in nano-dollars."""
    names = (f"{what}_tokens", f"{what}_microseconds", f"{what}_microjoules")
    if may_be_empty:
        return [Column(name, BigInteger) for name in names]
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in names]


# Money in whole nano-dollars. An empty limit is none.
budget_accounts = Table(
    "budget_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parent_id", Text, ForeignKey("budget_accounts.id")),
    Column("limit_nano", BigInteger),
    Column("spent_nano", BigInteger, nullable=False),
    Column("held_nano", BigInteger, nullable=False),
    *_counted("limit", may_be_empty=True),
    *_counted("spent"),
    *_counted("held"),
)

budget_holds = Table(
    "budget_holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("budget_accounts.id"), nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("charged_nano", BigInteger),  # empty while the amount is held
    *_counted("amount"),
)


def _paged_by(name: str, *columns: Column[str]) -> None:
    """An index over the rows where the first column is filled, in log order: for paging newest first."""
    filled = columns[0].is_not(None)
    Index(name, *columns, audit_events.c.position, sqlite_where=filled, postgresql_where=filled)


_event = audit_events.c
_paged_by("audit_events_decision", _event.decision_id)
_paged_by("audit_events_run", _event.run_id)
_paged_by("audit_events_tenant", _event.tenant)
_paged_by("audit_events_tenant_candidate", _event.tenant, _event.candidate_id)
_paged_by("audit_events_tenant_policy", _event.tenant, _event.policy)
_paged_by("audit_events_candidate", _event.candidate_id)
_paged_by("audit_events_policy", _event.policy)
_trail = trail_events.c
_deposit = (_trail.kind == "deposit") & _trail.decision_id.is_not(None)
Index(
    "trail_events_deposit",
    _trail.memory,
    _trail.decision_id,
    unique=True,
    sqlite_where=_deposit,
    postgresql_where=_deposit,
)
_erased = _trail.kind == "erased"
Index("trail_events_erased", _trail.memory, _trail.position, sqlite_where=_erased, postgresql_where=_erased)
Index("audit_events_kind", _event.kind, _event.position)
Index("audit_events_time", _event.kind, _event.at, _event.position)
Index(
    "budget_holds_open",
    budget_holds.c.expires_at,
    sqlite_where=budget_holds.c.charged_nano.is_(None),
    postgresql_where=budget_holds.c.charged_nano.is_(None),
)
_job = jobs.c
_keyed = _job.idempotency_key.is_not(None)
Index("jobs_key", _job.tenant, _job.idempotency_key, unique=True, sqlite_where=_keyed, postgresql_where=_keyed)
_ended = _job.ended_at.is_not(None)
Index("jobs_ended", _job.state, _job.position, sqlite_where=_ended, postgresql_where=_ended)
_queued = _job.state == "queued"
Index("jobs_queue", _job.rank, _job.position, sqlite_where=_queued, postgresql_where=_queued)
_running = _job.state == "running"
Index("jobs_lease", _job.lease_expires_at, sqlite_where=_running, postgresql_where=_running)
_overdue = _queued & _job.deadline.is_not(None)
Index("jobs_deadline", _job.deadline, sqlite_where=_overdue, postgresql_where=_overdue)
_pending = webhook_deliveries.c.state == "pending"
Index(
    "webhook_deliveries_due",
    webhook_deliveries.c.next_try_at,
    webhook_deliveries.c.position,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
