"""What stands before every route, in pure ASGI: the key and the size of the body."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import BodyTooLarge, NotAuthenticated, NotPermitted
from orchestrator.loopback import host_of, is_loopback
from orchestrator.rest.errors import response_of
from storage.errors import ServiceError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # a load balancer has no key


class Guard:
    """Reads the body, within its limit, before the application does. `key` None: everybody on loopback may come in."""

    def __init__(self, app: ASGIApp, *, key: str | None, body_bytes: int) -> None:
        self.app = app
        self.key = key
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._admit(scope["path"], Headers(scope=scope))
            body = await whole_body(receive, self.body_bytes)
        except ServiceError as error:
            await response_of(error)(scope, receive, send)
            return
        await self.app(scope, replayed(body, receive), send)

    def _admit(self, path: str, headers: Headers) -> None:
        """Raises NotAuthenticated, or BodyTooLarge where the caller says so beforehand."""
        if self.key is not None and path not in OPEN_PATHS:
            scheme, _, sent = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), self.key.encode()):
                raise NotAuthenticated("No valid key came with the request: send `Authorization: Bearer KEY`.")
        host = headers.get("host", "localhost")  # every browser sends one
        if self.key is None and not is_loopback(host_of(host)):  # a web page's own name may be bent to this address
            raise NotPermitted(
                f"Host {host!r} is not this machine: without a key only loopback names are served.",
                hint="Use http://127.0.0.1, or set ANTROUTE_SERVER__ADMIN_KEY and send it.",
            )
        declared = headers.get("content-length", "0")
        if declared.isdigit():
            check_size(int(declared), self.body_bytes)


async def whole_body(receive: Receive, body_bytes: int) -> bytes:
    """The request's body. Raises BodyTooLarge as soon as it is."""
    body, has_more = bytearray(), True
    while has_more:
        message = await receive()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
        check_size(len(body), body_bytes)
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body in one piece, then what comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


def check_size(size: int, body_bytes: int) -> None:
    if size > body_bytes:
        raise BodyTooLarge(f"The body has {size} bytes or more; at most {body_bytes} are taken.", field="body")
