"""What is to be trained on what: checked when it is submitted, and stored as the job's request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import NotPermitted
from orchestrator.identity import Identity
from orchestrator.jobs.jobs import Jobs, Submitted
from orchestrator.settings_errors import nearest
from orchestrator.texts import is_storable
from orchestrator.training_settings import TrainingSettings
from storage.errors import InvalidInput
from storage.job_records import Job
from storage.records import Payload

TRAIN = "train"  # the job's workflow, and the one key of its request, which no other job's request has


@dataclass(frozen=True, kw_only=True)
class TrainingOrder:
    """As `antroute train` takes it; `data` is a folder below `training.data_dir`."""

    data: str
    router: str = "auto"
    seed: int = 0
    folds: int = 3
    metadata: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None

    def body(self) -> dict[str, Any]:
        return {"data": self.data, "router": self.router, "seed": self.seed, "folds": self.folds}


async def submit(order: TrainingOrder, jobs: Jobs, settings: TrainingSettings, identity: Identity) -> Submitted:
    """Returns once the job is stored.

    Raises NotPermitted where no data folder is set, InvalidInput, and as `Jobs.submit`.
    """
    folder_of(order.data, settings)
    _require_known(order.router)
    text = orjson.dumps({TRAIN: order.body()}, option=orjson.OPT_SORT_KEYS).decode()
    payload = Payload.of(text)
    said = orjson.dumps([text, dict(order.metadata)], option=orjson.OPT_SORT_KEYS)
    job = Job(
        workflow=TRAIN,
        payload_id=payload.id,
        payload_digest=payload.digest,
        tenant=identity.tenant,
        principal=identity.principal,
        account_id=identity.account_id,
        metadata=dict(order.metadata),
        idempotency_key=order.idempotency_key,
        request_sha256=sha256(said).hexdigest(),
    )
    [submitted] = await jobs.stored([(job, payload)])
    return submitted


def order_in(text: str) -> TrainingOrder | None:
    """The order in a job's request; None: it is a workflow's."""
    body = orjson.loads(text).get(TRAIN)
    return None if body is None else TrainingOrder(**body)


def folder_of(data: str, settings: TrainingSettings) -> Path:
    """The folder, links followed. Raises NotPermitted, or InvalidInput for one that is none, or lies elsewhere."""
    if settings.data_dir is None:
        raise NotPermitted(
            "This service trains no routers.", hint="The operator names the folder of data as `training.data_dir`."
        )
    root = settings.data_dir.resolve()
    folder = (root / data).resolve() if is_storable(data) else None
    if folder is None or not folder.is_relative_to(root) or not folder.is_dir():
        raise InvalidInput(
            f"No folder {data!r:.200} below `training.data_dir`.", field="data", hint="Name it relative to that one."
        )
    return folder


def _require_known(router: str) -> None:
    """Raises InvalidInput; loads no trainer."""
    from routing.training.registry import AUTO, TRAINERS

    known = [AUTO, *TRAINERS]
    if router not in known:
        raise InvalidInput(
            f"No router {router!r:.100}{nearest(router, known)}; known: {', '.join(known)}.", field="router"
        )
