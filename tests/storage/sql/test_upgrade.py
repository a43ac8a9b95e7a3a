"""Migrations: from nothing to the newest tables, once, also when two processes come first together."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.audit import verify
from storage.conformance import written_decision
from storage.conformance_skills import a_skill, added
from storage.conformance_versions import registered, some_files
from storage.records import Amount, BudgetAccount, BudgetLimits, usd, utc_now
from storage.registry import open_stores
from storage.sql.engine import open_database
from storage.sql.stores import open_sql
from storage.sql.tables import HEAD_REVISION, metadata
from storage.sql.upgrade import MIGRATIONS, revision_of, upgrade
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
OLD_LOG = Path(__file__).parent / "data" / "revision_0001.sql"  # dumped from a database that the code of then had made
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
    await (await open_sql(url)).close()


def test_a_database_in_a_folder_with_a_percent_sign_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "100% ours"
    folder.mkdir()
    database = open_database(f"sqlite:///{folder}/antroute.db", is_durable=True, patience_seconds=1)
    upgrade(database)
    database.dispose()


async def test_a_database_made_before_routers_were_kept_is_read_verified_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    connection = sqlite3.connect(path)
    connection.executescript(OLD_LOG.read_text())
    connection.close()
    stores = await open_stores(f"sqlite:///{path}", writer="writer_of_now")
    assert (await verify(stores)).events_checked == 5
    decision = await stores.decisions.get("decision_of_old")
    assert (decision.candidate_id, decision.budget_before_usd) == ("candidate_1", Decimal("1.25"))
    assert (decision.shadow, decision.weights, decision.skills) == (None, {}, None)
    assert [each.decision for each in await stores.decisions.rewarded(limit=5)] == [decision]
    [router] = await registered(stores, "first")
    await stores.policy_versions.move(router.id, "active", reason="the first")
    assert await stores.policy_versions.artifact(router.id) == some_files("first")
    verification = await verify(stores)
    assert (verification.is_whole, verification.events_checked, verification.writers) == (True, 8, 2)
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
async def test_later_migrations_follow_earlier_ones(url: str, revision: str) -> None:
    database = open_database(url, is_durable=True, patience_seconds=1)
    with database.writing.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, revision)
        assert revision_of(connection) == revision
    database.dispose()
    stores = await open_stores(url)
    await written_decision(stores)
    [router] = await registered(stores, "first")
    assert await stores.policy_versions.artifact(router.id) == some_files("first")
    [skill] = await added(stores, a_skill())
    assert await stores.skills.get(skill.skill_id) == skill
    assert (await verify(stores)).is_whole
    await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_money_that_was_spent_and_held_before_other_resources_were_counted_stays_so(url: str) -> None:
    database = open_database(url, is_durable=True, patience_seconds=1)
    with database.writing.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0003")
        account = "VALUES ('old', NULL, 1000000000, 250000000, 100000000)"
        connection.exec_driver_sql(
            f"INSERT INTO budget_accounts (id, parent_id, limit_nano, spent_nano, held_nano) {account}"
        )
        connection.exec_driver_sql(
            "INSERT INTO budget_holds (id, account_id, amount_nano, expires_at) "
            "VALUES ('hold_old', 'old', 100000000, '2020-01-01T00:00:00.000000Z')"
        )
    database.dispose()
    stores = await open_stores(url)
    old = await stores.budgets.get("old")
    assert old == BudgetAccount(id="old", limit_usd=usd(1), spent=Amount(usd=usd("0.25")), held=Amount(usd=usd("0.1")))
    await stores.budgets.open(replace(old, limit_tokens=50))
    [late] = await stores.budgets.reap(utc_now())
    assert (late.id, late.amount) == ("hold_old", Amount(usd=usd("0.1")))
    await stores.budgets.hold("old", Amount(tokens=50), expires_in_seconds=60)
    assert (await stores.budgets.get("old")).remaining == BudgetLimits(usd=usd("0.65"), tokens=0)
    await stores.close()
