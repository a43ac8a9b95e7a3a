"""After a failure: who is next is drawn by the ranking of the decision that failed, with little left to chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from routing.base import Choice
from routing.redrawing import redrawn
from storage.records import Decision

LEFT_TO_CHANCE = 0.1  # of the probability: nobody who may be picked has none


def by_ranking(choice: Choice, before: Decision) -> Choice:
    """The choice with 0.9 of the probability moved to whom `before` scored highest among those who may be picked.

    A caller who waits after a failure is no place to explore. The propensity is that of the moved probabilities, drawn
    with the choice's own random number. Where `before` scored all of them alike (or none), the choice stays as it is.
    """
    id_to_score = {each.candidate_id: each.score for each in before.assessments}
    allowed = [each.candidate_id for each in choice.assessments if each.probability > 0]
    scores = [id_to_score[id] for id in allowed if id in id_to_score]
    if len(scores) < len(allowed) or len(set(scores)) < 2:
        return choice
    id_to_cost = {each.candidate_id: each.worst_case_usd for each in choice.assessments}
    best = max(allowed, key=lambda id: (id_to_score[id], -id_to_cost[id], id))  # of equals the cheaper

    def change(probabilities: Mapping[str, float]) -> Mapping[str, float]:
        kept = {id: LEFT_TO_CHANCE * p for id, p in probabilities.items()}
        return kept if best not in kept else {**kept, best: kept[best] + 1.0 - LEFT_TO_CHANCE}

    changed = redrawn(replace(choice, shadow=None), change, parts={})
    if choice.shadow is None or changed.candidate_id is None:
        return changed
    seen = choice.shadow_probabilities.get(changed.candidate_id, 0.0)  # it has a ranking of its own, which stays
    return replace(changed, shadow=replace(choice.shadow, probability=seen))
