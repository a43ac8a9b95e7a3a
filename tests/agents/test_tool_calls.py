"""Reading what a small model wants to do out of what it wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.tool_calls import FinalAnswer, SkillCall, read_move
from skills.base import Provenance, Skill


def skill(name: str, **types: str) -> Skill:
    properties = {parameter: {"type": kind} for parameter, kind in types.items()}
    return Skill(
        name=name,
        description=name,
        provenance=Provenance(source="test", sha256=""),
        parameters={"type": "object", "properties": properties},
    )


SKILLS = (
    skill("calculator", expression="string"),
    skill("days_between", start="string", end="string"),
    skill("convert_units", value="number", from_unit="string", to_unit="string"),
    skill("now"),
)


@pytest.mark.parametrize(
    "text",
    [
        'CALL calculator {"expression": "17*23"}',
        'call it:\nCALL calculator {"expression": "17*23"}\nRESULT 5',
        'CALL calculator ```json\n{"expression": "17*23"}\n```',
        '```\nCALL calculator {"expression": "17*23"}\n```',
        "CALL calculator {'expression': '17*23'}",
        "CALL: calculator(17*23)",
        "CALL calculator('17*23')",
        'CALL calculator(expression="17*23")',
        "CALL calculator 17*23",
        'CALL calculator "17*23"',
        "CALL calculator expression=17*23",
        "calculator(17*23)",
        'calculator {"expression": "17*23"}',
        "ANSWER calculator(17*23)",
        '<tool_call>\n{"name": "calculator", "arguments": {"expression": "17*23"}}\n</tool_call>',
        'CALL calculator {"expression": "17*23"}\nANSWER 391',
    ],
)
def test_a_call_is_understood_however_it_is_written(text: str) -> None:
    assert read_move(text, SKILLS) == SkillCall(name="calculator", arguments={"expression": "17*23"})


@pytest.mark.parametrize(
    "text",
    [
        'CALL days_between {"start": "2024-02-10", "end": "2024-05-01"}',
        "CALL days_between('2024-02-10', '2024-05-01')",
        "CALL days_between 2024-02-10, 2024-05-01",
        "CALL days_between 2024-02-10 2024-05-01",
        "CALL days_between start=2024-02-10, end=2024-05-01",
    ],
)
def test_several_arguments_are_understood(text: str) -> None:
    wanted = SkillCall(name="days_between", arguments={"start": "2024-02-10", "end": "2024-05-01"})
    assert read_move(text, SKILLS) == wanted


def test_numbers_and_texts_are_turned_into_what_the_skill_wants() -> None:
    move = read_move('CALL convert_units {"value": "1,500", "from_unit": 3, "to_unit": "m"}', SKILLS)
    assert move == SkillCall(name="convert_units", arguments={"value": 1500, "from_unit": "3", "to_unit": "m"})


def test_a_skill_without_parameters_is_called_without_arguments() -> None:
    assert read_move("CALL now", SKILLS) == SkillCall(name="now", arguments={})
    assert read_move("CALL now()", SKILLS) == SkillCall(name="now", arguments={})


def test_broken_arguments_are_told_apart_from_none() -> None:
    assert read_move('CALL calculator {"expression", 3}', SKILLS) == SkillCall(name="calculator", arguments=None)


def test_an_unknown_skill_is_still_a_call() -> None:
    assert read_move("CALL divide(3, 4)", SKILLS) == SkillCall(name="divide", arguments={})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("ANSWER 391", "391"),
        ("Answer: 391", "391"),
        ("**ANSWER:** 391", "391"),
        ("I think.\nFINAL ANSWER: yes", "yes"),
        ("ANSWER\n```python\nprint(1)\nprint(2)\n```", "print(1)\nprint(2)"),
        ("ANSWER Lima\nCALL now", "Lima\nCALL now"),
        ("  Canberra \n", "Canberra"),
        ("I would call f(x) here", "I would call f(x) here"),
        ("", ""),
    ],
)
def test_everything_else_is_the_answer(text: str, answer: str) -> None:
    assert read_move(text, SKILLS) == FinalAnswer(text=answer)


@given(
    st.text(), st.sampled_from(["", "CALL calculator ", "CALL calculator(", "CALL calculator {", "calculator(", "{"])
)
def test_no_text_breaks_the_reader(text: str, start: str) -> None:
    assert isinstance(read_move(start + text, SKILLS), SkillCall | FinalAnswer)


@pytest.mark.parametrize(
    "text", ["CALL calculator " + "(" * 5000, "CALL calculator {" * 5000, "CALL calculator (" + ")" * 5000]
)
@pytest.mark.timeout(10)
def test_long_nonsense_is_read_in_time(text: str) -> None:
    assert isinstance(read_move(text, SKILLS), SkillCall)
