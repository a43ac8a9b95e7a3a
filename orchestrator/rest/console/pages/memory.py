"""Memories of trails: the heat map now and at past moments, and which trails are strongest and freshest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from orchestrator.rest.console.page import page
from orchestrator.rest.inspect import service_of
from orchestrator.rest.moments import Moment
from orchestrator.trail_picture import MOST_CANDIDATES, MOST_TASKS, heat_map
from orchestrator.trail_tables import TrailTable, deviation_of, of_these
from routing.pheromone.base import TrailCell
from storage.records import utc_now
from storage.stores import TrailStore

ADDRESS = "/console/memory"
router = APIRouter(prefix=ADDRESS, include_in_schema=False)

STEPS = 8  # links to moments between the first lesson and now
MOST_ROWS = 15
WHOLE = 100  # of the slider: now

Name = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class Step:
    at: datetime
    address: str
    is_shown: bool


@router.get("")
async def show_memory(
    request: Request,
    memory: Name = "",
    stage: Name = "",
    at: Moment | None = None,
    part: Annotated[int, Query(ge=0, le=WHOLE)] = WHOLE,
) -> HTMLResponse:
    """`at`: a moment; `part`: the same as per cent of the way from the first lesson to now. Raises InvalidInput."""
    service = service_of(request)
    names = service.trails.memories
    chosen = memory or (names[0] if names else "")
    if not chosen:
        return page(request, "memory.html", active="memory", values={"names": (), "table": None})
    first, now = await first_lesson(service.stores.trails, chosen), utc_now()
    if at is None and part < WHOLE and first is not None:
        at = first + (now - first) * part / WHOLE
    [whole] = await service.memory(chosen, at=at)
    table = of_these(whole, stage=stage or None)
    values = {
        "names": names,
        "chosen": chosen,
        "stages": sorted({cell.stage for cell in whole.cells}),
        "stage": stage,
        "table": table,
        "at": at,
        "first": first,
        "part": _part(first, at, now),
        "steps": _steps(first, at, now, memory=chosen, stage=stage),
        "picture": _picture(chosen, stage, at),
        "is_cut": is_cut(table),
        "strongest": sorted(table.cells, key=lambda cell: (-cell.tau, -cell.n))[:MOST_ROWS],
        "freshest": _freshest(table.cells)[:MOST_ROWS],
        "deviation_of": deviation_of,
    }
    return page(request, "memory.html", active="memory", values=values)


@router.get("/{memory}/picture.svg")
async def draw_memory(memory: str, request: Request, stage: Name = "", at: Moment | None = None) -> Response:
    """The heat map, for the page's image: it runs no script and loads nothing. Raises InvalidInput."""
    [table] = await service_of(request).memory(memory, at=at)
    drawn = await asyncio.to_thread(heat_map, of_these(table, stage=stage or None))
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(drawn, media_type="image/svg+xml", headers=headers)


async def first_lesson(store: TrailStore, memory: str) -> datetime | None:
    """When the memory learned first; None: it has learned nothing."""
    events = await store.events(memory, limit=1)
    return events[0].at if events else None


def is_cut(table: TrailTable) -> bool:
    """Whether the picture leaves something out."""
    candidates, tasks = {cell.candidate_id for cell in table.cells}, {cell.task for cell in table.cells}
    return len(candidates) > MOST_CANDIDATES or len(tasks) > MOST_TASKS


def _freshest(cells: Sequence[TrailCell]) -> list[TrailCell]:
    used = [(cell.used_at, cell) for cell in cells if cell.used_at is not None]
    return [cell for _, cell in sorted(used, key=lambda pair: pair[0], reverse=True)]


def _part(first: datetime | None, at: datetime | None, now: datetime) -> int:
    """Where the slider stands."""
    if first is None or at is None or now <= first:
        return WHOLE
    return round(min(max((at - first) / (now - first), 0.0), 1.0) * WHOLE)


def _steps(first: datetime | None, at: datetime | None, now: datetime, *, memory: str, stage: str) -> list[Step]:
    """Moments from the first lesson until now, each with its address; the last one is now."""
    if first is None or now <= first:
        return []
    moments = [first + (now - first) * step / STEPS for step in range(1, STEPS)]
    shown = None if at is None else min(moments, key=lambda moment: abs(moment - at))
    common = {"memory": memory, **({"stage": stage} if stage else {})}
    found = [Step(at=each, address=_address({**common, "at": _iso(each)}), is_shown=each == shown) for each in moments]
    return [*found, Step(at=now, address=_address(common), is_shown=at is None)]


def _picture(memory: str, stage: str, at: datetime | None) -> str:
    named = {**({"stage": stage} if stage else {}), **({} if at is None else {"at": _iso(at)})}
    return f"{ADDRESS}/{quote(memory, safe='')}/picture.svg" + (f"?{urlencode(named)}" if named else "")


def _address(named: dict[str, str]) -> str:
    return f"{ADDRESS}?{urlencode(named)}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
