"""Replays over HTTP, for operators: decisions made again, and stored traffic through other routers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from orchestrator.replay.desk import MOST_DECISIONS, MOST_IDS
from orchestrator.replay.records import TrafficFilter
from orchestrator.replay.views import comparison_view, replays_view, traffic_view
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.rest.moments import Moment
from orchestrator.rest.schemas import Body
from storage.errors import InvalidInput

router = APIRouter(prefix="/v1/replays", tags=["inspect"])

Name = Annotated[str, Field(min_length=1, max_length=200)]


class ReplayBody(Body):
    """Either `ids` of decisions and runs; or a `router` for stored traffic, and maybe one `against` which to see it."""

    ids: list[Name] | None = Field(default=None, min_length=1, max_length=MOST_IDS)
    router: Name | None = None  # a version's id, or a policy's name
    against: Name | None = None
    since: Moment | None = None
    until: Moment | None = None  # not included
    tenant: Name | None = None
    candidate: Name | None = None
    policy: Name | None = None
    limit: int = Field(default=1_000, ge=1, le=MOST_DECISIONS)

    def wanted(self) -> TrafficFilter:
        return TrafficFilter(
            since=self.since,
            until=self.until,
            tenant=self.tenant,
            candidate_id=self.candidate,
            policy=self.policy,
            limit=self.limit,
        )


@router.post("")
async def replay(body: ReplayBody, request: Request) -> dict[str, Any]:
    """What came of it, at once; nothing is stored. Takes up to a minute, and waits for one that is under way."""
    if (body.ids is None) == (body.router is None):
        raise InvalidInput("Give either `ids` or `router`.", field="router")
    desk, tenant = service_of(request).replays, identity_of(request).sees
    if body.ids is not None:
        return replays_view(await desk.decisions(body.ids, tenant=tenant))
    if body.router is not None and body.against is not None:
        return comparison_view(await desk.compare(body.router, body.against, body.wanted(), tenant=tenant))
    return traffic_view(await desk.traffic(body.router or "", body.wanted(), tenant=tenant))
