"""Builds what runs durable jobs, for the composition root."""

from __future__ import annotations

from typing import Protocol

from orchestrator.checkpoints import Checkpoints
from orchestrator.jobs.bell import Bell
from orchestrator.jobs.definitions import Workflows
from orchestrator.jobs.jobs import Jobs
from orchestrator.jobs.submission import Submissions
from orchestrator.jobs.worker import JobWorker
from orchestrator.run_options import RunOptions
from orchestrator.settings import Settings
from orchestrator.training_jobs.runs import TrainingRuns
from orchestrator.webhooks.messages import delivery_of
from orchestrator.webhooks.service import Webhooks
from orchestrator.workflow_runs import WorkflowHost
from storage.job_records import Job


class JobHost(WorkflowHost, Protocol):
    """What of the service jobs need."""

    webhooks: Webhooks

    def start(self, text: str, options: RunOptions) -> object: ...


def made_jobs(settings: Settings, host: JobHost, checkpoints: Checkpoints) -> tuple[Jobs, JobWorker]:
    """The use cases, and the worker, which has yet to be started. Raises InvalidInput for a wrong workflow."""
    bell, stores = Bell(), host.stores

    def ended(job: Job) -> None:
        """Its message need not wait for the sender's next look."""
        if job.webhook_url is not None:
            host.webhooks.sender.nudge()

    named = {name: body.model_dump(mode="json", exclude_unset=True) for name, body in settings.workflows.items()}
    submissions = Submissions(
        workflows=Workflows.of(named),
        defaults=host.defaults,
        check_step=host.start,
        check_url=host.webhooks.check_url,
        request_bytes=settings.limits.body_bytes,
    )
    jobs = Jobs(
        stores=stores,
        submissions=submissions,
        bell=bell,
        most_queued=settings.jobs.most_queued,
        most_queued_of_tenant=settings.jobs.most_queued_of_tenant,
        poll_seconds=settings.jobs.poll_seconds,
        ended=ended,
    )
    worker = JobWorker(
        store=stores.jobs,
        runs=TrainingRuns(
            host=host,
            checkpoints=checkpoints,
            bell=bell,
            training=settings.training,
            encoder=settings.encoder,
            encoder_dir=settings.encoder_dir,
            cache_dir=settings.cache_dir,
        ),
        bell=bell,
        slots=settings.jobs.slots,
        lease_seconds=settings.jobs.lease_seconds,
        poll_seconds=settings.jobs.poll_seconds,
        most_claims=settings.jobs.most_claims,
        delivery_of=delivery_of,
        end_listeners=[ended],
    )
    return jobs, worker
