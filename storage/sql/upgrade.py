"""Brings a database to the newest migration; Alembic is imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from storage.errors import StorageError
from storage.sql.engine import Database
from storage.sql.tables import HEAD_REVISION

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Runs the missing migrations in one transaction, under a lock: of two first openings one waits for the other."""
    if database.read_now(revision_of) == HEAD_REVISION:
        return
    try:
        with database.writing.begin() as connection:
            found = revision_of(connection)
            if found != HEAD_REVISION:
                _run_migrations(connection, found, database.name)
    except DBAPIError as exc:
        raise database.error(exc) from exc


def revision_of(connection: Connection) -> str | None:
    """The migration that the database stands at; None: it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(select(column("version_num")).select_from(table("alembic_version"))).scalar()


def _run_migrations(connection: Connection, found: str | None, name: str) -> None:
    from alembic.command import upgrade as run
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        run(config, "head")
    except CommandError as exc:
        raise StorageError(
            f"Database {name!r} stands at {found!r}, which this version (up to {HEAD_REVISION!r}) does not know.",
            hint="Upgrade antroute, or open another database.",
        ) from exc
