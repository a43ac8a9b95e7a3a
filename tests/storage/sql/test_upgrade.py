"""Migrations: from nothing to the newest tables, once, also when two processes come first together."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.registry import open_stores
from storage.sql.engine import open_database
from storage.sql.tables import HEAD_REVISION, metadata
from storage.sql.upgrade import MIGRATIONS, revision_of, upgrade
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
OPEN = "import asyncio, sys; from storage.registry import open_stores; s = asyncio.run(open_stores(sys.argv[1]))"


def test_the_head_that_is_compared_at_start_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD_REVISION]


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
def test_migrations_lead_to_the_tables_that_the_code_knows_and_again_changes_nothing(url: str) -> None:
    database = open_database(url, is_durable=True, patience_seconds=1)
    assert database.read_now(revision_of) is None
    upgrade(database)
    upgrade(database)
    assert database.read_now(revision_of) == HEAD_REVISION
    assert (
        database.read_now(lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)) == []
    )
    database.dispose()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_four_processes_may_open_a_new_database_together(url: str) -> None:
    for process in [started(OPEN, url) for _ in range(4)]:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    await (await open_stores(url)).close()


def test_a_database_in_a_folder_with_a_percent_sign_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "100% ours"
    folder.mkdir()
    database = open_database(f"sqlite:///{folder}/antroute.db", is_durable=True, patience_seconds=1)
    upgrade(database)
    database.dispose()
