"""The operations of an OpenAPI document as skills: each call is one HTTP request to one server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from skills.base import Skill, SkillLibrary
from skills.errors import SkillError, SkillNotFound
from skills.libraries.bounded_yaml import load_yaml
from skills.libraries.http_call import HttpCaller
from skills.libraries.openapi_operations import Document, Operation
from skills.libraries.openapi_request import request_of
from skills.libraries.source import Reading, Refused, SkillSource
from skills.names import did_you_mean
from skills.results import result_text

MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
TIMEOUT_SECONDS = 10.0


class OpenApiLibrary(SkillLibrary, SkillSource):
    """One document's operations, read when first asked for."""

    def __init__(
        self,
        *,
        document: str | Path,
        name: str = "",
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        operations: Collection[str] = (),
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """`document`: a file or a URL, JSON or YAML. `base_url`: the operator's word for where calls go; without it
        they go to the document's first server, if that is a public address. `headers`: the operator's, such as a key;
        they go to `base_url` only, never to a server that a document names. `operations`: only these; none: all.
        """
        if headers and not base_url:
            raise SkillError("Headers with a key are sent to a `base_url` only; name the server that they are for.")
        self.document = str(document)
        self.name = name or Path(self.document).stem
        self.base_url = base_url
        self.headers = dict(headers or {})
        self.only = frozenset(operations)
        self.timeout_seconds = timeout_seconds
        self._name_to_operation: dict[str, Operation] | None = None
        self._server = ""

    async def read(self) -> Reading:
        """Reads the document anew. Raises SkillError where it is not there or is none."""
        content = await self._content()
        document = await asyncio.to_thread(_parsed, content, self.document, self.name)
        items = await asyncio.to_thread(lambda: list(document.operations()))
        operations = {item.skill.name: item for item in items if isinstance(item, Operation)}
        refused = [item for item in items if isinstance(item, Refused)]
        if unknown := sorted(self.only - set(operations)):
            raise SkillError(f"{self.document!r} offers no {unknown[0]!r}; {did_you_mean(unknown[0], operations)}.")
        wanted = {name: item for name, item in operations.items() if not self.only or name in self.only}
        self._name_to_operation, self._server = wanted, document.server
        return Reading(skills=tuple(item.skill for item in wanted.values()), refused=tuple(refused))

    async def skills(self) -> Sequence[Skill]:
        return [operation.skill for operation in (await self._operations()).values()]

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """The response's text, clipped. SkillRefused: the arguments or status 4xx; SkillFailed: all else."""
        operations = await self._operations()
        if name not in operations:
            raise SkillNotFound(f"No operation {name!r}; {did_you_mean(name, operations)}.")
        request = request_of(operations[name], arguments)
        caller = HttpCaller(
            base_url=self.base_url or self._server,
            headers=self.headers,
            may_be_private=self.base_url is not None,
            timeout_seconds=self.timeout_seconds,
        )
        return result_text(await caller.call(name, request))

    async def _operations(self) -> dict[str, Operation]:
        if self._name_to_operation is None:
            await self.read()
        return self._name_to_operation or {}

    async def _content(self) -> bytes:
        if "://" in self.document:
            return await HttpCaller.fetched(self.document, most_bytes=MAX_DOCUMENT_BYTES)
        return await asyncio.to_thread(_file_content, Path(self.document))


def _file_content(path: Path) -> bytes:
    if not path.is_file():
        raise SkillError(f"No file {str(path)!r}; name an OpenAPI document, JSON or YAML, or its URL.")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as exc:
        raise SkillError(f"{str(path)!r} cannot be read: {exc.strerror}.") from exc
    if len(content) > MAX_DOCUMENT_BYTES:
        raise SkillError(f"{str(path)!r} has more than {MAX_DOCUMENT_BYTES} bytes.")
    return content


def _parsed(content: bytes, source: str, library: str) -> Document:
    try:
        text = content.decode("utf-8-sig")
        parsed = json.loads(text) if text.lstrip().startswith("{") else load_yaml(text)
    except (ValueError, RecursionError) as exc:
        raise SkillError(f"{source!r} is neither JSON nor YAML: {' '.join(str(exc).split())[:200]}.") from exc
    return Document.of(parsed, source=source, library=library)
