"""Templates to answers: the one place that makes HTML, with what every page shows and the headers that keep it safe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from orchestrator.rest.console import filters
from orchestrator.rest.console.assets import address_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.roles import LEAST_ROLE, may

if TYPE_CHECKING:
    from jinja2 import Environment

# Nothing but this service's own files; no inline script, no inline style, no frame, no foreign form.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FRESH = {"Cache-Control": "no-store"}

# Key of the page, what the menu says, where it is, and the letter that goes there after `g`.
MENU = (
    ("overview", "Overview", "/console", "o"),
    ("decisions", "Decisions", "/console/decisions", "d"),
    ("jobs", "Jobs", "/console/jobs", "j"),
    ("compare", "Compare", "/console/compare", "c"),
    ("routers", "Routers", "/console/routers", "r"),
    ("memory", "Memory", "/console/memory", "m"),
    ("skills", "Skills", "/console/skills", "s"),
    ("budgets", "Budgets", "/console/budgets", "b"),
    ("try", "Try it", "/console/try", "t"),
)


def page(
    request: Request, template: str, *, active: str = "", status: int = 200, values: Mapping[str, Any] | None = None
) -> HTMLResponse:
    """The template with these values; `active` is the key of the menu's entry.

    Text in values may be anybody's: the templates escape it all. A template that asks for a value that is not there
    fails.
    """
    identity = identity_of(request)
    shown = {
        "active": active,
        "menu": [entry for entry in MENU if may(identity.role, LEAST_ROLE.get(("GET", entry[2]), "admin"))],
        "identity": identity,
        "is_logged_in": identity.key_id is not None,
        "notices": request.app.state.service.notices,
        **(values or {}),
    }
    text = environment().get_template(template).render(shown)
    return HTMLResponse(text, status_code=status, headers=SECURITY_HEADERS | FRESH)


def error_page(scope: Scope, status: int, error: Mapping[str, Any]) -> HTMLResponse:
    """What went wrong, and what would be right; for one who is perhaps nobody."""
    is_part = any(name == b"hx-request" for name, _ in scope["headers"])
    template = "error_part.html" if is_part else "error.html"
    text = (
        environment()
        .get_template(template)
        .render(
            status=status,
            message=str(error.get("message", "Something went wrong.")),
            hint=str(error.get("hint") or ""),
            code=str(error.get("code") or ""),
        )
    )
    # htmx shows only what succeeded: a part that failed is put where the part would have been
    headers = SECURITY_HEADERS | FRESH
    return HTMLResponse(text, status_code=200 if is_part else status, headers=headers)


@cache
def environment() -> Environment:
    """Made on the first page: nobody who never looks pays for it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("orchestrator.rest.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= filters.FILTERS
    made.globals["asset"] = address_of
    return made
