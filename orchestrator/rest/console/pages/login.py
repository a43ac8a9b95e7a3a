"""The console's login: a key in, a sealed cookie out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.keys.access import LONGEST_KEY
from orchestrator.rest.console.door import LOGIN, ROOT, is_console
from orchestrator.rest.console.page import FRESH, SECURITY_HEADERS, environment
from orchestrator.rest.console.session import COOKIE, SESSION_SECONDS
from storage.errors import ServiceError

router = APIRouter(include_in_schema=False)

LONGEST_ADDRESS = 2048


@router.get(LOGIN)
async def ask(next: Annotated[str, Query(max_length=LONGEST_ADDRESS)] = ROOT) -> HTMLResponse:
    return _form(next)


@router.post(LOGIN)
async def enter(
    request: Request,
    key: Annotated[str, Form(min_length=1, max_length=LONGEST_KEY)],
    next: Annotated[str, Form(max_length=LONGEST_ADDRESS)] = ROOT,
) -> Response:
    """Back to where the visitor wanted to go. A wrong key is counted and refused as on any other route."""
    sent = {b"authorization": b"Bearer " + key.strip().encode()}
    client = request.client.host if request.client else ""
    try:
        await request.app.state.access.visitor(sent, host=request.headers.get("host", ""), client=client)
    except ServiceError as error:
        return _form(next, message=str(error), status=401)
    answer = RedirectResponse(own_address(next), status_code=303, headers=FRESH)
    answer.set_cookie(
        COOKIE,
        request.app.state.console_sessions.sealed(key.strip()),
        max_age=SESSION_SECONDS,
        path=ROOT,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post(f"{ROOT}/logout")
async def leave() -> Response:
    answer = RedirectResponse(LOGIN, status_code=303)
    answer.delete_cookie(COOKIE, path=ROOT)
    return answer


def own_address(wanted: str) -> str:
    """The address if it is one of the console's own, else the console's first page: nobody is sent elsewhere."""
    path = wanted.partition("?")[0]
    is_own = is_console(path) and path.isascii() and "\\" not in wanted and wanted.isprintable()
    return wanted if is_own else ROOT


def _form(next: str, *, message: str = "", status: int = 200) -> HTMLResponse:
    text = environment().get_template("login.html").render(next=own_address(next), message=message)
    return HTMLResponse(text, status_code=status, headers=SECURITY_HEADERS | FRESH)
