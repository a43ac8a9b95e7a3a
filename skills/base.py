"""A skill, the library that lists and calls skills, and what a search for them gives."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from storage.skill_records import SkillKind


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
    id: str = ""  # unique in a catalogue, where names need not be; empty: the name
    kind: SkillKind = "text"
    resources: tuple[str, ...] = ()  # paths of the files beside it: listed, never opened

    @property
    def skill_id(self) -> str:
        return self.id or self.name


def content_sha256(skill: Skill) -> str:
    """Names the text that a model may come to read: another digest is another version of the skill."""
    content = [skill.name, skill.description, skill.body, skill.parameters if skill.kind != "text" else {}]
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SkillHit:
    """One result of a search; scores compare only within one search."""

    skill_id: str
    name: str
    sha256: str
    rank: int  # after the last stage, from 1
    retrieval: float
    rerank: float | None = None  # None: no ranker


@dataclass(frozen=True, kw_only=True)
class SkillSearch:
    """What a search found, best first."""

    hits: tuple[SkillHit, ...]
    fit_probability: float | None = None  # calibrated: that the best one fits; None: not known


class SkillSearcher(Protocol):
    """Finds the few skills that fit; the index on disk does, and a double for tests."""

    sha256: str  # of the index's manifest
    ranker_sha256: str  # empty: no ranker
    encoder_name: str

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        """One a text, of at most `top` hits each. Blocking. Texts may be of any length and content."""
        ...

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        """The skills as indexed, in this order. Raises SkillNotFound."""
        ...


class SkillLibrary(ABC):
    """Lists skills and calls them by name."""

    @abstractmethod
    async def skills(self) -> Sequence[Skill]: ...

    @abstractmethod
    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """The result as text for a model to read. Raises SkillNotFound, SkillRefused or SkillFailed."""
