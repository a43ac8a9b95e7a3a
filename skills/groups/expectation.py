"""What a model that reads a whole list of skills may be expected to get right: an estimate from its length.

Li, "When single-agent with skills replace multi-agent systems and when they fail", 2026 (arXiv 2601.04748):
ACC ≈ α / (1 + (|S| / κ)^γ) - ε · I(S), fitted to two models; one confusable competitor cost 7 to 30 points. α is taken
as 1, I(S) as the share of its own queries that a skill loses to another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

ALPHA = 1.0  # what a list of no length would give; the fits begin little below
FITS = ((91.8, 1.72), (83.5, 1.56))  # κ, γ: of gpt-4o-mini and of gpt-4o
EPSILONS = (0.07, 0.30)  # the least and the most that confusable competitors cost


@dataclass(frozen=True, kw_only=True)
class ExpectedAccuracy:
    """An estimate, from the least to the most; shares of choices that are right. No measurement of this library."""

    flat_least: float
    flat_most: float
    grouped_least: float | None  # choosing a group, then a skill; None: there are no groups
    grouped_most: float | None


def expected_accuracy(skills: int, confusability: float, *, longest_list: int = 0, levels: int = 2) -> ExpectedAccuracy:
    """`confusability` in [0, 1]. `longest_list`: of groups or of the skills in one; 0: no groups. `levels` of lists."""
    flat = _range([skills], confusability)
    grouped = _range([longest_list] * levels, confusability) if longest_list else (None, None)
    return ExpectedAccuracy(flat_least=flat[0], flat_most=flat[1], grouped_least=grouped[0], grouped_most=grouped[1])


def _range(lengths: list[int], confusability: float) -> tuple[float, float]:
    by_size = [prod(ALPHA / (1 + (length / kappa) ** gamma) for length in lengths) for kappa, gamma in FITS]
    least = min(by_size) - max(EPSILONS) * confusability
    most = max(by_size) - min(EPSILONS) * confusability
    return round(max(0.0, least), 4), round(max(0.0, most), 4)
