"""The audit log over HTTP: verify it, list its signed checkpoints, prove a decision of one's own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.rest.identity_of import identity_of
from orchestrator.service import Service
from orchestrator.views import plain, record_view

router = APIRouter(prefix="/v1/audit", tags=["audit"])


class CheckpointQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    cursor: int = Field(default=0, ge=0, le=2**53)  # number of the last one of the page before
    limit: int = Field(default=100, ge=1, le=1000)


@router.get("/checkpoints")
async def list_checkpoints(request: Request, query: Annotated[CheckpointQuery, Query()]) -> dict[str, Any]:
    """Signed roots of the log in order of their numbers, and the public keys; `cursor` takes `next_cursor`.

    They tell how long the log is, and nothing of what stands in it.
    """
    service = _service(request)
    found = await service.audit.checkpoints(after_number=query.cursor, limit=query.limit)
    keys = await service.stores.checkpoints.keys()
    next_cursor = found[-1].number if len(found) == query.limit else None
    return {
        "checkpoints": [plain(each) for each in found],
        "keys": [plain(key) for key in keys],
        "next_cursor": next_cursor,
    }


@router.get("/proofs/{decision_id}")
async def prove_decision(decision_id: str, request: Request) -> dict[str, Any]:
    """What proves to anybody that the decision stands in the signed log; `antroute audit verify-proof` checks it."""
    service = _service(request)
    decision = await service.stores.decisions.get(decision_id)
    identity_of(request).require_own(decision.tenant, f"decision {decision.id!r}")
    return await service.audit.proof(decision_id)


@router.post("/verify")
async def verify_log(request: Request) -> dict[str, Any]:
    """Recomputes the whole log and checks its checkpoints; names the first event, or checkpoint, that is wrong."""
    return record_view(await _service(request).audit.verify())


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
