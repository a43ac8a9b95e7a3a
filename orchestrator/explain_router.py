"""A trained router's part in a decision, in words: what it expected, how that was weighed, and the shadow's view."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from routing.base import BAD_FORECAST, NO_ACTIVE_ROUTER
from routing.errors import ArtifactRefused
from routing.policies.graph_neural import COST, ENERGY, LATENCY, QUALITY, UNKNOWN_ARM
from routing.router import TRAINED
from storage.records import Assessment, Decision

GAP_WORDS = {
    NO_ACTIVE_ROUTER: "no trained router is active",
    ArtifactRefused.code: "the active router's files were refused",
    BAD_FORECAST: "the active router's forecast failed or held a NaN",
}
PART_WORDS = {  # contribution to its weight's name and how the expectation is told
    QUALITY: ("quality", "quality {:.2f}"),
    COST: ("cost", "cost {:.2f} × reference"),
    LATENCY: ("latency", "latency {:.2f} × reference"),
    ENERGY: ("energy", "energy {:.2f} × reference"),
}


def router_lines(decision: Decision) -> Iterator[str]:
    """Nothing for a decision that no trained router had a part in."""
    gap = re.search(r"\(after (\w+)\)", decision.policy)
    if decision.policy == TRAINED:
        yield from _expected(decision)
    elif gap is not None and gap[1] in GAP_WORDS:
        yield f"Router    {GAP_WORDS[gap[1]]}, so the per-task table chose"
    yield from _shadow(decision)


def _expected(decision: Decision) -> Iterator[str]:
    names = [name for name, _ in PART_WORDS.values()]
    weighed = ", ".join(f"{name} × {decision.weights[name]:g}" for name in names if decision.weights.get(name))
    yield f"Router    {decision.policy_version} ({decision.policy_sha256[:12]}), weighing {weighed}"
    yield "Expected  (amounts in units of the best single candidate's mean in training, the reference)"
    for assessment in sorted(decision.assessments, key=lambda a: -a.score):
        yield f"    {assessment.candidate_id:<36} {_expectation(assessment, decision.weights)}"


def _expectation(assessment: Assessment, weights: Mapping[str, float]) -> str:
    """The contributions divided by their weights, which gives back what was expected."""
    if UNKNOWN_ARM in assessment.contributions:
        return "not known to the router; its worth is taken from the per-task table"
    told = []
    for part, (name, words) in PART_WORDS.items():
        if part in assessment.contributions and weights.get(name):
            told.append(words.format(abs(assessment.contributions[part]) / weights[name]))
    return ", ".join(told)


def _shadow(decision: Decision) -> Iterator[str]:
    shadow = decision.shadow
    if shadow is None:
        return
    agrees = shadow.candidate_id == decision.candidate_id
    view = "would have picked the same" if agrees else f"would have picked {shadow.candidate_id} instead"
    yield (
        f"Shadow    {shadow.policy_version} {view}; it gives {decision.candidate_id} "
        f"the probability {shadow.probability:.3f}"
    )
