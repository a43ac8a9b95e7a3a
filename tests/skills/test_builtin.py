"""The skills that ship: right on ordinary input, bounded and clear on hostile input."""

import time
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skills.builtin.calculator import MAX_DIGITS, calculator
from skills.builtin.dates import add_days, days_between, weekday_of
from skills.builtin.json_query import query_json
from skills.builtin.text import change_case, count_letter, nth_word, reverse_text, sort_letters, text_stats
from skills.builtin.units import convert_units
from skills.registry import make_library

WORK_SECONDS = 2.0  # far above what any bounded expression takes, far below a hang


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 * 23", 391),
        ("17*23+5", 396),
        ("391 / 17", 23),
        ("(2 + 3) * -4", -20),
        ("7 // 2 + 7 % 4", 6),
        ("2 ^ 10 =", 1024),
        ("3 × 4 ÷ 6 − 1", 1),
        ("3 x 4", 12),
        ("1,234 + 1", 1235),
        ("$3.50 * 4", 14),
        ("15% of 240", 36),
        ("50% * 3", 1.5),
        ("sqrt(16) + max(1,234)", 238),
        ("factorial(5)", 120),
        ("comb(5, 2) + gcd(12, 18) + lcm(4, 6)", 28),
        ("sum(1, 2, 3)", 6),
        ("2 ** -9999999999", 0),
    ],
)
def test_expression_is_calculated(expression: str, value: float) -> None:
    assert calculator(expression) == pytest.approx(value)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("9**9**9", "more than 100 digits"),
        ("9**9**9**9", "more than 100 digits"),
        ("10**99 * 10**99", "more than 100 digits"),
        ("factorial(99999)", "from 0 to 69"),
        ("comb(10**9, 10**8)", "up to 300"),
        ("1/0", "divides by zero"),
        ("(-8) ** 0.5", "not a real number"),
        ("sqrt(-1)", "math domain error|expected a nonnegative"),
        ("'a' * 10**9", "is not arithmetic"),
        ("().__class__", "is not arithmetic"),
        ("abs.__class__", "is not arithmetic"),
        ("[1] * 10**9", "is not arithmetic"),
        ("import os", "'import' is neither a number nor an operator"),
        ("open('x')", "'open' is neither"),
        ("1 if 2 else 3", "'if' is neither"),
        ("a = 3", "'a' is neither"),
        ("sin(1)(2)", "not arithmetic"),
        ("abs", "not a real number"),
        ("0x10", "not arithmetic"),
        ("", "not a whole arithmetic expression"),
        ("1 +", "not a whole arithmetic expression"),
        ("-" * 250 + "1", "nested more than 60 deep"),
        ("(" * 140 + "1" + "(" * 140, "not a whole arithmetic expression"),
        ("1+" * 400 + "1", "at most 300"),
    ],
)
def test_hostile_expression_is_refused_at_once(expression: str, reason: str) -> None:
    started = time.process_time()
    try:
        with pytest.raises(ValueError, match=reason):
            calculator(expression)
    finally:
        assert time.process_time() - started < WORK_SECONDS


@settings(max_examples=200, deadline=WORK_SECONDS * 1000)
@given(st.text(alphabet="0123456789+-*/%().,e x^factorlmgcbspqn", max_size=300))
def test_any_text_is_calculated_or_refused(expression: str) -> None:
    try:
        value = calculator(expression)
    except ValueError:
        return
    assert abs(value) < 10**MAX_DIGITS


