"""The skills that ship with Antroute, as one library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skills.builtin.calculator import calculator
from skills.builtin.dates import add_days, days_between, weekday_of
from skills.builtin.json_query import query_json
from skills.builtin.text import change_case, count_letter, nth_word, reverse_text, sort_letters, text_stats
from skills.builtin.units import convert_units
from skills.libraries.python import CALL_LIMIT_SECONDS, PythonLibrary

# Small models lean to the tool that is listed first, so the ones that are hardest to replace by another come first.
BUILTIN_FUNCTIONS: Final[tuple[Callable[..., object], ...]] = (
    convert_units,
    add_days,
    days_between,
    weekday_of,
    calculator,
    text_stats,
    count_letter,
    reverse_text,
    sort_letters,
    change_case,
    nth_word,
    query_json,
)


class BuiltinLibrary(PythonLibrary):
    """All of them; FilteredLibrary shows fewer."""

    def __init__(self, *, limit_seconds: float = CALL_LIMIT_SECONDS) -> None:
        super().__init__(*BUILTIN_FUNCTIONS, limit_seconds=limit_seconds, name="builtin")
