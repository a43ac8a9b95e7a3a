"""What a store must do for a service with jobs, keys and webhooks. Beside `storage.stores`, same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from storage.job_records import Beat, Fence, Job, JobEnd, JobEvent, JobFilter, JobState
from storage.key_records import ApiKey, RateLimits, Tenant
from storage.records import Payload
from storage.webhook_records import NOBODY, Delivery, DeliveryState


class JobStore(Protocol):
    """Durable jobs. Each change is one transaction and comes back after its commit, in every write mode.

    A submission and an end are also events of the audit log (`job_submitted`, `job_ended`). Whoever writes for a job
    shows its fence, and LeaseLost is raised, and nothing written, when that is no longer good.
    """

    async def submit(self, jobs: Sequence[tuple[Job, Payload]]) -> list[Job]:
        """Stores all or none, as queued, with their requests and their first event.

        A job whose tenant and idempotency key are known gives the job that is there already, if `request_sha256` is
        the same; else IdempotencyConflict is raised.
        """
        ...

    async def get(self, job_id: str) -> Job:
        """Raises RecordNotFound."""
        ...

    async def find(self, wanted: JobFilter) -> list[Job]:
        """Newest first."""
        ...

    async def claim(self, worker: str, *, most: int, lease_seconds: float, now: datetime) -> list[Job]:
        """Up to so many jobs for this worker, each running under a new fence: event `started` or, again, `resumed`.

        Those that are queued and due, and those whose lease has run out; higher priority first, then older ones. No
        two workers get one job (PostgreSQL: SKIP LOCKED). Jobs whose deadline has passed, queued ones and those whose
        lease ran out, end as failed (`deadline_exceeded`); those that were asked to be cancelled end as cancelled.
        """
        ...

    async def beat(self, fences: Sequence[Fence], *, lease_seconds: float, now: datetime) -> dict[str, Beat]:
        """Prolongs the leases that still hold; by job id: `held`, `cancel` (held, and to be cancelled) or `lost`."""
        ...

    async def note(self, fence: Fence, *events: JobEvent) -> list[JobEvent]:
        """Appends events, with their numbers. Raises LeaseLost."""
        ...

    async def finish(self, fence: Fence, end: JobEnd, *, deliveries: Sequence[Delivery] = ()) -> Job:
        """Ends the job and queues the webhooks that tell of it, in one transaction.

        The same end again by the same fence gives the job as it is. Raises LeaseLost.
        """
        ...

    async def release(self, fence: Fence) -> None:
        """Gives the job back at once, queued, for another worker to go on with. Raises LeaseLost."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """A queued job is cancelled for good; a running one is asked to stop; one that has ended stays as it is."""
        ...

    async def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> list[JobEvent]: ...

    async def queued_of(self, tenant: str) -> int:
        """How many jobs of this tenant are queued, those that are not due yet among them."""
        ...

    async def counts(self) -> Mapping[JobState, int]:
        """Jobs by state: cheap, to be asked often."""
        ...


class KeyStore(Protocol):
    """API keys and tenants. Every change is an audit event (`key_created`, `key_revoked`, `tenant_changed`)."""

    async def put(self, key: ApiKey) -> ApiKey:
        """Adds it. Raises InvalidInput for an id or a digest that is there already."""
        ...

    async def get(self, key_id: str) -> ApiKey: ...

    async def of_digest(self, digest: str) -> ApiKey | None:
        """The key of this digest, compared whole; also one that was revoked or has expired."""
        ...

    async def keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        """In order of creation."""
        ...

    async def end(self, key_id: str, *, at: datetime) -> ApiKey:
        """Revokes it from then on (a moment to come: for a rotation); an earlier end stays. Raises RecordNotFound."""
        ...

    async def change_rates(self, key_id: str, rates: RateLimits) -> ApiKey: ...

    async def put_tenant(self, tenant: Tenant) -> Tenant:
        """Adds the tenant, or changes it; its account stays."""
        ...

    async def tenant(self, name: str) -> Tenant: ...

    async def tenants(self) -> list[Tenant]: ...


class DeliveryStore(Protocol):
    """Webhook messages: written by `JobStore.finish`, tried until they arrive or are given up."""

    async def due(
        self,
        *,
        now: datetime,
        most: int,
        lease_seconds: float,
        share: int | None = None,
        busy: Mapping[str, int] = NOBODY,
    ) -> list[Delivery]:
        """Pending ones whose time has come; nobody else gets them for so long.

        `share`: no tenant gets more than so many, those that it has under way already (`busy`) counted.
        """
        ...

    async def put(self, delivery: Delivery) -> Delivery:
        """Adds it, or changes state, tries, times and what was answered."""
        ...

    async def get(self, delivery_id: str) -> Delivery: ...

    async def find(
        self,
        *,
        tenant: str | None = None,
        job_id: str | None = None,
        state: DeliveryState | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Newest first."""
        ...
