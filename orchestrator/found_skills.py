"""Searches the index for the skills that fit a query, on behalf of the decision that is to come."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from skills.base import Skill, SkillHit, SkillLibrary, SkillSearcher, content_sha256
from skills.reading import is_text
from storage.errors import ServiceError
from storage.skill_records import ConsideredSkill, SkillSelection, SkillVersion
from storage.stores import SkillStore

CONSIDERED = 50  # skills that a decision looks at
SPAN_SKILLS = 5  # of them, whose scores stand in the span as well
REASON_CHARACTERS = 300

log = logging.getLogger("antroute.skills")


class SkillIndex(Protocol):
    """Where the searcher that serves now comes from."""

    async def current(self) -> SkillSearcher:
        """Raises a ServiceError where there is none, or where it cannot be used."""
        ...

    def notices(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class FoundSkills:
    """What a search gave, in plain values: the attempts of one query share it."""

    selection: SkillSelection
    usable: tuple[Skill, ...] = ()  # that may be shown, best first; their ids are those of the index

    def attributes(self) -> dict[str, str]:
        """What a trace shows of it; all that was considered stands in the decision."""
        selection = self.selection
        told = {
            "skills.considered": str(len(selection.considered)),
            "skills.usable": str(len(self.usable)),
            "skills.abstained": str(selection.is_abstained).lower(),
            "skills.index": selection.index_sha256[:12],
            "skills.encoder": selection.encoder,
        }
        if selection.fit_probability is not None:
            told["skills.fit_probability"] = f"{selection.fit_probability:.3f}"
        if selection.reason:
            told["skills.reason"] = selection.reason
        for skill in selection.considered[:SPAN_SKILLS]:
            rerank = "-" if skill.rerank is None else f"{skill.rerank:.4g}"
            told[f"skills.{skill.rank}"] = f"{skill.skill_id} retrieval {skill.retrieval:.4g} rerank {rerank}"
        return told


@dataclass(frozen=True, kw_only=True)
class LiveSkill:
    """A skill that can be called, and whom to call."""

    skill: Skill
    library: SkillLibrary


@dataclass(kw_only=True)
class SkillFinder:
    """Looks up what the index finds in the catalogue and among the live libraries, so that only what may be is shown.

    `live`: by the id that the index has of it. `least_fit`: below this probability that the best one fits, none is.
    """

    index: SkillIndex
    catalogue: SkillStore
    live: Mapping[str, LiveSkill] = field(default_factory=dict)
    least_fit: float | None = None
    failure: str = ""  # of the latest search

    async def find(self, text: str, *, most: int) -> FoundSkills:
        """At most `most` usable ones. Never raises but when cancelled: a query must not fail for want of a skill."""
        try:
            found, self.failure = await self.look(text, most=most), ""
        except ServiceError as error:
            return self._failed(error)
        except Exception as error:  # whatever breaks in an index, its queries are answered without skills
            log.exception("The search for skills broke")
            return self._failed(error)
        return found

    async def open(self) -> None:
        """Opens the index before the first query comes; what is wrong with it stands in the notices."""
        try:
            await self.index.current()
        except ServiceError as error:
            self.failure = _told(error)

    def notices(self) -> tuple[str, ...]:
        return self.index.notices() or ((self.failure,) if self.failure else ())

    def _failed(self, error: Exception) -> FoundSkills:
        if self.failure != (told := _told(error)):  # once, not for each query
            log.warning("%s", told)
        self.failure = told
        selection = SkillSelection(index_sha256="", ranker_sha256="", encoder="", considered=(), reason=told)
        return FoundSkills(selection=selection)

    async def look(self, text: str, *, most: int, top: int = CONSIDERED) -> FoundSkills:
        """As `find`, of `top` considered ones. Raises what the index and the catalogue raise."""
        started = time.perf_counter()
        searcher = await self.index.current()
        [search] = await asyncio.to_thread(searcher.search, [text], top=top)
        is_abstained, reason = self._abstains(search.fit_probability)
        catalogued = await self.catalogue.get_many([hit.skill_id for hit in search.hits])
        selection = SkillSelection(
            index_sha256=searcher.sha256,
            ranker_sha256=searcher.ranker_sha256,
            encoder=searcher.encoder_name,
            considered=tuple([await self._considered(hit, catalogued.get(hit.skill_id)) for hit in search.hits]),
            fit_probability=search.fit_probability,
            is_abstained=is_abstained,
            seconds=time.perf_counter() - started,
            reason=reason,
        )
        usable = () if is_abstained else await self._usable(searcher, search.hits, catalogued, most)
        return FoundSkills(selection=selection, usable=usable)

    def _abstains(self, fit: float | None) -> tuple[bool, str]:
        if self.least_fit is None or fit is None or fit >= self.least_fit:
            return False, ""
        return True, f"none is likely to fit: probability {fit:.2f}, and at least {self.least_fit:.2f} is asked for"

    async def _considered(self, hit: SkillHit, catalogued: SkillVersion | None) -> ConsideredSkill:
        return ConsideredSkill(
            skill_id=hit.skill_id,
            name=hit.name,
            sha256=hit.sha256,
            version=1 if catalogued is None else await self._version(hit, catalogued),
            rank=hit.rank,
            retrieval=hit.retrieval,
            rerank=hit.rerank,
            is_shown=False,
        )

    async def _version(self, hit: SkillHit, latest: SkillVersion) -> int:
        """Which version has these bytes."""
        if latest.sha256 == hit.sha256:
            return latest.version
        versions = await self.catalogue.versions_of(hit.skill_id)
        older = [each.version for each in versions if each.sha256 == hit.sha256]
        return older[-1] if older else latest.version

    async def _usable(
        self, searcher: SkillSearcher, hits: Sequence[SkillHit], catalogued: Mapping[str, SkillVersion], most: int
    ) -> tuple[Skill, ...]:
        """Those that may be shown now: not taken out of the catalogue since, the very texts that were indexed, and
        callable where they must be called.
        """
        allowed = [hit for hit in hits if _is_allowed(hit, catalogued.get(hit.skill_id))]
        wanted = allowed[: 2 * most]  # some of them may not be live
        skills = await asyncio.to_thread(searcher.skills, [hit.skill_id for hit in wanted])
        whole = [skill for hit, skill in zip(wanted, skills, strict=True) if content_sha256(skill) == hit.sha256]
        return tuple(skill for skill in whole if is_text(skill) or self._is_live(skill))[:most]

    def _is_live(self, skill: Skill) -> bool:
        """Whether what was indexed can be called, and is still what was indexed."""
        live = self.live.get(skill.skill_id)
        return live is not None and content_sha256(live.skill) == content_sha256(skill)


def _is_allowed(hit: SkillHit, catalogued: SkillVersion | None) -> bool:
    """What was never catalogued may be shown: an index straight from a pool has no catalogue."""
    return catalogued is None or (catalogued.state == "active" and catalogued.sha256 == hit.sha256)


def _told(error: Exception) -> str:
    return f"skills could not be searched for: {error}"[:REASON_CHARACTERS]
