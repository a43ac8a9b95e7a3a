"""Reads queries with the skills that answer them, to learn from or to judge by."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from storage.errors import InvalidInput

MAX_LINE_BYTES = 1 << 20
NO_KIND = "all"


@dataclass(frozen=True, kw_only=True)
class LabelledQuery:
    """A query and the skills it needs, each with those that are as good: copies of one another."""

    query_id: str
    text: str
    gold: tuple[tuple[str, ...], ...]
    kind: str = NO_KIND

    @property
    def gold_ids(self) -> frozenset[str]:
        return frozenset(skill_id for needed in self.gold for skill_id in needed)


@dataclass(frozen=True, kw_only=True)
class QueryFile:
    """What was read of one file."""

    queries: tuple[LabelledQuery, ...]
    sha256: str  # of the file
    unknown_gold: int  # ids named as gold that the pool does not have
    dropped: int  # queries none of whose gold is known
    lines: int


def read_queries(path: Path, *, known: Collection[str]) -> QueryFile:
    """Lines {"query_id", "text", "gold", "kind"?, "split"?}, plain or gzipped; empty ones are passed over.

    `gold` is a list of needed skills: each an id, or a list of ids that are as good as one another. `known`: the ids of
    the pool; others are counted and left out. Raises InvalidInput, naming file and line.
    """
    queries: list[LabelledQuery] = []
    seen: dict[str, int] = {}
    unknown = dropped = lines = 0
    digest = sha256()
    for number, line in _lines(path):
        digest.update(line)
        if not line.strip():
            continue
        lines += 1
        query = _query(line, f"{path}:{number}")
        first = seen.setdefault(query.query_id, number)
        if first != number:
            raise InvalidInput(
                f"{path}:{number}: query_id {query.query_id!r} stands in line {first} too.", field="queries"
            )
        kept, missing = _known_gold(query.gold, known)
        unknown += missing
        if kept:
            queries.append(LabelledQuery(query_id=query.query_id, text=query.text, gold=kept, kind=query.kind))
        else:
            dropped += 1
    if not lines:
        raise InvalidInput(f"{str(path)!r} holds no queries.", field="queries")
    return QueryFile(
        queries=tuple(queries), sha256=digest.hexdigest(), unknown_gold=unknown, dropped=dropped, lines=lines
    )


def kinds_of(queries: Sequence[LabelledQuery]) -> Mapping[str, int]:
    """Each kind with how many there are, by name."""
    return dict(sorted(Counter(query.kind for query in queries).items()))


def _known_gold(gold: tuple[tuple[str, ...], ...], known: Collection[str]) -> tuple[tuple[tuple[str, ...], ...], int]:
    """What of it is known, and how many ids are not."""
    kept = tuple(tuple(skill_id for skill_id in needed if skill_id in known) for needed in gold)
    missing = sum(map(len, gold)) - sum(map(len, kept))
    return tuple(needed for needed in kept if needed), missing


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Raises InvalidInput."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise InvalidInput(
                        f"{path}:{number}: the line has more than {MAX_LINE_BYTES} bytes.", field="queries"
                    )
                yield number, line
    except (OSError, EOFError, zlib.error) as exc:
        raise InvalidInput(
            f"{str(path)!r} cannot be read: {exc}; name a .jsonl or .jsonl.gz file.", field="queries"
        ) from exc


def _query(line: bytes, where: str) -> LabelledQuery:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"{where}: not JSON: {exc}.", field="queries") from exc
    if not isinstance(row, dict):
        raise InvalidInput(f"{where}: {row!r:.60} is no object with query_id, text and gold.", field="queries")
    kind = row.get("kind") or NO_KIND
    return LabelledQuery(
        query_id=_text(row, "query_id", where),
        text=_text(row, "text", where),
        gold=_gold(row.get("gold"), where),
        kind=kind if isinstance(kind, str) else str(kind),
    )


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(
            f"{where}: {name} is {value!r:.60}; a text that is not blank would be right.", field="queries"
        )
    return value


def _gold(value: object, where: str) -> tuple[tuple[str, ...], ...]:
    """Empty where nothing is known to answer: a weak label of a bad outcome, which is counted and left out."""
    listed: list[Any] = value if isinstance(value, list) else [None]
    needed = [[each] if isinstance(each, str) else each for each in listed]
    if not all(isinstance(each, list) and each and all(map(_is_id, each)) for each in needed):
        raise InvalidInput(
            f"{where}: gold is {value!r:.60}; a list of skill ids, or of lists of equally good ids, would be right.",
            field="queries",
        )
    return tuple(tuple(dict.fromkeys(each)) for each in needed)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value)
