"""Looks off the request path whether other router versions serve now, and loads them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from routing.artifacts import Artifact, loads
from routing.errors import ArtifactRefused
from storage.errors import LogCorrupt, ServiceError
from storage.stores import Stores
from storage.version_records import ServingVersions

WATCH_SECONDS = 2.0

log = logging.getLogger("antroute.routers")


@dataclass(frozen=True, kw_only=True)
class LoadedRouter:
    """A version with its artefact, ready to serve."""

    version_id: str
    artifact: Artifact


@dataclass(frozen=True, kw_only=True)
class LoadedRouters:
    """Who serves now. A version that could not be loaded is None here, and a notice says why."""

    active: LoadedRouter | None = None
    shadow: LoadedRouter | None = None
    active_since: datetime | None = None  # when the active version was made so
    notices: tuple[str, ...] = ()
    is_refused: bool = False  # there is an active version, but it could not be loaded


class RouterSource(Protocol):
    """Where the files of a version come from, and what serves in the place of its artefact."""

    async def files(self, stores: Stores, version_id: str) -> Mapping[str, bytes]:
        """Raises RecordNotFound, LogCorrupt, StorageUnavailable."""
        ...

    def served(self, version_id: str, artifact: Artifact) -> Artifact: ...


class Registry:
    """The store's registry, and the artefact itself."""

    async def files(self, stores: Stores, version_id: str) -> Mapping[str, bytes]:
        return await stores.policy_versions.artifact(version_id)

    def served(self, version_id: str, artifact: Artifact) -> Artifact:
        return artifact


class RouterWatch:
    """Calls `on_change` on the event loop after the first look, and whenever who serves has changed since."""

    def __init__(
        self,
        stores: Stores,
        *,
        encoder_name: str,
        on_change: Callable[[LoadedRouters], None],
        seconds: float = WATCH_SECONDS,
        source: RouterSource | None = None,
    ) -> None:
        self.encoder_name = encoder_name
        self._stores = stores
        self._on_change = on_change
        self._seconds = seconds
        self._source = source or Registry()
        self._seen: ServingVersions | None = None
        self._loaded: dict[str, LoadedRouter] = {}
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()  # of two looks at once, the one that saw more must not be told of first

    async def check(self) -> None:
        """One look. Raises StorageUnavailable; the next look then does what this one could not."""
        async with self._looking:
            await self._check()

    def start(self) -> None:
        """Looks again and again from now on."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.check()
            except ServiceError as error:  # whatever it is, the next look must come
                log.warning("Router versions could not be looked up: %s", error)

    async def _check(self) -> None:
        serving = await self._stores.policy_versions.serving()
        if serving == self._seen:
            return
        notices: list[str] = []
        active = await self._router("active", serving.active_id, notices)
        shadow = await self._router("shadow", serving.shadow_id, notices)
        since = None if active is None else (await self._stores.policy_versions.get(active.version_id)).changed_at
        self._loaded = {each.version_id: each for each in (active, shadow) if each is not None}
        self._seen = serving
        self._on_change(
            LoadedRouters(
                active=active,
                shadow=shadow,
                active_since=since,
                notices=tuple(notices),
                is_refused=serving.active_id is not None and active is None,
            )
        )

    async def _router(self, role: str, version_id: str | None, notices: list[str]) -> LoadedRouter | None:
        if version_id is None:
            return None
        if version_id in self._loaded:
            return self._loaded[version_id]
        try:
            files = await self._source.files(self._stores, version_id)
            artifact = await asyncio.to_thread(loads, files, encoder=self.encoder_name, where=version_id)
        except (ArtifactRefused, LogCorrupt) as error:
            log.warning("The %s router %s cannot serve: %s", role, version_id, error)
            notices.append(f"the {role} router {version_id} cannot serve: {error}")
            return None
        return LoadedRouter(version_id=version_id, artifact=self._source.served(version_id, artifact))
