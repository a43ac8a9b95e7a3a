"""Turns the arguments of a call into path, query, headers and body of one HTTP request.

OpenAPI Specification 3.1.1, section 4.8.12.6: how values of each style are written (form, simple, deepObject, …).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from skills.errors import SkillRefused
from skills.libraries.openapi_operations import FORM, Operation, Parameter
from skills.names import did_you_mean

MAX_URL_CHARACTERS = 8000
MAX_BODY_BYTES = 1024 * 1024
_SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """One request, all but the server that it goes to."""

    method: str
    target: str  # path and query, encoded
    headers: Mapping[str, str]
    content: bytes = b""


def request_of(operation: Operation, arguments: Mapping[str, object]) -> HttpRequest:
    """Raises SkillRefused, saying which argument is missing, unknown or cannot be written."""
    properties = operation.skill.parameters["properties"]
    known = properties if isinstance(properties, Mapping) else {}
    given = {name: value for name, value in arguments.items() if value is not None or name == operation.body_argument}
    if unknown := [name for name in given if name not in known]:
        raise SkillRefused(
            f"{operation.skill.name!r} has no argument {unknown[0]!r}; {did_you_mean(unknown[0], known)}."
        )
    if missing := sorted(operation.required - set(given)):
        raise SkillRefused(f"{operation.skill.name!r} needs {', '.join(map(repr, missing))}.")
    path, query, headers = operation.path, list[tuple[str, str]](), dict[str, str]()
    for argument, value in given.items():
        parameter = operation.argument_to_parameter.get(argument)
        if parameter is None:  # the body
            continue
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", _path_part(argument, parameter, value))
        elif parameter.place == "query":
            query += _pairs(argument, parameter, value)
        else:
            headers[parameter.name] = _header(argument, parameter, value)
    target = path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    if len(target) > MAX_URL_CHARACTERS:
        raise SkillRefused(f"The arguments make a URL of {len(target)} characters; {MAX_URL_CHARACTERS} are the most.")
    content = b""
    if operation.body_argument and operation.body_argument in given:
        content = _body(operation, given[operation.body_argument])
        headers["Content-Type"] = operation.body_type
    return HttpRequest(method=operation.method, target=target, headers=headers, content=content)


def _path_part(argument: str, parameter: Parameter, value: object) -> str:
    """Encoded, so that it stays one part of the path."""
    text = _joined(argument, parameter, value)
    if text in ("", ".", ".."):
        raise SkillRefused(f"Argument {argument!r} is {text!r}, which names nothing in a path.")
    return quote(text, safe="")


def _header(argument: str, parameter: Parameter, value: object) -> str:
    text = _joined(argument, parameter, value)
    if not (text.isascii() and text.isprintable()):
        raise SkillRefused(f"Argument {argument!r} goes into a header: printable ASCII on one line.")
    return text


def _pairs(argument: str, parameter: Parameter, value: object) -> list[tuple[str, str]]:
    if parameter.is_json:
        return [(parameter.name, json.dumps(value, ensure_ascii=False))]
    if isinstance(value, Mapping) and parameter.style == "deepObject":
        return [(f"{parameter.name}[{key}]", _plain(argument, part)) for key, part in value.items()]
    if isinstance(value, Mapping) and parameter.is_exploded:
        return [(str(key), _plain(argument, part)) for key, part in value.items()]
    if isinstance(value, list) and parameter.is_exploded:
        return [(parameter.name, _plain(argument, part)) for part in value]
    return [(parameter.name, _joined(argument, parameter, value))]


def _joined(argument: str, parameter: Parameter, value: object) -> str:
    """A list or object as one text, as the parameter's style says."""
    if parameter.is_json:
        return json.dumps(value)
    separator = _SEPARATORS.get(parameter.style)
    if separator is None and isinstance(value, list | Mapping):
        raise SkillRefused(f"Argument {argument!r} is of style {parameter.style!r}, which cannot be sent.")
    if isinstance(value, list):
        return (separator or ",").join(_plain(argument, part) for part in value)
    if isinstance(value, Mapping):
        between = "=" if parameter.is_exploded else ","
        return ",".join(f"{key}{between}{_plain(argument, part)}" for key, part in value.items())
    return _plain(argument, value)


def _plain(argument: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise SkillRefused(f"Argument {argument!r} holds {type(value).__name__} where a plain value goes.")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise SkillRefused(f"Argument {argument!r} holds half a character at {exc.start}.") from exc
    return text


def _body(operation: Operation, value: object) -> bytes:
    try:
        if operation.body_type == FORM:
            if not isinstance(value, Mapping):
                raise SkillRefused(
                    f"{operation.body_argument!r} is sent as a form: an object of plain values is right."
                )
            content = urlencode([(str(key), _plain(str(key), part)) for key, part in value.items()]).encode()
        else:
            content = json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise SkillRefused(f"{operation.body_argument!r} cannot be written as JSON: {exc}.") from exc
    if len(content) > MAX_BODY_BYTES:
        raise SkillRefused(f"{operation.body_argument!r} has more than {MAX_BODY_BYTES} bytes.")
    return content
