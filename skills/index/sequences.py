"""The terms of each skill in the order of its text, with the field and line of each, as arrays on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.index.mapped import mapped
from skills.index.settings import IndexSettings
from skills.index.tokens import Analyzer
from skills.index.vocabulary import GrowingVocabulary
from skills.ranking.base import (
    FIRST_IN_FIELD,
    FIRST_IN_LINE,
    PLACE_BITS,
    FieldName,
    Places,
    Rows,
    TermCounts,
    TermSequences,
)

HEAD_CHARACTERS = 6_000  # of a name or a description whose words count
LATE = 2_500  # characters of a body, after which its text counts as late
MOST_LINES = 65_535
MOST_COUNTED = 65_535  # of one term in one field
FIELD_PLACES: dict[FieldName, tuple[Places, ...]] = {
    "name": (Places.NAME,),
    "description": (Places.DESCRIPTION,),
    "body": (Places.HEADING, Places.BODY, Places.LATE_BODY),
}
ARRAYS = ("offsets", "terms", "marks", "lines")
TERM_BITS = np.uint64(32)
_SENTENCE_END = re.compile(r"(?<=[.;:!?])\s")


def read_sequences(
    skills: Sequence[Skill], analyzer: Analyzer, vocabulary: GrowingVocabulary, settings: IndexSettings
) -> TermSequences:
    """One row a skill: name, description by sentences, body by lines; a line said before is passed over."""
    terms: list[int] = []
    places: list[int] = []
    lines: list[int] = []
    offsets = [0]
    for skill in skills:
        for line, (place, text) in enumerate(_lines(skill, settings)):
            found = [vocabulary.number(term) for term in analyzer.terms(text)]
            terms += found
            places += [place] * len(found)
            lines += [min(line, MOST_LINES)] * len(found)
        offsets.append(len(terms))
    row_offsets = np.array(offsets, dtype=np.int64)
    numbers, line_numbers = np.array(terms, dtype=np.uint32), np.array(lines, dtype=np.uint16)
    marks = np.array(places, dtype=np.uint8)
    row = np.repeat(np.arange(len(skills), dtype=np.int64), np.diff(row_offsets))
    in_field = _is_first(row * (PLACE_BITS + 1) + marks, numbers)
    in_line = _is_first(row * (MOST_LINES + 1) + line_numbers, numbers)
    marks[in_field] |= FIRST_IN_FIELD
    marks[in_line] |= FIRST_IN_LINE
    return TermSequences(offsets=row_offsets, terms=numbers, marks=marks, lines=line_numbers)


def field_counts(found: TermSequences, name: FieldName) -> TermCounts:
    """How often each term stands in the field; the terms of a row ascend."""
    rows = len(found.offsets) - 1
    row = np.repeat(np.arange(rows, dtype=np.uint64), np.diff(found.offsets))
    here = np.isin(found.marks & PLACE_BITS, [int(place) for place in FIELD_PLACES[name]])
    key, counts = np.unique(row[here] << TERM_BITS | found.terms[here], return_counts=True)
    return TermCounts(
        offsets=np.searchsorted(key >> TERM_BITS, np.arange(rows + 1, dtype=np.uint64)).astype(np.int64),
        terms=(key & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        counts=np.minimum(counts, MOST_COUNTED).astype(np.uint16),
    )


def no_sequences() -> TermSequences:
    return TermSequences(
        offsets=np.zeros(1, dtype=np.int64),
        terms=np.zeros(0, dtype=np.uint32),
        marks=np.zeros(0, dtype=np.uint8),
        lines=np.zeros(0, dtype=np.uint16),
    )


def joined_sequences(parts: Sequence[TermSequences]) -> TermSequences:
    """The rows of all, one after the other."""
    every = [no_sequences(), *parts]
    return TermSequences(
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.offsets) for part in every]))]),
        terms=np.concatenate([part.terms for part in every]),
        marks=np.concatenate([part.marks for part in every]),
        lines=np.concatenate([part.lines for part in every]),
    )


def write_sequences(folder: Path, sequences: TermSequences) -> None:
    """Raises OSError."""
    for name in ARRAYS:
        np.save(folder / f"sequence_{name}.npy", getattr(sequences, name))


class SegmentSequences:
    """Those of one segment, mapped into memory. Raises OSError, ValueError."""

    def __init__(self, folder: Path) -> None:
        self._all = TermSequences(**{name: mapped(folder / f"sequence_{name}.npy") for name in ARRAYS})

    def of(self, rows: Rows) -> TermSequences:
        starts = self._all.offsets[rows]
        sizes = self._all.offsets[rows + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        return TermSequences(
            offsets=offsets,
            terms=self._all.terms[places],
            marks=self._all.marks[places],
            lines=self._all.lines[places],
        )


class OpenSequences:
    """Those of all segments. See `skills.ranking.base.Sequences`."""

    def __init__(self, segments: Sequence[SegmentSequences], first_rows: Rows) -> None:
        self._segments = segments
        self._first_rows = first_rows

    def of(self, rows: Rows) -> TermSequences:
        if len(self._segments) == 1:
            return self._segments[0].of(rows)
        places = np.searchsorted(self._first_rows, rows, side="right") - 1
        order = np.argsort(places, kind="stable")
        used = [(place, rows[order][places[order] == place]) for place in np.unique(places).tolist()]
        together = joined_sequences([self._segments[place].of(own - self._first_rows[place]) for place, own in used])
        back = np.argsort(order, kind="stable")
        return _taken(together, back)


def _taken(found: TermSequences, rows: Rows) -> TermSequences:
    sizes = np.diff(found.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    places = np.arange(offsets[-1]) + np.repeat(found.offsets[rows] - offsets[:-1], sizes)
    return TermSequences(
        offsets=offsets, terms=found.terms[places], marks=found.marks[places], lines=found.lines[places]
    )


def _lines(skill: Skill, settings: IndexSettings) -> Iterator[tuple[Places, str]]:
    yield Places.NAME, skill.name[:HEAD_CHARACTERS]
    seen: set[str] = set()
    for sentence in _SENTENCE_END.split(skill.description[:HEAD_CHARACTERS]):
        if sentence not in seen:
            seen.add(sentence)
            yield Places.DESCRIPTION, sentence
    position = 0
    for written in skill.body[: settings.body_characters].split("\n"):
        place = Places.BODY if position < LATE else Places.LATE_BODY
        position += len(written) + 1
        line = written.strip()
        if line not in seen:
            seen.add(line)
            yield Places.HEADING if line.startswith("#") else place, line


def _is_first(owner: NDArray[np.int64], terms: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Where each pair of owner and term stands for the first time."""
    first: NDArray[np.int64] = np.unique(owner.astype(np.uint64) << TERM_BITS | terms, return_index=True)[1]
    return first
