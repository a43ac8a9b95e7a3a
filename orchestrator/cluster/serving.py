"""The gateway on a cluster: joins it, and has jobs run by workers there as long as the service is open."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from orchestrator.cluster.carried import carried
from orchestrator.cluster.fleet import RayFleet
from orchestrator.cluster.published import PublishedRouters
from orchestrator.cluster.supervisor import Supervisor
from orchestrator.service import Service
from orchestrator.settings import Settings


@asynccontextmanager
async def workers_for(service: Service, settings: Settings) -> AsyncGenerator[Supervisor, None]:
    """Within `joined`. `settings`: as they were loaded. Raises SettingsInvalid for a store in memory."""
    fleet = RayFleet(settings=carried(settings))
    supervisor = Supervisor(fleet, PublishedRouters(service.stores), settings.ray, service.jobs.bell)
    supervisor.start()
    service.more_notices.append(supervisor.notices)
    try:
        yield supervisor
    finally:
        await supervisor.stop()
