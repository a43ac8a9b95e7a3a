"""A decision with what became of it, and a whole run, read back from the stores."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from storage.errors import RecordNotFound
from storage.records import Decision, Outcome, Reward, Span
from storage.run_records import RunRecords
from storage.stores import DecisionFilter, Stores

MOST_DECISIONS = 1000  # of one run


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A decision and what became of it."""

    decision: Decision
    outcomes: tuple[Outcome, ...]
    rewards: tuple[Reward, ...]

    @property
    def cost_usd(self) -> Decimal:
        return sum((outcome.cost_usd for outcome in self.outcomes), Decimal(0))


@dataclass(frozen=True, kw_only=True)
class Trace:
    """All that is known of a run, attempts oldest first. Texts are None once erased."""

    run_id: str
    query_text: str | None
    answer_text: str | None
    attempts: tuple[Attempt, ...]
    spans: tuple[Span, ...]

    @property
    def cost_usd(self) -> Decimal:
        return sum((attempt.cost_usd for attempt in self.attempts), Decimal(0))


async def attempt_of(stores: Stores, decision_id: str) -> Attempt:
    """Raises RecordNotFound."""
    return Attempt(
        decision=await stores.decisions.get(decision_id),
        outcomes=tuple(await stores.decisions.outcomes_of(decision_id)),
        rewards=tuple(await stores.decisions.rewards_of(decision_id)),
    )


def attempts_in(records: RunRecords) -> tuple[Attempt, ...]:
    """The decisions of a run with what became of them, oldest first."""
    outcomes: dict[str, list[Outcome]] = {}
    rewards: dict[str, list[Reward]] = {}
    for outcome in records.outcomes:
        outcomes.setdefault(outcome.decision_id, []).append(outcome)
    for reward in records.rewards:
        rewards.setdefault(reward.decision_id, []).append(reward)
    return tuple(
        Attempt(
            decision=decision,
            outcomes=tuple(outcomes.get(decision.id, ())),
            rewards=tuple(rewards.get(decision.id, ())),
        )
        for decision in records.decisions
    )


async def trace_of(stores: Stores, run_id: str, *, tenant: str | None = None) -> Trace:
    """Raises RecordNotFound, also for another tenant's run, where one is named."""
    found = await stores.decisions.find(DecisionFilter(tenant=tenant, run_id=run_id, limit=MOST_DECISIONS))
    if not found:
        raise RecordNotFound(f"No run {run_id!r}.", hint="`antroute traces list` shows the newest ones.")
    attempts = [await attempt_of(stores, stored.decision.id) for stored in reversed(found)]
    answers = [outcome.payload_id for attempt in attempts for outcome in attempt.outcomes if outcome.payload_id]
    return Trace(
        run_id=run_id,
        query_text=(await stores.payloads.get(attempts[0].decision.payload_id)).text,
        answer_text=(await stores.payloads.get(answers[-1])).text if answers else None,
        attempts=tuple(attempts),
        spans=tuple(await stores.traces.spans_of(run_id)),
    )
