"""The console by itself over a store: on loopback, with models that are never asked."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.errors import ModelUnavailable
from agents.llm import Chunk, Completion, CompletionRequest
from orchestrator.rest.console.door import ROOT, is_console

if TYPE_CHECKING:
    from agents.llm import LLM
    from orchestrator.service import Service
    from orchestrator.settings import Settings

FAREWELL_SECONDS = 0.0  # nothing is under way that would have to be finished


class UnaskedLLM:
    """Stands in a model's place where nothing runs."""

    async def complete(self, request: CompletionRequest) -> Completion:
        raise ModelUnavailable("The console asks no model.")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        raise ModelUnavailable("The console asks no model.")
        yield

    async def close(self) -> None:
        """There is nothing to let go of."""


class ConsoleAlone:
    """Passes on what is the console's; `/` leads there, and nothing else is here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_console(scope["path"]):
            await self.app(scope, receive, send)
        elif scope["path"] == "/":
            await RedirectResponse(ROOT, status_code=303)(scope, receive, send)
        else:
            await PlainTextResponse("Only the console is served here.\n", 404)(scope, receive, send)


def unasked(settings: Settings) -> Mapping[str, LLM]:
    """By model; in place of all that the settings name."""
    return {candidate.model: UnaskedLLM() for candidate in settings.candidates}


def for_looking(settings: Settings) -> Settings:
    """The same, but that the log is not signed by one who only looks."""
    return settings.model_copy(update={"audit": settings.audit.model_copy(update={"is_signed": False})})


def console_app(service: Service, **rules: Any) -> ASGIApp:
    """The console over an open service; `rules` as for `make_app`."""
    from orchestrator.rest.app import make_app

    return ConsoleAlone(make_app(service, **rules))


async def serve_console(service: Service, listener: socket.socket, **rules: Any) -> None:
    """Until the first SIGINT or SIGTERM; whoever opened the service closes it."""
    from orchestrator.draining import Draining
    from orchestrator.overload import Admission
    from orchestrator.rest.server import DrainingServer

    admission = Admission()
    draining = Draining(admission, seconds=FAREWELL_SECONDS, cut_short=service.cut_short, jobs=service.worker.stop)
    app = console_app(service, admission=admission, **rules)
    await DrainingServer(app, draining).serve_until_drained(listener)
