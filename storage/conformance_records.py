"""Records that the suite writes: whole ones, with what is hard to keep."""

from __future__ import annotations

from datetime import datetime

from storage.records import (
    Assessment,
    Decision,
    Outcome,
    Payload,
    Reward,
    ShadowChoice,
    TokenUsage,
    new_id,
    usd,
    utc_now,
)
from storage.skill_records import ConsideredSkill, SkillSelection


def a_payload(text: str = "What is 17 × 3?") -> Payload:
    return Payload.of(text)


def a_selection() -> SkillSelection:
    """A search whose numbers are whole, tiny or missing: what a log may write in another way than it was given."""
    considered = tuple(
        ConsideredSkill(
            skill_id=f"skill {rank}",
            name="漢字 \x00",
            sha256="cd" * 32,
            rank=rank,
            retrieval=1.0 / rank,
            rerank=None if rank == 2 else -3.0,
            is_shown=rank == 1,
            version=rank,
        )
        for rank in (1, 2, 3)
    )
    return SkillSelection(
        index_sha256="ef" * 32,
        ranker_sha256="",
        encoder="minilm-1",
        considered=considered,
        fit_probability=1.0,
        seconds=1e-9,
        reason="the ranker was away",
    )


def a_decision(payload: Payload, *, candidate_id: str = "candidate_0", at: datetime | None = None) -> Decision:
    """A decision among eight candidates; change the rest by `replace`."""
    assessments = tuple(
        Assessment(
            candidate_id=f"candidate_{index}",
            probability=0.125,
            score=0.1 * index,
            contributions={"quality": 0.2 * index, "cost": -0.1 * index},
            worst_case_usd=usd("0.000123") * index,
            mask_reason="too dear" if index == 7 else None,
        )
        for index in range(8)
    )
    return Decision(
        query_id=new_id("query"),
        run_id=new_id("run"),
        step="answer",
        attempt=1,
        tenant="default",
        principal="local",
        account_id="default",
        payload_id=payload.id,
        payload_digest=payload.digest,
        task="arithmetic",
        task_mixture={"arithmetic": 0.9, "facts": 0.1},
        context=(1.0, -0.25, 1e-9, 3.5e20),
        encoder="hashing",
        assessments=assessments,
        candidate_id=candidate_id,
        propensity=0.125,
        policy="linucb",
        policy_version="1",
        policy_sha256="ab" * 32,
        rng_seed=2**63 + 1,
        rng_counter=7,
        budget_before_usd=usd("1.25"),
        budget_reserved_usd=usd("0.000123"),
        weights={"quality": 1.0, "cost": 0.05},
        shadow=ShadowChoice(policy_version="router_1", candidate_id="candidate_3", probability=0.25),
        skills=a_selection(),
        decided_at=at or utc_now(),
    )


def an_outcome(decision: Decision, payload: Payload | None = None) -> Outcome:
    return Outcome(
        decision_id=decision.id,
        run_id=decision.run_id,
        status="succeeded",
        payload_id=payload.id if payload else None,
        payload_digest=payload.digest if payload else None,
        quality=1.0,
        judged_by="environment",
        usage=TokenUsage(input=31, cache_read=5, output=2),
        cost_usd=usd("0.000033"),
        latency_seconds=0.25,
    )


def a_reward(decision: Decision, outcome: Outcome, value: float = 0.75) -> Reward:
    return Reward(decision_id=decision.id, run_id=decision.run_id, outcome_id=outcome.id, value=value)
