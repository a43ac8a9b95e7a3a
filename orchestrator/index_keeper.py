"""Keeps the index of skills in step with the catalogue: what is active there, in the texts it has there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from orchestrator.skill_catalog import PAGE, pages_of, skill_of
from orchestrator.skill_index import ServedIndex
from skills.base import Skill
from skills.progress import Progress
from storage.errors import ServiceError
from storage.stores import SkillFilter, SkillStore

log = logging.getLogger("antroute.skills")

BuildIndex = Callable[[Path, Iterable[Skill], Progress], str]


class CatalogIndexKeeper:
    """Builds the index of one folder from all active skills; those whose digest it has are not encoded again.

    `build_index` blocks, takes the skills one by one and says in words what it did. `served`: who hands the index out.
    """

    def __init__(self, folder: Path, build_index: BuildIndex, *, served: ServedIndex | None = None) -> None:
        self.folder = folder
        self._build = build_index
        self._served = served
        self._building = asyncio.Lock()  # two changes at once: the second one must see what the first one left out

    async def follow(self, store: SkillStore, *, on_progress: Progress) -> str:
        """Never raises a ServiceError: the catalogue has changed, and what the index lacks is told instead."""
        async with self._building:
            loop = asyncio.get_running_loop()
            try:
                skills = active_skills(store, loop)
                told = await asyncio.to_thread(self._build, self.folder, skills, on_progress)
                if self._served is not None:
                    await self._served.exchanged()
            except ServiceError as error:
                log.warning("The index of skills could not follow the catalogue: %s", error)
                return f"The index could not follow: {error}"
            return told


def active_skills(store: SkillStore, loop: asyncio.AbstractEventLoop) -> Iterator[Skill]:
    """All active skills by id, a page in memory at a time; for a thread beside the loop."""
    pages = pages_of(store, SkillFilter(state="active", limit=PAGE))

    async def following() -> list[Skill] | None:
        page = await anext(pages, None)
        return None if page is None else [skill_of(version) for version in page]

    while (page := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield from page
