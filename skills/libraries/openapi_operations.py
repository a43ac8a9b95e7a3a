"""Reads the operations of an OpenAPI document (3.0, 3.1): what each is called, takes and does.

OpenAPI Specification 3.1.1, sections 4.8.9 to 4.8.14: paths, operations, parameters, request bodies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal
from urllib.parse import urljoin

from skills.base import Provenance, Skill
from skills.errors import SkillError, SkillRefused
from skills.libraries.fields import MAX_BODY_BYTES, checked_text, on_one_line
from skills.libraries.schema_refs import References
from skills.libraries.source import Refused

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_OPERATIONS = 5000
MAX_NAME_CHARACTERS = 64
FORM = "application/x-www-form-urlencoded"
# Neither arguments of an operation (the specification's rule for the first three) nor a model's to choose.
RESERVED_HEADERS = frozenset(
    {"accept", "content-type", "authorization", "host", "cookie", "content-length", "transfer-encoding", "connection"}
    | {"proxy-authorization", "te", "trailer", "upgrade", "forwarded", "x-forwarded-for", "x-forwarded-host"}
)
_PATH = re.compile(r"/[^?#\s\\]*")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")

Place = Literal["path", "query", "header"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: where it goes and how it is written there."""

    name: str
    place: Place
    style: str
    is_exploded: bool
    is_json: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, ready to be called."""

    skill: Skill
    method: str
    path: str
    argument_to_parameter: Mapping[str, Parameter]
    body_argument: str = ""  # empty: it takes no body
    body_type: str = ""
    required: frozenset[str] = frozenset()


@dataclass
class _Arguments:
    """What the arguments of one operation are, while they are gathered."""

    properties: dict[str, object] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Document:
    """An OpenAPI document."""

    content: Mapping[str, object]
    source: str  # its file or URL
    library: str
    references: References

    @classmethod
    def of(cls, content: object, *, source: str, library: str) -> Document:
        """Raises SkillError for what is no OpenAPI 3 document."""
        if not isinstance(content, Mapping):
            raise SkillError(f"{source!r} is not an OpenAPI document: it holds no object.")
        version = content.get("openapi", content.get("swagger"))
        if not isinstance(version, str) or not version.startswith("3."):
            raise SkillError(f"{source!r} is of OpenAPI version {version!r:.40}; convert it to 3.0 or 3.1.")
        return cls(content=content, source=source, library=library, references=References(content))

    @property
    def server(self) -> str:
        """URL of the first server, its variables at their defaults; empty where the document names none."""
        server = next(iter(_list(self.content.get("servers"))), None)
        if not isinstance(server, Mapping) or not isinstance(server.get("url"), str):
            return ""
        url = str(server["url"])
        for name, variable in _mapping(server.get("variables")).items():
            url = url.replace(f"{{{name}}}", str(_mapping(variable).get("default", "")))
        return urljoin(self.source, url) if "://" in self.source else url

    @property
    def license(self) -> str:
        name = _mapping(_mapping(self.content.get("info")).get("license")).get("name", "")
        return on_one_line(name, limit=200) if isinstance(name, str) else ""

    def operations(self) -> Iterator[Operation | Refused]:
        """Each operation, or why it is not offered, in the document's order."""
        name_to_where: dict[str, str] = {}
        for count, (method, path, item) in enumerate(self._items()):
            where = f"{method.upper()} {path}"
            if count >= MAX_OPERATIONS:
                yield Refused(where=where, reason=f"The document has more than {MAX_OPERATIONS} operations.")
                return
            try:
                operation = self._operation(method, path, item)
                first = name_to_where.setdefault(operation.skill.name, where)
                if first != where:
                    raise SkillRefused(f"Its name {operation.skill.name!r} is that of {first}; names are unique.")
            except (SkillRefused, RecursionError) as exc:
                yield Refused(where=where, reason=str(exc))
            else:
                yield operation

    def _items(self) -> Iterator[tuple[str, str, Mapping[str, object]]]:
        for path, item in _mapping(self.content.get("paths")).items():
            operations = _mapping(item)
            for method in METHODS:
                if method in operations:
                    yield method, str(path), operations

    def _operation(self, method: str, path: str, item: Mapping[str, object]) -> Operation:
        told = item[method]
        if not isinstance(told, Mapping):
            raise SkillRefused("The operation is no object.")
        name = _NOT_IN_NAMES.sub("_", str(told.get("operationId") or f"{method}_{path}")).strip("_.-")
        if not name:
            raise SkillRefused(f"The operation's name {told.get('operationId')!r:.80} has neither letters nor digits.")
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise SkillRefused("Its path does not begin with '/', or holds '?', '#', white space or '..'.")
        arguments = _Arguments()
        for parameter in self._parameters(item, told):
            self._add_parameter(arguments, parameter)
        if missing := set(re.findall(r"\{([^{}]+)\}", path)) - {
            parameter.name for parameter in arguments.parameters.values() if parameter.place == "path"
        }:
            raise SkillRefused(f"The path names {', '.join(sorted(missing))}, but no parameter of the path does.")
        body_argument, body_type = self._add_body(arguments, told)
        return Operation(
            skill=self._skill(name[:MAX_NAME_CHARACTERS], method, path, told=told, arguments=arguments),
            method=method.upper(),
            path=path,
            argument_to_parameter=arguments.parameters,
            body_argument=body_argument,
            body_type=body_type,
            required=frozenset(arguments.required),
        )

    def _parameters(self, item: Mapping[str, object], told: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """The path's parameters, each replaced by the operation's own of the same name and place."""
        found = {}
        for value in (*_list(item.get("parameters")), *_list(told.get("parameters"))):
            parameter = self.references.target(value)
            if not isinstance(parameter, Mapping) or not isinstance(parameter.get("name"), str):
                raise SkillRefused("One of its parameters has no name.")
            found[parameter["name"], parameter.get("in")] = parameter
        yield from found.values()

    def _add_parameter(self, arguments: _Arguments, told: Mapping[str, object]) -> None:
        name, place = str(told["name"]), told.get("in")
        is_required = told.get("required") is True or place == "path"
        if place == "header" and name.lower() in RESERVED_HEADERS:
            return
        if place not in ("path", "query", "header"):
            if is_required:
                raise SkillRefused(f"It needs parameter {name!r:.80} in {place!r:.40}; only path, query and header go.")
            return
        content = _mapping(told.get("content"))
        media = _mapping(next(iter(content.values()), None))
        schema = self.references.written_out(media.get("schema", {}) if content else told.get("schema", {}))
        style = str(told.get("style") or ("form" if place == "query" else "simple"))
        argument = name if name not in arguments.properties else f"{place}_{name}"
        arguments.parameters[argument] = Parameter(
            name=name,
            place=place,
            style=style,
            is_exploded=bool(told.get("explode", style == "form")),
            is_json=bool(content),
        )
        arguments.properties[argument] = _described(schema, told.get("description"))
        if is_required:
            arguments.required.append(argument)

    def _add_body(self, arguments: _Arguments, told: Mapping[str, object]) -> tuple[str, str]:
        """The argument's name and the media type that it is sent as; both empty where there is no body."""
        request = _mapping(self.references.target(told.get("requestBody")))
        content = _mapping(request.get("content"))
        if not content:
            return "", ""
        kind = next((kind for kind in content if _is_json(kind)), FORM if FORM in content else "")
        if not kind:
            if request.get("required") is True:
                raise SkillRefused(f"It takes {', '.join(map(str, content))!s:.200}; only JSON and forms can be sent.")
            return "", ""
        argument = "body" if "body" not in arguments.properties else "request_body"
        schema = self.references.written_out(_mapping(content[kind]).get("schema", {}))
        arguments.properties[argument] = _described(schema, request.get("description"))
        if request.get("required") is True:
            arguments.required.append(argument)
        return argument, "application/json" if "*" in kind else kind

    def _skill(self, name: str, method: str, path: str, *, told: Mapping[str, object], arguments: _Arguments) -> Skill:
        where = f"{method.upper()} {path}"
        words = [part for part in (told.get("summary"), told.get("description")) if isinstance(part, str)]
        listed = [
            f"{argument}: {_mapping(schema).get('description', '')}"
            for argument, schema in arguments.properties.items()
        ]
        parameters: dict[str, object] = {"type": "object", "properties": arguments.properties}
        if arguments.required:
            parameters["required"] = arguments.required
        plain = json.dumps([where, told, parameters], sort_keys=True, default=str)
        return Skill(
            id=f"{self.library}/{name}",
            name=name,
            description=on_one_line(checked_text(". ".join(words) or where, "description")),
            kind="operation",
            parameters=json.loads(json.dumps(parameters, default=str)),
            body=checked_text("\n".join([where, *listed]), "list of arguments", limit_bytes=MAX_BODY_BYTES),
            provenance=Provenance(
                source=f"{self.source}#{where}", sha256=sha256(plain.encode()).hexdigest(), license=self.license
            ),
        )


def _described(schema: object, description: object) -> object:
    if isinstance(schema, Mapping) and isinstance(description, str) and "description" not in schema:
        return {**schema, "description": on_one_line(description)}
    return schema


def _is_json(kind: object) -> bool:
    plain = str(kind).partition(";")[0].strip().lower()
    return plain in ("application/json", "*/*", "application/*") or plain.endswith("+json")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
