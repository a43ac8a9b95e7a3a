"""Router versions in SQL: their changes are events of the log, their files a table of blobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, bindparam, insert, select

from storage.canonical import entry_of, policy_version_from, version_move_from
from storage.records import new_id
from storage.sql.batch import Batch
from storage.sql.store import SqlStore
from storage.sql.tables import artifact_files, audit_events
from storage.version_records import PolicyVersion, ServingVersions, VersionMove, VersionState
from storage.versions import (
    Move,
    Rollback,
    VersionHistory,
    checked_files,
    checked_version,
    ensure_free,
    serving_after,
)

events = audit_events.c
files = artifact_files.c
OF_KIND = select(events.canonical).where(events.kind == bindparam("kind")).order_by(events.position)
# + 0: from the index by kind; a planner would else look for the newest along the log
LAST_MOVE = (
    select(events.canonical).where(events.kind == "router_moved").order_by((events.position + 0).desc()).limit(1)
)
FILES = select(files.name, files.content).where(files.artifact_sha256 == bindparam("artifact"))


class SqlPolicyVersionStore(SqlStore):
    """Changes are never queued with nobody waiting, so that reads need not wait for the writer."""

    async def register(self, version: PolicyVersion, files: Mapping[str, bytes]) -> PolicyVersion:
        checked = checked_version(version, files)
        entry = entry_of(checked)
        rows = [
            {"artifact_sha256": checked.artifact_sha256, "name": name, "content": content}
            for name, content in files.items()
        ]

        def apply(batch: Batch) -> PolicyVersion:
            history = _history_in(batch)
            known = history.of_artifact(checked.artifact_sha256)
            if known is not None:
                return known
            ensure_free(checked, list(history.versions))
            batch.connection.execute(insert(artifact_files), rows)
            batch.append(entry)
            return _history_in(batch).versions[checked.id]

        return await self.writer.run(apply)

    async def get(self, version_id: str) -> PolicyVersion:
        return (await self._history()).one(version_id)

    async def versions(self) -> list[PolicyVersion]:
        return list((await self._history()).versions.values())

    async def moves_of(self, version_id: str) -> list[VersionMove]:
        history = await self._history()
        return list(history.moves_of(history.one(version_id).id))

    async def serving(self) -> ServingVersions:
        text = await self.database.read(lambda connection: connection.execute(LAST_MOVE).scalar())
        return serving_after(None if text is None else version_move_from(text))

    async def active(self) -> PolicyVersion | None:
        history = await self._history()
        return history.versions.get(history.serving.active_id or "")

    async def shadow(self) -> PolicyVersion | None:
        history = await self._history()
        return history.versions.get(history.serving.shadow_id or "")

    async def move(
        self,
        version_id: str,
        to_state: VersionState,
        *,
        reason: str,
        expected: ServingVersions | None = None,
        is_forced: bool = False,
    ) -> PolicyVersion:
        wanted = Move(
            id=new_id("move"),
            version_id=version_id,
            to_state=to_state,
            reason=reason,
            expected=expected,
            is_forced=is_forced,
        )
        return await self._log(wanted.id, lambda history: history.moves_to(wanted))

    async def rollback(self, *, reason: str, expected: ServingVersions | None = None) -> PolicyVersion:
        wanted = Rollback(id=new_id("move"), reason=reason, expected=expected)
        return await self._log(wanted.id, lambda history: history.rollback(wanted))

    async def artifact(self, version_id: str) -> dict[str, bytes]:
        version = await self.get(version_id)
        values = {"artifact": version.artifact_sha256}
        rows = await self.database.read(lambda connection: connection.execute(FILES, values).all())
        return checked_files(version, {row.name: bytes(row.content) for row in rows})

    async def _history(self) -> VersionHistory:
        return await self.database.read(history_of)

    async def _log(self, move_id: str, moves_of: Callable[[VersionHistory], tuple[VersionMove, ...]]) -> PolicyVersion:
        """Logs the moves; when a broken connection makes the writer try again, not those that went through."""

        def apply(batch: Batch) -> PolicyVersion:
            history = _history_in(batch)
            moves = [move for move in history.moves if move.id == move_id]
            if not moves:
                moves = list(moves_of(history))
                for move in moves:
                    batch.append(entry_of(move))
                history = history.after(moves)
            return history.versions[moves[-1].version_id]

        return await self.writer.run(apply)


def _history_in(batch: Batch) -> VersionHistory:
    batch.insert()  # an earlier change may stand in this very transaction
    return history_of(batch.connection)


def history_of(connection: Connection) -> VersionHistory:
    registered = connection.execute(OF_KIND, {"kind": "router_registered"}).scalars().all()
    moved = connection.execute(OF_KIND, {"kind": "router_moved"}).scalars().all()
    return VersionHistory.of(map(policy_version_from, registered), map(version_move_from, moved))
