"""What a decision holds of each resource, as it stands in the decision."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.allocation import share_of
from storage.budget_records import Amount, BudgetLimits
from storage.records import Decision

ASKS_AHEAD = 2  # one ask takes half of the seconds that are left: something stays for another, beside it or after it


def limited(before: BudgetLimits) -> Mapping[str, float]:
    """What was there of tokens, seconds and joules, of those that are limited."""
    left = {"tokens": before.tokens, "seconds": before.seconds, "joules": before.joules}
    return {name: float(number) for name, number in left.items() if number is not None}


def to_reserve(worst_case: Amount, before: BudgetLimits, *, seconds_left: float) -> Mapping[str, float]:
    """Tokens, seconds and joules to hold.

    Seconds that are limited are what the candidate is given and no more, so that it gets its share of what is left
    where that is above its p95.
    """
    seconds = worst_case.seconds
    if before.seconds is not None:
        seconds = share_of(sla=seconds_left, p95=seconds, remaining=before.seconds, steps_left=ASKS_AHEAD)
    return {"tokens": float(worst_case.tokens), "seconds": seconds, "joules": worst_case.joules}


def reserved(decision: Decision) -> Amount:
    """What is held for the decision."""
    others = decision.resources_reserved
    return Amount(
        usd=decision.budget_reserved_usd,
        tokens=int(others.get("tokens", 0)),
        seconds=others.get("seconds", 0.0),
        joules=others.get("joules", 0.0),
    )


def held_seconds(decision: Decision) -> float | None:
    """After so many the candidate is cut short; None: seconds are not limited."""
    return decision.resources_reserved.get("seconds") if "seconds" in decision.resources_before else None
