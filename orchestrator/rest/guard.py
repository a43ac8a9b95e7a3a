"""What stands before every route, in pure ASGI: the key, the role, the rates and the size of the body."""

from __future__ import annotations

from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import BodyTooLarge, NotPermitted
from orchestrator.keys.access import Access
from orchestrator.keys.authenticator import Visitor
from orchestrator.keys.rates import Rates, Visit, current_visit, visit_of
from orchestrator.rest.errors import response_of
from orchestrator.rest.identity_of import ADMISSION_KEY, IDENTITY_KEY
from orchestrator.rest.roles import RoleTable, may
from storage.errors import ServiceError

POLICY_VIOLATION = 1008  # WebSocket's code of a refusal


class Guard:
    """Says who asks, and whether that may be; then reads the body, within its limit, before the application does."""

    def __init__(self, app: ASGIApp, *, access: Access, rates: Rates, body_bytes: int) -> None:
        self.app = app
        self.access = access
        self.rates = rates
        self.roles = RoleTable()
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no other route
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        visit = Visit()
        try:
            visitor = await self._admitted(scope)
            visit = visit_of(visitor)
            await self.rates.enter(visit)
        except ServiceError as error:
            await response_of(error)(scope, receive, labelled(send, visit))
            return
        scope[IDENTITY_KEY] = visitor.identity
        scope[ADMISSION_KEY] = partial(self._admitted, scope)
        token = current_visit.set(visit)
        try:
            await self._passed_on(scope, receive, labelled(send, visit))
        finally:
            current_visit.reset(token)
            await self.rates.leave(visit)

    async def _admitted(self, scope: Scope) -> Visitor:
        """Raises NotAuthenticated, NotPermitted, RateLimited; BodyTooLarge where the caller says so beforehand."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"localhost").decode("latin-1")  # every browser sends one
        method, path = scope["method"], scope["path"]
        least = self.roles.least(method, path)
        if least == "open":
            visitor = self.access.stranger(host)
        else:
            client = scope.get("client")
            visitor = await self.access.visitor(headers, host=host, client=client[0] if client else "")
        if not may(visitor.identity.role, least):
            raise NotPermitted(f"{method} {path} takes the role {least!r}; this key's is {visitor.identity.role!r}.")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit():
            check_size(int(declared[:20]), self.body_bytes)
        return visitor

    async def _passed_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await whole_body(receive, self.body_bytes)
        except ServiceError as error:
            await response_of(error)(scope, receive, send)
            return
        await self.app(scope, replayed(body, receive), send)


def labelled(send: Send, visit: Visit) -> Send:
    """Tells in the answer's headers how much is left; where nothing is limited it is `send` itself."""
    if not visit.holders:
        return send

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            rates = [(name.encode(), value.encode()) for name, value in visit.headers.items()]
            message = {**message, "headers": [*message.get("headers", ()), *rates]}
        await send(message)

    return with_headers


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
