"""What pheromone memories learned: events append-only; embeddings, which go with their text; snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Table to the statements that it refuses.
REFUSED = {
    "trail_events": ("UPDATE", "DELETE"),
    "trail_vectors": ("UPDATE",),
    "trail_snapshots": ("UPDATE",),
}


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Text() if is_sqlite else sa.Text(collation="C")
    place = sa.Integer() if is_sqlite else sa.BigInteger()
    _create_events(key, place)
    op.create_table(
        "trail_vectors",
        sa.Column("payload_id", sa.Text, primary_key=True),
        sa.Column("position", place, sa.ForeignKey("trail_events.position"), primary_key=True, autoincrement=False),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
    )
    op.create_index("trail_vectors_event", "trail_vectors", ["position"])
    op.create_table(
        "trail_snapshots",
        sa.Column("memory", key, primary_key=True),
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    for table, statements in REFUSED.items():
        if is_sqlite:
            _refuse_in_sqlite(table, statements)
        else:
            _refuse_in_postgresql(table, statements)


def _create_events(key: sa.Text, place: sa.types.TypeEngine[int]) -> None:
    op.create_table(
        "trail_events",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("memory", key, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("trail_events_memory", "trail_events", ["memory", "position"])
    deposit = sa.text("kind = 'deposit' AND decision_id IS NOT NULL")
    op.create_index(
        "trail_events_deposit",
        "trail_events",
        ["memory", "decision_id"],
        unique=True,
        sqlite_where=deposit,
        postgresql_where=deposit,
    )
    erased = sa.text("kind = 'erased'")
    op.create_index(
        "trail_events_erased",
        "trail_events",
        ["memory", "position"],
        sqlite_where=erased,
        postgresql_where=erased,
    )


def _refuse_in_sqlite(table: str, statements: tuple[str, ...]) -> None:
    for statement in statements:
        op.execute(
            f"CREATE TRIGGER {table}_no_{statement.lower()} BEFORE {statement} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} refuses {statement}: its rows are kept as they were written'); END"
        )


def _refuse_in_postgresql(table: str, statements: tuple[str, ...]) -> None:
    """With the function of the first migration."""
    op.execute(
        f"CREATE TRIGGER {table}_refuse BEFORE {' OR '.join(statements)} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
    )
