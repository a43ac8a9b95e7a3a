"""What a stored decision says of itself: whether its random number picks the same one, and whether its figures fit."""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

from orchestrator.replay.records import DecisionReplay, ReplayedCandidate
from routing.conditions import CONDITIONS
from routing.pacing import PACING
from routing.router import sample
from routing.sessions import SESSION
from storage.records import Assessment, Decision

TOLERANCE = 1e-9  # of sums of stored numbers: they may be added in another order than when they were made
TOOL_LOOP = "inside a tool loop"  # in the reason why others are masked there
AFTER = " (after "  # in the policy's name, before why another one had to choose


def checked(decision: Decision) -> DecisionReplay:
    """The decision drawn again from its stored probabilities; nothing is recomputed yet."""
    return DecisionReplay(
        decision_id=decision.id,
        run_id=decision.run_id,
        attempt=decision.attempt,
        decided_at=decision.decided_at,
        policy=decision.policy,
        policy_version=decision.policy_version,
        policy_sha256=decision.policy_sha256,
        rng_seed=decision.rng_seed,
        rng_counter=decision.rng_counter,
        candidate_id=decision.candidate_id,
        redrawn_id=redrawn_id(decision),
        path=path_of(decision),
        faults=tuple(_faults(decision)),
        candidates=tuple(
            ReplayedCandidate(candidate_id=a.candidate_id, probability=a.probability, score=a.score)
            for a in decision.assessments
        ),
    )


def policy_name(decision: Decision) -> str:
    """Of the policy that computed the probabilities."""
    return decision.policy.partition(AFTER)[0]


def redrawn_id(decision: Decision) -> str | None:
    """Whom (seed, counter) picks by the stored probabilities; None: nobody has any."""
    drawn = [a for a in decision.assessments if a.probability > 0]
    if not drawn:
        return None
    ids, probabilities = [a.candidate_id for a in drawn], [a.probability for a in drawn]
    return sample(probabilities, ids, seed=decision.rng_seed, counter=decision.rng_counter)


def path_of(decision: Decision) -> tuple[str, ...]:
    """The policy, then each rule that changed its scores or probabilities, in the order in which they did."""
    parts = {name for each in decision.assessments for name in each.contributions}
    path = [policy_name(decision)]
    path += ["conditions"] if parts & set(CONDITIONS) else []
    path += ["fallback"] if AFTER in decision.policy else []
    path += ["pacing"] if PACING in parts else []
    path += ["session"] if SESSION in parts else []
    path += ["tool loop"] if any(TOOL_LOOP in (each.mask_reason or "") for each in decision.assessments) else []
    path += ["ranking after a failure"] if decision.attempt > 1 else []
    return tuple(path)


def _faults(decision: Decision) -> Iterator[str]:
    for each in decision.assessments:
        yield from _faults_of(each)
    chosen = next((a for a in decision.assessments if a.candidate_id == decision.candidate_id), None)
    if decision.candidate_id is not None and chosen is None:
        yield f"{decision.candidate_id!r} was picked and is not among those that were assessed"
    if chosen is not None and chosen.probability != decision.propensity:
        yield f"the propensity is {decision.propensity!r}, the chosen one's probability {chosen.probability!r}"
    whole = fsum(each.probability for each in decision.assessments)
    if decision.candidate_id is not None and abs(whole - 1.0) > TOLERANCE:
        yield f"the probabilities sum to {whole!r}"
    if redrawn_id(decision) != decision.candidate_id:
        yield f"its random number picks {redrawn_id(decision)!r}, stored is {decision.candidate_id!r}"


def _faults_of(each: Assessment) -> Iterator[str]:
    total = fsum(each.contributions.values())
    if abs(total - each.score) > TOLERANCE * max(1.0, abs(each.score)):
        yield f"the contributions of {each.candidate_id!r} sum to {total!r}, its score is {each.score!r}"
    if each.mask_reason is not None and each.probability > 0:
        yield f"{each.candidate_id!r} is masked and has the probability {each.probability!r}"
