"""What operators and load balancers ask: models, health, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from orchestrator.metrics import Metrics, looked_up
from orchestrator.service import Service
from storage.errors import ServiceError

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz")
async def ready(request: Request) -> JSONResponse:
    """Whether a query would be taken now: the database answers and somebody could be asked."""
    service: Service = request.app.state.service
    if request.app.state.admission.is_draining:
        return JSONResponse({"status": "stopping"}, 503)
    try:
        problems = await service.problems()
    except ServiceError as error:
        problems = [str(error)]
    state: dict[str, Any] = {"status": "degraded" if problems else "ready"}
    if not request.app.state.needs_key:  # reasons name addresses: not for strangers
        state.update(problems=problems, notices=list(service.notices))
    return JSONResponse(state, 503 if problems else 200)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    found: Metrics = request.app.state.metrics
    await looked_up(request.app.state.service, found)
    text, content_type = found.render()
    return Response(text, media_type=content_type)
