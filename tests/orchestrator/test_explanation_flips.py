"""What would have put another first: each sentence is read again, tried on the scores, and found to be true."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.explanation_flips import NAME_CHARACTERS, Flip, flips_of
from routing.chances import TIE_TOLERANCE
from routing.forecasts import Reference
from storage.conformance_records import a_decision, a_payload
from storage.records import Assessment, Decision

REFERENCE = Reference(candidate="a", quality=0.7, cost_usd=0.002, latency_seconds=1.5, energy_joules=40.0)
NAMES = {"cost": "expected_cost", "time": "expected_latency", "energy": "expected_energy"}
WEIGHTS = {"cost": "cost", "time": "latency", "energy": "energy"}
AMOUNT_OF = {"cost": REFERENCE.cost_usd, "time": REFERENCE.latency_seconds, "energy": REFERENCE.energy_joules}
Parts = dict[str, dict[str, float]]


def decision_of(
    parts: Mapping[str, Mapping[str, float]],
    *,
    policy: str = "graph",
    weights: Mapping[str, float] | None = None,
    masked: Sequence[str] = (),
) -> Decision:
    """One whose first allowed candidate was picked."""
    assessments = tuple(
        Assessment(
            candidate_id=id,
            probability=0.0 if id in masked else 1.0 / (len(parts) - len(masked)),
            score=sum(each.values()),
            contributions=dict(each),
            mask_reason="lacks 'tools'" if id in masked else None,
        )
        for id, each in parts.items()
    )
    picked = next((id for id in parts if id not in masked), None)
    return replace(
        a_decision(a_payload()),
        assessments=assessments,
        candidate_id=picked,
        policy=policy,
        weights=dict(weights or {}),
    )


def parts_of(decision: Decision) -> Parts:
    return {a.candidate_id: dict(a.contributions) for a in decision.assessments if a.mask_reason is None}


def best_of(parts: Mapping[str, Mapping[str, float]]) -> str:
    return max(parts, key=lambda id: sum(parts[id].values()))


def is_ahead(parts: Mapping[str, Mapping[str, float]], candidate_id: str) -> bool:
    others = [sum(each.values()) for id, each in parts.items() if id != candidate_id]
    return sum(parts[candidate_id].values()) > max(others)


def after(flip: Flip, decision: Decision) -> Parts:
    """The terms after the change that the sentence tells, read from its words alone."""
    parts, own = parts_of(decision), flip.candidate_id
    words = flip.words
    if found := re.search(r"with the (\w+) weight at ([\d.]+) instead of", words):
        name, value = found[1], float(found[2])
        scaled = {
            "quality": ("expected_quality", "table_estimate"),
            "cost": ("expected_cost",),
            "latency": ("expected_latency",),
            "energy": ("expected_energy",),
        }[name]
        for each in parts.values():
            each.update({part: each[part] * value / decision.weights[name] for part in scaled if part in each})
    elif found := re.search(r"if its expected (\w+) were ([\d.]+)% lower", words):
        parts[own][NAMES[found[1]]] *= 1.0 - float(found[2]) / 100.0
    elif found := re.search(r"if its expected (cost|time|energy) were \$?([\d.]+)(?: s| J)? lower", words):
        less = float(found[2]) / (AMOUNT_OF[found[1]] or 0.0)
        parts[own][NAMES[found[1]]] += less * decision.weights[WEIGHTS[found[1]]]
    elif found := re.search(r"if its expected quality were ([\d.]+) higher", words):
        parts[own]["expected_quality"] += float(found[1]) * decision.weights["quality"]
        assert parts[own]["expected_quality"] <= decision.weights["quality"] * (1 + 1e-9)
    elif found := re.search(r"if a usual call of it cost \$([\d.]+) less", words):
        parts[own]["price"] += float(found[1])
        assert parts[own]["price"] <= 0.0
    elif found := re.search(r"with ([\d.]+) more of score", words):
        parts[own]["more"] = float(found[1])
    else:
        _without(flip, decision, parts)
    return parts


def _without(flip: Flip, decision: Decision, parts: Parts) -> None:
    own, words = flip.candidate_id, flip.words
    if found := re.search(r"taken off (for its load|for its cold start|to pace spending)", words):
        names = {"for its load": "load", "for its cold start": "cold_start", "to pace spending": "pacing"}
        del parts[own][names[found[1]]]
    elif "the bonus for having" in words:
        part = "session" if "conversation" in words else "exploration_bonus"
        del parts[best_of(parts)][part]
    elif "had it not been masked" in words:
        masked = next(a for a in decision.assessments if a.candidate_id == own)
        parts[own] = dict(masked.contributions)
    else:
        raise AssertionError(f"not understood: {words}")


share = st.floats(0.0, 1.0)
amount = st.floats(0.001, 3.0)
weight = st.sampled_from([0.05, 0.3, 0.75, 1.0, 2.5])


@st.composite
def trained_decisions(draw: st.DrawFn) -> Decision:
    weights = {"quality": draw(weight), "cost": draw(weight), "latency": draw(weight | st.just(0.0)), "energy": 0.0}
    parts: Parts = {}
    for place in range(draw(st.integers(2, 5))):
        each = {"expected_quality": weights["quality"] * draw(share), "expected_cost": -weights["cost"] * draw(amount)}
        if weights["latency"]:
            each["expected_latency"] = -weights["latency"] * draw(amount)
        if draw(st.booleans()):
            each["pacing"] = -draw(share)
        parts[f"c{place}"] = {"table_estimate": weights["quality"] * draw(share)} if draw(st.booleans()) else each
    return decision_of(parts, weights=weights, masked=["c1"] if draw(st.booleans()) else [])


@given(trained_decisions(), st.sampled_from([None, REFERENCE]))
def test_every_sentence_about_a_trained_routers_decision_is_true(
    decision: Decision, reference: Reference | None
) -> None:
    for flip in flips_of(decision, reference=reference):
        assert is_ahead(after(flip, decision), flip.candidate_id), flip.words
        assert reference is None or "%" not in flip.words


@given(
    st.lists(st.tuples(share, share, st.floats(0, 0.05), st.floats(0, 0.05)), min_size=2, max_size=6),
    st.booleans(),
)
def test_every_sentence_about_a_bandits_decision_is_true(rows: list[tuple[float, ...]], has_session: bool) -> None:
    parts = {
        f"c{place}": {"predicted_reward": mean, "exploration_bonus": bonus, "load": -load, "cold_start": -cold}
        for place, (mean, bonus, load, cold) in enumerate(rows)
    }
    if has_session:
        parts["c0"]["session"] = 0.2
    decision = decision_of(parts, policy="linucb")
    for flip in flips_of(decision):
        assert is_ahead(after(flip, decision), flip.candidate_id), flip.words


@given(st.lists(st.floats(1e-6, 0.01), min_size=2, max_size=5))
def test_every_sentence_about_the_cheapest_is_true(prices: list[float]) -> None:
    decision = decision_of({f"c{place}": {"price": -price} for place, price in enumerate(prices)}, policy="cheapest")
    for flip in flips_of(decision):
        assert is_ahead(after(flip, decision), flip.candidate_id), flip.words


@given(st.lists(share, min_size=2, max_size=6))
def test_every_near_rival_that_lacks_score_is_told_by_how_much(scores: list[float]) -> None:
    decision = decision_of({f"c{place}": {"overall_reward": each} for place, each in enumerate(scores)}, policy="table")
    behind = sorted(max(scores) - each for each in scores if max(scores) - each > TIE_TOLERANCE)
    told = [flip.gap for flip in flips_of(decision) if "more of score" in flip.words]
    assert told == pytest.approx(behind[:3])


def test_a_dearer_and_better_one_is_told_in_all_its_ways() -> None:
    decision = decision_of(
        {
            "small": {"expected_quality": 0.70, "expected_cost": -0.06},
            "large": {"expected_quality": 0.90, "expected_cost": -0.30},
        },
        weights={"quality": 1.0, "cost": 0.3},
    )
    assert [flip.words for flip in flips_of(decision)] == [
        "large would have scored best with the cost weight at 0.249 instead of 0.3.",
        "large would have scored best if its expected cost were 14% lower.",
        "large would have scored best with 0.041 more of score.",
    ]
    dollars = [flip.words for flip in flips_of(decision, reference=REFERENCE)][1]
    assert dollars == "large would have scored best if its expected cost were $0.00027 lower."


def test_levels_need_no_change_and_a_lone_or_missing_candidate_has_no_rival() -> None:
    assert flips_of(decision_of({"a": {"equal_chance": 0.5}, "b": {"equal_chance": 0.5}}, policy="uniform")) == ()
    assert flips_of(decision_of({"a": {"overall_reward": 0.5}}, policy="table")) == ()
    assert flips_of(decision_of({"a": {"overall_reward": 0.5}}, policy="table", masked=["a"])) == ()


def test_a_masked_one_that_would_have_been_best_is_told_unless_a_price_makes_scores_unlike() -> None:
    parts = {"a": {"overall_reward": 0.5}, "b": {"overall_reward": 0.9}}
    [flip] = flips_of(decision_of(parts, policy="table", masked=["b"]))
    assert (flip.candidate_id, flip.words) == ("b", "b would have scored best had it not been masked.")
    parts["a"]["pacing"] = -0.1
    assert flips_of(decision_of(parts, policy="table", masked=["b"])) == ()


def test_a_strangers_name_is_cut_and_made_harmless() -> None:
    name = "\x1b[2J" + "x" * 99
    decision = decision_of({"a": {"overall_reward": 0.9}, name: {"overall_reward": 0.5}}, policy="table")
    [flip] = flips_of(decision)
    assert flip.candidate_id == name
    assert flip.words.isprintable()
    assert flip.words.index(" would") == NAME_CHARACTERS
