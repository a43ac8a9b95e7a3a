"""The console's manners around the service's own door: cookie in place of key, pages in place of JSON errors."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.rest.console.session import Sessions

ROOT = "/console"
LOGIN = f"{ROOT}/login"
OPEN = (LOGIN, f"{ROOT}/static/")  # taken without a key
NOT_AUTHENTICATED = 401
FIRST_ERROR = 400
LONGEST_ERROR = 65_536  # bytes of an error's JSON; ours are short


class ConsoleDoor:
    """Leaves all other paths alone.

    Raises nothing: an asker without a key is sent to the login, any other error becomes a page that says the same.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app = app
        self.sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_console(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and not is_own_form(headers):
            await _refused(scope)(scope, receive, send)
            return
        await self.app(self._with_key(scope, headers), receive, Turned(scope, receive, send))

    def _with_key(self, scope: Scope, headers: Headers) -> Scope:
        """The scope with the cookie's key as the header that the door knows."""
        key = self.sessions.key_in(headers.get("cookie", "").encode("latin-1"))
        if key is None or "authorization" in headers:
            return scope
        return {**scope, "headers": [*scope["headers"], (b"authorization", b"Bearer " + key.encode())]}


class Turned:
    """Sends on what comes, but for errors as JSON, which it gathers and sends as a page or as the way to the login."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._status = 0
        self._body: bytearray | None = None  # of an error

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
            if self._body is not None:
                return
        elif self._body is not None:
            self._body += message.get("body", b"")[:LONGEST_ERROR]
            if not message.get("more_body", False):
                await self._answer(bytes(self._body))(self._scope, self._receive, self._send)
            return
        await self._send(message)

    def _begin(self, message: Message) -> None:
        is_json = Headers(raw=message["headers"]).get("content-type", "").startswith("application/json")
        if message["status"] >= FIRST_ERROR and is_json:
            self._status, self._body = message["status"], bytearray()

    def _answer(self, body: bytes) -> Response:
        if self._status == NOT_AUTHENTICATED:
            return to_login(self._scope)
        from orchestrator.rest.console.page import error_page

        return error_page(self._scope, self._status, _error_in(body))


def is_console(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def is_own_form(headers: Headers) -> bool:
    """Whether a page of this very service sends it: by what browsers say, for scripts cannot write these headers."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and origin.rpartition("//")[2] == headers.get("host")


def to_login(scope: Scope) -> Response:
    """Back to the page that was wanted afterwards, where that is one that can be looked at."""
    wanted = scope["path"] if scope["method"] == "GET" else ROOT
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = f"{wanted}?{query}" if query and scope["method"] == "GET" else wanted
    address = f"{LOGIN}?next={quote(wanted, safe='')}"
    if Headers(scope=scope).get("hx-request"):  # a redirect would be followed inside the page
        return Response(status_code=204, headers={"HX-Redirect": LOGIN})
    return RedirectResponse(address, status_code=303)


def _refused(scope: Scope) -> Response:
    from orchestrator.rest.console.page import error_page

    error = {
        "message": "This form was not sent by a page of this service.",
        "hint": "Open the console itself and send the form there.",
    }
    return error_page(scope, 403, error)


def _error_in(body: bytes) -> MutableMapping[str, Any]:
    """The error of the service's own form; whatever else it is, as text."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {"message": body.decode("utf-8", "replace")}
