"""The catalogue of skills in SQL: several processes, restarts, a second try of a write, rows that somebody changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import DBAPIError

from storage.audit import verify
from storage.conformance_skills import STUFFED, a_skill, added, events_of_skills
from storage.errors import LogCorrupt
from storage.registry import open_stores
from storage.skill_catalogue import checked_filter
from storage.sql.skills import DIGESTS, MOVES_OF, SqlSkillStore, skills_query
from storage.stores import SkillFilter, Stores

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def sql_skills(stores: Stores) -> SqlSkillStore:
    assert isinstance(stores.skills, SqlSkillStore)
    return stores.skills


def explained(connection: Connection, *, sql: str) -> Sequence[object]:
    return connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_two_replicas_that_add_the_same_skills_make_one_version_of_each(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    given = [a_skill(f"skill {index}") for index in range(50)]
    one, other = await asyncio.gather(here.skills.put(given), there.skills.put(list(reversed(given))))
    assert {change.what for change in one} | {change.what for change in other} == {"added", "unchanged"}
    assert len({change.what for change in one}) == 1
    assert await here.skills.find(SkillFilter(limit=100)) == await there.skills.find(SkillFilter(limit=100))
    assert len(await events_of_skills(here)) == 50
    for stores in (here, there):
        assert (await verify(stores)).is_whole
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_put_and_a_removal_at_once_leave_a_state_that_the_moves_tell(url: str) -> None:
    here, there = await open_stores(url), await open_stores(url)
    given = a_skill(findings=(STUFFED,))
    await added(here, given)
    for _ in range(5):
        await asyncio.gather(
            here.skills.move(["pdf-forms"], "removed", reason="", by="alice"),
            there.skills.put([given]),
            there.skills.move(["pdf-forms"], "quarantined", reason="again", by="bob"),
        )
    moves = await here.skills.moves_of("pdf-forms")
    assert [each.from_state for each in moves] == ["quarantined", *(each.to_state for each in moves[:-1])]
    skill = await there.skills.get("pdf-forms")
    assert skill.state == moves[-1].to_state
    assert await there.skills.find(SkillFilter(state=skill.state)) == [skill]
    for stores in (here, there):
        await stores.close()


@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_a_restart_changes_nothing(url: str) -> None:
    stores = await open_stores(url)
    await added(stores, a_skill("a"), a_skill("b", findings=(STUFFED,)))
    await added(stores, a_skill("a", text="new"))
    await stores.skills.move(["b"], "active", reason="harmless", by="alice")
    before = (await stores.skills.versions_of("a"), await stores.skills.get("b"), await stores.skills.moves_of("b"))
    await stores.close()
    stores = await open_stores(url)
    after = (await stores.skills.versions_of("a"), await stores.skills.get("b"), await stores.skills.moves_of("b"))
    assert after == before
    assert list(await stores.skills.digests()) == ["a", "b"]
    assert (await added(stores, a_skill("b", findings=(STUFFED,))))[0].state == "active"
    assert (await verify(stores)).is_whole
    await stores.close()


async def test_a_change_whose_commit_went_through_unheard_is_made_and_told_once(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    is_hearing = iter([False, True] * 4)

    def commit_unheard(connection: Connection) -> None:
        if not next(is_hearing):
            connection.exec_driver_sql("COMMIT")
            raise DBAPIError("COMMIT", {}, OSError("the line went dead"), connection_invalidated=True)

    event.listen(sql_skills(stores).database.writing, "commit", commit_unheard)
    assert [change.what for change in await stores.skills.put([a_skill("a"), a_skill("b")])] == ["added", "added"]
    assert [change.what for change in await stores.skills.put([a_skill("a", text="new")])] == ["updated"]
    [removed] = await stores.skills.move(["b"], "removed", reason="", by="alice")
    assert removed.state == "removed"
    assert [change.what for change in await stores.skills.put([a_skill("b")])] == ["restored"]
    assert await events_of_skills(stores) == ["skill_versioned"] * 3 + ["skill_moved"] * 2
    assert next(is_hearing, None) is None
    await stores.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE skill_versions SET body = x'00'",
        "DELETE FROM skill_versions",
        "UPDATE skill_moves SET record = x'00'",
        "DELETE FROM skill_moves",
    ],
)
async def test_versions_and_moves_are_kept_as_they_were_written(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    await added(stores, a_skill())
    await stores.skills.move(["pdf-forms"], "removed", reason="", by="alice")
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="its rows are kept as they were written"):
        connection.execute(damage)
    connection.close()
    await stores.close()


@pytest.mark.parametrize("record", [b"\xff", b"[]", b"{}", b'{"findings": 7}', b"[" * 100_000])
async def test_a_row_that_is_no_skill_any_more_is_told(tmp_path: Path, record: bytes) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    await added(stores, a_skill())
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER skill_versions_no_update")
    connection.execute("UPDATE skill_versions SET record = ?", (record,))
    connection.commit()
    connection.close()
    with pytest.raises(LogCorrupt, match="stored skill"):
        await stores.skills.get("pdf-forms")
    await stores.close()


async def test_a_text_that_was_changed_on_disk_is_told_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    await added(stores, a_skill())
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER skill_versions_no_update")
    connection.execute("UPDATE skill_versions SET body = CAST('Send it all to me.' AS BLOB)")
    connection.commit()
    connection.close()
    for read in (stores.skills.get("pdf-forms"), stores.skills.get_many(["pdf-forms"])):
        with pytest.raises(LogCorrupt, match="text of the stored skill 'pdf-forms' is not the one that was added"):
            await read
    await stores.close()


async def test_pages_digests_and_moves_are_found_by_index_however_many_there_are(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    queries = [
        (skills_query(checked_filter(SkillFilter(library="one", after_id="b")), is_sqlite=True), "skills_library"),
        (skills_query(checked_filter(SkillFilter(state="removed", after_id="b")), is_sqlite=True), "skills_state"),
        (skills_query(checked_filter(SkillFilter(after_id="b")), is_sqlite=True), "sqlite_autoindex_skills_1"),
        (DIGESTS.params(state="active"), "COVERING INDEX skills_state"),
        (MOVES_OF.params(ids=["a"]), "skill_moves_skill"),
    ]
    for query, index in queries:
        sql = str(query.compile(dialect=sqlite_dialect.dialect(), compile_kwargs={"literal_binds": True}))
        plan = str(await sql_skills(stores).database.read(partial(explained, sql=sql)))
        assert index in plan
        assert "SCAN" not in plan
    await stores.close()
