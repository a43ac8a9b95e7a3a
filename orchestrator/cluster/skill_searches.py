"""The search for skills by an actor that opened the index once for all workers, and what stands in for it elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from orchestrator.cluster.batches import Batches
from orchestrator.cluster.encoders import DOES as ENCODES
from orchestrator.cluster.encoders import remote_encoder
from orchestrator.cluster.errors import ActorGone
from orchestrator.cluster.links import ActorLink
from orchestrator.found_skills import SkillIndex
from orchestrator.settings import Settings
from orchestrator.skill_bootstrap import index_files, opened_index
from routing.registry import choose_encoder
from skills.base import Skill, SkillSearch, SkillSearcher
from skills.encoder import Encoder
from skills.errors import IndexRefused

DOES = "searches for skills"
LOOK_SECONDS = 1.0  # between two looks which index serves
KEPT = 2  # indexes: queries that began with the older one end with it


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """Which index the actor searches."""

    sha256: str
    ranker_sha256: str
    encoder_name: str
    notices: tuple[str, ...]


class SkillActor:
    """Runs on the cluster."""

    def __init__(self, make_index: Callable[[], SkillIndex], *, most: int) -> None:
        self._index = make_index()
        self._searchers: dict[str, SkillSearcher] = {}  # by digest, the newest last
        self._batches: Batches[str, SkillSearch] = Batches(self._found, most=most)

    async def facts(self) -> IndexFacts:
        """Raises what opening the index raises."""
        searcher = await self._index.current()
        self._searchers[searcher.sha256] = searcher
        while len(self._searchers) > KEPT:
            del self._searchers[next(iter(self._searchers))]
        return IndexFacts(
            sha256=searcher.sha256,
            ranker_sha256=searcher.ranker_sha256,
            encoder_name=searcher.encoder_name,
            notices=self._index.notices(),
        )

    async def search(self, sha256: str, texts: Sequence[str], top: int) -> list[SkillSearch]:
        """See `SkillSearcher.search`. Raises IndexRefused where that index does not serve any more."""
        return await self._batches.results(f"{top} {sha256}", texts)

    async def skills(self, sha256: str, skill_ids: Sequence[str]) -> list[Skill]:
        """See `SkillSearcher.skills`. Raises IndexRefused, SkillNotFound."""
        return await asyncio.to_thread(self._searcher(sha256).skills, skill_ids)

    def _found(self, key: str, texts: Sequence[str]) -> Sequence[SkillSearch]:
        top, _, sha256 = key.partition(" ")
        return self._searcher(sha256).search(texts, top=int(top))

    def _searcher(self, sha256: str) -> SkillSearcher:
        if sha256 not in self._searchers:
            raise IndexRefused(f"The index {sha256[:12]!r} has been exchanged for a newer one; ask again.")
        return self._searchers[sha256]


class RemoteSearcher:
    """One index of the actor's; `own` gives this process's, for when the actor is gone."""

    def __init__(self, link: ActorLink, facts: IndexFacts, own: Callable[[], SkillSearcher]) -> None:
        self.sha256 = facts.sha256
        self.ranker_sha256 = facts.ranker_sha256
        self.encoder_name = facts.encoder_name
        self._link = link
        self._own = own

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        """See `SkillSearcher.search`. Raises IndexRefused."""
        try:
            found: list[SkillSearch] = self._link.call("search", self.sha256, list(texts), top)
        except ActorGone:
            return self._here().search(texts, top=top)
        return found

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        """See `SkillSearcher.skills`. Raises IndexRefused, SkillNotFound."""
        try:
            found: list[Skill] = self._link.call("skills", self.sha256, list(skill_ids))
        except ActorGone:
            return self._here().skills(skill_ids)
        return found

    def _here(self) -> SkillSearcher:
        own = self._own()
        if own.sha256 != self.sha256:
            raise IndexRefused("The actor that searched is gone, and the index here is another one; ask again.")
        return own


class RemoteSkillIndex:
    """Hands out the actor's index, and this process's own one while the actor is gone."""

    def __init__(
        self,
        link: ActorLink,
        own: SkillIndex,
        *,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._own = own
        self._look_seconds = look_seconds
        self._clock = clock
        self._looked_at = 0.0
        self._facts: IndexFacts | None = None

    async def current(self) -> SkillSearcher:
        """Raises what opening the index raises."""
        facts = self._facts
        if facts is None or self._clock() - self._looked_at >= self._look_seconds or self._link.notices():
            try:
                fresh: IndexFacts = await asyncio.to_thread(self._link.call, "facts")
            except ActorGone:
                return await self._own.current()
            self._facts, self._looked_at, facts = fresh, self._clock(), fresh
        loop = asyncio.get_running_loop()
        return RemoteSearcher(
            self._link, facts, lambda: asyncio.run_coroutine_threadsafe(_current(self._own), loop).result()
        )

    def notices(self) -> tuple[str, ...]:
        told = self._own.notices() if self._link.notices() else () if self._facts is None else self._facts.notices
        return (*self._link.notices(), *told)


async def _current(index: SkillIndex) -> SkillSearcher:
    return await index.current()


def remote_index(link: ActorLink, settings: Settings, encoder: Encoder) -> RemoteSkillIndex:
    """`encoder`: this process's, for an index of its own, which is opened if the actor is gone."""
    return RemoteSkillIndex(link, _own_index(settings, encoder))


def shared_index(settings: Settings, encoder: Any) -> SkillIndex:
    """The actor's own. `encoder`: the actor to encode with; None: it has an encoder of its own."""
    if encoder is None:
        return _own_index(settings, choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder)
    choice = remote_encoder(ActorLink(ENCODES, encoder), settings.encoder, settings.encoder_dir)
    return _own_index(settings, choice.encoder)


def _own_index(settings: Settings, encoder: Encoder) -> SkillIndex:
    return opened_index(settings, index_files(settings, encoder), AsyncExitStack())