_EXPRESSIONS = st.recursive(
    st.integers(0, 10**12).map(str) | st.floats(0, 1e12).map(str),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner)
        | st.builds("{}({})".format, st.sampled_from(["factorial", "exp", "sqrt", "lcm", "round"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=WORK_SECONDS * 1000)
@given(_EXPRESSIONS)
def test_any_expression_ends_within_bounds(expression: str) -> None:
    try:
        value = calculator(expression)
    except ValueError:
        return
    assert abs(value) < 10**MAX_DIGITS


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_whole_numbers_stay_exact(a: int, b: int) -> None:
    assert calculator(f"({a}) * ({b}) + ({a})") == a * b + a


@pytest.mark.parametrize(
    "written", ["2024-05-01", "2024/5/1", "1 May 2024", "May 1st, 2024", "Wed, 1 May 2024 10:00 EST"]
)
def test_date_is_read_as_people_write_it(written: str) -> None:
    assert days_between("2024-02-10", written) == 81


@given(st.dates(), st.integers(-100_000, 100_000))
def test_days_forth_and_back_agree(start: date, days: int) -> None:
    try:
        end = start + timedelta(days=days)
    except OverflowError:
        with pytest.raises(ValueError, match="outside the years"):
            add_days(start.isoformat(), days)
        return
    assert add_days(start.isoformat(), days) == end.isoformat()
    assert days_between(start.isoformat(), end.isoformat()) == abs(days)
    assert weekday_of(start.isoformat()) == f"{start:%A}"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("03/04/2024", "2024-03-04 or 2024-04-03"),
        ("May 2024", "not a complete date"),
        ("tomorrow", "not a date"),
        ("", "not a date|not a complete date"),
        ("2023-02-29", "not in the calendar"),
        ("9" * 30, "not a date"),
        ("1 May 2024 " * 50, "at most 60 characters"),
    ],
)
def test_date_that_would_be_guessed_is_refused(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        weekday_of(written)


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_any_text_is_a_date_or_refused(written: str) -> None:
    try:
        assert weekday_of(written).endswith("day")
    except ValueError as refused:
        assert str(refused)


def test_too_many_days_are_refused() -> None:
    with pytest.raises(ValueError, match="calendar has fewer"):
        add_days("2024-01-01", 10**18)


@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "converted"),
    [
        (5, "miles", "km", 8.04672),
        (98.6, "F", "C", 37),
        (-40, "°C", "degrees Fahrenheit", -40),
        (3, "Nautical Miles", "meters", 5556),
        (2.5, "Hours", "mins", 150),
        (90, "km/h", "m/s", 25),
        (90, "KMH", "meters per second", 25),
        (10, "square feet", "m2", 0.9290304),
        (2, "km^2", "m²", 2_000_000),
        (3, "lbs", "kilograms", 1.3607771),
        (1, "gallon", "Litres", 3.7854118),
        (1, "kwh", "joules", 3_600_000),
    ],
)
def test_units_are_read_leniently(value: float, from_unit: str, to_unit: str, converted: float) -> None:
    assert convert_units(value, from_unit, to_unit) == pytest.approx(converted, rel=1e-7)


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "reason"),
    [
        ("km", "kg", "'km' measures length and 'kg' measures mass"),
        ("flurbs", "kg", "'flurbs' is not a known unit"),
        ("m**9**9**9", "m", "not a unit's name"),
        ("m" * 5000, "m", "not a unit's name"),
        ("__import__('os')", "m", "not a unit's name"),
        ("2 km", "m", "not a unit's name"),
        ("", "m", "not a unit's name"),
    ],
)
def test_wrong_unit_says_what_is_wrong(from_unit: str, to_unit: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        convert_units(1, from_unit, to_unit)


def test_conversion_beyond_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        convert_units(1e308, "km", "mm")


@settings(max_examples=200, deadline=2000)
@given(st.text(alphabet="kmsghinftoc */^23°²-_. per", max_size=60))
def test_any_text_is_a_unit_or_refused(unit: str) -> None:
    try:
        assert isinstance(convert_units(1, unit, unit), float)
    except ValueError as refused:
        assert str(refused)


def test_text_is_counted_and_rearranged() -> None:
    stats = text_stats("Hello big world\nyes")
    assert (stats.characters, stats.letters, stats.words, stats.lines) == (19, 16, 4, 2)
    assert count_letter("Strawberry", "R") == 3
    assert reverse_text("stressed") == "desserts"
    assert sort_letters("Ba-na na") == "aaaBnn"
    assert change_case("red Fox", "title") == "Red Fox"
    assert nth_word("The quick brown fox", 3) == "brown"
    assert nth_word("The quick brown fox", -1) == "fox"


@pytest.mark.parametrize("n", [0, 5, -5])
def test_word_that_is_not_there_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="the text has 4 words"):
        nth_word("The quick brown fox", n)


def test_overlong_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 20000"):
        reverse_text("x" * 20_001)


def test_empty_letter_is_refused() -> None:
    with pytest.raises(ValueError, match="letter is empty"):
        count_letter("abc", "")


def test_json_is_looked_up() -> None:
    document = '{"people": [{"name": "Ada", "age": 36}, {"name": "Alan", "age": 41}]}'
    assert query_json(document, "people[?age > `40`].name | [0]") == "Alan"
    assert query_json({"items": [1, 2, 3]}, "length(items)") == 3


@pytest.mark.parametrize(
    ("document", "query", "reason"),
    [
        ("[1, 2", "a", "cannot be read as JSON"),
        ("[" * 15_000, "a", "cannot be read as JSON"),
        ("[" + "1," * 20_000 + "1]", "a", "at most 20000"),
        ("[1]", "a[", "is not a JMESPath query"),
        ("[1]", "nope(@)", "Unknown function"),
        ("[1]", "a" * 301, "at most 300"),
        ("[1]", "[@,@][]|" * 30 + "[0]", "repeat the document"),
        ("[1]", "join(join('x', @), @)", "repeat the document"),
        ("[1]", "(" * 290, "is not a JMESPath query|nested too deeply"),
    ],
)
def test_hostile_json_query_is_refused(document: str, query: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        query_json(document, query)


async def test_every_builtin_skill_is_described_and_named_apart() -> None:
    skills = await make_library("builtin").skills()
    assert len({skill.name for skill in skills}) == len(skills) >= 12
    assert all(skill.description.endswith(".") and skill.parameters["required"] for skill in skills)


async def test_result_of_a_builtin_skill_is_minimal() -> None:
    library = make_library("builtin")
    assert await library.call("calculator", {"expression": "782 / 2"}) == "391"
    assert await library.call("convert_units", {"value": "5", "from_unit": "miles", "to_unit": "km"}) == "8.04672"
