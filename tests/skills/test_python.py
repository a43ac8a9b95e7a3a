"""Functions become skills: schema, validation, time limit, errors in words."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from skills.errors import SkillFailed, SkillNotFound, SkillRefused
from skills.libraries.python import PythonLibrary


def double(value: int, *, times: int = 1) -> int:
    """Double a number.

    This paragraph is for people, not for models.
    """
    return value * 2**times


async def greet(name: str, tone: Literal["warm", "cold"] = "warm") -> str:
    """Greet somebody."""
    return f"{tone}: {name}"


def break_down(reason: str) -> str:
    """Break."""
    raise RuntimeError(reason)


def refuse(reason: str) -> str:
    """Refuse."""
    raise ValueError(reason)


def leave() -> None:
    """End the program."""
    raise SystemExit(3)


def stop_iterating() -> None:
    """Raise what a future cannot hold."""
    raise StopIteration


async def test_skill_is_read_off_the_function() -> None:
    (skill,) = await PythonLibrary(double).skills()
    assert skill.name == "double"
    assert skill.description == "Double a number."
    assert skill.provenance.source == f"{__name__}:double"
    assert len(skill.provenance.sha256) == 64
    assert skill.parameters == {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "times": {"default": 1, "type": "integer"}},
        "required": ["value"],
    }


async def test_provenance_tells_two_functions_apart() -> None:
    first, second = await PythonLibrary(double, refuse).skills()
    assert first.provenance.sha256 != second.provenance.sha256


@pytest.mark.parametrize("value", [3, "3", 3.0])
async def test_harmless_differences_of_type_are_bridged(value: object) -> None:
    assert await PythonLibrary(double).call("double", {"value": value}) == "6"


async def test_number_is_taken_where_a_text_is_meant() -> None:
    assert await PythonLibrary(greet).call("greet", {"name": 7}) == "warm: 7"


async def test_unknown_argument_names_the_nearest_known_one() -> None:
    with pytest.raises(SkillRefused, match=r"no argument 'vlue'; did you mean 'value'\?") as refused:
        await PythonLibrary(double).call("double", {"value": 3, "vlue": 3})
    assert refused.value.hint == "Call double(value, times)."


async def test_missing_argument_is_named() -> None:
    with pytest.raises(SkillRefused, match="argument 'value' is missing"):
        await PythonLibrary(double).call("double", {})


async def test_wrong_type_says_what_would_be_right() -> None:
    with pytest.raises(SkillRefused, match="argument 'value' is 'three'; input should be a valid integer"):
        await PythonLibrary(double).call("double", {"value": "three"})


async def test_long_wrong_value_is_cut_in_the_message() -> None:
    with pytest.raises(SkillRefused) as refused:
        await PythonLibrary(double).call("double", {"value": "x" * 100_000})
    assert len(str(refused.value)) < 300


async def test_choice_lists_the_choices() -> None:
    with pytest.raises(SkillRefused, match="'warm' or 'cold'"):
        await PythonLibrary(greet).call("greet", {"name": "Ada", "tone": "icy"})


async def test_unknown_skill_names_the_nearest_one() -> None:
    with pytest.raises(SkillNotFound, match=r"No skill 'dubble'; did you mean 'double'\?"):
        await PythonLibrary(double).call("dubble", {})


async def test_value_error_of_the_function_is_a_refusal() -> None:
    with pytest.raises(SkillRefused, match="Skill 'refuse': too old"):
        await PythonLibrary(refuse).call("refuse", {"reason": "too old"})


async def test_other_error_of_the_function_is_a_failure_with_a_hint() -> None:
    with pytest.raises(SkillFailed, match="Skill 'break_down' broke: RuntimeError: no wire") as failed:
        await PythonLibrary(break_down).call("break_down", {"reason": "no wire"})
    assert failed.value.hint
    assert isinstance(failed.value.__cause__, RuntimeError)


@pytest.mark.parametrize("function", [leave, stop_iterating])
async def test_function_cannot_end_the_program(function: Callable[..., object]) -> None:
    with pytest.raises(SkillFailed):
        await PythonLibrary(function).call(function.__name__, {})


async def test_blocking_function_beyond_its_time_is_left_behind() -> None:
    release = threading.Event()

    def wait() -> None:
        """Wait."""
        release.wait(60)

    with pytest.raises(SkillFailed, match=r"not done after 0\.05 s"):
        await PythonLibrary(wait, limit_seconds=0.05).call("wait", {})
    release.set()


async def test_timeout_of_the_functions_own_making_is_not_called_the_limit() -> None:
    async def ask() -> None:
        """Ask a slow server."""
        raise TimeoutError("server is slow")

    with pytest.raises(SkillFailed, match="broke: TimeoutError: server is slow"):
        await PythonLibrary(ask).call("ask", {})


async def test_parameter_may_bear_any_name_and_a_description() -> None:
    def label(copy: str, json: Annotated[str, Field(description="what to write")], title: str = "t") -> str:
        """Label."""
        return copy + json + title

    library = PythonLibrary(label)
    (skill,) = await library.skills()
    assert list(skill.parameters["properties"]) == ["copy", "json", "title"]  # type: ignore[call-overload]  # a dict
    assert skill.parameters["properties"]["json"]["description"] == "what to write"  # type: ignore[index]  # a dict
    assert await library.call("label", {"copy": "a", "json": "b"}) == "abt"


async def test_record_comes_back_as_json() -> None:
    @dataclass
    class Point:
        x: int
        y: float

    def point() -> Point:
        """Give a point."""
        return Point(1, 2.5)

    assert await PythonLibrary(point).call("point", {}) == '{"x": 1, "y": 2.5}'


def test_function_without_docstring_is_refused() -> None:
    def silent(value: int) -> int:
        return value

    with pytest.raises(ValueError, match="'silent' has no docstring"):
        PythonLibrary(silent)


def test_parameter_without_type_hint_is_refused() -> None:
    def loose(value) -> int:  # type: ignore[no-untyped-def]  # the missing hint is the point
        """Loose."""
        return int(value)

    with pytest.raises(ValueError, match="'value' of 'loose' has no type hint"):
        PythonLibrary(loose)


def test_function_with_open_arguments_is_refused() -> None:
    def open_end(*values: int) -> int:
        """Open."""
        return sum(values)

    with pytest.raises(ValueError, match="named one by one"):
        PythonLibrary(open_end)


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two functions are named 'double'"):
        PythonLibrary(double, double)
