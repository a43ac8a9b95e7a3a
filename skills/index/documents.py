"""The skills themselves, in one file of JSON lines that is read at a place, never as a whole."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skills.base import Provenance, Skill, content_sha256
from skills.errors import IndexRefused
from skills.index.mapped import mapped

LINES_FILE = "documents.jsonl"
OFFSETS_FILE = "document_offsets.npy"
CARDS_FILE = "cards.json"


class Card(NamedTuple):
    """What a search tells of a skill without reading it, and what tells whether it changed."""

    skill_id: str
    name: str
    sha256: str  # of its content
    document_sha256: str  # of its whole line: licence and source too


@dataclass(frozen=True, kw_only=True)
class Document:
    """A skill as it is written."""

    card: Card
    line: bytes


def document(skill: Skill) -> Document:
    plain = {
        "id": skill.skill_id,
        "name": skill.name,
        "description": skill.description,
        "body": skill.body,
        "kind": skill.kind,
        "license": skill.provenance.license,
        "source": skill.provenance.source,
        "sha256": skill.provenance.sha256,
        "parameters": skill.parameters,
        "resources": list(skill.resources),
    }
    line = json.dumps(plain, default=str).encode() + b"\n"
    card = Card(skill.skill_id, skill.name, content_sha256(skill), sha256(line).hexdigest())
    return Document(card=card, line=line)


def write_documents(folder: Path, documents: Iterable[Document]) -> list[Card]:
    """Raises OSError."""
    offsets, cards = [0], []
    with (folder / LINES_FILE).open("wb") as stream:
        for one in documents:
            stream.write(one.line)
            offsets.append(offsets[-1] + len(one.line))
            cards.append(one.card)
    np.save(folder / OFFSETS_FILE, np.array(offsets, dtype=np.int64))
    (folder / CARDS_FILE).write_text(json.dumps(cards), encoding="ascii")
    return cards


class Documents:
    """Opens the files once: a folder that is removed meanwhile goes on to be read. Raises OSError, ValueError."""

    def __init__(self, folder: Path) -> None:
        self.cards = list(map(Card._make, json.loads((folder / CARDS_FILE).read_text(encoding="ascii"))))
        self._offsets = mapped(folder / OFFSETS_FILE)
        self._file = os.open(folder / LINES_FILE, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._where = str(folder)

    def documents(self, rows: Iterable[int]) -> Iterator[Document]:
        """As they were written."""
        for row in rows:
            yield Document(card=self.cards[row], line=self._line(row))

    def skills(self, rows: Sequence[int]) -> list[Skill]:
        """Raises IndexRefused where a line is damaged."""
        return [self._skill(row) for row in rows]

    def _line(self, row: int) -> bytes:
        first, last = int(self._offsets[row]), int(self._offsets[row + 1])
        return os.pread(self._file, last - first, first)

    def _skill(self, row: int) -> Skill:
        try:
            plain = json.loads(self._line(row))
            return Skill(
                id=plain["id"],
                name=plain["name"],
                description=plain["description"],
                body=plain["body"],
                kind=plain["kind"],
                parameters=plain["parameters"],
                resources=tuple(plain["resources"]),
                provenance=Provenance(source=plain["source"], sha256=plain["sha256"], license=plain["license"]),
            )
        except (ValueError, LookupError, TypeError) as exc:
            raise IndexRefused(f"Document {row} of {self._where!r} is damaged: {exc!r}.") from exc
