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
from storage.errors import RecordNotFound, ServiceError
from storage.skill_records import ConsideredSkill, SkillSelection, SkillVersion
from storage.stores import SkillStore

CONSIDERED = 50  # skills that a decision looks at
SPAN_SKILLS = 5  # of them, whose scores stand in the span as well
REASON_CHARACTERS = 300
REMEMBERED_VERSIONS = 100_000  # which version of a skill has which digest never changes

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
    _versions: dict[tuple[str, str], int] = field(default_factory=dict)

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
        selection = SkillSelection(
            index_sha256=searcher.sha256,
            ranker_sha256=searcher.ranker_sha256,
            encoder=searcher.encoder_name,
            considered=tuple([await self._considered(hit) for hit in search.hits]),
            fit_probability=search.fit_probability,
            is_abstained=is_abstained,
            seconds=time.perf_counter() - started,
            reason=reason,
        )
        usable = () if is_abstained else await self._usable(searcher, search.hits, most)
        return FoundSkills(selection=selection, usable=usable)

    def _abstains(self, fit: float | None) -> tuple[bool, str]:
        if self.least_fit is None or fit is None or fit >= self.least_fit:
            return False, ""
        return True, f"none is likely to fit: probability {fit:.2f}, and at least {self.least_fit:.2f} is asked for"

    async def _considered(self, hit: SkillHit) -> ConsideredSkill:
        return ConsideredSkill(
            skill_id=hit.skill_id,
            name=hit.name,
            sha256=hit.sha256,
            version=await self._version(hit),
            rank=hit.rank,
            retrieval=hit.retrieval,
            rerank=hit.rerank,
            is_shown=False,
        )

    async def _version(self, hit: SkillHit) -> int:
        """Which version has these bytes; 1 for what was never catalogued."""
        key = (hit.skill_id, hit.sha256)
        if key not in self._versions:
            if len(self._versions) >= REMEMBERED_VERSIONS:
                self._versions.clear()
            catalogued = await self._catalogued(hit.skill_id)
            self._versions[key] = 1 if catalogued is None else await self._version_of(catalogued, hit.sha256)
        return self._versions[key]

    async def _version_of(self, latest: SkillVersion, sha256: str) -> int:
        if latest.sha256 == sha256:
            return latest.version
        older = [each.version for each in await self.catalogue.versions_of(latest.skill_id) if each.sha256 == sha256]
        return older[-1] if older else latest.version

    async def _catalogued(self, skill_id: str) -> SkillVersion | None:
        try:
            return await self.catalogue.get(skill_id)
        except RecordNotFound:
            return None

    async def _usable(self, searcher: SkillSearcher, hits: Sequence[SkillHit], most: int) -> tuple[Skill, ...]:
        """Those that may be shown now: not taken out of the catalogue since, and callable where they must be called."""
        allowed = []
        for hit in hits:
            catalogued = await self._catalogued(hit.skill_id)
            if catalogued is None or (catalogued.state == "active" and catalogued.sha256 == hit.sha256):
                allowed.append(hit.skill_id)
            if len(allowed) >= 2 * most:  # some of them may not be live
                break
        skills = await asyncio.to_thread(searcher.skills, allowed)
        return tuple(skill for skill in skills if is_text(skill) or self._is_live(skill))[:most]

    def _is_live(self, skill: Skill) -> bool:
        """Whether what was indexed can be called, and is still what was indexed."""
        live = self.live.get(skill.skill_id)
        return live is not None and content_sha256(live.skill) == content_sha256(skill)


def _told(error: Exception) -> str:
    return f"skills could not be searched for: {error}"[:REASON_CHARACTERS]
