"""A skill, and the library that lists and calls skills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a skill comes from, and which bytes of it."""

    source: str  # a module, a folder, `repository@commit`
    sha256: str
    license: str = ""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """Something an agent can do. `parameters` is the JSON schema of its arguments; `body` is hostile text."""

    name: str
    description: str
    provenance: Provenance
    parameters: Mapping[str, object] = field(default_factory=lambda: {"type": "object", "properties": {}})
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class SkillHit:
    """One result of a search; `rank` counts from 1, `score` compares only within one search."""

    name: str
    rank: int
    score: float


class SkillLibrary(ABC):
    """Lists skills and calls them by name."""

    @abstractmethod
    async def skills(self) -> Sequence[Skill]: ...

    @abstractmethod
    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """The result as text for a model to read. Raises SkillNotFound, SkillRefused or SkillFailed."""
