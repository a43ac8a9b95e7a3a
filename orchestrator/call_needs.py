"""What a caller's tools, formats and turns need of a candidate, and who cannot give it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from agents.base import Agent
from orchestrator.needs import needs_of
from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import SINGLE
from orchestrator.run_options import RunOptions
from storage.call_records import PLAIN_CALL
from storage.errors import InvalidInput
from storage.records import Candidate, Query

NEED_TO_FIELD = {
    "tools": "tools",
    "json": "response_format",
    "n": "n",
    "logprobs": "logprobs",
    "vision": "messages",
    "audio": "messages",
}
CAPABILITY_HINT = "Name a candidate of GET /v1/models that can, or leave the field out."


class Able(Protocol):
    """Who could be asked."""

    @property
    def candidates(self) -> Mapping[str, Candidate]: ...

    @property
    def agents(self) -> Mapping[str, Agent]: ...


def must_pass(query: Query) -> bool:
    """Whether only an agent will do that hands the conversation to the model as it is."""
    return not query.call.is_plain or bool(query.later_messages) or not all(m.is_plain for m in query.messages)


def require_able(query: Query, able: Able, pinned: str | None) -> None:
    """Raises InvalidInput where nobody can, whatever the budget and however healthy: says what, of whom."""
    if not must_pass(query):
        return
    asked = [each for id, each in able.candidates.items() if pinned in (None, id)]
    needs = needs_of(query.call, query.messages)
    passing = [each for each in asked if able.agents[each.agent].passes_calls]
    if any(set(needs) <= set(each.card.capabilities) for each in passing):
        return
    missing = [need for need in needs if not any(need in each.card.capabilities for each in passing)] or list(needs)
    who = f"Candidate {pinned!r} cannot" if pinned else "No candidate can"
    if not passing:
        what = "pass a caller's tools, formats or tool turns on: their agents work in their own way"
        if pinned:
            what = f"{what.partition(':')[0]}: its agent, {asked[0].agent!r}, works in its own way"
        raise InvalidInput(f"{who} {what}.", field=_field(needs), hint=CAPABILITY_HINT)
    together = "" if len(missing) == 1 else " at once"
    raise InvalidInput(
        f"{who} do what is asked{together}: it takes a model with {', '.join(map(repr, missing))}.",
        field=_field(missing),
        hint=CAPABILITY_HINT,
    )


def _field(needs: Iterable[str]) -> str:
    return next((NEED_TO_FIELD[need] for need in needs), "messages")


def plan_of_call(plan: PlanSpec, options: RunOptions) -> PlanSpec:
    """The plan; `single` for a call that is more than a text where the caller names none. Raises InvalidInput."""
    call = options.get("call", PLAIN_CALL)
    if call.is_plain and not options.get("later"):
        return plan
    if options.get("plan") is None:
        plan = PlanSpec(name=SINGLE)
    if plan.name != SINGLE:
        raise InvalidInput(
            f"Plan {plan.name!r} works with texts: it takes no tools, formats, log-probs or several replies.",
            field="plan",
            hint="Use the plan 'single'.",
        )
    if options.get("verifier") is not None and (call.tools or call.replies > 1 or call.wants_logprobs):
        raise InvalidInput("A verifier judges one text: it goes with no tools, `n` or `logprobs`.", field="verifier")
    return plan
