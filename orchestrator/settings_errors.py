"""Says in words what is wrong with settings: the key, the nearest known one, and a value that may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr

C = TypeVar("C")
Place = tuple[int | str, ...]


def fault_line(root: type[BaseModel], place: Place, error: Mapping[str, Any]) -> str:
    """One line for one of pydantic's errors, at this place of the settings."""
    key = ".".join(map(str, place))
    if error["type"] == "extra_forbidden":
        known = list(_section_at(root, place[:-1]).model_fields)
        return f"Unknown setting {key!r}{nearest(str(place[-1]), known)}; known here: {', '.join(sorted(known))}."
    return f"Setting {key!r}: {error['msg']} (got {_shown(root, place, error['input'])})."


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean 'policy'?`, or nothing."""
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _shown(root: type[BaseModel], place: Place, value: object) -> str:
    """A wrong value, short enough to read; only its type where it could be a secret, or hold one."""
    field = _section_at(root, place[:-1]).model_fields.get(str(place[-1]))
    is_plain = field is not None and not _classes_in(field.annotation, (SecretStr, BaseModel))
    return repr(value)[:80] if is_plain and isinstance(value, str | int | float | None) else type(value).__name__


def _section_at(root: type[BaseModel], place: Place) -> type[BaseModel]:
    section = root
    for part in place:
        if isinstance(part, str) and part in section.model_fields:
            found = _classes_in(section.model_fields[part].annotation, BaseModel)
            section = found[0] if found else section
    return section


def _classes_in(annotation: object, wanted: type[C] | tuple[type[C], ...]) -> list[type[C]]:
    """The classes of these kinds inside an annotation such as dict[str, ModelSettings]."""
    if isinstance(annotation, type) and issubclass(annotation, wanted):
        return [annotation]
    return [found for part in get_args(annotation) for found in _classes_in(part, wanted)]
