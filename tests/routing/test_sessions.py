"""Conversations stay with who has them, by lock inside a tool loop and by margin outside it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.base import Choice, Option
from routing.router import sample
from routing.sessions import SessionRouter, SessionRules
from storage.errors import InvalidInput
from storage.records import Message, Query
from tests.routing.doubles import a_candidate, a_decision, a_reward, an_option
from tests.routing.routers import ScoredRouter, an_outcome, begun

OPTIONS = [an_option("a"), an_option("b"), an_option("c")]
CACHED = {"price_input_usd_per_mtok": Decimal(1), "price_cache_read_usd_per_mtok": Decimal("0.1")}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def a_turn(text: str = "And then?", *, before: tuple[Message, ...] = (), **fields: object) -> Query:
    return Query(text=text, context_messages=before, session_id="s", **fields)


def a_session(
    scores: dict[str, float], *, rules: SessionRules | None = None, shadow: dict[str, float] | None = None
) -> tuple[SessionRouter, ScoredRouter, Clock]:
    inner, clock = ScoredRouter(scores, shadow=shadow), Clock()
    return SessionRouter(inner, rules=rules, clock=clock), inner, clock


async def started(router: SessionRouter, candidate_id: str, query: Query | None = None) -> None:
    """A first turn that this candidate answers."""
    query = query or a_turn("Hello")
    begun(router, query, await router.route(query, OPTIONS), candidate_id=candidate_id)


def probability(choice: Choice, id: str) -> float:
    return next(a.probability for a in choice.assessments if a.candidate_id == id)


async def test_inside_a_tool_loop_the_others_are_masked_with_the_reason() -> None:
    router, _, _ = a_session({"a": 0.9, "b": 0.1, "c": 0.2})
    await started(router, "b")
    choice = await router.route(a_turn(is_tool_turn=True), OPTIONS)
    assert (choice.candidate_id, choice.propensity) == ("b", 1.0)
    assert [a.mask_reason for a in choice.assessments] == [
        "the session is inside a tool loop with 'b'",
        None,
        "the session is inside a tool loop with 'b'",
    ]


async def test_a_locked_candidate_that_is_masked_itself_gives_way() -> None:
    router, _, _ = a_session({"a": 0.9, "b": 0.1, "c": 0.2})
    await started(router, "b")
    options = [an_option("a"), an_option("b", mask_reason="too dear"), an_option("c")]
    choice = await router.route(a_turn(is_tool_turn=True), options)
    assert [a.mask_reason for a in choice.assessments] == [None, "too dear", None]
    assert choice.candidate_id in {"a", "c"}


@pytest.mark.parametrize(("present", "is_held"), [(0.47, True), (0.43, False)])
async def test_a_switch_must_win_by_the_margin(present: float, is_held: bool) -> None:
    router, _, _ = a_session({"a": 0.5, "b": present, "c": 0.1})
    await started(router, "b")
    choice = await router.route(a_turn(), OPTIONS)
    assert (probability(choice, "b") > 0.9) == is_held
    assert (probability(choice, "a") > 0.9) != is_held
    parts = {a.candidate_id: a.contributions for a in choice.assessments}
    assert parts["b"] == {"reward": present, "session": 0.05}
    assert "session" not in parts["a"]


async def test_the_propensity_is_exact_and_the_draw_can_be_repeated() -> None:
    router, _, _ = a_session({"a": 0.5, "b": 0.48, "c": 0.1})
    await started(router, "b")
    picked = set()
    for _ in range(300):
        choice = await router.route(a_turn(), OPTIONS)
        probabilities = [a.probability for a in choice.assessments]
        assert sum(probabilities) == pytest.approx(1.0)
        assert min(probabilities) > 0
        assert choice.propensity == probability(choice, choice.candidate_id or "")
        assert choice.candidate_id == sample(
            probabilities, ["a", "b", "c"], seed=choice.rng_seed, counter=choice.rng_counter
        )
        picked.add(choice.candidate_id)
    assert picked >= {"a", "b"}  # a keeps a twentieth of its chance: about 14 of 300


async def test_a_cached_prompt_is_worth_its_share_where_cached_tokens_cost_less() -> None:
    options = [an_option("a"), Option(candidate=a_candidate("b", **CACHED), worst_case_usd=Decimal("0.01"))]
    router, _, _ = a_session({"a": 0.6, "b": 0.5, "c": 0.0})
    first = a_turn("x" * 75)
    begun(router, first, await router.route(first, options), candidate_id="b")
    longer = a_turn(
        "y" * 15, before=(Message(role="user", content="x" * 75), Message(role="assistant", content="z" * 10))
    )
    choice = await router.route(longer, options)
    assert choice.assessments[1].contributions["session"] == pytest.approx(0.05 + 0.20 * 0.75)
    assert probability(choice, "b") > 0.9
    other = await router.route(a_turn("y" * 100), options)
    assert other.assessments[1].contributions["session"] == pytest.approx(0.05)
    assert probability(other, "a") > 0.9


async def test_without_a_cache_price_below_the_input_price_the_margin_stands_alone() -> None:
    router, _, _ = a_session({"a": 0.6, "b": 0.5, "c": 0.0})
    await started(router, "b", a_turn("x" * 75))
    longer = a_turn("y", before=(Message(role="user", content="x" * 75),))
    choice = await router.route(longer, OPTIONS)
    assert choice.assessments[1].contributions["session"] == pytest.approx(0.05)


async def test_an_idle_session_is_forgotten() -> None:
    router, _, clock = a_session({"a": 0.9, "b": 0.1, "c": 0.2})
    await started(router, "b")
    clock.now += 300.0
    assert (await router.route(a_turn(is_tool_turn=True), OPTIONS)).candidate_id == "b"
    clock.now += 0.1
    choice = await router.route(a_turn(is_tool_turn=True), OPTIONS)
    assert all(a.mask_reason is None for a in choice.assessments)


@pytest.mark.parametrize("other", [{"tenant": "rival"}, {"session_id": "t"}, {"session_id": None}, {"step": "verify"}])
async def test_sessions_are_those_of_a_tenant_and_a_step(other: dict[str, object]) -> None:
    router, _, _ = a_session({"a": 0.5, "b": 0.49, "c": 0.1})
    await started(router, "b")
    choice = await router.route(replace(a_turn(), **other), OPTIONS)
    assert probability(choice, "a") > 0.9
    assert all("session" not in a.contributions for a in choice.assessments)


async def test_what_was_only_looked_at_begins_no_session() -> None:
    router, _, _ = a_session({"a": 0.5, "b": 0.49, "c": 0.1})
    for _ in range(3):
        choice = await router.route(a_turn(), OPTIONS)
        assert all("session" not in a.contributions for a in choice.assessments)


async def test_the_session_moves_on_with_who_wins_it() -> None:
    router, inner, _ = a_session({"a": 0.9, "b": 0.1, "c": 0.2})
    await started(router, "b")
    query = a_turn()
    begun(router, query, await router.route(query, OPTIONS), candidate_id="a")
    inner.id_to_score = {"a": 0.48, "b": 0.5, "c": 0.2}
    assert probability(await router.route(a_turn(), OPTIONS), "a") > 0.9


async def test_the_number_of_sessions_is_bounded() -> None:
    router, _, _ = a_session({"a": 0.5, "b": 0.49, "c": 0.1}, rules=SessionRules(most_sessions=2))
    for name in ("one", "two", "three"):
        query = replace(a_turn(), session_id=name)
        begun(router, query, await router.route(query, OPTIONS), candidate_id="b")
    chances = [
        probability(await router.route(replace(a_turn(), session_id=name), OPTIONS), "b")
        for name in ("one", "two", "three")
    ]
    assert [chance > 0.5 for chance in chances] == [False, True, True]


async def test_the_shadow_is_held_alike() -> None:
    shadow = {"a": 0.7, "b": 0.2, "c": 0.1}
    router, _, _ = a_session({"a": 0.5, "b": 0.48, "c": 0.1}, shadow=shadow)
    await started(router, "b")
    choice = await router.route(a_turn(), OPTIONS)
    assert choice.shadow is not None
    expected = {"a": 0.05 * 0.7, "b": 1 - 0.05 * 0.8, "c": 0.05 * 0.1}
    assert choice.shadow.probability == pytest.approx(expected[choice.candidate_id or ""])
    assert choice.shadow_probabilities == pytest.approx(expected)


async def test_what_happens_reaches_the_router_inside() -> None:
    router, inner, _ = a_session({"a": 0.5, "b": 0.48, "c": 0.1})
    decision = a_decision(await router.route(a_turn(), OPTIONS))
    router.ended(decision, an_outcome(decision))
    router.learn(decision, a_reward(decision, 1.0))
    assert inner.heard == [f"ended {decision.id}", f"learn {decision.id}"]


@pytest.mark.parametrize("wrong", [{"idle_seconds": 0}, {"margin": -0.1}, {"kept": 0.0}, {"kept": 1.5}])
def test_rules_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        SessionRules(**wrong)
