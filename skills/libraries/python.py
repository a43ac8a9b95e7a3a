"""Skills that are plain Python functions, sync or async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from skills.arguments import argument_faults, without_titles
from skills.base import Provenance, Skill, SkillLibrary
from skills.errors import SkillError, SkillFailed, SkillNotFound, SkillRefused
from skills.libraries.source import Reading, SkillSource
from skills.names import did_you_mean
from skills.results import result_text
from skills.threads import in_daemon_thread

CALL_LIMIT_SECONDS = 5.0  # a skill is one step of an agent's work, not a job


@dataclass(frozen=True, kw_only=True)
class _Function:
    """One function, and what was read off it once."""

    call: Callable[..., object]
    arguments: type[BaseModel]
    skill: Skill


class PythonLibrary(SkillLibrary, SkillSource):
    """Offers functions as skills: name, first paragraph of the docstring, type hints.

    A function says that its arguments are wrong by SkillRefused or ValueError; any other exception means that it broke.
    Blocking functions run in a thread of their own, which is left behind when it takes longer than `limit_seconds`:
    Python cannot stop a thread, so a function must bound its own work as well.
    """

    def __init__(
        self, *functions: Callable[..., object], limit_seconds: float = CALL_LIMIT_SECONDS, name: str = "python"
    ) -> None:
        self.name = name
        self.limit_seconds = limit_seconds
        self._functions: dict[str, _Function] = {}
        for function in functions:
            read = _read(function)
            if read.skill.name in self._functions:
                raise ValueError(f"Two functions are named {read.skill.name!r}; a skill's name must be its own.")
            self._functions[read.skill.name] = read

    async def skills(self) -> Sequence[Skill]:
        return [function.skill for function in self._functions.values()]

    async def read(self) -> Reading:
        return Reading(skills=tuple(await self.skills()))

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        if name not in self._functions:
            raise SkillNotFound(f"No skill {name!r}; {did_you_mean(name, self._functions)}.")
        function = self._functions[name]
        fitting = _fitting(function, arguments)
        try:
            async with asyncio.timeout(self.limit_seconds) as limit:
                return result_text(await _started(function.call, fitting))
        except SkillError:
            raise
        except ValueError as exc:
            raise SkillRefused(f"Skill {name!r}: {exc}", hint=_usage(function.skill)) from exc
        except Exception as exc:
            if limit.expired():
                message, hint = f"Skill {name!r} was not done after {self.limit_seconds:g} s.", "Ask for less at once."
            else:
                message = f"Skill {name!r} broke: {type(exc).__name__}: {exc}"
                hint = "Try other arguments or another skill."
            raise SkillFailed(message, hint=hint) from exc


async def _started(call: Callable[..., object], fitting: Mapping[str, object]) -> object:
    if inspect.iscoroutinefunction(call):
        return await call(**fitting)
    return await in_daemon_thread(partial(call, **fitting))


def _read(function: Callable[..., object]) -> _Function:
    name = function.__name__
    description = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    if not description:
        raise ValueError(f"Function {name!r} has no docstring; its first paragraph is what a model reads of a skill.")
    arguments = _arguments_model(function)
    skill = Skill(
        kind="function",
        name=name,
        description=description,
        provenance=Provenance(source=f"{function.__module__}:{function.__qualname__}", sha256=_source_sha256(function)),
        parameters=without_titles(arguments.model_json_schema()),
    )
    return _Function(call=function, arguments=arguments, skill=skill)


def _arguments_model(function: Callable[..., object]) -> type[BaseModel]:
    """One field an argument, reached by its alias: a parameter may be named `copy` or `json`, a field may not."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for place, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(f"{function.__name__!r} takes {parameter}; a skill's parameters must be named one by one.")
        if parameter.name not in hints:
            raise ValueError(f"Parameter {parameter.name!r} of {function.__name__!r} has no type hint.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"argument_{place}"] = (hints[parameter.name], Field(default, alias=parameter.name))
    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    model: type[BaseModel] = create_model(function.__name__, __config__=config, **fields)
    return model


def _source_sha256(function: Callable[..., object]) -> str:
    try:
        source = inspect.getsource(function).encode()
    except (OSError, TypeError):  # made at run time: no source, so the code object stands for it
        source = function.__code__.co_code
    return sha256(source).hexdigest()


def _fitting(function: _Function, arguments: Mapping[str, object]) -> dict[str, object]:
    try:
        model = function.arguments.model_validate(dict(arguments))
    except ValidationError as exc:
        known = _names(function.skill)
        raise SkillRefused(
            f"Skill {function.skill.name!r}: {argument_faults(exc, known)}.", hint=_usage(function.skill)
        ) from exc
    return {field.alias or name: getattr(model, name) for name, field in function.arguments.model_fields.items()}


def _usage(skill: Skill) -> str:
    return f"Call {skill.name}({', '.join(_names(skill))})."


def _names(skill: Skill) -> list[str]:
    properties = skill.parameters.get("properties", {})
    return list(properties) if isinstance(properties, Mapping) else []
