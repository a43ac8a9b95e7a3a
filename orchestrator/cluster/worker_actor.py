"""A job worker in a process of its own: a whole service without a front door, which claims jobs of the shared store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from agents.llm import LLM
from orchestrator.bootstrap import bootstrap
from orchestrator.borrowed import Borrowed
from orchestrator.cluster.encoders import DOES as ENCODES
from orchestrator.cluster.encoders import remote_encoder
from orchestrator.cluster.links import ActorLink
from orchestrator.cluster.models import HostedLLM
from orchestrator.cluster.published import ReceivedRouters
from orchestrator.cluster.scorers import DOES as SCORES
from orchestrator.cluster.skill_searches import DOES as SEARCHES
from orchestrator.cluster.skill_searches import remote_index
from orchestrator.logs import configure
from orchestrator.memory import share_one_heap
from orchestrator.run_options import RunOptions
from orchestrator.service import Service
from orchestrator.settings import Settings
from routing.registry import EncoderChoice, choose_encoder
from storage.records import Decision


@dataclass(frozen=True, kw_only=True)
class SharedActors:
    """Handles of the actors that do a part of each worker's work; None: the worker does it itself."""

    encoder: Any = None
    scorer: Any = None
    skills: Any = None
    models: Any = None  # of the worker's own node
    model_names: tuple[str, ...] = ()  # that can be asked there


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """Which worker this is."""

    worker: str  # as it stands in the jobs it holds
    pid: int
    slots: int
    notices: tuple[str, ...]


@dataclass(kw_only=True)
class _Links:
    """To the shared actors, as this worker sees them."""

    encoder: ActorLink | None
    scorer: ActorLink | None
    skills: ActorLink | None
    all: list[ActorLink] = field(init=False)

    def __post_init__(self) -> None:
        self.all = [link for link in (self.encoder, self.scorer, self.skills) if link is not None]

    def notices(self) -> tuple[str, ...]:
        return tuple(notice for link in self.all for notice in link.notices())


class WorkerActor:
    """Runs on the cluster."""

    def __init__(self, settings: Settings, shared: SharedActors, routers: Mapping[str, Any]) -> None:
        """`routers`: version to Ray's reference to its files."""
        self._settings = settings
        self._shared = shared
        self._links = _Links(
            encoder=_link(ENCODES, shared.encoder),
            scorer=_link(SCORES, shared.scorer),
            skills=_link(SEARCHES, shared.skills),
        )
        self._routers = ReceivedRouters(self._links.scorer)
        self._routers.receive(routers)
        self._service: Service | None = None
        self._over = asyncio.Event()

    async def open(self) -> WorkerFacts:
        """Builds the service and begins to claim jobs. Raises what bootstrap raises."""
        configure(self._settings.server.log_format, level=self._settings.server.log_level)
        share_one_heap()
        choice = await asyncio.to_thread(self._encoder)
        skills = self._links.skills
        service = await bootstrap(
            self._settings,
            llms=self._llms(),
            skill_index=None if skills is None else remote_index(skills, self._settings, choice.encoder),
            borrowed=Borrowed(encoder=choice, routers=self._routers, notices=self._links.notices),
        )
        service.worker.start()
        self._service = service
        return WorkerFacts(
            worker=service.worker.name, pid=os.getpid(), slots=service.worker.slots, notices=service.notices
        )

    async def live(self) -> None:
        """Returns when the worker has been closed; an error instead says that its process died."""
        await self._over.wait()

    async def notices(self) -> tuple[str, ...]:
        """See `Service.notices`."""
        return self._opened.notices

    async def ring(self, name: str) -> None:
        """Somebody elsewhere rang this bell: there is work, or a job is to be cancelled."""
        self._opened.jobs.bell.ring(name)

    async def receive(self, routers: Mapping[str, Any]) -> None:
        """Other versions serve now; looks at once which."""
        self._routers.receive(routers)
        await self._opened.trained.watch.check()

    async def decide(self, text: str, **options: Unpack[RunOptions]) -> Decision:
        """What this worker would decide now; nothing runs and nothing is stored."""
        return await self._opened.route(text, **options)

    async def close(self, drain_seconds: float) -> None:
        """Gives the jobs at hand so long, releases what is not done by then, and lets go of everything."""
        service, self._service = self._opened, None
        service.worker.drain_seconds = drain_seconds
        await service.close()
        self._over.set()

    def _encoder(self) -> EncoderChoice:
        name, cache_dir = self._settings.encoder, self._settings.encoder_dir
        if self._links.encoder is None:
            return choose_encoder(name, cache_dir=cache_dir)
        return remote_encoder(self._links.encoder, name, cache_dir)

    def _llms(self) -> dict[str, LLM]:
        return {name: HostedLLM(self._shared.models, name) for name in self._shared.model_names}

    @property
    def _opened(self) -> Service:
        if self._service is None:
            raise RuntimeError("The worker is not open.")
        return self._service


def _link(does: str, handle: Any) -> ActorLink | None:
    return None if handle is None else ActorLink(does, handle)
