"""The catalogue of skills: versions and moves insert-only; beside them the latest version and state of each."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSERT_ONLY = ("skill_versions", "skill_moves")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    key = sa.Text() if is_sqlite else sa.Text(collation="C")
    row_id = sa.Integer() if is_sqlite else sa.BigInteger()
    op.create_table(
        "skill_versions",
        sa.Column("skill_id", key, primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "skill_moves",
        sa.Column("row", row_id, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("skill_id", key, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("skill_moves_skill", "skill_moves", ["skill_id", "row"])
    op.create_table(
        "skills",
        sa.Column("skill_id", key, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("library", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("folded_name", sa.Text, nullable=False),
    )
    op.create_index("skills_library", "skills", ["library", "skill_id"])
    op.create_index("skills_state", "skills", ["state", "skill_id", "sha256"])
    for table in INSERT_ONLY:
        if is_sqlite:
            _refuse_in_sqlite(table)
        else:
            _refuse_in_postgresql(table)


def _refuse_in_sqlite(table: str) -> None:
    for statement in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{statement.lower()} BEFORE {statement} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} refuses {statement}: its rows are kept as they were written'); END"
        )


def _refuse_in_postgresql(table: str) -> None:
    """With the function of the first migration."""
    op.execute(
        f"CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION antroute_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION antroute_refuse()"
    )
