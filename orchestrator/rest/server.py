"""uvicorn that keeps its doors open while work is drained, so that a load balancer sees it is not ready."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

from starlette.types import ASGIApp
from uvicorn import Config, Server

from orchestrator.draining import FAREWELL_SECONDS, Draining

SPARE_CONNECTIONS = 1024  # idle ones, and those that look: beyond the requests that make work
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DrainingServer(Server):
    """Serves until the draining is over; a signal begins that, another one hurries it."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        admission = draining.admission
        super().__init__(
            Config(
                app,
                log_config=None,  # the process's own, see orchestrator/logs.py
                log_level="warning",
                access_log=False,
                lifespan="off",
                limit_concurrency=admission.most + admission.most_waiting + SPARE_CONNECTIONS,
                timeout_graceful_shutdown=int(FAREWELL_SECONDS),
            )
        )
        self.draining = draining
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In place of uvicorn's own, which shuts the door first."""
        self._loop.call_soon_threadsafe(self.draining.told)

    async def serve_until_drained(self, listener: socket.socket) -> None:
        """The signals stay ours after the end, too: the stores are yet to be closed then."""
        for number in SIGNALS:
            signal.signal(number, self.handle_exit)
        stopping = asyncio.create_task(self._stop_when_drained())
        try:
            await self.serve(sockets=[listener])
        finally:
            stopping.cancel()

    async def _stop_when_drained(self) -> None:
        await self.draining.over()
        self.should_exit = True
