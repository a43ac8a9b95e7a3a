"""The canonical form is RFC 8785 and gives every record back equal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from storage.canonical import (
    LONE_SURROGATE,
    canonical_json,
    decision_from,
    entry_from,
    entry_of,
    iso,
    outcome_from,
    reward_from,
    span_from,
    span_text,
)
from storage.conformance import a_decision, a_payload, a_reward, an_outcome
from storage.errors import InvalidInput, LogCorrupt
from storage.records import Assessment, Span

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates and NUL included
UNICODE = st.text(max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9)
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | FLOATS | UNICODE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(UNICODE, inner, max_size=4),
    max_leaves=12,
)
DECISION = a_decision(a_payload())


@given(st.dictionaries(UNICODE, VALUES, max_size=5))
def test_our_json_is_byte_for_byte_the_reference_encoder_s(value: dict[str, object]) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]  # JSON values by construction


@given(FLOATS)
def test_every_float_comes_back_and_is_written_as_the_reference_writes_it(value: float) -> None:
    text = canonical_json({"value": value})
    assert text.encode() == rfc8785.dumps({"value": value})
    assert float(json.loads(text)["value"]) == value


@given(
    text=UNICODE,
    numbers=st.lists(FLOATS, max_size=5),
    money=MONEY,
    seed=st.integers(0, 2**128),
    mixture=st.dictionaries(UNICODE, FLOATS, max_size=3),
    at=TIMES,
)
def test_any_decision_is_read_back_equal(
    text: str, numbers: list[float], money: Decimal, seed: int, mixture: dict[str, float], at: datetime
) -> None:
    assessment = Assessment(
        candidate_id=text, probability=0.5, score=1, contributions=mixture, worst_case_usd=money, mask_reason=text
    )
    decision = replace(
        DECISION,
        task=text,
        context=tuple(numbers),
        task_mixture=mixture,
        assessments=(assessment,),
        budget_before_usd=money,
        rng_seed=seed,
        decided_at=at,
    )
    assert decision_from(entry_of(decision).canonical) == decision


@given(ANY_TEXT)
def test_any_text_is_written_a_lone_surrogate_as_the_replacement_character(text: str) -> None:
    outcome = replace(an_outcome(DECISION), error_message=text)
    assert outcome_from(entry_of(outcome).canonical).error_message == LONE_SURROGATE.sub("\ufffd", text)


@given(value=st.floats(0, 1), at=TIMES)
def test_any_reward_and_span_are_read_back_equal(value: float, at: datetime) -> None:
    reward = replace(a_reward(DECISION, an_outcome(DECISION), value), rewarded_at=at)
    assert reward_from(entry_of(reward).canonical) == reward
    span = Span(run_id="run_1", name="route", started_at=at, seconds=value, attributes={"model": "small"})
    assert span_from(span_text(span)) == span


def test_numpy_numbers_are_written_as_plain_ones() -> None:
    decision = replace(DECISION, context=tuple(np.array([0.5, 1.0], dtype=np.float32)), rng_counter=np.int64(3))
    assert decision_from(entry_of(decision).canonical) == replace(DECISION, context=(0.5, 1.0), rng_counter=3)


def test_times_are_written_in_utc() -> None:
    at = datetime(2026, 11, 22, 13, 0, tzinfo=timezone(timedelta(hours=2)))
    assert iso(at) == "2026-11-22T11:00:00.000000Z"
    with pytest.raises(InvalidInput, match=r"decided_at .* has no time zone"):
        entry_of(replace(DECISION, decided_at=datetime(2026, 11, 22)))


@pytest.mark.parametrize("value", [object(), {1: "key is no text"}, Decimal("NaN"), b"bytes"])
def test_what_has_no_json_form_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidInput, match="answer"):
        entry_from("payload_erased", {"id": "payload_1", "erased_at": DECISION.decided_at, "answer": value})


@pytest.mark.parametrize("text", ["", "[1]", "{", "\ud800"])
def test_a_text_that_is_no_object_is_corrupt(text: str) -> None:
    with pytest.raises(LogCorrupt, match="stored text"):
        reward_from(text)


def test_decision_of_before_weights_shadows_and_skills_is_read_without_them() -> None:
    plain = json.loads(entry_of(DECISION).canonical)
    del plain["weights"], plain["shadow"], plain["skills"]
    assert decision_from(canonical_json(plain)) == replace(DECISION, weights={}, shadow=None, skills=None)


def test_scores_of_considered_skills_come_back_as_the_numbers_they_were() -> None:
    selection = decision_from(entry_of(DECISION).canonical).skills
    assert selection is not None
    first, second, _ = selection.considered
    assert [type(each) for each in (first.retrieval, first.rerank, selection.fit_probability)] == [float] * 3
    assert (second.rerank, selection.seconds, [each.rank for each in selection.shown]) == (None, 1e-9, [1])
    unsure = replace(DECISION, skills=replace(selection, considered=(replace(first, retrieval=float("nan")),)))
    with pytest.raises(InvalidInput, match="retrieval is nan"):
        entry_of(unsure)
