"""Which candidates may be picked for a query, and in plain words why the others may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from routing.base import Condition, Option
from storage.budget_records import RESOURCES, Amount, BudgetLimits, Resource
from storage.money import dollars, quantity
from storage.records import Candidate


@dataclass(frozen=True, kw_only=True)
class Candidacy:
    """A candidate and what it could need for this query at worst."""

    candidate: Candidate
    worst_case: Amount
    longest_call_tokens: int = 0  # input and output of its longest single call
    condition: Condition | None = None  # None: not known
    passes_calls: bool = True  # its agent hands tools, formats and tool turns to the model as they are


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What holds for this query at this moment."""

    remaining: BudgetLimits = BudgetLimits()
    required_capabilities: Sequence[str] = ()
    must_pass_calls: bool = False  # the caller brings tools, a format or tool turns of its own
    trust_domains: frozenset[str] | None = None  # None: any
    model_to_failure: Mapping[str, str] = field(default_factory=dict)  # 'failing since 10:02, retry in 30 s'
    tried: frozenset[str] = frozenset()  # candidate ids
    only: frozenset[str] | None = None  # candidate ids the caller asked for; None: any


MaskRule = Callable[[Candidacy, Limits], str | None]


def not_asked_for(candidacy: Candidacy, limits: Limits) -> str | None:
    if limits.only is None or candidacy.candidate.id in limits.only:
        return None
    return f"the caller asked for {_listed(limits.only)}"


def already_tried(candidacy: Candidacy, limits: Limits) -> str | None:
    return "already tried in this run" if candidacy.candidate.id in limits.tried else None


def outside_trust(candidacy: Candidacy, limits: Limits) -> str | None:
    domain = candidacy.candidate.card.trust_domain
    if limits.trust_domains is None or domain in limits.trust_domains:
        return None
    return f"trust domain {domain!r} is not allowed; allowed: {_listed(limits.trust_domains)}"


def lacks_capability(candidacy: Candidacy, limits: Limits) -> str | None:
    present = candidacy.candidate.card.capabilities
    missing = [capability for capability in limits.required_capabilities if capability not in present]
    return f"lacks {_listed(missing)}" if missing else None


def keeps_calls(candidacy: Candidacy, limits: Limits) -> str | None:
    if candidacy.passes_calls or not limits.must_pass_calls:
        return None
    return f"agent {candidacy.candidate.agent!r} does not pass a caller's tools and formats on"


def window_too_small(candidacy: Candidacy, limits: Limits) -> str | None:
    window = candidacy.candidate.card.context_window
    if candidacy.longest_call_tokens <= window:
        return None
    return f"needs {candidacy.longest_call_tokens} tokens; its window is {window}"


def unhealthy(candidacy: Candidacy, limits: Limits) -> str | None:
    failure = limits.model_to_failure.get(candidacy.candidate.model)
    return None if failure is None else f"model {candidacy.candidate.model!r} {failure}"


def over_budget(candidacy: Candidacy, limits: Limits) -> str | None:
    """Each resource that is short, and by how much."""
    missing = limits.remaining.missing(candidacy.worst_case)
    short = [name for name in RESOURCES if getattr(missing, name)]
    return "; ".join(_short(name, candidacy.worst_case, limits.remaining) for name in short) or None


def _short(resource: Resource, needed: Amount, remaining: BudgetLimits) -> str:
    left = max(getattr(remaining, resource), 0)
    if resource == "usd":
        return f"could cost {dollars(needed.usd)}; {dollars(Decimal(left))} is left"
    if resource == "tokens":
        return f"needs {quantity(resource, needed.tokens)}, {left} {'is' if left == 1 else 'are'} left"
    return f"needs {quantity(resource, getattr(needed, resource))}, {quantity(resource, left)} is left"


RULES: tuple[MaskRule, ...] = (  # the order in which reasons are given
    not_asked_for,
    already_tried,
    outside_trust,
    lacks_capability,
    keeps_calls,
    window_too_small,
    unhealthy,
    over_budget,
)


def options(candidacies: Sequence[Candidacy], limits: Limits, *, rules: Sequence[MaskRule] = RULES) -> list[Option]:
    """One option a candidacy, in the order given; `mask_reason` joins all reasons that apply, in the rules' order."""
    return [
        Option(
            candidate=candidacy.candidate,
            worst_case_usd=candidacy.worst_case.usd,
            mask_reason="; ".join(reason for rule in rules if (reason := rule(candidacy, limits))) or None,
            condition=candidacy.condition,
        )
        for candidacy in candidacies
    ]


def all_masked_reason(id_and_reason: Sequence[tuple[str, str | None]]) -> str:
    """The text for NoCandidate: each candidate with its reason."""
    if not id_and_reason:
        return "No candidate: none is configured."
    reasons = [f"{candidate_id}: {reason or 'allowed'}" for candidate_id, reason in id_and_reason]
    return f"No candidate of {len(id_and_reason)} may be picked. " + " | ".join(reasons) + "."


def _listed(words: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(repr(word) for word in sorted(words)) or "none"
