"""The catalogue of skills in plain dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.memory_log import MemoryStore
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
from storage.skill_forms import checked_key, checked_state, folded, move_from, version_from
from storage.skill_records import SkillMove, SkillState, SkillVersion
from storage.stores import SkillChange, SkillFilter


class MemorySkillStore(MemoryStore):
    async def put(self, skills: Sequence[SkillVersion]) -> list[SkillChange]:
        self.log.ensure_open()
        known = {each: self._known(each) for each in checked_put(skills) if each in self.log.skills}
        plan = planned_put(skills, known)
        self._write(plan)
        return plan.changes

    async def get(self, skill_id: str, *, version: int | None = None) -> SkillVersion:
        self._ensure_known(skill_id)
        if version is None:
            return self._latest(skill_id)
        if not 0 < version <= len(self.log.skill_versions[skill_id]):
            raise missing_skill(skill_id, version)
        return self._version(skill_id, version)

    async def get_many(self, skill_ids: Sequence[str]) -> dict[str, SkillVersion]:
        checked = [checked_key(skill_id, "skill_id") for skill_id in skill_ids]
        return {skill_id: self._latest(skill_id) for skill_id in checked if skill_id in self.log.skills}

    async def names(self, *, state: SkillState = "active") -> dict[str, str]:
        checked_state(state)
        return {each.skill_id: each.name for each in self._standing() if each.state == state}

    async def find(self, wanted: SkillFilter) -> list[SkillVersion]:
        wanted = checked_filter(wanted)
        found = [
            each.skill_id
            for each in self.log.skills.values()
            if wanted.library in (None, each.library)
            and wanted.state in (None, each.state)
            and (wanted.after_id is None or each.skill_id > wanted.after_id)
            and (wanted.name_contains or "") in folded(each.name)
        ]
        return [self._latest(skill_id) for skill_id in sorted(found)[: max(wanted.limit, 0)]]

    async def versions_of(self, skill_id: str) -> list[SkillVersion]:
        self._ensure_known(skill_id)
        return [self._version(skill_id, version + 1) for version in range(len(self.log.skill_versions[skill_id]))]

    async def digests(self, *, state: SkillState = "active") -> dict[str, str]:
        checked_state(state)
        return {each.skill_id: each.sha256 for each in self._standing() if each.state == state}

    async def moves_of(self, skill_id: str) -> list[SkillMove]:
        self._ensure_known(skill_id)
        return list(self._moves(skill_id))

    async def move(self, skill_ids: Sequence[str], to_state: SkillState, *, reason: str, by: str) -> list[SkillVersion]:
        self.log.ensure_open()
        for skill_id in checked_move(skill_ids, to_state):
            self._ensure_known(skill_id)
        skills = [self._latest(skill_id) for skill_id in dict.fromkeys(skill_ids)]
        self._write(planned_moves(skills, to_state, reason=reason, by=by))
        return [self._latest(skill_id) for skill_id in skill_ids]

    def _standing(self) -> list[SkillVersion]:
        """All, in the order of their ids, without bodies."""
        return sorted(self.log.skills.values(), key=lambda each: each.skill_id)

    def _ensure_known(self, skill_id: str) -> None:
        if checked_key(skill_id, "skill_id") not in self.log.skills:
            raise missing_skill(skill_id)

    def _known(self, skill_id: str) -> KnownSkill:
        return KnownSkill(latest=self._latest(skill_id), moves=self._moves(skill_id))

    def _latest(self, skill_id: str) -> SkillVersion:
        return self._version(skill_id, len(self.log.skill_versions[skill_id]))

    def _version(self, skill_id: str, version: int) -> SkillVersion:
        return moved(version_from(self.log.skill_versions[skill_id][version - 1]), self._moves(skill_id))

    def _moves(self, skill_id: str) -> tuple[SkillMove, ...]:
        return tuple(move_from(row) for row in self.log.skill_moves.get(skill_id, ()))

    def _write(self, plan: Plan) -> None:
        for version in plan.versions:
            self.log.skill_versions.setdefault(version.skill.skill_id, []).append(version.row)
        for move in plan.moves:
            self.log.skill_moves.setdefault(move.skill.skill_id, []).append(move.row)
        for entry in plan.entries:
            self.log.append(entry)
        self.log.skills.update({each.skill_id: replace(each, body="") for each in plan.latest})
