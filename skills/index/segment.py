"""Some of an index's skills in a folder that never changes once written: documents, terms, postings, vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from skills.base import Skill
from skills.embedding import embed
from skills.encoder import Encoder
from skills.index.dense import Halves, HeadStatistics, SegmentVectors, slot_texts, write_vectors
from skills.index.documents import Document, Documents, write_documents
from skills.index.postings import Averages, Postings, averages, write_postings
from skills.index.sequences import (
    SegmentSequences,
    field_counts,
    joined_sequences,
    read_sequences,
    write_sequences,
)
from skills.index.settings import IndexSettings
from skills.index.terms import SegmentField, joined, write_field
from skills.index.tokens import Analyzer
from skills.index.vocabulary import Digests, GrowingVocabulary
from skills.progress import Progress, no_progress
from skills.ranking.base import FIELDS, FieldName, Floats, Rows, TermCounts, TermSequences
from skills.safety.stuffing import heading_penalty, stuffing_penalty
from storage.vectors.faiss_index import VectorIndexReport

VOCABULARY_FILE = "vocabulary.npy"
STUFFING_FILE = "stuffing.npy"
SKILLS_AT_ONCE = 500  # between two words of progress


@dataclass(frozen=True, kw_only=True)
class Part:
    """Skills on their way into a segment, whether just read or taken from an older one."""

    documents: Iterable[Document]
    sequences: TermSequences
    fields: Mapping[FieldName, TermCounts]
    stuffing: Floats  # (skills,)
    vectors: Halves  # (skills, slots, dimension)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a segment's manifest tells."""

    rows: int
    averages: dict[FieldName, float]
    search: VectorIndexReport


def part_of(
    skills: Sequence[Skill],
    documents: Sequence[Document],
    *,
    settings: IndexSettings,
    vocabulary: GrowingVocabulary,
    encoder: Encoder,
    cache_dir: Path | None,
    on_progress: Progress = no_progress,
) -> Part:
    """Encodes and counts terms. Raises as `embed`."""
    vectors = _encoded(skills, settings, encoder, cache_dir=cache_dir, on_progress=on_progress)
    analyzer = Analyzer()
    read: list[TermSequences] = []
    counted: dict[FieldName, list[TermCounts]] = {name: [] for name in FIELDS}
    stuffing: list[float] = []
    for first in range(0, len(skills), SKILLS_AT_ONCE):
        some = skills[first : first + SKILLS_AT_ONCE]
        read.append(read_sequences(some, analyzer, vocabulary, settings))
        for name in FIELDS:
            counted[name].append(field_counts(read[-1], name))
        stuffing += [_stuffing(skill, settings) for skill in some]
        on_progress(first + len(some), len(skills), "counting terms")
    return Part(
        documents=documents,
        sequences=joined_sequences(read),
        fields={name: joined(counted[name]) for name in FIELDS},
        stuffing=np.array(stuffing, dtype=np.float32),
        vectors=vectors,
    )


def write_segment(
    folder: Path,
    parts: Sequence[Part],
    *,
    settings: IndexSettings,
    new_terms: Digests,
    average: Averages | None,
    statistics: HeadStatistics | None,
) -> Written:
    """Writes all files into the folder, which is there and empty.

    `average` of the fields' lengths and `statistics` of the heads; None: of these skills themselves.

    Raises OSError, StorageUnavailable.
    """
    cards = write_documents(folder, chain.from_iterable(part.documents for part in parts))
    fields = {name: joined([part.fields[name] for part in parts]) for name in FIELDS}
    for name in FIELDS:
        write_field(folder, name, fields[name])
    write_sequences(folder, joined_sequences([part.sequences for part in parts]))
    np.save(folder / STUFFING_FILE, np.concatenate([part.stuffing for part in parts]))
    np.save(folder / VOCABULARY_FILE, new_terms)
    lengths = dict(averages(fields) if average is None else average)
    write_postings(folder, fields, lengths, settings)
    dimension = parts[0].vectors.shape[2]
    vectors = [part.vectors for part in parts]
    report = write_vectors(folder, vectors, slots=settings.slots, dimension=dimension, statistics=statistics)
    return Written(rows=len(cards), averages=lengths, search=report)


class Segment:
    """One written folder, open. Raises OSError, ValueError, InvalidInput, StorageUnavailable."""

    def __init__(self, folder: Path, *, removed: Rows, probes: int, use_gpu: bool) -> None:
        self.removed = removed  # rows that are no longer found
        self.documents = Documents(folder)
        self.vocabulary: Digests = np.load(folder / VOCABULARY_FILE)
        self.fields = {name: SegmentField(folder, name) for name in FIELDS}
        self.sequences = SegmentSequences(folder)
        self.stuffing: Floats = np.load(folder / STUFFING_FILE)
        self.postings = Postings(folder)
        self.vectors = SegmentVectors(folder, probes=probes, use_gpu=use_gpu)

    @property
    def rows(self) -> int:
        return len(self.documents.cards)

    def part(self, rows: Rows) -> Part:
        """These rows, to be written into another segment without reading or encoding them again."""
        return Part(
            documents=self.documents.documents(rows.tolist()),
            sequences=self.sequences.of(rows),
            fields={name: self.fields[name].of(rows) for name in FIELDS},
            stuffing=self.stuffing[rows],
            vectors=self.vectors.halves(rows),
        )


def _stuffing(skill: Skill, settings: IndexSettings) -> float:
    heading = f"{skill.name}\n{skill.description}"
    whole = stuffing_penalty(f"{heading}\n{skill.body[: settings.body_characters]}")
    return max(whole, heading_penalty(heading))


def _encoded(
    skills: Sequence[Skill],
    settings: IndexSettings,
    encoder: Encoder,
    *,
    cache_dir: Path | None,
    on_progress: Progress,
) -> Halves:
    texts = [text for skill in skills for text in slot_texts(skill, settings)]
    used = [place for place, text in enumerate(texts) if text]
    vectors = np.zeros((len(texts), encoder.dimension), dtype=np.float16)
    vectors[used] = embed([texts[place] for place in used], encoder, cache_dir=cache_dir, on_progress=on_progress)
    return vectors.reshape(len(skills), settings.slots, encoder.dimension)
