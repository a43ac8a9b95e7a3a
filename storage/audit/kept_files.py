"""Files of trained routers and versions of skills, which stand beside the log: as the log says that they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.audit.columns import Record
from storage.audit.findings import BadEvent, Broken, bad_event
from storage.audit_records import LoggedRow
from storage.canonical import parsed
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.skill_forms import version_entry
from storage.skill_records import SkillVersion
from storage.stores import Stores


async def check_files(stores: Stores, filed: Sequence[tuple[LoggedRow, Record]]) -> tuple[int, BadEvent | None]:
    """How many files and texts are right, and the first event of which one is not. Raises StorageUnavailable."""
    count, latest = 0, await _latest(stores, filed)
    for row, record in filed:
        try:
            if row.kind == "router_registered":
                count += len(await stores.policy_versions.artifact(record.id))
            else:
                await _check_skill(stores, row, latest)
                count += 1
        except (Broken, InvalidInput, KeyError, LogCorrupt, RecordNotFound) as exc:
            return count, bad_event(row, f"what is stored of it is not what was logged: {exc}")
    return count, None


async def _latest(stores: Stores, filed: Sequence[tuple[LoggedRow, Record]]) -> dict[str, SkillVersion]:
    """The latest versions of the skills among these, at one read; none where one of them cannot be read."""
    wanted = [row.subject_id.rpartition("@")[0] for row, _ in filed if row.kind == "skill_versioned"]
    try:
        return await stores.skills.get_many(wanted) if wanted else {}
    except LogCorrupt:
        return {}  # ask for each alone


async def _check_skill(stores: Stores, row: LoggedRow, latest: dict[str, SkillVersion]) -> None:
    skill_id, _, version = row.subject_id.rpartition("@")
    skill = latest.get(skill_id)
    if skill is None or str(skill.version) != version:
        skill = await stores.skills.get(skill_id, version=int(version))
    logged = parsed(row.canonical.decode() if isinstance(row.canonical, bytes) else row.canonical)
    as_added = replace(skill, state=logged["state"], reason=logged["reason"])  # its moves are events of their own
    stored = parsed(version_entry(as_added).canonical)
    for name, value in logged.items():
        if stored.get(name) != value:
            raise Broken(f"{name!r} of skill {skill_id!r}, version {version}, was changed")
