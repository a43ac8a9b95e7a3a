"""Which texts an erasure is about, found along the log a slice at a time, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.canonical import decision_from, iso
from storage.errors import InvalidInput
from storage.job_records import Job, JobFilter
from storage.records import AuditEvent, Decision
from storage.stores import DecisionFilter, Stores

SLICE_EVENTS = 500  # of the log that are looked at in one go
AT_ONCE = 16  # erasures that share a commit
MOST_DECISIONS = 1000  # of one run
JOBS_A_PAGE = 500
LOOKED_AT = ("decision", "job_submitted")


@dataclass(frozen=True, kw_only=True)
class ErasureWish:
    """Whose texts; what is given must all fit. An empty one is refused."""

    decision_id: str | None = None
    run_id: str | None = None
    principal: str | None = None
    tenant: str | None = None
    before: datetime | None = None  # decided, or submitted as a job, before then

    def check(self) -> None:
        """Raises InvalidInput."""
        if not any((self.decision_id, self.run_id, self.principal, self.tenant, self.before)):
            raise InvalidInput(
                "It is not said whose texts.", field="before", hint="Name a decision, run, principal, tenant or time."
            )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What one stretch of the log holds of it."""

    position: int  # up to here all was looked at
    payload_ids: tuple[str, ...] = ()  # not erased yet
    decisions: int = 0
    jobs: int = 0
    unfinished_jobs: tuple[str, ...] = ()  # which still need their texts


@dataclass(kw_only=True)
class Tally:
    """What was found so far, in all."""

    texts: int = 0
    decisions: int = 0
    jobs: int = 0
    unfinished_jobs: list[str] = field(default_factory=list)

    def add(self, piece: Slice) -> None:
        self.texts += len(piece.payload_ids)
        self.decisions += piece.decisions
        self.jobs += piece.jobs
        self.unfinished_jobs += piece.unfinished_jobs


async def slices(
    stores: Stores, wish: ErasureWish, *, after_position: int = 0, slice_events: int = SLICE_EVENTS
) -> AsyncIterator[Slice]:
    """In the log's order. Raises InvalidInput for an empty wish, RecordNotFound for an unknown decision."""
    wish.check()
    if wish.decision_id is not None or wish.run_id is not None:
        yield await _named(stores, wish)
        return
    position = after_position
    while events := await stores.audit.events(after_position=position, limit=slice_events):
        yield await slice_of(stores, events, wish)
        position = events[-1].position


async def slice_of(stores: Stores, events: Sequence[AuditEvent], wish: ErasureWish) -> Slice:
    """What these events tell of."""
    fitting = [event for event in events if event.kind in LOOKED_AT and _may_fit(event, wish)]
    decisions = [decision_from(event.canonical) for event in fitting if event.kind == "decision"]
    jobs = [await stores.jobs.get(event.subject_id) for event in fitting if event.kind == "job_submitted"]
    return await _slice(stores, wish, decisions=decisions, jobs=jobs, position=events[-1].position)


async def erase(stores: Stores, payload_ids: Sequence[str]) -> None:
    """Texts and salts go, each with an event of the log; their digests stay, and the chain is whole."""
    for start in range(0, len(payload_ids), AT_ONCE):
        await asyncio.gather(*(stores.payloads.erase(id) for id in payload_ids[start : start + AT_ONCE]))


async def _named(stores: Stores, wish: ErasureWish) -> Slice:
    """Of one decision or run."""
    if wish.decision_id is not None:
        decisions, jobs = [await stores.decisions.get(wish.decision_id)], list[Job]()
    else:
        found = await stores.decisions.find(DecisionFilter(run_id=wish.run_id, limit=MOST_DECISIONS))
        decisions = [each.decision for each in found]
        jobs = await _jobs_of_run(stores, wish)
    decisions = [each for each in decisions if wish.run_id in (None, each.run_id)]
    return await _slice(stores, wish, decisions=decisions, jobs=jobs, position=await stores.audit.last_position())


async def _jobs_of_run(stores: Stores, wish: ErasureWish) -> list[Job]:
    before = None
    while page := await stores.jobs.find(JobFilter(tenant=wish.tenant, before_position=before, limit=JOBS_A_PAGE)):
        if found := [job for job in page if job.run_id == wish.run_id]:
            return found
        before = page[-1].position
    return []


def _may_fit(event: AuditEvent, wish: ErasureWish) -> bool:
    """By what stands beside the record, which is read only where this fits."""
    return wish.tenant in (None, event.tenant) and (wish.before is None or event.at < iso(wish.before))


async def _slice(
    stores: Stores, wish: ErasureWish, *, decisions: Sequence[Decision], jobs: Sequence[Job], position: int
) -> Slice:
    decisions = [each for each in decisions if _fits(wish, each.tenant, each.principal, each.decided_at)]
    jobs = [each for each in jobs if _fits(wish, each.tenant, each.principal, each.created_at)]
    ended = [job for job in jobs if job.has_ended]
    ids = [id for each in await asyncio.gather(*(_of_decision(stores, d) for d in decisions)) for id in each]
    ids += [id for each in await asyncio.gather(*(_of_job(stores, job) for job in ended)) for id in each]
    payloads = await stores.audit.payloads(list(dict.fromkeys(ids)))
    return Slice(
        position=position,
        payload_ids=tuple(id for id, payload in payloads.items() if payload.erased_at is None),
        decisions=len(decisions),
        jobs=len(ended),
        unfinished_jobs=tuple(job.id for job in jobs if not job.has_ended),
    )


def _fits(wish: ErasureWish, tenant: str, principal: str, at: datetime) -> bool:
    is_theirs = wish.tenant in (None, tenant) and wish.principal in (None, principal)
    return is_theirs and (wish.before is None or at < wish.before)


async def _of_decision(stores: Stores, decision: Decision) -> list[str]:
    """Its question and its answers."""
    answers = [outcome.payload_id for outcome in await stores.decisions.outcomes_of(decision.id)]
    return [id for id in (decision.payload_id, *answers) if id]


async def _of_job(stores: Stores, job: Job) -> list[str]:
    """Its request, its result, and the answers of steps that no model gave."""
    events = await stores.jobs.events(job.id)
    told = [event.data.get("payload_id") for event in events if event.kind == "step_finished"]
    return [id for id in (job.payload_id, job.result_payload_id, *told) if id]
