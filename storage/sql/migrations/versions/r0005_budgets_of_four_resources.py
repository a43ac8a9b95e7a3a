"""Budgets count tokens, seconds and joules beside money; accounts and holds of before have spent and held none."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

UNITS = ("tokens", "microseconds", "microjoules")


def upgrade() -> None:
    for unit in UNITS:
        op.add_column("budget_accounts", sa.Column(f"limit_{unit}", sa.BigInteger))
        for what in ("spent", "held"):
            op.add_column("budget_accounts", _count(f"{what}_{unit}"))
        op.add_column("budget_holds", _count(f"amount_{unit}"))


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
