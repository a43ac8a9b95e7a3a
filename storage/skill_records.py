"""What is known of a skill's text and of a search for skills: frozen facts, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

SkillKind = Literal["text", "function", "operation", "tool"]  # read it · Python · OpenAPI · MCP
SkillState = Literal["active", "quarantined", "removed"]
Severity = Literal["note", "quarantine"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a scan found in a skill's text."""

    rule: str  # a key of skills.safety.rules.RULES
    where: str  # name, description, body, parameters or resources
    excerpt: str  # at most 80 characters, invisible ones written out
    severity: Severity
    offset: int = 0  # characters from the start of the field


@dataclass(frozen=True, kw_only=True)
class SkillVersion:
    """One text of a skill. Another text is another version; no version is ever changed or deleted."""

    skill_id: str
    name: str
    description: str
    sha256: str  # of name, description, body and parameters: `skills.base.content_sha256`
    source: str  # a folder, `repository@commit:path`, a URL, a pool's own word
    library: str  # what it was added from; removing a library removes its skills
    kind: SkillKind = "text"
    body: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)  # JSON schema of its arguments
    license: str = ""
    resources: tuple[str, ...] = ()  # files beside it: listed, never opened
    findings: tuple[Finding, ...] = ()
    version: int = 1  # 1, 2, 3, … of this skill_id; filled in by the store
    state: SkillState = "active"
    reason: str = ""  # of the last change of state
    added_at: datetime = field(default_factory=_now)
    changed_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, kw_only=True)
class SkillMove:
    """One change of a version's state: quarantined by a scan, allowed by an operator, removed."""

    skill_id: str
    version: int
    sha256: str
    from_state: SkillState
    to_state: SkillState
    reason: str
    by: str  # principal; `scan` where nobody asked
    id: str
    moved_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, kw_only=True)
class ConsideredSkill:
    """A skill that a decision looked at: where both stages put it, and which text of it that was."""

    skill_id: str
    name: str
    sha256: str
    rank: int  # after the last stage, from 1
    retrieval: float  # fused score of the first stage
    rerank: float | None  # score of the second stage; None: no ranker was there
    is_shown: bool  # whether the agent was given it
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class SkillSelection:
    """One search for skills on behalf of a decision."""

    index_sha256: str  # of the index's manifest
    ranker_sha256: str  # empty: no ranker
    encoder: str
    considered: tuple[ConsideredSkill, ...]  # best first
    fit_probability: float | None = None  # calibrated: that the best one fits; None: not known
    is_abstained: bool = False  # none fits well enough, so none was shown
    seconds: float = 0.0
    reason: str = ""  # why none could be searched for or shown, in words; empty: nothing was wrong

    @property
    def shown(self) -> tuple[ConsideredSkill, ...]:
        return tuple(skill for skill in self.considered if skill.is_shown)
