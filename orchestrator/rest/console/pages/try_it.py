"""What would be decided for a text, and why: nothing runs, nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse

from orchestrator.explanation import explanation_of
from orchestrator.reading import Attempt
from orchestrator.rest.console.page import page
from orchestrator.rest.console.said import is_allowed
from orchestrator.rest.console.why import pictures_of
from orchestrator.rest.errors import status_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.run_options import RunOptions
from storage.errors import InvalidInput, ServiceError
from storage.records import Decision

router = APIRouter(prefix="/console/try", include_in_schema=False)

WEIGHTS = ("quality", "cost", "latency", "energy")
LONGEST_FIELD = 40  # characters of a figure
EXAMPLE = "What is 17% of 2340?"

Figure = Annotated[str, Form(max_length=LONGEST_FIELD)]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The form as it was sent; empty: not said."""

    text: str = ""
    policy: str = ""
    budget_usd: str = ""
    quality: str = ""
    cost: str = ""
    latency: str = ""
    energy: str = ""

    def options(self) -> RunOptions:
        """Raises InvalidInput for a figure that is none."""
        options = RunOptions()
        if self.policy:
            options["policy"] = self.policy
        if self.budget_usd:
            options["budget_usd"] = _number("budget_usd", self.budget_usd)
        said = {name: getattr(self, name) for name in WEIGHTS}
        weights = {name: _number(name, value) for name, value in said.items() if value}
        if weights:
            options["weights"] = weights
        return options


@router.get("")
async def ask(request: Request) -> HTMLResponse:
    return _shown(request, Wish(text=EXAMPLE))


@router.post("")
async def try_text(
    request: Request,
    text: Annotated[str, Form()] = "",
    policy: Annotated[str, Form(max_length=200)] = "",
    budget_usd: Figure = "",
    quality: Figure = "",
    cost: Figure = "",
    latency: Figure = "",
    energy: Figure = "",
) -> HTMLResponse:
    """The form again, with the decision below it, or with what was wrong."""
    wish = Wish(
        text=text, policy=policy, budget_usd=budget_usd, quality=quality, cost=cost, latency=latency, energy=energy
    )
    try:
        options = wish.options()
        options["identity"] = identity_of(request)
        decision = await service_of(request).route(text, **options)
    except ServiceError as error:
        return _shown(request, wish, error=error)
    return _shown(request, wish, decision=decision)


def _shown(
    request: Request, wish: Wish, *, decision: Decision | None = None, error: ServiceError | None = None
) -> HTMLResponse:
    why = None if decision is None else explanation_of(Attempt(decision=decision, outcomes=(), rewards=()))
    values = {
        "wish": {field.name: getattr(wish, field.name) for field in fields(wish)},
        "weights": WEIGHTS,
        "policies": service_of(request).policies,
        "may_try": is_allowed(request, "writer"),
        "why": why,
        "pictures": None if why is None else pictures_of(why),
        "error": error,
    }
    is_part = "hx-request" in request.headers  # htmx shows only what succeeded
    status = 200 if error is None or is_part else status_of(error)
    return page(request, "try.html", active="try", status=status, values=values)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise InvalidInput(f"{name} is {text!r}; give a number.", field=name) from exc
