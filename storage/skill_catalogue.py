"""The catalogue's rules: which version and which state a skill gets, and which moves that takes. Does no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from storage.canonical import Entry
from storage.errors import InvalidInput, RecordNotFound
from storage.records import new_id, utc_now
from storage.skill_forms import (
    VersionRow,
    checked_key,
    checked_skill,
    checked_state,
    folded,
    move_entry,
    move_row,
    version_entry,
    version_row,
)
from storage.skill_records import SkillMove, SkillState, SkillVersion
from storage.stores import SkillChange, SkillFilter

SCAN = "scan"  # who moves a skill where no operator does


@dataclass(frozen=True, kw_only=True)
class KnownSkill:
    """What the catalogue holds of a skill."""

    latest: SkillVersion  # in its present state
    moves: tuple[SkillMove, ...]  # of all versions, oldest first


@dataclass(frozen=True, kw_only=True, slots=True)
class NewVersion:
    """A version to be written, in the forms of the row and of the log."""

    skill: SkillVersion
    row: VersionRow
    entry: Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMove:
    """A move to be written; `skill` is the version after it."""

    skill: SkillVersion
    move: SkillMove
    row: bytes
    entry: Entry


@dataclass(kw_only=True)
class Plan:
    """What a put or a move comes to: everything is checked and encoded before the first row is written."""

    changes: list[SkillChange] = field(default_factory=list)
    versions: list[NewVersion] = field(default_factory=list)
    moves: list[NewMove] = field(default_factory=list)

    @property
    def latest(self) -> list[SkillVersion]:
        """Skills whose present state is another one now."""
        return [new.skill for new in self.versions] + [new.skill for new in self.moves]

    @property
    def entries(self) -> list[Entry]:
        """The events, in the order of the log."""
        return [new.entry for new in self.versions] + [new.entry for new in self.moves]


def checked_put(skills: Sequence[SkillVersion]) -> list[str]:
    """The ids, if all can be put together. Raises InvalidInput."""
    counts = Counter(checked_skill(skill).skill_id for skill in skills)
    for skill_id, count in counts.items():
        if count > 1:
            raise InvalidInput(f"Skill {skill_id!r} stands {count} times in one call; give each id once.", field="id")
    return list(counts)


def planned_put(skills: Sequence[SkillVersion], known: Mapping[str, KnownSkill]) -> Plan:
    """What adding these skills does to those that are known by id. Raises InvalidInput."""
    plan = Plan()
    for skill in skills:
        before = known.get(skill.skill_id)
        if before is None or before.latest.sha256 != skill.sha256:
            _add(plan, skill, before)
        elif before.latest.state == "removed":
            state, reason = _state_of(skill, before)
            _move(plan, before.latest, state, reason=reason or "added again", by=SCAN, what="restored")
        else:
            plan.changes.append(SkillChange(skill=before.latest, what="unchanged"))
    return plan


def planned_moves(skills: Sequence[SkillVersion], to_state: SkillState, *, reason: str, by: str) -> Plan:
    """The moves of these latest versions; a skill that is there already stays as it is."""
    plan = Plan()
    for skill in skills:
        if skill.state == to_state:
            plan.changes.append(SkillChange(skill=skill, what="unchanged"))
        else:
            _move(plan, skill, to_state, reason=reason, by=by, what="updated")
    return plan


def checked_move(skill_ids: Sequence[str], to_state: SkillState) -> list[str]:
    """The ids, each once. Raises InvalidInput."""
    checked_state(to_state)
    return list(dict.fromkeys(checked_key(skill_id, "skill_id") for skill_id in skill_ids))


def checked_filter(wanted: SkillFilter) -> SkillFilter:
    """The filter with its name folded. Raises InvalidInput."""
    for name in ("library", "after_id"):
        checked_key(getattr(wanted, name) or "", name)
    if wanted.state is not None:
        checked_state(wanted.state)
    return replace(wanted, name_contains=folded(wanted.name_contains or "") or None)


def moved(skill: SkillVersion, moves: Sequence[SkillMove]) -> SkillVersion:
    """The version as it was added, in the state that its moves have led to."""
    last = next((move for move in reversed(moves) if move.version == skill.version), None)
    return skill if last is None else _after(skill, last)


def missing_skill(skill_id: str, version: int | None = None) -> RecordNotFound:
    which = f"skill {skill_id!r}" if version is None else f"version {version} of skill {skill_id!r}"
    return RecordNotFound(f"No {which}.", hint="`antroute skills list` shows them.")


def _add(plan: Plan, skill: SkillVersion, before: KnownSkill | None) -> None:
    state, reason = _state_of(skill, before)
    version = 1 if before is None else before.latest.version + 1
    added = replace(skill, version=version, state=state, reason=reason, changed_at=skill.added_at)
    what: Literal["added", "updated"] = "added" if before is None else "updated"
    new = NewVersion(skill=added, row=version_row(added), entry=version_entry(added))
    plan.versions.append(new)
    plan.changes.append(SkillChange(skill=added, what=what))


def _move(
    plan: Plan,
    skill: SkillVersion,
    to_state: SkillState,
    *,
    reason: str,
    by: str,
    what: Literal["updated", "restored"],
) -> None:
    move = SkillMove(
        id=new_id("move"),
        skill_id=skill.skill_id,
        version=skill.version,
        sha256=skill.sha256,
        from_state=skill.state,
        to_state=to_state,
        reason=reason,
        by=by,
        moved_at=utc_now(),
    )
    after = _after(skill, move)
    plan.moves.append(NewMove(skill=after, move=move, row=move_row(move), entry=move_entry(move)))
    plan.changes.append(SkillChange(skill=after, what=what))


def _after(skill: SkillVersion, move: SkillMove) -> SkillVersion:
    return replace(skill, state=move.to_state, reason=move.reason, changed_at=move.moved_at)


def _state_of(skill: SkillVersion, before: KnownSkill | None) -> tuple[SkillState, str]:
    """The state that this text starts in, and why: an operator's last word on it, else what a scan found.

    Adding a text again is no way round: an operator's quarantine holds for it, and so do findings of before.
    """
    verdict = None if before is None else _verdict(skill.sha256, before.moves)
    if verdict is not None:
        return verdict.to_state, verdict.reason
    findings = list(skill.findings)
    if before is not None and before.latest.sha256 == skill.sha256:
        findings += before.latest.findings
    rules = list(dict.fromkeys(each.rule for each in findings if each.severity == "quarantine"))
    if rules:
        return "quarantined", skill.reason or f"found: {', '.join(rules)}"
    return skill.state, skill.reason


def _verdict(sha256: str, moves: Sequence[SkillMove]) -> SkillMove | None:
    """The last time that somebody allowed or quarantined this very text."""
    of_text = (move for move in reversed(moves) if move.sha256 == sha256 and move.by != SCAN)
    return next((move for move in of_text if move.to_state != "removed"), None)
