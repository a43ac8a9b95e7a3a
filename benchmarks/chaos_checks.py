"""What must be true of the store once the dust has settled, whatever was killed and when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import orjson

from storage.audit import verify
from storage.canonical import decision_from, outcome_from
from storage.job_records import Job
from storage.records import AuditEvent, Decision, Outcome, utc_now
from storage.registry import open_stores
from storage.stores import Stores

PAGE = 2000


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """What the servers told their callers."""

    key_to_job: Mapping[str, str]  # idempotency key to the job's id, as the first answer gave it
    decisions: tuple[str, ...]  # of chat answers that came back


@dataclass(kw_only=True)
class Log:
    """The audit log, sorted."""

    decisions: dict[str, Decision]
    outcomes: dict[str, list[Outcome]]  # by decision
    ended: Counter[str]  # jobs, by how often they ended
    forfeited_usd: Decimal
    forfeited_tokens: int
    forfeited: int


async def checked(url: str, told: Acknowledged) -> tuple[list[str], dict[str, object]]:
    """What is wrong, each in words; and figures of what was found. Everything that serves the store must have ended."""
    stores = await open_stores(url)
    try:
        # Nobody works any more: what is still held belongs to the dead, and counts as spent.
        await stores.budgets.reap(utc_now() + timedelta(days=1))
        log = await read(stores)
        jobs = [await stores.jobs.get(job_id) for job_id in told.key_to_job.values()]
        faults = [
            *acknowledged_faults(told, jobs, log),
            *[fault for job in jobs for fault in await job_faults(stores, job, log)],
            *await budget_faults(stores, log),
        ]
        verification = await verify(stores)
        if not verification.is_whole:
            faults.append(f"the log is broken: {verification}")
        return faults, {
            "jobs": dict(Counter(job.state for job in jobs)),
            "jobs_claimed_more_than_once": sum(job.fence > 1 for job in jobs),
            "most_claims_of_one_job": max((job.fence for job in jobs), default=0),
            "chat_answers": len(told.decisions),
            "decisions": len(log.decisions),
            "holds_forfeited": log.forfeited,
            "audit_events": verification.events_checked,
        }
    finally:
        await stores.close()


def acknowledged_faults(told: Acknowledged, jobs: list[Job], log: Log) -> list[str]:
    faults = [f"job {job.id} is {job.state}" for job in jobs if not job.has_ended]
    faults += [f"job {job.id} ended {log.ended[job.id]} times" for job in jobs if log.ended[job.id] != 1]
    faults += [
        f"job {job.id} has another key"
        for key, job in zip(told.key_to_job, jobs, strict=True)
        if job.idempotency_key != key
    ]
    for decision_id in told.decisions:
        statuses = [outcome.status for outcome in log.outcomes.get(decision_id, [])]
        if statuses.count("succeeded") != 1:
            faults.append(f"answered decision {decision_id} has outcomes {statuses}")
    return faults


async def job_faults(stores: Stores, job: Job, log: Log) -> list[str]:
    """Each step of a job that succeeded was answered once, and the job's result holds these answers."""
    if job.state != "succeeded":
        return [f"job {job.id} ended as {job.state}: {job.error_code} {job.error_message}"]
    answers: dict[str, list[str]] = defaultdict(list)
    for decision in log.decisions.values():
        if decision.run_id == job.run_id:
            for outcome in log.outcomes.get(decision.id, []):
                if outcome.status == "succeeded" and outcome.payload_id is not None:
                    answers[decision.step].append((await stores.payloads.get(outcome.payload_id)).text or "")
    result = orjson.loads((await stores.payloads.get(job.result_payload_id or "")).text or "{}")
    faults = [
        f"step {step!r} of {job.id} has {len(texts)} results" for step, texts in answers.items() if len(texts) != 1
    ]
    if {step: texts[0] for step, texts in answers.items()} != result["answers"]:
        faults.append(f"job {job.id} says {result['answers']}, its log {dict(answers)}")
    events = await stores.jobs.events(job.id)
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        faults.append(f"the events of {job.id} have gaps")
    return faults


async def budget_faults(stores: Stores, log: Log) -> list[str]:
    """The account's sums are those of the log: costs of all outcomes, and what was forfeited."""
    account = await stores.budgets.get("default")
    outcomes = [outcome for found in log.outcomes.values() for outcome in found]
    usd = sum((outcome.cost_usd for outcome in outcomes), Decimal(0)) + log.forfeited_usd
    tokens = sum(outcome.usage.total for outcome in outcomes) + log.forfeited_tokens
    faults = []
    if account.held.usd or account.held.tokens:
        faults.append(f"{account.held} is held with nobody at work")
    if account.spent.usd != usd:
        faults.append(f"the account spent ${account.spent.usd}, the log says ${usd}")
    if account.spent.tokens != tokens:
        faults.append(f"the account spent {account.spent.tokens} tokens, the log says {tokens}")
    return faults


async def read(stores: Stores) -> Log:
    log = Log(
        decisions={},
        outcomes=defaultdict(list),
        ended=Counter(),
        forfeited_usd=Decimal(0),
        forfeited_tokens=0,
        forfeited=0,
    )
    async for event in all_events(stores):
        if event.kind == "decision":
            log.decisions[event.subject_id] = decision_from(event.canonical)
        elif event.kind == "outcome":
            log.outcomes[event.decision_id or ""].append(outcome_from(event.canonical))
        elif event.kind == "job_ended":
            log.ended[event.subject_id] += 1
        elif event.kind == "hold_forfeited":
            told = orjson.loads(event.canonical)
            log.forfeited_usd += Decimal(str(told["amount_usd"]))
            log.forfeited_tokens += int(told["amount_tokens"])
            log.forfeited += 1
    return log


async def all_events(stores: Stores) -> AsyncIterator[AuditEvent]:
    position = 0
    while page := await stores.audit.events(after_position=position, limit=PAGE):
        for event in page:
            yield event
        position = page[-1].position
