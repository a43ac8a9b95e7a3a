"""Router versions over HTTP: look, promote, shadow, retire, roll back. Registering takes the files: command line."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from orchestrator.rest.schemas import Body
from orchestrator.routers import RouterChange, Routers
from orchestrator.service import Service
from orchestrator.views import plain, record_view

router = APIRouter(prefix="/v1/routers", tags=["routers"])


class MoveRequest(Body):
    """Why. A body is needed, so that no web page can send it without being asked for its origin."""

    reason: str = Field(min_length=1, max_length=500)


class PromoteRequest(MoveRequest):
    """`force`: past a gate that was not passed; logged as such."""

    force: bool = False


def routers_of(request: Request) -> Routers:
    service: Service = request.app.state.service
    encoder_name = service.trained.watch.encoder_name
    return Routers(service.stores, candidates=tuple(service.nodes.candidates), encoder_name=encoder_name)


async def changed(request: Request, change: RouterChange) -> dict[str, Any]:
    """The change, in force in this process; others see it at their watch's next look."""
    service: Service = request.app.state.service
    await service.trained.watch.check()
    return record_view(change)


@router.get("")
async def list_routers(request: Request) -> dict[str, Any]:
    """All versions, newest first."""
    return {"routers": plain(await routers_of(request).list())}


@router.post("/rollback")
async def rollback(body: MoveRequest, request: Request) -> dict[str, Any]:
    """Brings back the version that was active before."""
    return await changed(request, await routers_of(request).rollback(reason=body.reason))


@router.get("/{router_id}")
async def get_router(router_id: str, request: Request) -> dict[str, Any]:
    """A version with its metrics and all its moves; the beginning of its id is enough."""
    return record_view(await routers_of(request).show(router_id))


@router.post("/{router_id}/promote")
async def promote(router_id: str, body: PromoteRequest, request: Request) -> dict[str, Any]:
    """Makes it the active one, if it passed its gate."""
    return await changed(request, await routers_of(request).promote(router_id, force=body.force, reason=body.reason))


@router.post("/{router_id}/shadow")
async def shadow(router_id: str, body: MoveRequest, request: Request) -> dict[str, Any]:
    """Lets it run beside the active one, unheeded."""
    return await changed(request, await routers_of(request).shadow(router_id, reason=body.reason))


@router.post("/{router_id}/retire")
async def retire(router_id: str, body: MoveRequest, request: Request) -> dict[str, Any]:
    """Takes it out of service."""
    return await changed(request, await routers_of(request).retire(router_id, reason=body.reason))
