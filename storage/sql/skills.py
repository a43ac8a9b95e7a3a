"""The catalogue of skills in SQL: versions and moves insert-only, beside them where each skill stands now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, and_, bindparam, func, insert, select, update

from storage.skill_catalogue import (
    KnownSkill,
    Plan,
    checked_filter,
    checked_move,
    checked_put,
    missing_skill,
    moved,
    planned_moves,
    planned_put,
)
from storage.skill_forms import VersionRow, checked_key, checked_state, folded, move_from, name_in, version_from
from storage.skill_records import SkillMove, SkillState, SkillVersion
from storage.sql.batch import Batch
from storage.sql.store import SqlStore, chunks
from storage.sql.tables import skill_moves, skill_versions, skills
from storage.stores import SkillChange, SkillFilter

LatestRow = Row[str, bytes, bytes]  # id, record, body


current, versions, moves = skills.c, skill_versions.c, skill_moves.c
IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
ID: BindParameter[str] = bindparam("id")

VERSIONS = (
    select(versions.skill_id, versions.record, versions.body).where(versions.skill_id == ID).order_by(versions.version)
)
LATEST = select(versions.skill_id, versions.record, versions.body).join(
    skills, and_(versions.skill_id == current.skill_id, versions.version == current.version)
)
LATEST_OF = LATEST.where(current.skill_id.in_(IDS))
MOVES_OF = select(moves.skill_id, moves.record).where(moves.skill_id.in_(IDS)).order_by(moves.row)
DIGESTS = select(current.skill_id, current.sha256).where(current.state == bindparam("state")).order_by(current.skill_id)
NAMES = (
    select(current.skill_id, versions.record)
    .join(skill_versions, and_(versions.skill_id == current.skill_id, versions.version == current.version))
    .where(current.state == bindparam("state"))
    .order_by(current.skill_id)
)
SAME_VERSION = select(versions.version).where(
    versions.skill_id == ID,
    versions.version == bindparam("version"),
    versions.record == bindparam("record"),
    versions.body == bindparam("body"),
)
SAME_MOVE = select(moves.row).where(moves.id == ID)
STANDS = (
    update(skills)
    .where(current.skill_id == bindparam("id"))
    .values({name: bindparam(f"to_{name}") for name in ("version", "sha256", "library", "state", "folded_name")})
)


class SqlSkillStore(SqlStore):
    """Changes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def put(self, skills: Sequence[SkillVersion]) -> list[SkillChange]:
        skill_ids = checked_put(skills)
        plan = await self._write(lambda connection: planned_put(skills, _known(connection, skill_ids)))
        return plan.changes

    async def get(self, skill_id: str, *, version: int | None = None) -> SkillVersion:
        if version is None:
            return (await self.database.read(lambda connection: _latest(connection, [_checked(skill_id)])))[0]
        found = [each for each in await self.versions_of(skill_id) if each.version == version]
        if not found:
            raise missing_skill(skill_id, version)
        return found[0]

    async def get_many(self, skill_ids: Sequence[str]) -> dict[str, SkillVersion]:
        checked = [_checked(skill_id) for skill_id in skill_ids]
        known = await self.database.read(lambda connection: _known(connection, checked))
        return {skill_id: known[skill_id].latest for skill_id in checked if skill_id in known}

    async def names(self, *, state: SkillState = "active") -> dict[str, str]:
        values = {"state": checked_state(state)}

        def read(connection: Connection) -> dict[str, str]:
            return {row.skill_id: name_in(bytes(row.record)) for row in connection.execute(NAMES, values)}

        return await self.database.read(read)

    async def find(self, wanted: SkillFilter) -> list[SkillVersion]:
        query = skills_query(checked_filter(wanted), is_sqlite=self.database.is_sqlite)

        def read(connection: Connection) -> list[SkillVersion]:
            rows = connection.execute(query).all()
            return _in_state(rows, _moves(connection, [row.skill_id for row in rows]))

        return await self.database.read(read)

    async def versions_of(self, skill_id: str) -> list[SkillVersion]:
        def read(connection: Connection) -> list[SkillVersion]:
            done = _moves(connection, [skill_id]).get(skill_id, [])
            return [moved(_version(row), done) for row in connection.execute(VERSIONS, {"id": _checked(skill_id)})]

        found = await self.database.read(read)
        if not found:
            raise missing_skill(skill_id)
        return found

    async def digests(self, *, state: SkillState = "active") -> dict[str, str]:
        values = {"state": checked_state(state)}
        rows = await self.database.read(lambda connection: connection.execute(DIGESTS, values).all())
        return {skill_id: sha256 for skill_id, sha256 in rows}

    async def moves_of(self, skill_id: str) -> list[SkillMove]:
        def read(connection: Connection) -> list[SkillMove]:
            _latest(connection, [_checked(skill_id)])
            return _moves(connection, [skill_id]).get(skill_id, [])

        return await self.database.read(read)

    async def move(self, skill_ids: Sequence[str], to_state: SkillState, *, reason: str, by: str) -> list[SkillVersion]:
        wanted = checked_move(skill_ids, to_state)
        plan = await self._write(
            lambda connection: planned_moves(_latest(connection, wanted), to_state, reason=reason, by=by)
        )
        id_to_skill = {change.skill.skill_id: change.skill for change in plan.changes}
        return [id_to_skill[skill_id] for skill_id in skill_ids]

    async def _write(self, planned: Callable[[Connection], Plan]) -> Plan:
        """Writes the plan; when a broken connection makes the writer try again, not one that went through."""
        made: list[Plan] = []

        def apply(batch: Batch) -> Plan:
            if not made or not _is_written(batch.connection, made[-1]):
                made.append(planned(batch.connection))
                _insert(batch, made[-1])
            return made[-1]

        return await self.writer.run(apply)


