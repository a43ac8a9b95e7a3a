"""Router versions in SQL: several processes, a second try of a write, files that somebody changed."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, Select, event
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import DBAPIError

from storage.conformance_versions import kinds_of, registered, states_of
from storage.errors import LogCorrupt, VersionConflict
from storage.registry import open_stores
from storage.sql.policy_versions import LAST_MOVE, OF_KIND, SqlPolicyVersionStore
from storage.stores import Stores

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def sql_versions(stores: Stores) -> SqlPolicyVersionStore:
    assert isinstance(stores.policy_versions, SqlPolicyVersionStore)
    return stores.policy_versions


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_of_two_replicas_that_promote_one_wins_and_both_see_it(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    first, second = await registered(here, "first", "second")
    seen = await there.policy_versions.serving()
    results = await asyncio.gather(
        here.policy_versions.move(first.id, "active", reason="ours", expected=seen),
        there.policy_versions.move(second.id, "active", reason="theirs", expected=seen),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in results) == ["PolicyVersion", "VersionConflict"]
    assert await here.policy_versions.serving() == await there.policy_versions.serving()
    assert sorted(await states_of(there)) == ["active", "candidate"]
    for stores in (here, there):
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_one_artefact_registered_by_two_replicas_at_once_is_one_version(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    [one], [other] = await asyncio.gather(registered(here, "first"), registered(there, "first"))
    assert one == other
    assert (await kinds_of(here)).count("router_registered") == 1
    for stores in (here, there):
        await stores.close()


async def test_a_change_whose_commit_went_through_unheard_is_made_once(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    is_hearing = iter([False, True, False, True, False, True])

    def commit_unheard(connection: Connection) -> None:
        if not next(is_hearing):
            connection.exec_driver_sql("COMMIT")
            raise DBAPIError("COMMIT", {}, OSError("the line went dead"), connection_invalidated=True)

    event.listen(sql_versions(stores).database.writing, "commit", commit_unheard)
    [first] = await registered(stores, "first")
    promoted = await stores.policy_versions.move(first.id, "active", reason="good")
    assert promoted.state == "active"
    await stores.policy_versions.move(first.id, "retired", reason="bad")
    assert await kinds_of(stores) == ["writer_opened", "router_registered", "router_moved", "router_moved"]
    assert next(is_hearing, None) is None
    await stores.close()


@pytest.mark.parametrize("damage", ["UPDATE artifact_files SET content = x'00'", "DELETE FROM artifact_files"])
async def test_a_changed_or_missing_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    [router] = await registered(stores, "first")
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="its rows are kept as they were written"):
        connection.execute(damage)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE tbl_name = 'artifact_files'").fetchall():
        if name.startswith("artifact_files_no_"):
            connection.execute(f"DROP TRIGGER {name}")
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt, match=r"'manifest\.json' of router"):
        await stores.policy_versions.artifact(router.id)
    await stores.close()


@pytest.mark.parametrize("query", [LAST_MOVE, OF_KIND.params(kind="router_moved")])
async def test_moves_are_found_by_index_however_long_the_log(tmp_path: Path, query: Select[tuple[str]]) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    sql = query.compile(dialect=sqlite_dialect.dialect(), compile_kwargs={"literal_binds": True})
    rows = await sql_versions(stores).database.read(
        lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
    )
    assert "SEARCH audit_events USING INDEX audit_events_" in str(rows)
    await stores.close()


async def test_a_late_promoter_is_told_who_was_faster(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    first, second = await registered(stores, "first", "second")
    seen = await stores.policy_versions.serving()
    await stores.policy_versions.move(first.id, "shadow", reason="to look at")
    with pytest.raises(VersionConflict, match=r"faster.*shadow \(to look at\)"):
        await stores.policy_versions.move(second.id, "active", reason="late", expected=seen)
    await stores.close()
