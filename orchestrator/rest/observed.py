"""Outermost, in pure ASGI: an id for each request, its figures, its line in the log, and our share of its time."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.identity import Identity
from orchestrator.logs import ACCESS
from orchestrator.metrics import Metrics
from orchestrator.request_context import RequestContext, current_request
from orchestrator.rest.identity_of import IDENTITY_KEY
from storage.records import new_id

HARMLESS = re.compile(rb"[A-Za-z0-9._-]{1,128}")  # of an id that may stand in logs and headers
TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context, level 1
OPENAI_ROUTES = ("/v1/chat/", "/v1/completions", "/v1/models", "/v1/embeddings", "/v1/responses")
OVERHEAD = b"x-antroute-overhead-ms"
UNKNOWN_ROUTE = "unknown"  # a path can hold anything, so it is no label and no word of a log

access = logging.getLogger(ACCESS)


class ObservedApp:
    """Counts by the route's template. `x-request-id` is the caller's own where it is harmless, and is echoed."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, has_access_log: bool = False) -> None:
        self.app = app
        self.metrics = metrics
        self.has_access_log = has_access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        context = _context(scope["headers"])
        is_openai = scope["path"].startswith(OPENAI_ROUTES)

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", context.request_id.encode())]
                if is_openai and not any(name == OVERHEAD for name, _ in headers):
                    overhead = max(0.0, time.perf_counter() - started - context.upstream_seconds)
                    headers.append((OVERHEAD, f"{overhead * 1000:.2f}".encode()))
                message = {**message, "headers": headers}
            await send(message)

        token = current_request.set(context)
        try:
            await self.app(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
            self.metrics.responded(route, status, seconds)
            if self.has_access_log:
                self._tell(scope, context, route, status=status, seconds=seconds)
            current_request.reset(token)

    @staticmethod
    def _tell(scope: Scope, context: RequestContext, route: str, *, status: int, seconds: float) -> None:
        identity = scope.get(IDENTITY_KEY)
        if isinstance(identity, Identity):
            context.tenant = identity.tenant
        figures = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        access.info("%s %s %d %.2f ms", *figures.values(), extra=figures)


def _context(headers: Sequence[tuple[bytes, bytes]]) -> RequestContext:
    request_id, traceparent = None, None
    for name, value in headers:
        if name == b"x-request-id" and HARMLESS.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent" and TRACEPARENT.fullmatch(value):
            traceparent = value.decode()
    return RequestContext(request_id=request_id or new_id("request"), traceparent=traceparent)