def _checked(skill_id: str) -> str:
    return checked_key(skill_id, "skill_id")


def _version(row: LatestRow) -> SkillVersion:
    return version_from(VersionRow(record=bytes(row.record), body=bytes(row.body)))


def _in_state(rows: Sequence[LatestRow], id_to_moves: dict[str, list[SkillMove]]) -> list[SkillVersion]:
    return [moved(_version(row), id_to_moves.get(row.skill_id, ())) for row in rows]


def _moves(connection: Connection, skill_ids: Sequence[str]) -> dict[str, list[SkillMove]]:
    found: dict[str, list[SkillMove]] = {}
    for ids in chunks(skill_ids):
        for row in connection.execute(MOVES_OF, {"ids": ids}):
            found.setdefault(row.skill_id, []).append(move_from(bytes(row.record)))
    return found


def _known(connection: Connection, skill_ids: Sequence[str]) -> dict[str, KnownSkill]:
    """Those of the skills that are there."""
    id_to_moves = _moves(connection, skill_ids)
    rows = [row for ids in chunks(skill_ids) for row in connection.execute(LATEST_OF, {"ids": ids})]
    return {
        skill.skill_id: KnownSkill(latest=skill, moves=tuple(id_to_moves.get(skill.skill_id, ())))
        for skill in _in_state(rows, id_to_moves)
    }


def _latest(connection: Connection, skill_ids: Sequence[str]) -> list[SkillVersion]:
    """In this order; raises RecordNotFound."""
    known = _known(connection, skill_ids)
    for skill_id in skill_ids:
        if skill_id not in known:
            raise missing_skill(skill_id)
    return [known[skill_id].latest for skill_id in skill_ids]


def skills_query(wanted: SkillFilter, *, is_sqlite: bool) -> Select[str, bytes, bytes]:
    """The page that a checked filter asks for."""
    query = LATEST.order_by(current.skill_id).limit(max(wanted.limit, 0))
    if wanted.library is not None:
        query = query.where(current.library == wanted.library)
    if wanted.state is not None:
        query = query.where(current.state == wanted.state)
    if wanted.after_id is not None:
        query = query.where(current.skill_id > wanted.after_id)
    if wanted.name_contains is not None:
        position = func.instr if is_sqlite else func.strpos
        query = query.where(position(current.folded_name, wanted.name_contains) > 0)
    return query


def _is_written(connection: Connection, plan: Plan) -> bool:
    """Whether this very plan, all of which is one transaction's, was committed."""
    if plan.versions:
        new = plan.versions[0]
        values = {"version": new.skill.version, "record": new.row.record, "body": new.row.body}
        return connection.execute(SAME_VERSION, {"id": new.skill.skill_id, **values}).first() is not None
    if plan.moves:
        return connection.execute(SAME_MOVE, {"id": plan.moves[0].move.id}).first() is not None
    return False


def _insert(batch: Batch, plan: Plan) -> None:
    added = [
        {"skill_id": new.skill.skill_id, "version": new.skill.version, "record": new.row.record, "body": new.row.body}
        for new in plan.versions
    ]
    gone = [{"id": new.move.id, "skill_id": new.move.skill_id, "record": new.row} for new in plan.moves]
    is_new = {change.skill.skill_id for change in plan.changes if change.what == "added"}
    stands = [_standing(each) for each in plan.latest if each.skill_id in is_new]
    changed = [
        {"id": each.skill_id} | {f"to_{name}": value for name, value in _standing(each).items() if name != "skill_id"}
        for each in plan.latest
        if each.skill_id not in is_new
    ]
    for statement, rows in (
        (insert(skill_versions), added),
        (insert(skill_moves), gone),
        (insert(skills), stands),
        (STANDS, changed),
    ):
        if rows:
            batch.connection.execute(statement, rows)
    for entry in plan.entries:
        batch.append(entry)


def _standing(skill: SkillVersion) -> dict[str, Any]:
    return {
        "skill_id": skill.skill_id,
        "version": skill.version,
        "sha256": skill.sha256,
        "library": skill.library,
        "state": skill.state,
        "folded_name": folded(skill.name),
    }
