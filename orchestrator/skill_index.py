"""The index of skills as it serves: opened when first needed, exchanged for a newer one while queries go on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from skills.base import SkillSearcher
from skills.errors import IndexRefused
from storage.errors import ServiceError

LOOK_SECONDS = 1.0  # between two looks whether a newer index is there

log = logging.getLogger("antroute.skills")


class OpenedIndex(SkillSearcher, Protocol):
    """An index as it lies on disk."""

    def is_current(self) -> bool:
        """False once a newer one has taken its place in the folder."""
        ...


@dataclass(frozen=True, kw_only=True)
class Opening:
    """An index that was opened, and what is missing from it, in words."""

    index: OpenedIndex
    notice: str = ""


class ServedIndex:
    """Hands out the index of one folder. The old one answers until the newer one is open, or if that cannot be opened.

    `open_index` blocks, so it runs in a thread. It raises a ServiceError where there is no index, or a broken one.
    """

    def __init__(
        self, folder: Path, open_index: Callable[[Path], Opening], *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self.folder = folder
        self._open = open_index
        self._look_seconds = look_seconds
        self._opened: Opening | None = None
        self._looked_at = 0.0
        self._opening = asyncio.Lock()  # two queries at once must not open one index twice
        self._reload: asyncio.Task[None] | None = None
        self._problem = ""

    async def current(self) -> SkillSearcher:
        """Raises IndexRefused where there is none, and what `open_index` raises."""
        opened = self._opened
        if opened is None:
            return (await self._first()).index
        if self._reload is None and time.monotonic() - self._looked_at >= self._look_seconds:
            self._looked_at = time.monotonic()
            if not await asyncio.to_thread(_is_current, opened.index) and self._reload is None:
                self._reload = asyncio.create_task(self._exchange())
        return opened.index

    async def exchanged(self) -> None:
        """Opens what the folder holds now, if it holds another index: for whoever has just built it."""
        if self._opened is not None and not await asyncio.to_thread(_is_current, self._opened.index):
            self._reload = self._reload or asyncio.create_task(self._exchange())
        if self._reload is not None:
            await asyncio.wait([self._reload])

    def notices(self) -> tuple[str, ...]:
        notice = "" if self._opened is None else self._opened.notice
        return tuple(each for each in (self._problem, notice) if each)

    async def close(self) -> None:
        """Waits for what is being opened."""
        if self._reload is not None:
            await asyncio.wait([self._reload])

    async def _first(self) -> Opening:
        async with self._opening:
            if self._opened is None:
                try:
                    self._opened = await asyncio.to_thread(self._opened_folder)
                except ServiceError as error:
                    self._problem = f"no skills can be found: {error}"
                    raise
                self._problem, self._looked_at = "", time.monotonic()
            return self._opened

    async def _exchange(self) -> None:
        try:
            self._opened = await asyncio.to_thread(self._opened_folder)
            self._problem = ""
        except ServiceError as error:  # the old one goes on
            self._problem = f"the newer index of skills cannot be used, the older one serves: {error}"
            log.warning("%s", self._problem)
        finally:
            self._reload = None

    def _opened_folder(self) -> Opening:
        if not self.folder.is_dir():
            raise IndexRefused(
                f"There is no index of skills in {str(self.folder)!r}.", hint="Build it: antroute skills add SOURCE"
            )
        return self._open(self.folder)


def _is_current(opened: OpenedIndex) -> bool:
    """Where nobody can say, opening it anew will."""
    try:
        return opened.is_current()
    except ServiceError:
        return False
