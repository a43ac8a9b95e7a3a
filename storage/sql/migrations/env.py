"""What Alembic runs: all steps in the one transaction that storage.sql.upgrade has opened."""

from alembic import context
from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(connection=connection, transactional_ddl=True, transaction_per_migration=False)
    context.run_migrations()


run(context.config.attributes["connection"])
