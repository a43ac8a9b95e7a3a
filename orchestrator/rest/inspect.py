"""Decisions, outcomes and traces over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.found_decisions import by_summaries
from orchestrator.reading import trace_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.moments import Moment
from orchestrator.rest.schemas import OutcomeRequest, RouteRequest, options_of
from orchestrator.service import Service
from orchestrator.views import attempt_view, plain, record_view, trace_view
from storage.provenance import provenance_of
from storage.records import Decision, Generation
from storage.stores import DecisionFilter, StoredDecision
from storage.summary_records import SummaryFilter, SummaryStatus

router = APIRouter(prefix="/v1", tags=["inspect"])


class DecisionQuery(BaseModel):
    """Filters on an allow-list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    candidate: str | None = None
    policy: str | None = None
    run_id: str | None = None
    task: str | None = None
    status: SummaryStatus | None = Field(default=None, description="Of the newest outcome; running: there is none yet.")
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Decided before then.")
    cost_over: Decimal | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Cost more than so many USD."
    )
    margin_under: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Close calls: won or lost by less than this of score."
    )
    judged: bool | None = Field(default=None, description="Whether somebody told a quality.")
    cursor: int | None = Field(default=None, ge=0, le=2**63 - 1)
    limit: int = Field(default=50, ge=1, le=500)

    @property
    def needs_summaries(self) -> bool:
        """Whether it asks for what the decision's own event does not say, or has no index for."""
        wanted = (self.task, self.status, self.until, self.cost_over, self.margin_under, self.judged)
        return any(each is not None for each in wanted)


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def require_own(request: Request, decision: Decision) -> None:
    """Raises RecordNotFound, in the same words as for what is not there, unless the asker may see it."""
    identity_of(request).require_own(decision.tenant, f"decision {decision.id!r}")


@router.post("/route")
async def preview_decision(body: RouteRequest, request: Request) -> dict[str, Any]:
    """What would be decided for this text, and why; nothing runs and nothing is stored."""
    generation = Generation(max_output_tokens=body.max_tokens)
    options = options_of(body.model, body.antroute, generation)
    options["identity"] = identity_of(request)
    return record_view(await service_of(request).route(body.text, **options))


@router.get("/decisions")
async def list_decisions(request: Request, query: Annotated[DecisionQuery, Query()]) -> dict[str, Any]:
    """Newest first; `cursor` takes the `next_cursor` of the page before.

    With `task`, `status`, `until`, `cost_over`, `margin_under` or `judged`, one of the last moment may be missing.
    """
    stores = service_of(request).stores
    if query.needs_summaries:
        found = await by_summaries(stores, _summary_filter(query, tenant=identity_of(request).sees))
        return _page_of(found, query)
    wanted = DecisionFilter(
        tenant=identity_of(request).sees,
        candidate_id=query.candidate,
        policy=query.policy,
        run_id=query.run_id,
        since=query.since,
        before_position=query.cursor,
        limit=query.limit,
    )
    return _page_of(await stores.decisions.find(wanted), query)


def _summary_filter(query: DecisionQuery, *, tenant: str | None) -> SummaryFilter:
    return SummaryFilter(
        tenant=tenant,
        run_id=query.run_id,
        candidate_id=query.candidate,
        policy=query.policy,
        task=query.task,
        status=query.status,
        since=query.since,
        until=query.until,
        cost_over_usd=query.cost_over,
        margin_under=query.margin_under,
        is_judged=query.judged,
        before_position=query.cursor,
        limit=query.limit,
    )


def _page_of(found: Sequence[StoredDecision], query: DecisionQuery) -> dict[str, Any]:
    next_cursor = found[-1].position if len(found) == query.limit else None
    return {"decisions": [plain(stored.decision) for stored in found], "next_cursor": next_cursor}


@router.get("/decisions/{decision_id}")
async def get_decision(decision_id: str, request: Request) -> dict[str, Any]:
    """A decision with its outcomes and rewards, and where its answer comes from while its candidate is in service."""
    service = service_of(request)
    attempt = await service.attempt(decision_id)
    require_own(request, attempt.decision)
    candidate = service.nodes.candidates.get(attempt.decision.candidate_id or "")
    came = None if candidate is None else provenance_of(candidate, attempt.decision, attempt.outcomes)
    return {**attempt_view(attempt), "provenance": plain(came)}


@router.post("/decisions/{decision_id}/outcomes", status_code=201)
async def add_outcome(
    decision_id: str,
    body: OutcomeRequest,
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> dict[str, Any]:
    """A verdict on the answer, from which the policies learn."""
    service = service_of(request)
    require_own(request, await service.stores.decisions.get(decision_id))
    verdict = await service.feedback(
        decision_id, quality=body.quality, judged_by=body.judged_by, idempotency_key=idempotency_key
    )
    return record_view(verdict)


@router.get("/traces/{run_id}")
async def get_trace(run_id: str, request: Request) -> dict[str, Any]:
    """Spans, decisions, outcomes and costs of a run."""
    stores = service_of(request).stores
    return trace_view(await trace_of(stores, run_id, tenant=identity_of(request).sees))
