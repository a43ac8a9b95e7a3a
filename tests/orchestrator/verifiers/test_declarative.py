"""Checker, numeric, regex and json_schema: harmless to take from a stranger, whatever the pattern, schema or answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.verifiers.base import Verdict, VerifierSpec
from orchestrator.verifiers.registry import make_verifier
from storage.errors import InvalidInput
from storage.records import Query

QUERY = Query(text="What is 17*23?")
OBJECT = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def verdict(kind: str, answer: str, **options: object) -> Verdict | None:
    return await make_verifier(VerifierSpec(kind=kind, options=options)).verify(QUERY, answer)


async def passes(kind: str, answer: str, **options: object) -> bool:
    found = await verdict(kind, answer, **options)
    assert found is not None
    assert (found.judged_by, found.verifier) == ("verifier", kind)
    assert found.passed == (found.quality == 1.0) == (found.evidence == "")
    return found.passed


async def test_checker_compares_as_the_question_asked() -> None:
    assert await passes("checker", "The answer is Paris.", check="exact", expected="paris")
    assert not await passes("checker", "Lyon", check="exact", expected="paris")
    assert await passes("checker", "Lutetia", check="one_of", expected="paris", accepted=["lutetia"])
    assert await passes("checker", '{"a": [1]}', check="json", expected='{"a":[1]}')


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"check": "exact", "expected": ""}, "expected"),
        ({"check": "number", "expected": "many"}, "expected"),
        ({"check": "sums", "expected": "1"}, "check"),
        ({"check": "regex", "expected": "(a+)+$"}, "check"),
        ({"check": "exact", "expected": "x", "accepted": "y"}, "accepted"),
        ({"check": "number", "expected": "1", "tolerance": "wide"}, "tolerance"),
        ({"check": "number", "expected": "1", "is_case_sensitive": "no"}, "is_case_sensitive"),
        ({"check": "exact", "expected": "x", "colour": "red"}, "verifier"),
        ({"check": "exact"}, "verifier"),
    ],
)
def test_checker_refuses_options_that_cannot_be_meant(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        make_verifier(VerifierSpec(kind="checker", options=options))
    assert raised.value.field == field


async def test_numeric_takes_the_final_number_within_its_tolerance() -> None:
    assert await passes("numeric", "17 * 23 = 391", expected=391)
    assert not await passes("numeric", "391 or 392", expected=391)
    assert not await passes("numeric", "", expected=391)
    assert await passes("numeric", "about 101", expected=100, relative_tolerance=0.01)
    assert not await passes("numeric", "about 102", expected=100, relative_tolerance=0.01)


@pytest.mark.parametrize("expected", ["nan", float("inf"), True, None, [1], "x"])
def test_numeric_refuses_what_is_no_finite_number(expected: object) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        make_verifier(VerifierSpec(kind="numeric", options={"expected": expected}))


@given(answer=st.text(max_size=300), expected=st.floats(-1e9, 1e9))
async def test_numeric_and_checker_judge_any_answer(answer: str, expected: float) -> None:
    assert await verdict("numeric", answer, expected=expected) is not None
    assert await verdict("checker", answer, check="number", expected=str(expected)) is not None


async def test_regex_fits_the_whole_answer_or_finds_a_part() -> None:
    assert await passes("regex", " ABC-123 ", pattern=r"[a-z]+-\d+")
    assert not await passes("regex", "see ABC-123", pattern=r"[a-z]+-\d+")
    assert await passes("regex", "see ABC-123", pattern=r"[a-z]+-\d+", is_whole=False)
    assert not await passes("regex", "ABC-123", pattern=r"[a-z]+-\d+", is_case_sensitive=True)


async def test_pattern_that_backtracks_for_ever_gives_no_verdict_and_is_stopped() -> None:
    regex = make_verifier(VerifierSpec(kind="regex", options={"pattern": "(a|aa)+$", "seconds": 0.2}))
    began = time.perf_counter()
    assert await regex.verify(QUERY, "a" * 60 + "b") is None
    assert time.perf_counter() - began < 6.0
    found = await regex.verify(QUERY, "aaa")
    assert found is not None
    assert found.passed


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?P<x>a)(?P<x>b)", "(" * 999, "x" * 1001])
def test_pattern_that_is_none_or_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        make_verifier(VerifierSpec(kind="regex", options={"pattern": pattern, "seconds": 0.3}))
    assert raised.value.field == "pattern"


async def test_answer_must_be_json_of_the_given_shape() -> None:
    schema = make_verifier(VerifierSpec(kind="json_schema", options={"schema": OBJECT}))
    right = await schema.verify(QUERY, 'Here it is:\n```json\n{"name": "Ada"}\n```')
    wrong = await schema.verify(QUERY, '{"name": 7}')
    none = await schema.verify(QUERY, "Ada")
    nan = await schema.verify(QUERY, '{"name": NaN}')
    assert right is not None and right.passed
    assert wrong is not None and not wrong.passed
    assert wrong.evidence == "name: 7 is not of type 'string'"
    assert none is not None and none.evidence == "it is not JSON"
    assert nan is not None and not nan.passed


@pytest.mark.parametrize(
    "answer", ["[" * 100_000, "1" * 10_000, '"\\ud800"', "[" * 400 + "]" * 400, "", "```json\n```"]
)
async def test_hostile_json_fails_or_says_nothing_and_never_breaks(answer: str) -> None:
    found = await verdict("json_schema", answer, schema=OBJECT)
    assert found is None or not found.passed


@pytest.mark.parametrize(
    "schema", [{"type": "colour"}, [1], 7, {"$schema": 7}, "{", {"enum": "x"}, {"a": "x" * 70_000}]
)
def test_what_is_no_schema_is_refused(schema: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        make_verifier(VerifierSpec(kind="json_schema", options={"schema": schema}))
    assert raised.value.field == "schema"


async def test_schema_that_runs_for_ever_or_leads_elsewhere_gives_no_verdict() -> None:
    doubling: dict[str, object] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    hostile: list[dict[str, object]] = [
        {"$defs": {**doubling, "a40": {"type": "integer"}}, "$ref": "#/$defs/a0"},
        {"$ref": "#"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"type": "string", "pattern": "^(a|aa)+$"},
    ]
    for schema in hostile:
        answer = f'"{"a" * 60}b"' if "pattern" in schema else "1"
        assert await verdict("json_schema", answer, schema=schema, seconds=1.0) is None


@settings(deadline=None, max_examples=5)
@given(answer=st.text(max_size=60))
async def test_pattern_and_schema_judge_any_answer(answer: str) -> None:
    assert await verdict("regex", answer, pattern=".*", is_whole=False) is not None
