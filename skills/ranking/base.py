"""What a ranker is given for one query, and what it gives back; it knows the index by these protocols alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]  # numbers of skills in one open index
FieldName = Literal["name", "description", "body"]
FIELDS: tuple[FieldName, ...] = ("name", "description", "body")


def _no_counts() -> Floats:
    return np.zeros(0, dtype=np.float32)


def _no_order() -> Rows:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class TermCounts:
    """The terms of some rows: row i has `terms[offsets[i]:offsets[i + 1]]`, each once, with its count."""

    offsets: NDArray[np.int64]  # (rows + 1,)
    terms: NDArray[np.uint32]
    counts: NDArray[np.uint16]


class Places(IntEnum):
    """Where in a skill a term stands."""

    NAME = 0
    DESCRIPTION = 1
    HEADING = 2  # a line of the body that begins with #
    BODY = 3
    LATE_BODY = 4  # far from the body's beginning


PLACE_BITS = 7  # of a mark: the place
FIRST_IN_LINE = 8  # of a mark: the term does not stand before in this line
FIRST_IN_FIELD = 16  # of a mark: nor in this place of the skill


@dataclass(frozen=True, kw_only=True)
class TermSequences:
    """The terms of some rows in the order of the text: row i has those from `offsets[i]` to `offsets[i + 1]`."""

    offsets: NDArray[np.int64]  # (rows + 1,)
    terms: NDArray[np.uint32]
    marks: NDArray[np.uint8]  # place and firsts
    lines: NDArray[np.uint16]  # of the skill, from 0; sentences of the description, lines of the body


class Sequences(Protocol):
    """The terms of every skill in the order of its text."""

    def of(self, rows: Rows) -> TermSequences: ...


class FieldTerms(Protocol):
    """The terms of one field of every skill."""

    @property
    def average_length(self) -> float: ...  # terms a skill

    def of(self, rows: Rows) -> TermCounts: ...

    def counts(self, rows: Rows, terms: NDArray[np.uint32]) -> Floats:
        """(rows, terms): how often each stands there. `terms` are known ones, each once."""
        ...

    def lengths(self, rows: Rows) -> Floats:
        """(rows,): all terms, repeated ones too."""
        ...


class Terms(Protocol):
    """The vocabulary, and the terms by field."""

    def field(self, name: FieldName) -> FieldTerms: ...

    def document_frequency(self, terms: NDArray[np.uint32]) -> Floats:
        """(terms,): in how many skills each stands, whatever the field."""
        ...

    def idf(self, terms: NDArray[np.uint32]) -> Floats:
        """(terms,): log(1 + (N - df + 0.5) / (df + 0.5)), the weight that BM25 gives each."""
        ...

    @property
    def every_idf(self) -> Floats:
        """The idf of every term of the vocabulary, by number."""
        ...


class SkillVectors(Protocol):
    """The vectors of every skill: the head first, then one a window of the body; length one, or zero for no text."""

    def of(self, rows: Rows) -> Floats:
        """(rows, 1 + windows, dimension)."""
        ...


class SkillCard(Protocol):
    """Which skill a row is."""

    @property
    def skill_id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...  # of its content


class SkillArrays(Protocol):
    """What an open index holds of its skills, by row."""

    @property
    def count(self) -> int: ...  # skills that can be found

    @property
    def cards(self) -> Sequence[SkillCard]: ...  # by row, removed ones too

    @property
    def id_to_row(self) -> Mapping[str, int]: ...  # of those that can be found

    @property
    def terms(self) -> Terms: ...

    @property
    def sequences(self) -> Sequences: ...

    @property
    def vectors(self) -> SkillVectors: ...

    def learned(self, rows: Rows) -> Floats | None:
        """(rows, dimension): vectors of the ranker's learned words; None: the index has none."""
        ...

    def stuffing(self, rows: Rows) -> Floats:
        """(rows,): in [0, 1], how far a text is written to be found. See `skills.safety.stuffing`."""
        ...

    def documents(self, rows: Rows) -> list[Skill]: ...


@dataclass(frozen=True, kw_only=True)
class QueryTerms:
    """The query's terms that some skill has, each once; the capped ones of a long query."""

    terms: NDArray[np.uint32]
    counts: Floats  # in the query
    idf: Floats
    words: tuple[str, ...]  # the same terms, as stems
    unknown: int = 0  # different terms that no skill has
    stems: tuple[str, ...] = ()  # all of the query's, those that no skill has too
    stem_counts: Floats = field(default_factory=_no_counts)
    order: Rows = field(default_factory=_no_order)  # places in `terms`, as they follow each other in the text


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """One query and the candidates of the first stage, best first; all arrays run over the candidates."""

    text: str
    query: QueryTerms
    vector: Floats  # (dimension,)
    rows: Rows
    lexical: Floats  # BM25; 0: no term in common
    dense: Floats  # cosine of the head, centred: what all heads have in common is taken away
    similarities: Floats  # (candidates, 1 + windows): cosine of each; 0 where there is no text
    fused: Floats  # the score of the first stage: a weighted sum of standardised scores
    field_counts: Mapping[FieldName, Floats]  # (candidates, query's terms): how often each stands in the field
    index: SkillArrays
    learned: Floats | None = None  # cosine of the learned words' vectors; None: the index has none
    learned_vector: Floats | None = None  # the query's


@dataclass(frozen=True, kw_only=True)
class Reranked:
    """What a ranker says of the candidates, in their order."""

    scores: Floats
    fit_probability: float | None = None  # calibrated: that the best one fits; None: not known


class Ranker(Protocol):
    """The second stage: scores what the first one found."""

    sha256: str  # of the artefact

    def rerank(self, found: Sequence[Retrieved]) -> list[Reranked]:
        """One a query, finite scores. Blocking."""
        ...


@runtime_checkable
class Proposer(Protocol):
    """A ranker that knows candidates which neither words nor vectors would find."""

    def propose(self, queries: Sequence[QueryTerms], vectors: Floats, index: SkillArrays) -> list[Rows]:
        """One a query; `vectors` (queries, dimension). Blocking."""
        ...
