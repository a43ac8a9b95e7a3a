"""Signed checkpoints of the audit log, public keys, roots of whole tiles: all append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = ("audit_checkpoints", "audit_keys", "audit_tiles")
STATEMENTS = ("UPDATE", "DELETE")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    place = sa.Integer() if is_sqlite else sa.BigInteger()
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", place, primary_key=True, autoincrement=False),
        sa.Column("tree_size", sa.BigInteger, nullable=False, unique=True),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_keys",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("key_id", sa.Text, nullable=False, unique=True),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_tiles",
        sa.Column("number", place, primary_key=True, autoincrement=False),
        sa.Column("root_hash", sa.Text, nullable=False),
    )
    for table in TABLES:
        if is_sqlite:
            _refuse_in_sqlite(table)
        else:
            _refuse_in_postgresql(table)


def _refuse_in_sqlite(table: str) -> None:
    for statement in STATEMENTS:
        op.execute(
            f"CREATE TRIGGER {table}_no_{statement.lower()} BEFORE {statement} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} refuses {statement}: its rows are kept as they were written'); END"
        )


def _refuse_in_postgresql(table: str) -> None:
    """With the function of the first migration."""
    op.execute(
        f"CREATE TRIGGER {table}_refuse BEFORE {' OR '.join(STATEMENTS)} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
    )
