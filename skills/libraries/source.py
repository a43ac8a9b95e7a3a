"""A source of skills: what can be read into the catalogue, item by item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from skills.base import Skill


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An item that is not offered as a skill, and why."""

    where: str  # a folder, a line of a file, an operation, a tool
    reason: str  # something that the item's author can act on
    ends: bool = False  # what stands behind it was not read: the source may hold more


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a source held."""

    skills: tuple[Skill, ...]
    refused: tuple[Refused, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Skill | Refused]) -> Reading:
        skills: list[Skill] = []
        refused: list[Refused] = []
        for item in items:
            if isinstance(item, Refused):
                refused.append(item)
            else:
                skills.append(item)
        return cls(skills=tuple(skills), refused=tuple(refused))


class SkillSource(ABC):
    """Where skills come from. Ids are unique within a source; all but those of a pool begin with its name."""

    name: str  # of the library in the catalogue

    @abstractmethod
    async def read(self) -> Reading:
        """All there is, now. One bad item is refused and spoils no other.

        Raises SkillError where the source as a whole is not there or cannot be read.
        """
