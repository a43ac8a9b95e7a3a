"""One decision: why this one, what came of it, where it stands in the log; judged, verified and replayed from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.explanation import explanation_of
from orchestrator.reading import Attempt, trace_of
from orchestrator.rest.console.event_check import checks_of
from orchestrator.rest.console.filters import LONGEST_TEXT
from orchestrator.rest.console.page import FRESH, SECURITY_HEADERS, page
from orchestrator.rest.console.run_picture import picture_of_run
from orchestrator.rest.console.said import back, is_allowed, said_in
from orchestrator.rest.console.why import pictures_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import require_own, service_of
from storage.errors import RecordNotFound
from storage.records import AuditEvent, Payload
from storage.stores import Stores

router = APIRouter(prefix="/console/decisions/{decision_id}", include_in_schema=False)

EVENTS_NEARBY = 60  # of the log, among which the next decision is looked for
MOST_ATTEMPTS = 40  # of its run that are links


@dataclass(frozen=True, kw_only=True)
class Words:
    """A text of a decision. `text`: None once erased."""

    name: Literal["question", "answer"]
    text: str | None

    @property
    def is_long(self) -> bool:
        return self.text is not None and len(self.text) > LONGEST_TEXT


@router.get("")
async def show_decision(decision_id: str, request: Request) -> HTMLResponse:
    """Raises RecordNotFound, in the same words for another tenant's."""
    service, tenant = service_of(request), identity_of(request).sees
    stores = service.stores
    attempt = await own_attempt(request, decision_id)
    decision = attempt.decision
    trace = await trace_of(stores, decision.run_id, tenant=tenant)
    event = await stores.audit.event("decision", decision.id)
    explanation = explanation_of(attempt)
    picture, left_out = picture_of_run(trace, decision.id)
    older, newer = await neighbours_of(stores, event, tenant)
    values = {
        "why": explanation,
        "decision": decision,
        "pictures": pictures_of(explanation),
        "trace": trace,
        "attempts": trace.attempts[:MOST_ATTEMPTS],
        "waterfall": picture,
        "left_out": left_out,
        "event": event,
        "texts": await texts_of(stores, attempt),
        "older": older,
        "newer": newer,
        "may_judge": is_allowed(request, "writer") and decision.candidate_id is not None and bool(attempt.outcomes),
        "may_replay": is_allowed(request, "operator"),
        "said": said_in(request),
    }
    return page(request, "decision.html", active="decisions", values=values)


@router.get("/{name}.txt")
async def whole_text(decision_id: str, name: Literal["question", "answer"], request: Request) -> Response:
    """The whole text, to be kept as a file: nothing in it is shown by a browser. Raises RecordNotFound."""
    attempt = await own_attempt(request, decision_id)
    texts = {each.name: each.text for each in await texts_of(service_of(request).stores, attempt)}
    text = texts.get(name)
    if text is None:
        raise RecordNotFound(f"No {name} is kept of decision {decision_id!r}.")
    kept = {"Content-Disposition": f'attachment; filename="{name}.txt"'}
    content = text.encode("utf-8", "replace")
    return Response(content, media_type="text/plain; charset=utf-8", headers=SECURITY_HEADERS | FRESH | kept)


@router.get("/proof.json")
async def proof(decision_id: str, request: Request) -> Response:
    """That it stands in the signed log, for those who check that without this service.

    Raises RecordNotFound, also while no checkpoint holds it.
    """
    await own_attempt(request, decision_id)
    found = await service_of(request).audit.proof(decision_id)
    kept = {"Content-Disposition": f'attachment; filename="{decision_id}.proof.json"'}
    return Response(
        orjson.dumps(found, option=orjson.OPT_INDENT_2),
        media_type="application/json",
        headers=SECURITY_HEADERS | FRESH | kept,
    )


@router.post("/replay")
async def replay(decision_id: str, request: Request) -> HTMLResponse:
    """A part of the page: the decision made again from what is stored. Raises RecordNotFound."""
    await own_attempt(request, decision_id)
    found = await service_of(request).replays.decisions([decision_id], tenant=identity_of(request).sees)
    return _part(request, "decision_replay.html", decision_id, {"replay": found.decisions[0]})


@router.post("/judge")
async def judge(
    decision_id: str, request: Request, quality: Annotated[float, Form(ge=0, le=1, allow_inf_nan=False)]
) -> RedirectResponse:
    """The verdict of whoever looks. Raises RecordNotFound, InvalidInput."""
    await own_attempt(request, decision_id)
    await service_of(request).feedback(decision_id, quality=quality, judged_by="user")
    return back(f"/console/decisions/{decision_id}", "decision_judged")


@router.post("/verify")
async def verify_event(decision_id: str, request: Request) -> HTMLResponse:
    """A part of the page: what one event can show of itself. Raises RecordNotFound."""
    stores = service_of(request).stores
    attempt = await own_attempt(request, decision_id)
    event = await stores.audit.event("decision", decision_id)
    payloads = await stores.audit.payloads([attempt.decision.payload_id])
    checks = await checks_of(stores, event, payloads.get(attempt.decision.payload_id))
    return _part(request, "decision_checks.html", decision_id, {"checks": checks})


async def own_attempt(request: Request, decision_id: str) -> Attempt:
    """Raises RecordNotFound, in the same words for another tenant's."""
    attempt = await service_of(request).attempt(decision_id)
    require_own(request, attempt.decision)
    return attempt


async def texts_of(stores: Stores, attempt: Attempt) -> list[Words]:
    """The question, and the answer of the newest outcome that has one."""
    answers = [outcome.payload_id for outcome in attempt.outcomes if outcome.payload_id is not None]
    wanted = [("question", attempt.decision.payload_id), *(("answer", id) for id in answers[-1:])]
    payloads: dict[str, Payload] = await stores.audit.payloads([id for _, id in wanted])
    found: dict[str, Any] = {name: payloads.get(id) for name, id in wanted}
    return [
        Words(name=name, text=None if found[name] is None else found[name].text)
        for name in ("question", "answer")
        if name in found
    ]


async def neighbours_of(stores: Stores, event: AuditEvent, tenant: str | None) -> tuple[str | None, str | None]:
    """Ids of the decisions before and after it in the log, where they stand near it and may be seen."""
    before = await stores.audit.events(
        after_position=max(0, event.position - 1 - EVENTS_NEARBY), limit=min(EVENTS_NEARBY, event.position - 1)
    )
    after = await stores.audit.events(after_position=event.position, limit=EVENTS_NEARBY)
    return _decision_in(before[::-1], tenant), _decision_in(after, tenant)


def _part(request: Request, template: str, decision_id: str, values: dict[str, Any]) -> HTMLResponse:
    """What htmx puts into the page; for a browser without script a page of its own."""
    if "hx-request" in request.headers:
        return page(request, template, values=values)
    whole = {**values, "part": template, "decision_id": decision_id}
    return page(request, "decision_part.html", active="decisions", values=whole)


def _decision_in(events: list[AuditEvent], tenant: str | None) -> str | None:
    return next((e.subject_id for e in events if e.kind == "decision" and tenant in (None, e.tenant)), None)
