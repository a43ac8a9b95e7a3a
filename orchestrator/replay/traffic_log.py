"""Which stored decisions a replay takes, what became of them, and the log read again in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from orchestrator.replay.records import Traffic, TrafficFilter
from storage.canonical import decision_from, outcome_from
from storage.errors import InvalidInput
from storage.provenance import is_verified
from storage.records import AuditEvent, Decision, Outcome
from storage.stores import AuditLog, DecisionFilter, Stores

PAGE = 1000  # events
MOST_DECISIONS = 100_000  # that one replay may take: what is kept of each stays in memory, about 1 kB
FOUND = 500  # decisions that are looked through at once

NOBODY = "nobody was allowed"
AGAIN = "a further attempt after a failure: another router might not have needed it"
UNFIT = "its record does not fit itself: see what `antroute replay DECISION_ID` says of it"
NO_OUTCOME = "no outcome is known"


@dataclass(slots=True)
class Entry:
    """What is kept of a decision between the two readings of the log."""

    position: int
    leaf_hash: str
    decision_id: str
    run_id: str
    decided_at: datetime
    task: str
    candidate_id: str
    propensity: float
    worst_case_usd: float
    cost_usd: float = 0.0  # of all its outcomes
    quality: float | None = None  # the newest that somebody else than its maker told
    has_ended: bool = False


@dataclass(kw_only=True)
class Survey:
    """The decisions that are taken, by id, in the log's order."""

    wanted: TrafficFilter
    entries: dict[str, Entry] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)
    candidates: set[str] = field(default_factory=set)
    found: int = 0
    last_position: int = 0  # of the log, when it was surveyed
    is_cut: bool = False  # older ones fit, too

    def traffic(self, replayed: int, more_excluded: Counter[str], judged: int) -> Traffic:
        places = [entry.position for entry in self.entries.values()]
        digest = sha256("".join(entry.leaf_hash for entry in self.entries.values()).encode()).hexdigest()
        return Traffic(
            wanted=self.wanted,
            found=self.found,
            replayed=replayed,
            is_cut=self.is_cut,
            excluded=dict((self.excluded + more_excluded).most_common()),
            judged=judged,
            first_position=min(places, default=0),
            last_position=max(places, default=0),
            log_sha256=digest,
            candidates=tuple(sorted(self.candidates)),
        )


async def survey(stores: Stores, wanted: TrafficFilter) -> Survey:
    """The first reading: who was picked, and what it cost and was worth.

    Raises InvalidInput for a filter that cannot be, and for one that no usable decision fits.
    """
    _check(wanted)
    found = Survey(wanted=wanted, last_position=await stores.audit.last_position())
    first, found.is_cut = await _start(stores, wanted)
    async for event in events_from(stores.audit, first, until=found.last_position):
        if event.kind == "decision" and _fits(event, wanted):
            _take(found, event)
        elif event.kind == "outcome" and event.decision_id in found.entries:
            _add(found.entries[event.decision_id], outcome_from(event.canonical))
    for id in [id for id, entry in found.entries.items() if not entry.has_ended]:
        del found.entries[id]
        found.excluded[NO_OUTCOME] += 1
    if not found.entries:
        raise InvalidInput(_nothing(found), field="since", hint="See what there is: antroute traces list")
    return found


async def events_from(audit: AuditLog, position: int, *, until: int) -> AsyncGenerator[AuditEvent, None]:
    """Events in the log's order, from this place to that one."""
    after = position - 1
    while after < until:
        events = await audit.events(after_position=after, limit=min(PAGE, until - after))
        for event in events:
            yield event
        if not events:
            return
        after = events[-1].position


def _check(wanted: TrafficFilter) -> None:
    for name in ("since", "until"):
        moment = getattr(wanted, name)
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"`{name}` is {moment!r}, without a time zone; give one, best UTC.", field=name)
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        raise InvalidInput(f"`since` is {wanted.since}, not before `until`, {wanted.until}.", field="since")
    if not 1 <= wanted.limit <= MOST_DECISIONS:
        raise InvalidInput(f"`limit` is {wanted.limit!r}; it must be 1 to {MOST_DECISIONS}.", field="limit")


def _nothing(found: Survey) -> str:
    if not found.found:
        return "No stored decision fits: the log is empty, or time, tenant, candidate or policy leave none."
    reasons = ", ".join(f"{count}: {reason}" for reason, count in found.excluded.most_common())
    return f"None of the {found.found} decisions that fit can be replayed ({reasons})."


def _fits(event: AuditEvent, wanted: TrafficFilter) -> bool:
    return (
        wanted.tenant in (None, event.tenant)
        and wanted.candidate_id in (None, event.candidate_id)
        and wanted.policy in (None, event.policy)
    )


def _take(found: Survey, event: AuditEvent) -> None:
    decision, wanted = decision_from(event.canonical), found.wanted
    if not _is_within(decision, wanted):
        return
    found.found += 1
    if decision.candidate_id is None:
        found.excluded[NOBODY] += 1
    elif decision.attempt > 1:
        found.excluded[AGAIN] += 1
    elif not _fits_itself(decision):
        found.excluded[UNFIT] += 1
    else:
        found.candidates.update(each.candidate_id for each in decision.assessments)
        found.entries[decision.id] = _entry(event, decision, decision.candidate_id)


def _fits_itself(decision: Decision) -> bool:
    """Whether the chosen one was allowed, and had a chance."""
    allowed = {each.candidate_id for each in decision.assessments if each.mask_reason is None}
    return decision.candidate_id in allowed and 0.0 < decision.propensity <= 1.0


def _entry(event: AuditEvent, decision: Decision, candidate_id: str) -> Entry:
    return Entry(
        position=event.position,
        leaf_hash=event.leaf_hash,
        decision_id=decision.id,
        run_id=decision.run_id,
        decided_at=decision.decided_at,
        task=decision.task,
        candidate_id=candidate_id,
        propensity=decision.propensity,
        worst_case_usd=float(decision.budget_reserved_usd),
    )


def _add(entry: Entry, outcome: Outcome) -> None:
    entry.cost_usd += float(outcome.cost_usd)
    entry.has_ended |= outcome.status != "judged"
    if outcome.quality is not None and is_verified(outcome.judged_by):
        entry.quality = outcome.quality


async def _start(stores: Stores, wanted: TrafficFilter) -> tuple[int, bool]:
    """The place of the oldest decision that is taken, and whether older ones fit, too; 1 where there is none."""
    usable, position = 0, 1
    page_of = DecisionFilter(
        tenant=wanted.tenant, candidate_id=wanted.candidate_id, policy=wanted.policy, since=wanted.since, limit=FOUND
    )
    while page := await stores.decisions.find(page_of):
        for stored in page:
            if not _is_within(stored.decision, wanted):
                continue
            if usable == wanted.limit:
                return position, True
            position = stored.position
            usable += _is_usable(stored.decision)
        page_of = replace(page_of, before_position=page[-1].position)
    return position, False


def _is_within(decision: Decision, wanted: TrafficFilter) -> bool:
    is_late = wanted.until is not None and decision.decided_at >= wanted.until
    return not is_late and (wanted.since is None or decision.decided_at >= wanted.since)


def _is_usable(decision: Decision) -> bool:
    return decision.candidate_id is not None and decision.attempt == 1
