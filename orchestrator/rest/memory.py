"""What memories of trails hold, over HTTP: to look at, not to change."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.rest.moments import Moment
from orchestrator.service import Service
from orchestrator.trail_picture import heat_map
from orchestrator.trail_tables import TrailTable, of_these, tables_view

router = APIRouter(prefix="/v1/memory", tags=["memory"])


class MemoryQuery(BaseModel):
    """Which cells, and when; an unknown filter is refused."""

    model_config = ConfigDict(extra="forbid")

    memory: str | None = Field(default=None, max_length=200)
    stage: str | None = Field(default=None, max_length=200)
    candidate: str | None = Field(default=None, max_length=200)
    at: Moment | None = None


@router.get("")
async def show_memory(request: Request, query: Annotated[MemoryQuery, Query()]) -> dict[str, Any]:
    """Each memory with its cells: trail, count, mean and deviation of the utility, last use."""
    return {"memories": tables_view(await _tables(request, query))}


@router.get("/{memory}/picture.svg")
async def draw_memory(memory: str, request: Request, query: Annotated[MemoryQuery, Query()]) -> Response:
    """The heat map of one memory; it runs no script and loads nothing."""
    [table] = await _tables(request, query.model_copy(update={"memory": memory}))
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(heat_map(table), media_type="image/svg+xml", headers=headers)


async def _tables(request: Request, query: MemoryQuery) -> list[TrailTable]:
    service: Service = request.app.state.service
    tables = await service.memory(query.memory, at=query.at)
    return [of_these(table, stage=query.stage, candidate_id=query.candidate) for table in tables]
