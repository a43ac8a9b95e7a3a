"""A trained router's part in a decision, in words: what it expected, how that was weighed, and the shadow's view."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.explain_layout import cell, cells_of, labelled, line, wrapped
from orchestrator.explanation_flips import short_name
from routing.base import BAD_FORECAST, NO_ACTIVE_ROUTER
from routing.errors import ArtifactRefused
from routing.policies.graph_neural import COST, ENERGY, LATENCY, QUALITY, UNKNOWN_ARM
from routing.router import TRAINED
from storage.records import Assessment, Decision

if TYPE_CHECKING:
    from rich.text import Text

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


def router_lines(decision: Decision, *, width: int) -> Iterator[Text]:
    """Nothing for a decision that no trained router had a part in."""
    gap = re.search(r"\(after (\w+)\)", decision.policy)
    if decision.policy == TRAINED:
        yield from _expected(decision, width)
    elif gap is not None and gap[1] in GAP_WORDS:
        yield from labelled("Router", f"{GAP_WORDS[gap[1]]}, so the per-task table chose", width=width)
    yield from _shadow(decision, width)


def _expected(decision: Decision, width: int) -> Iterator[Text]:
    names = [name for name, _ in PART_WORDS.values()]
    weighed = ", ".join(f"{name} × {decision.weights[name]:g}" for name in names if decision.weights.get(name))
    version = f"{decision.policy_version} ({decision.policy_sha256[:12]})"
    yield from labelled("Router", f"{version}, weighing {weighed}", width=width)
    unit = "(amounts in units of the best single candidate's mean in training, the reference)"
    yield from labelled("Expected", unit, width=width)
    name_width = cells_of([each.candidate_id for each in decision.assessments], most=max(width // 3, 16), least=8)
    for assessment in sorted(decision.assessments, key=lambda a: -a.score):
        first, *rest = wrapped(_expectation(assessment, decision.weights), width - name_width - 4)
        yield line("  ", cell(assessment.candidate_id, name_width), f"  {first}")
        yield from (line(" " * (name_width + 4), part) for part in rest)


def _expectation(assessment: Assessment, weights: Mapping[str, float]) -> str:
    """The contributions divided by their weights, which gives back what was expected."""
    if UNKNOWN_ARM in assessment.contributions:
        return "not known to the router; its worth is taken from the per-task table"
    told = []
    for part, (name, words) in PART_WORDS.items():
        if part in assessment.contributions and weights.get(name):
            told.append(words.format(abs(assessment.contributions[part]) / weights[name]))
    return ", ".join(told)


def _shadow(decision: Decision, width: int) -> Iterator[Text]:
    shadow = decision.shadow
    if shadow is None:
        return
    agrees = shadow.candidate_id == decision.candidate_id
    other = "nobody" if shadow.candidate_id is None else short_name(shadow.candidate_id)
    view = "would have picked the same" if agrees else f"would have picked {other} instead"
    picked = "nobody" if decision.candidate_id is None else short_name(decision.candidate_id)
    words = f"{shadow.policy_version} {view}; it gives {picked} the probability {shadow.probability:.3f}"
    yield from labelled("Shadow", words, width=width)
