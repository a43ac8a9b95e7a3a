"""Says in words what is wrong with the arguments of a call, and trims JSON schemas to what a model needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from skills.names import did_you_mean

SHOWN_CHARACTERS = 60  # of a wrong value


def argument_faults(error: ValidationError, known: Collection[str]) -> str:
    """All faults in one line: unknown arguments with the nearest known one, missing ones, values of a wrong type."""
    return "; ".join(dict.fromkeys(_fault(detail, known) for detail in error.errors()))


def _fault(detail: ErrorDetails, known: Collection[str]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else "arguments"
    if detail["type"] == "extra_forbidden":
        return f"no argument {name!r}; {did_you_mean(name, known)}"
    if detail["type"] == "missing" and len(detail["loc"]) == 1:
        return f"argument {name!r} is missing"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"
    return f"argument {name!r} is {shown}; {_lower_first(detail['msg'])}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def without_titles(schema: Mapping[str, object]) -> dict[str, object]:
    """The schema less titles and `additionalProperties: false`: they cost tokens and tell a model nothing."""
    return {
        key: _trimmed(key, value)
        for key, value in schema.items()
        if key != "title" and (key, value) != ("additionalProperties", False)
    }


def _trimmed(key: str, value: object) -> object:
    if key == "properties" and isinstance(value, Mapping):  # here the keys are names of arguments, "title" among them
        return {name: _trimmed("", schema) for name, schema in value.items()}
    if isinstance(value, Mapping):
        return without_titles(value)
    if isinstance(value, list):
        return [_trimmed("", item) for item in value]
    return value
