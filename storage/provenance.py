"""Where a message comes from: who made it, at what cost, and whether anybody but its maker has looked at it.

LDP (LLM Delegate Protocol): a claim travels with its provenance, and unverified confidence never feeds a score. The
rule is here once: `is_verified` says whose verdict may teach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from storage.records import Candidate, Decision, Judge, Outcome, TokenUsage, utc_now

PayloadMode = Literal["text", "frame"]
Verification = Literal["unverified", "self", "peer", "tool", "human"]
JUDGE_TO_VERIFICATION: dict[Judge, Verification] = {
    "environment": "tool",
    "verifier": "tool",
    "judge": "peer",
    "user": "human",
    "self": "self",
}
STRENGTH: dict[Verification, int] = {"unverified": 0, "self": 1, "peer": 2, "tool": 3, "human": 4}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Of one message. It carries no confidence: what a model thinks of its own work is no fact about it."""

    produced_by: str  # candidate id
    model: str
    model_version: str = ""
    fingerprint: str = ""
    payload_mode: PayloadMode = "text"
    usage: TokenUsage = TokenUsage()
    cost_usd: Decimal = Decimal(0)
    verification: Verification = "unverified"
    verified_by: str | None = None  # the verifier's name, where there was one
    decision_id: str = ""
    lineage: tuple[str, ...] = ()  # ids of the decisions whose answers it was made from, each once, in their order
    at: datetime = field(default_factory=utc_now)


def is_verified(judged_by: Judge | None) -> bool:
    """Whether a quality said by this judge may teach anything: somebody else than its maker must have said it."""
    return judged_by is not None and JUDGE_TO_VERIFICATION[judged_by] not in ("unverified", "self")


def verification_of(judged_by: Judge | None) -> Verification:
    return "unverified" if judged_by is None else JUDGE_TO_VERIFICATION[judged_by]


def provenance_of(
    candidate: Candidate,
    decision: Decision,
    outcomes: Sequence[Outcome],
    *,
    payload_mode: PayloadMode = "text",
    made_from: Sequence[Provenance] = (),
) -> Provenance:
    """Of a decision's answer: its costs, the strongest verification it got, and all that it was made from."""
    judged = [outcome for outcome in outcomes if outcome.quality is not None]
    strongest = max(judged, key=lambda outcome: STRENGTH[verification_of(outcome.judged_by)], default=None)
    ids = [id for each in made_from for id in (*each.lineage, each.decision_id) if id]
    return Provenance(
        produced_by=candidate.id,
        model=candidate.model,
        model_version=candidate.card.version,
        fingerprint=candidate.card.fingerprint,
        payload_mode=payload_mode,
        usage=sum((outcome.usage for outcome in outcomes), TokenUsage()),
        cost_usd=sum((outcome.cost_usd for outcome in outcomes), Decimal(0)),
        verification=verification_of(strongest.judged_by) if strongest else "unverified",
        verified_by=strongest.verifier if strongest else None,
        decision_id=decision.id,
        lineage=tuple(dict.fromkeys(ids)),
        at=max((outcome.happened_at for outcome in outcomes), default=decision.decided_at),
    )
