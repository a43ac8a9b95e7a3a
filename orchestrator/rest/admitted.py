"""Lets requests that make work in as long as there is room for them, in pure ASGI."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import Overloaded
from orchestrator.overload import Admission
from orchestrator.rest.errors import response_of

LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})  # makes no work; must also be answered while the service is full


class AdmittedApp:
    """A place is held until the whole answer is sent, a stream's last word too."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app = app
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        last = closing(send) if self.admission.is_draining else send
        if scope["method"] in LOOKING:
            await self.app(scope, receive, last)
            return
        try:
            await self.admission.enter()
        except Overloaded as error:
            last = closing(send) if self.admission.is_draining else send
            await response_of(error)(scope, receive, last)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self.admission.leave()


def closing(send: Send) -> Send:
    """Tells the client that this connection is at its end, so that its next request goes to somebody who stays."""

    async def with_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return with_close
