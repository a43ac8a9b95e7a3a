"""Reads what a model wants to do next, a call of a skill or its answer, out of loosely written text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skills.base import Skill

CALL = re.compile(r"^[\s`*>-]*(?:CALL|TOOL)\b[:\s]*`?([A-Za-z_][\w.-]*)`?[ \t]*", re.MULTILINE)
ANSWER = re.compile(r"^[\s`*>-]*(?:FINAL )?ANSWER\b[\s:=*]*", re.MULTILINE | re.IGNORECASE)
BARE_CALL = re.compile(r"^[\s`*>-]*([A-Za-z_][\w.-]*)[ \t]*(?=[({])", re.MULTILINE)
FENCE = re.compile(r"^\s*```\w*\s*\n|\n\s*```\s*$")


@dataclass(frozen=True, kw_only=True)
class SkillCall:
    """The model wants a skill; `arguments` is None where they could not be read."""

    name: str
    arguments: Mapping[str, object] | None


@dataclass(frozen=True, kw_only=True)
class FinalAnswer:
    """The model is done."""

    text: str


def read_move(text: str, skills: Sequence[Skill]) -> SkillCall | FinalAnswer:
    """The first call or answer in the text; text that is neither is the answer.

    Understands `CALL name {json}`, `CALL name(…)` in Python's way, `CALL name value`, a call without the word CALL
    where the skill is known, and `{"name": …, "arguments": …}` as models with native tool calling write it.
    """
    name_to_skill = {skill.name: skill for skill in skills}
    call, answer = CALL.search(text), ANSWER.search(text)
    if call and not (answer and answer.start() < call.start()):
        return _read_call(call, text, name_to_skill) or _call(call.group(1), text[call.end() :], name_to_skill)
    rest = text[answer.end() :] if answer else text
    unmarked = _native_call(rest) or _bare_call(rest, name_to_skill)
    if unmarked is not None and unmarked.name in name_to_skill:
        return unmarked
    return FinalAnswer(text=FENCE.sub("", rest).strip() if answer else rest.strip())


def parameters_of(skill: Skill) -> tuple[str, ...]:
    """The names of its parameters, in order."""
    properties = skill.parameters.get("properties")
    return tuple(properties) if isinstance(properties, Mapping) else ()


def _call(name: str, rest: str, name_to_skill: Mapping[str, Skill]) -> SkillCall:
    skill = name_to_skill.get(name)
    if skill is None:  # the library will say so, and what is near
        return SkillCall(name=name, arguments={})
    found = _arguments(rest, parameters_of(skill))
    return SkillCall(name=name, arguments=None if found is None else _fitted(found, skill))


def _read_call(call: re.Match[str], text: str, name_to_skill: Mapping[str, Skill]) -> SkillCall | None:
    """`CALL read NAME`: some models say so of a text."""
    word = re.match(r"[A-Za-z_][\w.-]*", text[call.end() :])
    is_meant = call.group(1).lower() == "read" and call.group(1) not in name_to_skill
    return SkillCall(name=word.group(), arguments={}) if is_meant and word and word.group() in name_to_skill else None


def _bare_call(text: str, name_to_skill: Mapping[str, Skill]) -> SkillCall | None:
    for match in BARE_CALL.finditer(text):
        if match.group(1) in name_to_skill:
            return _call(match.group(1), text[match.end() :], name_to_skill)
    return None


def _native_call(text: str) -> SkillCall | None:
    found = _json_object(text[text.find("{") :]) if "{" in text else None
    name, arguments = (found or {}).get("name"), (found or {}).get("arguments")
    if isinstance(name, str) and isinstance(arguments, Mapping):
        return SkillCall(name=name, arguments=arguments)
    return None


def _arguments(rest: str, names: Sequence[str]) -> Mapping[str, object] | None:
    rest = rest.lstrip(" \t:`\n") if rest.lstrip().startswith(("{", "(", "`")) else rest.strip(" \t:`")
    rest = re.sub(r"^(?:json|python)?\s*(?=[{(])", "", rest)
    if rest.startswith("{"):
        return _json_object(rest)
    if rest.startswith("("):
        return _python_arguments(rest, names)
    line = rest.split("\n", 1)[0].strip(" `")
    return _plain_arguments(line, names)


def _json_object(text: str) -> Mapping[str, object] | None:
    """The JSON object (or Python dict) that the text starts with."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        found = _literal(text[: text.rfind("}") + 1])
    return found if isinstance(found, Mapping) else None


def _python_arguments(text: str, names: Sequence[str]) -> Mapping[str, object] | None:
    """The arguments in `(…)`: literals as they are, anything else (17*23) as its source text."""
    for end in (place for place, letter in enumerate(text) if letter == ")"):
        source = f"f{text[: end + 1]}"
        try:
            tree = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if not isinstance(tree, ast.Call):
            return None
        found = {name: _value(source, node) for name, node in zip(names, tree.args, strict=False)}
        return found | {keyword.arg: _value(source, keyword.value) for keyword in tree.keywords if keyword.arg}
    line = text.split("\n", 1)[0].strip("() ")  # like (3 feet): no Python, so taken as plain text
    return _plain_arguments(line, names)


def _value(source: str, node: ast.expr) -> object:
    try:
        found: object = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return ast.get_source_segment(source, node) or ""
    return found


def _plain_arguments(line: str, names: Sequence[str]) -> Mapping[str, object] | None:
    """`name=value, …`, a value for each name parted by commas or spaces, or all of it as the only argument."""
    if not line:
        return {}
    pairs = re.findall(r"(\w+)\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^,\s]+)", line)
    if pairs and all(name in names for name, _ in pairs):
        return {name: value.strip("\"'") for name, value in pairs}
    for parts in ([line], re.split(r"\s*,\s*", line), line.split()):
        if len(parts) == len(names):
            return {name: part.strip("\"'") for name, part in zip(names, parts, strict=True)}
    return {names[0]: line.strip("\"'")} if names else None


def _fitted(arguments: Mapping[str, object], skill: Skill) -> dict[str, object]:
    """The arguments in the types that the skill's schema asks for, where that is plain."""
    properties = skill.parameters.get("properties")
    schema = properties if isinstance(properties, Mapping) else {}
    return {name: _as_type(value, schema.get(name)) for name, value in arguments.items()}


def _as_type(value: object, schema: object) -> object:
    wanted = schema.get("type") if isinstance(schema, Mapping) else None
    if wanted == "string" and isinstance(value, int | float):
        return str(value)
    if wanted in ("number", "integer") and isinstance(value, str):
        number = _literal(value.replace(",", "").strip())
        return number if isinstance(number, int | float) else value
    return value


def _literal(text: str) -> object:
    try:
        found: object = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return found
