"""What somebody says of an answer afterwards: recorded as an outcome, learned from once, counted for who judges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256

from orchestrator.nodes import Nodes
from orchestrator.recorder import Entry
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.rates import VerifierRates
from storage.errors import IdempotencyConflict, InvalidInput
from storage.records import Judge, Outcome


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Takes callers' and verifiers' verdicts alike."""

    nodes: Nodes
    rates: VerifierRates

    async def record(
        self,
        decision_id: str,
        *,
        quality: float,
        judged_by: Judge,
        verdict: Verdict | None = None,
        idempotency_key: str | None = None,
    ) -> Outcome:
        """The outcome that holds the verdict. `verdict`: the verifier's, where one judged.

        Policies learn a decision's first reward at once; a later one takes its place at the next start. With a key, the
        same verdict again is the same outcome. Raises RecordNotFound, InvalidInput, and IdempotencyConflict for one key
        with two verdicts.
        """
        if not 0.0 <= quality <= 1.0:
            raise InvalidInput(f"quality is {quality!r}; it must lie between 0 and 1.", field="quality")
        decisions = self.nodes.stores.decisions
        decision = await decisions.get(decision_id)
        outcomes = await decisions.outcomes_of(decision_id)
        if decision.candidate_id is None or not any(o.status in ("succeeded", "failed") for o in outcomes):
            raise InvalidInput(f"Decision {decision_id!r} has no answer to judge.", field="decision_id")
        judged = Outcome(
            decision_id=decision_id,
            run_id=decision.run_id,
            status="judged",
            quality=quality,
            judged_by=judged_by,
            verifier=None if verdict is None else verdict.verifier,
            has_passed=None if verdict is None else verdict.passed,
        )
        if idempotency_key is not None:
            digest = sha256(f"{decision_id}/{idempotency_key}".encode()).hexdigest()
            judged = replace(judged, id=f"outcome_{digest[:16]}")
        if known := _with_id(outcomes, judged.id):
            return _same_verdict(known, judged)
        candidate = self.nodes.candidates.get(decision.candidate_id)  # None: it has left the settings
        reward = self.nodes.rewards.reward_for(
            judged,
            cost_usd=sum((o.cost_usd for o in outcomes), Decimal(0)),
            latency_seconds=sum(o.latency_seconds for o in outcomes),
            joules=sum(candidate.card.joules(o.usage) for o in outcomes) if candidate else 0.0,
        )
        try:
            lesson = None if await decisions.rewards_of(decision_id) else reward
            items = (judged, *((reward,) if reward else ()))
            await self.nodes.recorder.record(Entry(items=items, decision=decision, reward=lesson))
        except InvalidInput:  # the id is taken: by a caller with the same key, at the same moment
            if known := _with_id(await decisions.outcomes_of(decision_id), judged.id):
                return _same_verdict(known, judged)
            raise
        self.rates.learn([*outcomes, judged])
        await asyncio.sleep(0)  # the policies learn it now: who judges, then asks, finds it learned
        return judged


def _with_id(outcomes: Sequence[Outcome], outcome_id: str) -> Outcome | None:
    return next((outcome for outcome in outcomes if outcome.id == outcome_id), None)


def _same_verdict(known: Outcome, sent: Outcome) -> Outcome:
    if (known.quality, known.judged_by) != (sent.quality, sent.judged_by):
        raise IdempotencyConflict(f"This key came with quality {known.quality} before, and with {sent.quality} now.")
    return known
