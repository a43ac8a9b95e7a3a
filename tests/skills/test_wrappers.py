"""Filtering and combining libraries."""

import pytest

from skills.errors import SkillError, SkillNotFound
from skills.libraries.python import PythonLibrary
from skills.wrappers import CombinedLibrary, FilteredLibrary


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def negate(a: int) -> int:
    """Negate a number."""
    return -a


async def test_filter_shows_only_what_is_allowed() -> None:
    library = FilteredLibrary(PythonLibrary(add, negate), {"add"})
    assert [skill.name for skill in await library.skills()] == ["add"]
    assert await library.call("add", {"a": 1, "b": 2}) == "3"


async def test_filter_calls_only_what_is_allowed() -> None:
    with pytest.raises(SkillNotFound, match="'negate' is not among those allowed here; known: add"):
        await FilteredLibrary(PythonLibrary(add, negate), {"add"}).call("negate", {"a": 1})


async def test_filter_that_allows_nothing_says_so() -> None:
    with pytest.raises(SkillNotFound, match="none is known"):
        await FilteredLibrary(PythonLibrary(add), ()).call("add", {"a": 1, "b": 2})


async def test_combined_libraries_answer_as_one() -> None:
    library = CombinedLibrary(PythonLibrary(add), PythonLibrary(negate))
    assert [skill.name for skill in await library.skills()] == ["add", "negate"]
    assert await library.call("negate", {"a": 4}) == "-4"


async def test_name_offered_twice_is_refused_with_both_sources() -> None:
    library = CombinedLibrary(PythonLibrary(add), PythonLibrary(negate, add))
    with pytest.raises(SkillError, match=rf"'add' comes from '{__name__}:add' and from '{__name__}:add'"):
        await library.skills()


async def test_unknown_name_in_combined_libraries_is_not_found() -> None:
    with pytest.raises(SkillNotFound, match=r"did you mean 'add'\?"):
        await CombinedLibrary(PythonLibrary(add)).call("ad", {})
