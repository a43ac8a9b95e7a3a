"""Reads a pool: a JSONL file, plain or gzipped, with one skill a line."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from hashlib import sha256
from io import BufferedIOBase
from pathlib import Path

import orjson

from skills.base import Provenance, Skill
from skills.errors import SkillError, SkillRefused
from skills.libraries.fields import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_LINE_CHARACTERS,
    MAX_NAME_CHARACTERS,
    checked_line,
    checked_text,
)
from skills.libraries.source import Reading, Refused, SkillSource

FIELDS = ("skill_id", "name", "description", "body", "license", "source")
MAX_LINE_BYTES = 4 * 1024 * 1024  # a body of the largest size, every character of it escaped
MAX_POOL_BYTES = 4 * 1024**3  # unpacked: what a small file may grow to
MAX_REFUSED = 1000  # then the rest is not read: it is no pool


class PoolSource(SkillSource):
    """The skills of a pool file, under the ids that stand in it."""

    def __init__(self, *, path: str | Path, name: str = "") -> None:
        self.path = Path(path)
        self.name = name or self.path.name.removesuffix(".gz").removesuffix(".jsonl")

    async def read(self) -> Reading:
        return await asyncio.to_thread(lambda: Reading.of(read_pool(self.path)))


def read_pool(path: Path, *, max_bytes: int = MAX_POOL_BYTES) -> Iterator[Skill | Refused]:
    """Line by line: a skill, or why there is none. Lines are counted from 1; empty ones are passed over.

    Each line is an object with `skill_id`, `name` and any of `description`, `body`, `license`, `source`; other keys are
    not looked at. Raises SkillError where there is no such file.
    """
    if not path.is_file():
        raise SkillError(f"No file {str(path)!r}; name a pool, a .jsonl or .jsonl.gz file.")
    refusals = 0
    for item in _items(path, max_bytes):
        yield item
        refusals += isinstance(item, Refused)
        if refusals >= MAX_REFUSED:
            yield Refused(
                where=item_file(path), reason=f"{MAX_REFUSED} lines were refused; the rest was not read.", ends=True
            )
            return


def item_file(path: Path, line: int | None = None) -> str:
    """`pool.jsonl line 7`."""
    return path.name if line is None else f"{path.name} line {line}"


def _items(path: Path, max_bytes: int) -> Iterator[Skill | Refused]:
    id_to_line: dict[str, int] = {}
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(_lines(file, max_bytes), start=1):
                if not line.strip():
                    continue
                try:
                    skill = _skill(line, item_file(path, number))
                    first = id_to_line.setdefault(skill.id, number)
                    if first != number:
                        raise SkillRefused(f"The id {skill.id!r} stands in line {first} already; ids are unique.")
                except SkillRefused as exc:
                    yield Refused(where=item_file(path, number), reason=str(exc))
                else:
                    yield skill
    except (OSError, EOFError, zlib.error) as exc:  # a broken gzip stream raises any of them
        reason = f"The file cannot be read on: {exc or type(exc).__name__}."
        yield Refused(where=item_file(path, number + 1), reason=reason, ends=True)


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(file: BufferedIOBase, max_bytes: int) -> Iterator[bytes]:
    """Lines; one that is too long is cut beyond MAX_LINE_BYTES, without ever being held as a whole."""
    left = max_bytes
    while line := file.readline(MAX_LINE_BYTES + 1):
        left -= len(line)
        rest = line
        while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES and left > 0:
            rest = file.readline(MAX_LINE_BYTES + 1)
            left -= len(rest)
        if left < 0:
            raise OSError(f"unpacked it has more than {max_bytes} bytes")
        yield line


def _skill(line: bytes, where: str) -> Skill:
    if len(line) > MAX_LINE_BYTES:
        raise SkillRefused(f"The line has more than {MAX_LINE_BYTES} bytes.")
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise SkillRefused(f"The line is not JSON: {exc}.") from exc
    if not isinstance(row, dict):
        raise SkillRefused(f"The line is not an object with {', '.join(FIELDS)}.")
    description = checked_text(row.get("description"), "description", limit_bytes=4 * MAX_DESCRIPTION_CHARACTERS)
    body = checked_text(row.get("body"), "body")
    if not description.strip() and not body.strip():
        raise SkillRefused("There is neither a description nor a body.")
    source = checked_line(row.get("source"), "source", limit=MAX_LINE_CHARACTERS, may_be_empty=True)
    return Skill(
        id=checked_line(row.get("skill_id"), "skill_id", limit=MAX_ID_CHARACTERS),
        name=checked_line(row.get("name"), "name", limit=MAX_NAME_CHARACTERS),
        description=description,
        body=body,
        provenance=Provenance(
            source=source or where,
            sha256=sha256(line.rstrip(b"\r\n")).hexdigest(),
            license=checked_line(row.get("license"), "license", limit=MAX_LINE_CHARACTERS, may_be_empty=True),
        ),
    )
