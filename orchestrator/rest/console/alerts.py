"""What needs somebody's eye now: each a sentence with a link, and in a word what the one who looks may not see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fastapi import Request

from orchestrator.accounts import listed
from orchestrator.identity import Identity
from orchestrator.rest.budgets import seen
from orchestrator.rest.console.filters import count, duration, share, shown
from orchestrator.rest.console.said import is_allowed
from orchestrator.rest.identity_of import identity_of
from orchestrator.service import Service
from storage.budget_records import RESOURCES, BudgetAccount, Resource
from storage.job_records import JobFilter
from storage.records import utc_now
from storage.stores import SkillFilter

NEARLY_SPENT = 0.8  # of a limit, spent and held
MOST_COUNTED = 100  # of anything; beyond it is "100 or more"
MOST_NAMED = 5

Look = Literal["bad", "warn"]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """`text` may hold strangers' names; a template escapes it."""

    text: str
    address: str = ""
    look: Look = "warn"


@dataclass(frozen=True, kw_only=True)
class Alerts:
    found: tuple[Alert, ...]
    left_out: tuple[str, ...] = ()  # what the role does not see, in words


async def alerts_of(request: Request, since: datetime | None) -> Alerts:
    """`since`: of failed jobs; the others are as they stand now."""
    service: Service = request.app.state.service
    identity = identity_of(request)
    found = [
        *await _jobs(service, identity, since),
        *await _messages(service, identity),
        *await _accounts(request, service),
        *await _skills(service),
    ]
    if not is_allowed(request, "operator"):
        left_out = "Notices of the service and the state of its models are for operators."
        return Alerts(found=tuple(found), left_out=(left_out,))
    return Alerts(found=(*_models(service), *await _audit(service), *found, *_notices(service)))


def used_share(account: BudgetAccount, resource: Resource) -> float | None:
    """How much of the limit is spent or held; None: there is none."""
    limit = getattr(account.limits, resource)
    if limit is None:
        return None
    used = float(getattr(account.spent, resource)) + float(getattr(account.held, resource))
    return used / float(limit) if limit else 1.0


def _models(service: Service) -> list[Alert]:
    troubles = {**service.nodes.absent_models, **service.nodes.health.reasons()}
    return [Alert(text=f"Model {name} {reason}", look="bad") for name, reason in sorted(troubles.items())]


def _notices(service: Service) -> list[Alert]:
    others = set(service.audit.notices())
    return [Alert(text=notice) for notice in service.notices if notice not in others]


async def _audit(service: Service) -> list[Alert]:
    """What keeps the log from being signed or brought outside, and a checkpoint that is late."""
    told = [Alert(text=notice, look="bad") for notice in service.audit.notices()]
    checkpointer = service.audit.checkpointer
    latest = await service.stores.checkpoints.latest()
    if checkpointer is None or latest is None:
        return told
    age, events = utc_now() - latest.signed_at, await service.stores.audit.last_position()
    if events > latest.tree_size and age.total_seconds() > checkpointer.late_seconds:
        words = f"{count(events - latest.tree_size)} events of the log are not signed; the newest checkpoint is"
        told.append(Alert(text=f"{words} {duration(age.total_seconds())} old", look="bad"))
    return told


async def _jobs(service: Service, identity: Identity, since: datetime | None) -> list[Alert]:
    newest = await service.jobs.find(JobFilter(state="failed", limit=MOST_COUNTED), identity)
    count = sum(since is None or (job.ended_at or job.created_at) >= since for job in newest)
    return _counted(count, "job failed", "jobs failed", "/console/jobs?state=failed", look="bad")


async def _messages(service: Service, identity: Identity) -> list[Alert]:
    dead = await service.webhooks.find(identity, state="given_up", limit=MOST_COUNTED)
    told = "webhook message was given up", "webhook messages were given up"
    return _counted(len(dead), *told, f"/console/jobs/{dead[0].job_id}" if dead else "")


async def _skills(service: Service) -> list[Alert]:
    held = await service.stores.skills.find(SkillFilter(state="quarantined", limit=MOST_COUNTED))
    return _counted(
        len(held), "skill is in quarantine", "skills are in quarantine", "/console/skills?state=quarantined"
    )


async def _accounts(request: Request, service: Service) -> list[Alert]:
    accounts = await seen(request, await listed(service.stores.budgets, has_runs=False))
    found = [
        (used, account, resource)
        for account in accounts
        for resource in RESOURCES
        if (used := used_share(account, resource)) is not None and used >= NEARLY_SPENT
    ]
    found.sort(key=lambda each: -each[0])
    told = [
        Alert(
            text=f"Account {shown(account.id)} has used {share(used)} of its {resource}",
            address="/console/budgets",
            look="bad" if used >= 1 else "warn",
        )
        for used, account, resource in found[:MOST_NAMED]
    ]
    more = len(found) - len(told)
    return [
        *told,
        *_counted(more, "account more is nearly spent", "accounts more are nearly spent", "/console/budgets"),
    ]


def _counted(count: int, one: str, many: str, address: str, *, look: Look = "warn") -> list[Alert]:
    if not count:
        return []
    number = f"{count} or more" if count >= MOST_COUNTED else str(count)
    return [Alert(text=f"{number} {one if count == 1 else many}", address=address, look=look)]
