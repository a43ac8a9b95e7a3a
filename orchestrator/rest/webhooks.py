"""Webhooks over HTTP: what was delivered, once more, and the secret that messages are signed with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.job_views import delivery_view
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.views import plain
from orchestrator.webhooks.secrets import SigningSecret
from orchestrator.webhooks.service import Webhooks
from storage.webhook_records import DeliveryState

router = APIRouter(prefix="/v1", tags=["webhooks"])

NO_STORE = {"cache-control": "no-store"}  # a secret is for the asker alone


class DeliveryQuery(BaseModel):
    """Filters on an allow-list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    job_id: str | None = Field(default=None, max_length=200)
    state: DeliveryState | None = None
    cursor: int | None = Field(default=None, ge=0, le=2**63 - 1)
    limit: int = Field(default=50, ge=1, le=500)


def webhooks_of(request: Request) -> Webhooks:
    return service_of(request).webhooks


@router.get("/webhook-deliveries")
async def list_deliveries(request: Request, query: Annotated[DeliveryQuery, Query()]) -> dict[str, Any]:
    """Newest first; `cursor` takes the `next_cursor` of the page before."""
    found = await webhooks_of(request).find(
        identity_of(request),
        job_id=query.job_id,
        state=query.state,
        before_position=query.cursor,
        limit=query.limit,
    )
    next_cursor = found[-1].position if len(found) == query.limit else None
    return {"deliveries": [delivery_view(each) for each in found], "next_cursor": next_cursor}


@router.post("/webhook-deliveries/{delivery_id}/redeliver")
async def redeliver(delivery_id: str, request: Request) -> dict[str, Any]:
    """Tries it again from now on, whatever became of it; the `webhook-id` stays the same."""
    return delivery_view(await webhooks_of(request).redeliver(delivery_id, identity_of(request)))


@router.get("/webhook-secret")
async def get_secret(request: Request) -> JSONResponse:
    """What your tenant's messages are signed with, by the rules of Standard Webhooks."""
    return _secret(await webhooks_of(request).secret(identity_of(request)))


@router.post("/webhook-secret/rotate")
async def rotate_secret(request: Request) -> JSONResponse:
    """A new secret; for 24 hours each message carries a signature of the one before, too."""
    return _secret(await webhooks_of(request).rotate(identity_of(request)))


def _secret(secret: SigningSecret) -> JSONResponse:
    view = {
        "tenant": secret.tenant,
        "version": secret.version,
        "secret": secret.text,
        "previous_secret": secret.before,
        "previous_until": plain(secret.before_until),
    }
    return JSONResponse(view, headers=NO_STORE)
