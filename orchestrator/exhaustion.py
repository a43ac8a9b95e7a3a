"""What is done when the budget allows nobody: stop, degrade to what it still allows, or ask for more."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.budget_options import MoreBudget
from orchestrator.run_state import RunState
from routing.base import Choice, Option, Router
from routing.candidates import Candidacy, Limits, options
from storage.budget_records import RESOURCES, Amount, BudgetLimits, Shortfall
from storage.money import lifted
from storage.records import Candidate, Query
from storage.stores import Stores

LEAST_OUTPUT_TOKENS = 16  # an answer cut shorter is no answer
MOST_QUESTIONS = 8  # that are put to one who grants too little each time
NOT_CHEAPEST = "the budget is nearly gone: the cheapest that still fits is taken"

more_budget: ContextVar[MoreBudget | None] = ContextVar("more_budget", default=None)


class Chooser(Protocol):
    """What of the run's steps is needed here."""

    @property
    def router(self) -> Router: ...

    @property
    def stores(self) -> Stores: ...

    async def choose(self, state: RunState) -> tuple[Choice, BudgetLimits]: ...

    async def candidacies(self, state: RunState) -> list[Candidacy]: ...

    async def candidacy(self, state: RunState, candidate: Candidate) -> Candidacy: ...

    def limits(self, state: RunState, remaining: BudgetLimits) -> Limits: ...


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The router's choice, what was there for it, and the state that it was made for."""

    state: RunState
    choice: Choice
    before: BudgetLimits


async def chosen(nodes: Chooser, state: RunState) -> Chosen:
    """The choice; where the budget alone leaves nobody, what `on_exhausted` says is tried first. Nothing is held."""
    state = {**state, "shortfall": None}  # an earlier attempt's may have been made good
    choice, before = await nodes.choose(state)
    first = Chosen(state=state, choice=choice, before=before)
    mode = state.get("on_exhausted", "stop")
    if choice.candidate_id is not None or mode == "stop":
        return first
    return await (_degraded(nodes, first) if mode == "degrade" else _asked(nodes, first))


async def _degraded(nodes: Chooser, first: Chosen) -> Chosen:
    """The cheapest that fits with fewer output tokens, which are as many as still fit; else the choice as it was."""
    state, before = first.state, first.before
    fitting: list[tuple[Amount, Candidate]] = []
    for candidate in await _allowed_without_limits(nodes, state):
        least = await _worst_case(nodes, state, candidate, LEAST_OUTPUT_TOKENS)
        if least is not None and before.fits(least):
            fitting.append((least, candidate))
    if not fitting:
        return first
    _, cheapest = min(fitting, key=lambda each: (*_costs(each[0]), each[1].id))
    most = await _most_output(nodes, state, cheapest, before)
    cut: RunState = {**state, "query": _cut(state["query"], most), "is_degraded": True}
    offered = options(await nodes.candidacies(cut), nodes.limits(cut, before))
    offered = [each if each.candidate.id == cheapest.id else _masked(each) for each in offered]
    choice = await nodes.router.route(cut["query"], offered, policy=cut["policy"], weights=cut.get("weights"))
    return Chosen(state=cut, choice=choice, before=before)


async def _asked(nodes: Chooser, first: Chosen) -> Chosen:
    """Asks for more until it is enough, or no more is given; the shortfall stays in the state for the error."""
    state, choice, before = first.state, first.choice, first.before
    asker = more_budget.get()
    for _ in range(MOST_QUESTIONS):
        shortfall = await _shortfall(nodes, state, before)
        if shortfall is None:  # it is not for want of budget
            break
        state = {**state, "shortfall": shortfall}
        more = None if asker is None else await asker(shortfall)
        if more is None:
            break
        state = await _granted(nodes, state, shortfall, more)
        choice, before = await nodes.choose(state)
        if choice.candidate_id is not None:
            break
    return Chosen(state=state, choice=choice, before=before)


async def _shortfall(nodes: Chooser, state: RunState, before: BudgetLimits) -> Shortfall | None:
    """What is missing for the one whom the router would pick if there were no limits; None: it would pick nobody."""
    candidacies = await nodes.candidacies(state)
    offered = options(candidacies, nodes.limits(state, BudgetLimits()))
    wish = await nodes.router.route(state["query"], offered, policy=state["policy"], weights=state.get("weights"))
    if wish.candidate_id is None:
        return None
    [needed] = [each.worst_case for each in candidacies if each.candidate.id == wish.candidate_id]
    return Shortfall(
        run_id=state["query"].run_id,
        candidate_id=wish.candidate_id,
        needed=needed,
        remaining=before,
        missing=before.missing(needed),
    )


async def _granted(nodes: Chooser, state: RunState, shortfall: Shortfall, more: BudgetLimits) -> RunState:
    """The run's own limits, and those of each account that it draws on, raised where they are short."""
    budgets, account_id = nodes.stores.budgets, state["query"].account_id
    while account_id:
        account = await budgets.get(account_id)
        if not account.remaining.fits(shortfall.needed):
            await budgets.lift(account_id, _where_short(account.remaining, shortfall.needed, more))
        account_id = account.parent_id or ""
    own = state["limits"].less(state["spent"])
    return {**state, "limits": lifted(state["limits"], _where_short(own, shortfall.needed, more))}


def _where_short(remaining: BudgetLimits, needed: Amount, more: BudgetLimits) -> BudgetLimits:
    missing = remaining.missing(needed)
    return BudgetLimits(**{name: getattr(more, name) for name in RESOURCES if getattr(missing, name)})


async def _allowed_without_limits(nodes: Chooser, state: RunState) -> list[Candidate]:
    offered = options(await nodes.candidacies(state), nodes.limits(state, BudgetLimits()))
    return [each.candidate for each in offered if each.mask_reason is None]


async def _most_output(nodes: Chooser, state: RunState, candidate: Candidate, before: BudgetLimits) -> int:
    """By bisection, the most output tokens with which the candidate fits; the least number of them does."""
    low, high = LEAST_OUTPUT_TOKENS, state["query"].generation.max_output_tokens
    while low < high:
        middle = (low + high + 1) // 2
        worst_case = await _worst_case(nodes, state, candidate, middle)
        if worst_case is not None and before.fits(worst_case):
            low = middle
        else:
            high = middle - 1
    return low


async def _worst_case(nodes: Chooser, state: RunState, candidate: Candidate, output_tokens: int) -> Amount | None:
    """None: the query wants fewer tokens as it is."""
    if output_tokens > state["query"].generation.max_output_tokens:
        return None
    cut: RunState = {**state, "query": _cut(state["query"], output_tokens)}
    return (await nodes.candidacy(cut, candidate)).worst_case


def _cut(query: Query, output_tokens: int) -> Query:
    return replace(query, generation=replace(query.generation, max_output_tokens=output_tokens))


def _masked(option: Option) -> Option:
    return replace(option, mask_reason=option.mask_reason or NOT_CHEAPEST)


def _costs(amount: Amount) -> tuple[float, ...]:
    return tuple(float(getattr(amount, name)) for name in RESOURCES)
