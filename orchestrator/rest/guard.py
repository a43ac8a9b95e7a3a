"""What stands before every route, in pure ASGI: the key, the size of the body, the clock."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import NotAuthenticated
from orchestrator.rest.errors import service_error
from storage.errors import InvalidInput, ServiceError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # a load balancer has no key


class Guard:
    """Refuses before the application reads anything. `key` None means that everybody on loopback may come in."""

    def __init__(self, app: ASGIApp, *, key: str | None, body_bytes: int) -> None:
        self.app = app
        self.key = key
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["path"], headers)
        if refusal is not None:
            response = await service_error(None, refusal)  # type: ignore[arg-type]
            await response(scope, receive, send)
            return
        await self.app(scope, limited(receive, self.body_bytes), send)

    def _refusal(self, path: str, headers: Headers) -> ServiceError | None:
        if self.key is not None and path not in OPEN_PATHS:
            scheme, _, sent = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), self.key.encode()):
                return NotAuthenticated("No valid key came with the request: send `Authorization: Bearer KEY`.")
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.body_bytes:
            return too_large(int(declared), self.body_bytes)
        return None


def limited(receive: Receive, body_bytes: int) -> Receive:
    """Counts a body that came without a length, and breaks it off where it grows too large."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > body_bytes:
            raise too_large(taken, body_bytes)
        return message

    return counted


def too_large(size: int, body_bytes: int) -> InvalidInput:
    return InvalidInput(f"The body has {size} bytes or more; at most {body_bytes} are taken.", field="body")
