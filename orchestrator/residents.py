"""Keeps the local models loaded that are worth it, within the memory that the settings give them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self

from agents.errors import AgentError
from orchestrator.conditions import LOCAL_COLD_START_SECONDS
from orchestrator.routing_settings import ResidencySettings
from routing.residency import Residency, ResidencyController, Resident
from storage.records import Candidate

if TYPE_CHECKING:
    from agents.local_models import LocalModelServer

LOOKS_AN_EPOCH = 4

log = logging.getLogger("antroute.residents")


class Residents:
    """Without a controller nothing is loaded or unloaded; which models are loaded can be seen all the same."""

    def __init__(
        self,
        servers: Mapping[str, LocalModelServer],
        *,
        controller: ResidencyController | None = None,
        epoch_seconds: float = 600.0,
    ) -> None:
        self._servers = dict(servers)
        self._controller = controller
        self._epoch_seconds = epoch_seconds
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(
        cls,
        servers: Mapping[str, LocalModelServer],
        candidates: Iterable[Candidate],
        settings: ResidencySettings,
    ) -> Self:
        """A model's file says what it takes of memory, its card how long it takes to load."""
        if settings.memory_mb is None or not servers:
            return cls(servers)
        model_to_card = {candidate.model: candidate.card for candidate in candidates}
        controller = ResidencyController(
            {
                model: Resident(
                    size_bytes=server.path.stat().st_size,
                    cold_start_seconds=model_to_card[model].cold_start_seconds or LOCAL_COLD_START_SECONDS,
                )
                for model, server in servers.items()
            },
            memory_bytes=settings.memory_mb * 1_000_000,
            epoch_seconds=settings.epoch_seconds,
        )
        return cls(servers, controller=controller, epoch_seconds=settings.epoch_seconds)

    @property
    def model_to_is_loaded(self) -> dict[str, Callable[[], bool]]:
        """Of each local model, a question that can be asked at any time."""
        return {model: _is_loaded(server) for model, server in self._servers.items()}

    def called(self, model: str) -> None:
        """A call for this model is about to begin."""
        if self._controller is not None:
            self._controller.called(model)

    def start(self) -> None:
        """Looks a few times an epoch from now on, so that none is missed by a hair."""
        if self._controller is not None:
            self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """No more looks; what is loaded stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> Residency | None:
        """Unloads, then loads, as the controller says. A model that does not load is told in the log and left cold."""
        if self._controller is None:
            return None
        loaded = frozenset(model for model, server in self._servers.items() if server.pid is not None)
        plan = self._controller.plan(loaded)
        if plan is None:
            return None
        for model in sorted(plan.unload):
            await self._servers[model].rest()
        for model in sorted(plan.load):
            try:
                await self._servers[model].load()
            except AgentError as error:
                log.warning("Model %r could not be loaded ahead of its calls: %s", model, error)
        return plan

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._epoch_seconds / LOOKS_AN_EPOCH)
            await self.look()


def _is_loaded(server: LocalModelServer) -> Callable[[], bool]:
    return lambda: server.pid is not None
