"""The list of decisions: filtered, fifty a page, and followed along while one looks at the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.rest.console.decision_query import A_PAGE, LAST_POSITION, PERIOD_TO_HOURS, DecisionsQuery
from orchestrator.rest.console.page import page
from orchestrator.rest.console.questions import questions_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from storage.errors import RecordNotFound
from storage.records import OutcomeStatus
from storage.stores import Stores
from storage.summary_records import DecisionSummary

router = APIRouter(prefix="/console/decisions", include_in_schema=False)

BASE = "/console/decisions"
CATCH_UP_SECONDS = 0.1
MOST_UNDER_WAY = 20  # rows whose decisions have no outcome yet, looked after at each poll
STATUSES = ("running", *(status for status in get_args(OutcomeStatus) if status != "judged"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """`question`: its first words; None: erased."""

    summary: DecisionSummary
    question: str | None


class NewerQuery(DecisionsQuery):
    """`after`: the newest place that is shown; `under_way`: ids of rows without an outcome, with commas."""

    after: Annotated[int, Query(ge=0, le=LAST_POSITION)] = 0
    under_way: Annotated[str, Query(max_length=2000)] = ""


@router.get("")
async def list_decisions(request: Request, query: Annotated[DecisionsQuery, Query()]) -> Response:
    """Newest first. An address with empty fields, as forms send it, leads to the one without."""
    if "" in request.query_params.values():
        return RedirectResponse(query.address(BASE), status_code=303)
    service, tenant = service_of(request), identity_of(request).sees
    summaries = service.stores.summaries
    progress = await summaries.catch_up(seconds=CATCH_UP_SECONDS)
    found = await summaries.find(query.wanted(tenant, limit=A_PAGE + 1))
    shown = found[:A_PAGE]
    values = {
        "rows": await rows_of(service.stores, shown),
        "query": query,
        "behind": progress.behind,
        "here": query.address(BASE),
        "newer": query.newer(BASE),
        "older": query.older(BASE, shown[-1].position) if len(found) > A_PAGE else None,
        "poll": query.address(f"{BASE}/newer") if query.before is None and query.until is None else None,
        "statuses": STATUSES,
        "periods": tuple(PERIOD_TO_HOURS),
        "candidates": sorted(service.nodes.candidates),
        "policies": service.policies,
    }
    return page(request, "decisions.html", active="decisions", values=values)


@router.get("/newer")
async def newer_decisions(request: Request, query: Annotated[NewerQuery, Query()]) -> Response:
    """Rows of what is newer, and of those shown whose outcome came since; 204 where there is neither."""
    stores, tenant = service_of(request).stores, identity_of(request).sees
    await stores.summaries.catch_up(seconds=CATCH_UP_SECONDS)
    found = await stores.summaries.find(query.wanted(tenant, after=query.after))
    ended = await _ended(stores, query.under_way.split(",") if query.under_way else [], tenant)
    if not found and not ended:
        return Response(status_code=204)
    if found and not query.after:  # the page has no table yet
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    values = {"new": await rows_of(stores, found), "ended": await rows_of(stores, ended)}
    return _part(request, values)


async def rows_of(stores: Stores, summaries: Sequence[DecisionSummary]) -> list[Row]:
    questions = await questions_of(stores, [each.decision_id for each in summaries])
    return [Row(summary=each, question=questions[each.decision_id]) for each in summaries]


async def _ended(stores: Stores, decision_ids: Sequence[str], tenant: str | None) -> list[DecisionSummary]:
    """Of these the ones that have an outcome by now; who may not be seen is as one who is not there."""
    found = []
    for decision_id in decision_ids[:MOST_UNDER_WAY]:
        try:
            summary = await stores.summaries.get(decision_id)
        except RecordNotFound:
            continue
        if summary.status != "running" and tenant in (None, summary.tenant):
            found.append(summary)
    return found


def _part(request: Request, values: dict[str, Any]) -> HTMLResponse:
    return page(request, "decision_rows_new.html", values=values)
