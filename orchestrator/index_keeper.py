"""Keeps the index of skills in step with the catalogue: what is active there, in the texts it has there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.skill_catalog import PAGE, batches, pages_of
from orchestrator.skill_forms import skill_of
from orchestrator.skill_index import ServedIndex
from skills.base import Skill, content_sha256
from skills.errors import IndexRefused
from skills.progress import Progress
from storage.errors import LogCorrupt, ServiceError
from storage.skill_records import SkillVersion
from storage.stores import SkillFilter, SkillStore

log = logging.getLogger("antroute.skills")


class IndexWriter(Protocol):
    """Who writes the folder; blocking, raises ServiceErrors, and says in words what it did."""

    def held(self, folder: Path) -> dict[str, str] | None:
        """Id to digest of what is in it; None: it has to be built from all."""
        ...

    def build(self, folder: Path, skills: Iterable[Skill], on_progress: Progress) -> str: ...

    def update(self, folder: Path, put: Iterable[Skill], removed: Collection[str], on_progress: Progress) -> str: ...


class CatalogIndexKeeper:
    """Compares digests, and brings in only what is new or another text; builds from all only where it must.

    `served`: who hands the index out.
    """

    def __init__(self, folder: Path, writer: IndexWriter, *, served: ServedIndex | None = None) -> None:
        self.folder = folder
        self._writer = writer
        self._served = served
        self._building = asyncio.Lock()  # two changes at once: the second one must see what the first one left out

    async def follow(self, store: SkillStore, *, on_progress: Progress) -> str:
        """Never raises a ServiceError: the catalogue has changed, and what the index lacks is told instead."""
        async with self._building:
            try:
                told = await self._followed(store, on_progress)
                if self._served is not None:
                    await self._served.exchanged()
            except ServiceError as error:
                log.warning("The index of skills could not follow the catalogue: %s", error)
                return f"The index could not follow: {error}"
            return told

    async def _followed(self, store: SkillStore, on_progress: Progress) -> str:
        loop = asyncio.get_running_loop()
        held = await asyncio.to_thread(self._writer.held, self.folder)
        if held is None:
            pages = pages_of(store, SkillFilter(state="active", limit=PAGE))
            return await asyncio.to_thread(self._writer.build, self.folder, _skills_of(pages, loop), on_progress)
        wanted = await store.digests()
        changed = [skill_id for skill_id, sha256 in wanted.items() if held.get(skill_id) != sha256]
        gone = held.keys() - wanted.keys()
        if not changed and not gone:
            return f"nothing to do, {len(held)} unchanged"
        await self._check_own(store, sorted(gone))
        fresh = _skills_of(_read(store, changed), loop)
        return await asyncio.to_thread(self._writer.update, self.folder, fresh, gone, on_progress)

    async def _check_own(self, store: SkillStore, gone: Sequence[str]) -> None:
        """Raises IndexRefused for an index of skills that the catalogue never had: to follow would be to empty it."""
        for page in batches(gone):
            strangers = set(page) - (await store.get_many(page)).keys()
            if strangers:
                raise IndexRefused(
                    f"The index in {str(self.folder)!r} holds skills that were never catalogued, {min(strangers)!r} for"
                    " one: it was made of a pool.",
                    hint="Name another folder as `skills.index`, or `antroute skills add` the pool it was made of.",
                )


async def _read(store: SkillStore, skill_ids: Sequence[str]) -> AsyncIterator[list[SkillVersion]]:
    """Those that are still active, page by page."""
    for page in batches(skill_ids):
        found = await store.get_many(page)
        yield [version for version in found.values() if version.state == "active"]


def _skills_of(pages: AsyncIterator[list[SkillVersion]], loop: asyncio.AbstractEventLoop) -> Iterator[Skill]:
    """A page in memory at a time; for a thread beside the loop."""

    async def following() -> list[SkillVersion] | None:
        return await anext(pages, None)

    while (page := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield from map(_whole, page)


def _whole(version: SkillVersion) -> Skill:
    """Raises LogCorrupt where the text is not the one that its digest names."""
    skill = skill_of(version)
    if content_sha256(skill) != version.sha256:
        raise LogCorrupt(f"The stored text of skill {version.skill_id!r} is not the one that its digest names.")
    return skill
