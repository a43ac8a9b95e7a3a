"""Erasure of texts over HTTP: of everybody's for the admin, of one's own tenant's for an operator."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from orchestrator.erasure import ErasureWish, Tally, erase, slices
from orchestrator.identity import Identity
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.rest.moments import Moment
from orchestrator.rest.schemas import Body
from storage.errors import RecordNotFound
from storage.stores import DecisionFilter, Stores

router = APIRouter(prefix="/v1", tags=["inspect"])

MOST_SECONDS = 5.0  # of one request; the caller goes on with the cursor
Name = Annotated[str, Field(min_length=1, max_length=200)]


class EraseBody(Body):
    """Whose texts; what is given must all fit, and something must be given."""

    decision_id: Name | None = None
    run_id: Name | None = None
    principal: Name | None = None
    tenant: Name | None = None
    before: Moment | None = None
    dry_run: bool = False
    cursor: int = Field(default=0, ge=0, le=2**63 - 1)  # where the request before ended


@router.post("/payloads/erase")
async def erase_payloads(body: EraseBody, request: Request) -> dict[str, Any]:
    """Erases texts for good, for some seconds; with a `next_cursor` there may be more. The log stays provable."""
    stores, identity = service_of(request).stores, identity_of(request)
    wish = ErasureWish(
        decision_id=body.decision_id,
        run_id=body.run_id,
        principal=body.principal,
        tenant=body.tenant,
        before=body.before,
    )
    wish.check()
    wish = await _within(stores, wish, identity)
    tally, position, goal = Tally(), body.cursor, await stores.audit.last_position()
    until = time.monotonic() + MOST_SECONDS
    async for piece in slices(stores, wish, after_position=body.cursor):
        if not body.dry_run:
            await erase(stores, piece.payload_ids)
        tally.add(piece)
        position = piece.position
        if position >= goal or time.monotonic() >= until:
            break
    else:
        position = goal
    return {
        "erased": not body.dry_run,
        "texts": tally.texts,
        "decisions": tally.decisions,
        "jobs": tally.jobs,
        "unfinished_jobs": tally.unfinished_jobs,
        "next_cursor": position if position < goal else None,
    }


async def _within(stores: Stores, wish: ErasureWish, identity: Identity) -> ErasureWish:
    """The wish, kept to what the asker may see. Raises RecordNotFound for what is another tenant's, or is not there."""
    if wish.decision_id is not None:
        decision = await stores.decisions.get(wish.decision_id)
        identity.require_own(decision.tenant, f"decision {wish.decision_id!r}")
    if wish.run_id is not None:
        found = await stores.decisions.find(DecisionFilter(tenant=identity.sees, run_id=wish.run_id, limit=1))
        if not found:
            raise RecordNotFound(f"No run {wish.run_id!r}.")
    if wish.tenant is not None:
        identity.require_own(wish.tenant, f"tenant {wish.tenant!r}")
    return wish if identity.sees is None else replace(wish, tenant=identity.sees)
