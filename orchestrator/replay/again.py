"""A stored decision computed again: a policy in the state that chose, then the rules that changed its choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.replay.records import DecisionReplay, Recomputed, ReplayedCandidate
from routing.base import Choice, Context, Option, Policy
from routing.conditions import CONDITIONS
from routing.errors import RoutingError
from routing.fallback import by_ranking
from routing.forecasts import Weights
from routing.pacing import PACING, paced
from routing.router import assessed, context_of, sample
from routing.sessions import SESSION, SessionRules, held
from storage.errors import InvalidInput
from storage.records import Assessment, Candidate, Decision, ModelCard

NEAR = 1e-6  # scores and probabilities that differ by no more may come of another build's arithmetic


def seen_by(decision: Decision) -> Context:
    """The policy's context as far as the decision keeps it: all but the embedding and the forecasts."""
    given = {
        each.candidate_id: {name: value for name, value in each.contributions.items() if name in CONDITIONS}
        for each in decision.assessments
    }
    weights = Weights(**decision.weights) if decision.weights else None
    return replace(context_of(decision), arm_to_penalties=given, at=decision.decided_at, weights=weights)


def options_of(decision: Decision) -> list[Option]:
    """The candidates as they stood, in the order in which they did."""
    return [
        Option(
            candidate=Candidate(id=a.candidate_id, agent="", model="", card=ModelCard(model="")),
            worst_case_usd=a.worst_case_usd,
            mask_reason=a.mask_reason,
        )
        for a in decision.assessments
    ]


def computed(
    policy: Policy, decision: Decision, context: Context, *, before: Decision | None = None
) -> tuple[Assessment, ...]:
    """What the policy and the rules around it think now. `before`: the attempt that failed before this one.

    What pacing and a session added is taken from the stored scores; which probabilities come of it is computed.
    Raises InvalidInput or RoutingError where the policy cannot take this context.
    """
    choice = _choice(decision, context, assessed(policy, options_of(decision), context))
    penalties = _parts(decision, PACING)
    if penalties:
        choice = paced(choice, {id: -value for id, value in penalties.items()})
    for present_id, bonus in _parts(decision, SESSION).items():
        choice = held(choice, present_id, bonus, kept=SessionRules().kept)
    return (choice if before is None else by_ranking(choice, before)).assessments


def compared(found: DecisionReplay, decision: Decision, again: tuple[Assessment, ...]) -> DecisionReplay:
    """The replay with what was computed beside what is stored."""
    pairs = list(zip(decision.assessments, again, strict=True))
    differences = [abs(a - b) for old, new in pairs for a, b in _figures(old, new)]
    largest = max(differences, default=0.0)
    return replace(
        found,
        recomputed=_verdict(largest),
        reason="" if largest <= NEAR else _words(pairs),
        largest_difference=largest,
        candidates=tuple(
            ReplayedCandidate(
                candidate_id=old.candidate_id,
                probability=old.probability,
                score=old.score,
                again_probability=new.probability,
                again_score=new.score,
            )
            for old, new in pairs
        ),
    )


def replayed(
    found: DecisionReplay, policy: Policy, decision: Decision, context: Context, *, before: Decision | None
) -> DecisionReplay:
    """`compared` of `computed`; where the policy cannot take the context, the replay says why."""
    try:
        return compared(found, decision, computed(policy, decision, context, before=before))
    except (InvalidInput, RoutingError) as error:
        return replace(found, recomputed="not_recomputed", reason=str(error))


def _choice(decision: Decision, context: Context, assessments: tuple[Assessment, ...]) -> Choice:
    id_to_probability = {a.candidate_id: a.probability for a in assessments if a.probability > 0}
    picked = None
    if id_to_probability:
        picked = sample(
            list(id_to_probability.values()),
            list(id_to_probability),
            seed=decision.rng_seed,
            counter=decision.rng_counter,
        )
    return Choice(
        context=context,
        assessments=assessments,
        candidate_id=picked,
        propensity=id_to_probability.get(picked, 0.0) if picked else 0.0,
        policy=decision.policy,
        policy_version=decision.policy_version,
        policy_sha256=decision.policy_sha256,
        rng_seed=decision.rng_seed,
        rng_counter=decision.rng_counter,
    )


def _parts(decision: Decision, name: str) -> Mapping[str, float]:
    """By candidate, this contribution; of those that have it."""
    return {a.candidate_id: a.contributions[name] for a in decision.assessments if name in a.contributions}


def _figures(old: Assessment, new: Assessment) -> list[tuple[float, float]]:
    names = {*old.contributions, *new.contributions}
    parts = [(old.contributions.get(name, 0.0), new.contributions.get(name, 0.0)) for name in names]
    return [(old.probability, new.probability), (old.score, new.score), *parts]


def _verdict(largest: float) -> Recomputed:
    if largest == 0.0:
        return "bit_equal"
    return "within_1e-6" if largest <= NEAR else "differ"


def _words(pairs: list[tuple[Assessment, Assessment]]) -> str:
    old, new = max(pairs, key=lambda pair: max(abs(a - b) for a, b in _figures(*pair)))
    return (
        f"{old.candidate_id!r} has now the score {new.score:.6g} and the probability {new.probability:.6g}, stored are "
        f"{old.score:.6g} and {old.probability:.6g}; were the settings, candidates or prices changed since?"
    )
