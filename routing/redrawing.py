"""A choice whose probabilities another rule has changed, drawn again with its own random number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from routing.base import Choice
from routing.router import sample
from storage.records import Assessment

Change = Callable[[Mapping[str, float]], Mapping[str, float]]  # candidate id to probability, to the same ids


def redrawn(choice: Choice, change: Change, *, parts: Mapping[str, Mapping[str, float]]) -> Choice:
    """The choice with changed probabilities and, by candidate id, further contributions to the scores.

    Propensity and candidate are those of the new probabilities, drawn with the choice's (seed, counter), so that the
    stored decision can be replayed. The shadow's probabilities are changed alike.
    """
    if choice.candidate_id is None:
        return choice
    probabilities = change({a.candidate_id: a.probability for a in choice.assessments if a.probability > 0})
    picked = _drawn(choice, probabilities)
    changed = replace(
        choice,
        assessments=tuple(_changed(a, probabilities, parts.get(a.candidate_id, {})) for a in choice.assessments),
        candidate_id=picked,
        propensity=probabilities[picked],
    )
    if choice.shadow is None or not choice.shadow_probabilities:
        return changed
    seen = change(choice.shadow_probabilities)
    shadow = replace(choice.shadow, candidate_id=_drawn(choice, seen), probability=seen[picked])
    return replace(changed, shadow=shadow, shadow_probabilities=seen)


def _drawn(choice: Choice, probabilities: Mapping[str, float]) -> str:
    return sample(list(probabilities.values()), list(probabilities), seed=choice.rng_seed, counter=choice.rng_counter)


def _changed(assessment: Assessment, probabilities: Mapping[str, float], parts: Mapping[str, float]) -> Assessment:
    contributions = {**assessment.contributions, **parts}
    return replace(
        assessment,
        probability=probabilities.get(assessment.candidate_id, 0.0),
        contributions=contributions,
        score=sum(contributions.values()),
    )
