"""Training jobs over HTTP, for operators: a router is trained on a folder of the service's, as a durable job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.rest.jobs import MADE_BEFORE, IdempotencyKey, answer_of
from orchestrator.rest.schemas import Body
from orchestrator.training_jobs.orders import TrainingOrder, submit

router = APIRouter(prefix="/v1/training-jobs", tags=["jobs"])


class TrainingBody(Body):
    """As `antroute train` takes it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"data": "outcomes-may", "router": "auto"}]}
    )

    data: str = Field(min_length=1, max_length=1000)  # a folder below the settings' `training.data_dir`
    router: str = Field(default="auto", max_length=100)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    folds: int = Field(default=3, ge=0, le=20)
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] = Field(
        default_factory=dict, max_length=16
    )


@router.post("", status_code=201, responses=MADE_BEFORE)
async def submit_training(body: TrainingBody, request: Request, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """The job, as it is stored: follow, cancel and fetch it as any other, at `/v1/jobs/ID`."""
    service = service_of(request)
    order = TrainingOrder(**body.model_dump(), idempotency_key=idempotency_key)
    return answer_of(await submit(order, service.jobs, service.training, identity_of(request)))
