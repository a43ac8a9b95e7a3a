"""The first tables: audit log, payloads, spans, budgets, and the triggers that keep the log append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Index to its columns before `position`; it holds the rows where the first of them is filled.
PAGED_BY = {
    "audit_events_decision": ("decision_id",),
    "audit_events_run": ("run_id",),
    "audit_events_tenant": ("tenant",),
    "audit_events_tenant_candidate": ("tenant", "candidate_id"),
    "audit_events_tenant_policy": ("tenant", "policy"),
    "audit_events_candidate": ("candidate_id",),
    "audit_events_policy": ("policy",),
}
# Table to the statements that it refuses.
REFUSED = {
    "audit_events": ("UPDATE", "DELETE"),
    "spans": ("UPDATE", "DELETE"),
    "payloads": ("DELETE",),
}


def upgrade() -> None:
    _create_log()
    _create_payloads_and_spans()
    _create_budgets()
    if op.get_bind().dialect.name == "sqlite":
        _refuse_in_sqlite()
    else:
        _refuse_in_postgresql()


def _create_log() -> None:
    op.create_table(
        "audit_events",
        sa.Column("position", ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("writer", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("candidate_id", sa.Text),
        sa.Column("policy", sa.Text),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("canonical", sa.Text, nullable=False),
        sa.Column("leaf_hash", sa.Text, nullable=False),
        sa.Column("chain_hash", sa.Text, nullable=False),
        sa.UniqueConstraint("writer", "seq", name="audit_events_writer_seq"),
        sa.UniqueConstraint("subject_id", "kind", name="audit_events_subject"),
    )
    op.create_index("audit_events_kind", "audit_events", ["kind", "position"])
    op.create_index("audit_events_time", "audit_events", ["kind", "at", "position"])
    for name, columns in PAGED_BY.items():
        filled = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(name, "audit_events", [*columns, "position"], sqlite_where=filled, postgresql_where=filled)


def _create_payloads_and_spans() -> None:
    op.create_table(
        "payloads",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("text", sa.LargeBinary),
        sa.Column("salt", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("erased_at", sa.Text),
    )
    op.create_table(
        "spans",
        sa.Column("row", ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("spans_run", "spans", ["run_id", "started_at"])


def _create_budgets() -> None:
    op.create_table(
        "budget_accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("parent_id", sa.Text, sa.ForeignKey("budget_accounts.id")),
        sa.Column("limit_nano", sa.BigInteger),
        sa.Column("spent_nano", sa.BigInteger, nullable=False),
        sa.Column("held_nano", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "budget_holds",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text, sa.ForeignKey("budget_accounts.id"), nullable=False),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.Column("charged_nano", sa.BigInteger),
    )
    held = sa.text("charged_nano IS NULL")
    op.create_index("budget_holds_open", "budget_holds", ["expires_at"], sqlite_where=held, postgresql_where=held)


def _refuse_in_sqlite() -> None:
    for table, statements in REFUSED.items():
        for statement in statements:
            op.execute(
                f"CREATE TRIGGER {table}_no_{statement.lower()} BEFORE {statement} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} refuses {statement}: its rows are kept as they were written'); END"
            )


def _refuse_in_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION antroute_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% refuses %: its rows are kept as they were written', TG_TABLE_NAME, TG_OP; END $$"
    )
    for table, statements in REFUSED.items():
        op.execute(
            f"CREATE TRIGGER {table}_refuse BEFORE {' OR '.join(statements)} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
        )
