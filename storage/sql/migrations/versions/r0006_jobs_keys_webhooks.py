"""Durable jobs with their events, API keys, tenants, and webhook messages."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

APPEND_ONLY = "job_events"
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    place = sa.Integer() if is_sqlite else sa.BigInteger()
    _create_jobs(place)
    _create_job_events()
    _create_keys(sa.Text() if is_sqlite else sa.Text(collation="C"), place)
    _create_deliveries(place)
    if is_sqlite:
        _refuse_in_sqlite()
    else:
        _refuse_in_postgresql()


def _create_jobs(place: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "jobs",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_sha256", sa.Text, nullable=False),
        sa.Column("sent", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("deadline", sa.Text),
        sa.Column("not_before", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("lease_expires_at", sa.Text),
        sa.Column("is_cancel_requested", sa.Integer, nullable=False),
        sa.Column("last_event", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.Text),
        sa.Column("ended_at", sa.Text),
        sa.Column("result", sa.Text),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("jobs_tenant", "jobs", ["tenant", "position"])
    op.create_index("jobs_tenant_state", "jobs", ["tenant", "state", "position"])
    op.create_index("jobs_workflow", "jobs", ["workflow", "position"])
    _index_some("jobs_key", "jobs", ["tenant", "idempotency_key"], "idempotency_key IS NOT NULL", unique=True)
    _index_some("jobs_ended", "jobs", ["state", "position"], "ended_at IS NOT NULL")
    _index_some("jobs_queue", "jobs", ["rank", "position"], "state = 'queued'")
    _index_some("jobs_lease", "jobs", ["lease_expires_at"], "state = 'running'")
    _index_some("jobs_deadline", "jobs", ["deadline"], "state = 'queued' AND deadline IS NOT NULL")
    totals = op.create_table(
        "job_totals",
        sa.Column("state", sa.Text, primary_key=True),
        sa.Column("jobs", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(totals, [{"state": state, "jobs": 0} for state in STATES])


def _create_job_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )


def _create_keys(key: sa.Text, place: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "api_keys",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("api_keys_tenant", "api_keys", ["tenant", "position"])
    op.create_table(
        "tenants",
        sa.Column("name", key, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
    )


def _create_deliveries(place: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("next_try_at", sa.Text, nullable=False),
        sa.Column("tried", sa.Text, nullable=False),
    )
    op.create_index("webhook_deliveries_tenant", "webhook_deliveries", ["tenant", "position"])
    op.create_index("webhook_deliveries_job", "webhook_deliveries", ["job_id", "position"])
    _index_some("webhook_deliveries_due", "webhook_deliveries", ["next_try_at", "position"], "state = 'pending'")


def _index_some(name: str, table: str, columns: list[str], rows: str, *, unique: bool = False) -> None:
    """An index over the rows of which this is true."""
    where = sa.text(rows)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _refuse_in_sqlite() -> None:
    for statement in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {APPEND_ONLY}_no_{statement.lower()} BEFORE {statement} ON {APPEND_ONLY} BEGIN "
            f"SELECT RAISE(ABORT, '{APPEND_ONLY} refuses {statement}: its rows are kept as they were written'); END"
        )


def _refuse_in_postgresql() -> None:
    """With the function of the first migration."""
    op.execute(
        f"CREATE TRIGGER {APPEND_ONLY}_refuse BEFORE UPDATE OR DELETE ON {APPEND_ONLY} "
        "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {APPEND_ONLY}_refuse_truncate BEFORE TRUNCATE ON {APPEND_ONLY} "
        "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
    )
