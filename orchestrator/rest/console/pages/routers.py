"""Trained routers: which one serves, how good each was when it was trained, and moving them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from orchestrator.rest.console.page import page
from orchestrator.rest.console.router_figures import figures_of, frontier, own_frontier
from orchestrator.rest.console.said import back, said_in
from orchestrator.rest.errors import status_of
from orchestrator.rest.routers import changed, routers_of
from orchestrator.routers import RouterChange
from storage.errors import RecordNotFound, ServiceError

router = APIRouter(prefix="/console/routers", include_in_schema=False)

VERSIONS_A_PAGE = 50
MOST_MOVES = 100

Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("")
async def list_routers(request: Request, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> HTMLResponse:
    return await _list(request, skip=skip)


@router.post("/rollback")
async def rollback(request: Request, reason: Reason) -> Response:
    """Where there is nothing to go back to, the page says so."""
    try:
        await changed(request, await routers_of(request).rollback(reason=reason))
    except ServiceError as error:
        return await _list(request, trouble=error)
    return back("/console/routers", "router_rolled_back")


@router.get("/{router_id}")
async def show_router(router_id: str, request: Request) -> HTMLResponse:
    """Raises RecordNotFound."""
    return await _one(request, router_id)


@router.post("/{router_id}/promote")
async def promote(router_id: str, request: Request, reason: Reason, force: Annotated[str, Form()] = "") -> Response:
    work = routers_of(request).promote(router_id, force=force == "yes", reason=reason)
    return await _moved(request, router_id, work, "router_promoted")


@router.post("/{router_id}/shadow")
async def shadow(router_id: str, request: Request, reason: Reason) -> Response:
    return await _moved(request, router_id, routers_of(request).shadow(router_id, reason=reason), "router_shadowed")


@router.post("/{router_id}/retire")
async def retire(router_id: str, request: Request, reason: Reason) -> Response:
    return await _moved(request, router_id, routers_of(request).retire(router_id, reason=reason), "router_retired")


async def _moved(request: Request, router_id: str, work: Awaitable[RouterChange], said: str) -> Response:
    """Back to the version's page; where it was refused, the page says why. Raises RecordNotFound."""
    try:
        change = await work
        await changed(request, change)
    except RecordNotFound:
        raise
    except ServiceError as error:
        return await _one(request, router_id, trouble=error)
    return back(f"/console/routers/{change.version.id}", said)


async def _list(request: Request, *, skip: int = 0, trouble: ServiceError | None = None) -> HTMLResponse:
    versions = await routers_of(request).list()
    shown = versions[skip : skip + VERSIONS_A_PAGE]
    values = {
        "versions": [(version, figures_of(version)) for version in shown],
        "serving": [version for version in versions if version.state in ("active", "shadow")],
        "picture": frontier(versions),
        "skip": skip,
        "next_skip": skip + VERSIONS_A_PAGE if len(versions) > skip + VERSIONS_A_PAGE else None,
        "page_size": VERSIONS_A_PAGE,
        "said": said_in(request),
        "trouble": trouble,
    }
    return page(request, "routers.html", active="routers", status=_status(trouble), values=values)


async def _one(request: Request, router_id: str, *, trouble: ServiceError | None = None) -> HTMLResponse:
    routers = routers_of(request)
    history = await routers.show(router_id)
    version, own = history.version, set(request.app.state.service.nodes.candidates)
    values = {
        "version": version,
        "figures": figures_of(version),
        "picture": own_frontier(version),
        "moves": history.moves[::-1][:MOST_MOVES],
        "unknown": sorted(own - set(version.candidates)),
        "foreign": sorted(set(version.candidates) - own),
        "said": said_in(request),
        "trouble": trouble,
    }
    return page(request, "router.html", active="routers", status=_status(trouble), values=values)


def _status(trouble: ServiceError | None) -> int:
    return 200 if trouble is None else status_of(trouble)
