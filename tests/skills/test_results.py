"""Results are as short as they can be, and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import SkillFailed
from skills.results import RESULT_CHARACTERS, number_text, result_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (391.0, "391"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333"),
        (1_000_000.0, "1000000"),
        (123456789012.5, "123456789012"),
        (0.00001, "0.00001"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (10**20, "100000000000000000000"),
        (True, "true"),
        (None, "null"),
        ("plain", "plain"),
        (["é", 1], '["é", 1]'),
    ],
)
def test_value_is_written_as_a_person_would(value: object, text: str) -> None:
    assert result_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_back_to_twelve_digits(value: float) -> None:
    assert float(number_text(value)) == pytest.approx(value, rel=1e-11, abs=0)


def test_long_result_is_cut_with_a_note() -> None:
    text = result_text("x" * 100_000)
    assert len(text) < RESULT_CHARACTERS + 60
    assert text.endswith("(cut after 4000 characters)")


def test_value_that_doubles_itself_sixty_times_is_written_at_once() -> None:
    value: list[object] = ["seed"]
    for _ in range(60):
        value = [value, value]
    assert len(result_text(value)) < RESULT_CHARACTERS + 60


def test_whole_number_too_long_to_write_is_described() -> None:
    assert result_text(10**10_000) == "a whole number of 33220 bits"


def test_value_that_holds_itself_is_a_failure() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(SkillFailed, match="cannot be written as JSON"):
        result_text(value)
