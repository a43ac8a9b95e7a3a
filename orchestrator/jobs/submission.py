"""Makes of a caller's request a job and the payload that says what it does; refuses what could not be run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256

import orjson

from orchestrator.budget_options import limits_of
from orchestrator.identity import Identity
from orchestrator.jobs.definitions import Assignment, Workflows
from orchestrator.jobs.request import JobRequest
from orchestrator.run_options import Defaults, RunOptions
from orchestrator.texts import is_storable
from orchestrator.workflow import Workflow
from storage.canonical import iso
from storage.errors import InvalidInput
from storage.job_records import HIGHEST_PRIORITY, LOWEST_PRIORITY, Job
from storage.records import Payload

LONGEST_KEY = 255  # characters of an idempotency key
MOST_METADATA = 16
LONGEST_METADATA_NAME, LONGEST_METADATA_VALUE = 64, 512  # characters
REQUEST_BYTES = 1_048_576  # of a job's request as it is stored


@dataclass(frozen=True, kw_only=True)
class Submissions:
    """Checks requests against what this service has."""

    workflows: Workflows
    defaults: Defaults
    check_step: Callable[[str, RunOptions], object]  # raises InvalidInput for a step that could not begin
    check_url: Callable[[str], object]  # raises InvalidInput for a URL that no webhook may go to
    request_bytes: int = REQUEST_BYTES

    def made(self, request: JobRequest, identity: Identity, *, index: int | None = None) -> tuple[Job, Payload]:
        """Raises InvalidInput; with `index`, its field begins with `jobs.INDEX`."""
        try:
            return self._made(request, identity)
        except InvalidInput as exc:
            if index is None:
                raise
            raise InvalidInput(str(exc), field=f"jobs.{index}.{exc.field}", hint=exc.hint) from exc

    def _made(self, request: JobRequest, identity: Identity) -> tuple[Job, Payload]:
        self._check(request)
        assignment = self.workflows.assignment(request)
        self._check_steps(assignment)
        text = assignment.text()
        if len(text.encode()) > self.request_bytes:
            raise InvalidInput(f"The job's request has more than {self.request_bytes} bytes.", field="input")
        payload = Payload.of(text)
        job = Job(
            workflow=assignment.workflow.name,
            payload_id=payload.id,
            payload_digest=payload.digest,
            tenant=identity.tenant,
            principal=identity.principal,
            account_id=identity.account_id,
            limits=limits_of(request.limits, None, self.defaults.run_limits),
            priority=request.priority,
            deadline=request.deadline,
            not_before=request.not_before,
            metadata=dict(request.metadata),
            webhook_url=request.webhook_url,
            idempotency_key=request.idempotency_key,
            request_sha256=_sha256(request),
        )
        return job, payload

    def _check(self, request: JobRequest) -> None:
        is_whole = isinstance(request.priority, int) and not isinstance(request.priority, bool)
        if not is_whole or not LOWEST_PRIORITY <= request.priority <= HIGHEST_PRIORITY:
            raise InvalidInput(
                f"priority is {request.priority!r:.80}; it must be {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.",
                field="priority",
            )
        for name, moment in (("deadline", request.deadline), ("not_before", request.not_before)):
            if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
                raise InvalidInput(f"{name} is {moment!r:.80}; it must be a time with its zone.", field=name)
        _check_metadata(request)
        key = request.idempotency_key
        if key is not None and not (isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and is_storable(key)):
            raise InvalidInput(f"The idempotency key must have 1 to {LONGEST_KEY} characters.", field="idempotency_key")
        if request.webhook_url is not None:
            try:
                self.check_url(request.webhook_url)
            except InvalidInput as exc:
                raise InvalidInput(str(exc), field="webhook_url", hint=exc.hint) from exc

    def _check_steps(self, assignment: Assignment) -> None:
        """Each step's options, as a run would check them; the text of one that quotes others is not known yet."""
        for place, step in enumerate(assignment.workflow.steps.values()):
            is_known = all(need in assignment.inputs for need in step.needs)
            try:
                self.check_step(step.filled(assignment.inputs) if is_known else "…", step.options)
            except InvalidInput as exc:
                where = f"workflow.steps.{place}.{exc.field}".rstrip(".")
                raise InvalidInput(f"Step {step.name!r}: {exc}", field=where, hint=exc.hint) from exc


def _check_metadata(request: JobRequest) -> None:
    if len(request.metadata) > MOST_METADATA:
        raise InvalidInput(f"metadata has more than {MOST_METADATA} entries.", field="metadata")
    for name, value in request.metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidInput(f"metadata {name!r:.80} must be a text.", field="metadata")
        if len(name) > LONGEST_METADATA_NAME or len(value) > LONGEST_METADATA_VALUE:
            raise InvalidInput(
                f"metadata {name!r:.80} is too long: names have {LONGEST_METADATA_NAME} characters at most, "
                f"values {LONGEST_METADATA_VALUE}.",
                field="metadata",
            )
        if not is_storable(name + value):
            raise InvalidInput(f"metadata {name!r:.80} holds a NUL or half a surrogate pair.", field="metadata")


def _sha256(request: JobRequest) -> str:
    """Of everything the caller sent but the key itself."""
    workflow = request.workflow.definition() if isinstance(request.workflow, Workflow) else request.workflow
    plain = {
        **asdict(replace(request, idempotency_key=None, workflow="", input={}, metadata={}, limits=None)),
        "workflow": workflow,
        "input": request.input,
        "metadata": request.metadata,
        "limits": request.limits,
        "deadline": request.deadline and iso(request.deadline),
        "not_before": request.not_before and iso(request.not_before),
    }
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS, default=str)
    return sha256(text).hexdigest()
