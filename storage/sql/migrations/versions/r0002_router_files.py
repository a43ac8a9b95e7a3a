"""The files of trained routers, insert-only; what became of each router stands in the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TABLE = "artifact_files"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("artifact_sha256", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _refuse_in_sqlite()
    else:
        _refuse_in_postgresql()


def _refuse_in_sqlite() -> None:
    for statement in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_{statement.lower()} BEFORE {statement} ON {TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{TABLE} refuses {statement}: its rows are kept as they were written'); END"
        )


def _refuse_in_postgresql() -> None:
    """With the function of the first migration."""
    op.execute(
        f"CREATE TRIGGER {TABLE}_refuse BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {TABLE}_refuse_truncate BEFORE TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
    )
