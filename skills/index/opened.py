"""One generation of an index, open: its segments as one run of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.encoder import Encoder
from skills.errors import IndexRefused
from skills.index.generations import RANKER, SEGMENTS, current_generation
from skills.index.manifest import REBUILD, IndexManifest, check_files, read_manifest
from skills.index.postings import discount, saturated, whole_length
from skills.index.segment import Segment
from skills.index.sequences import OpenSequences
from skills.index.settings import IndexSettings
from skills.index.terms import counts_of, field_weights, joined
from skills.index.vocabulary import Vocabulary
from skills.index.words import LEARNED_FILE, LearnedVectors
from skills.ranking.base import FIELDS, FieldName, Floats, Rows, TermCounts
from storage.errors import InvalidInput, StorageError

MOST_TRIES = 5  # to open a generation while builds swap theirs in
TermNumbers = NDArray[np.uint32]


class Opened:
    """What is in an index, by row; rows of a later segment follow those of the one before. See `SkillArrays`."""

    def __init__(self, folder: Path, name: str, *, encoder: Encoder | None, verify: bool, use_gpu: bool) -> None:
        """Raises IndexRefused, FileNotFoundError (another generation has taken over meanwhile)."""
        self.folder = folder
        self.name = name
        self.manifest, self.sha256 = read_manifest(folder / name)
        if encoder is not None:
            check_encoder(self.manifest, encoder)
        self._check_files(verify=verify)
        try:
            self.segments = [
                Segment(
                    folder / SEGMENTS / entry.name,
                    removed=np.array(entry.removed, dtype=np.int64),
                    probes=entry.search.probes,
                    use_gpu=use_gpu,
                )
                for entry in self.manifest.segments
            ]
            self.words = None if self.manifest.learned is None else LearnedVectors(folder / name / LEARNED_FILE)
        except (ValueError, LookupError, TypeError, InvalidInput, StorageError) as exc:
            raise IndexRefused(f"The index in {str(folder)!r} cannot be read: {exc}", hint=REBUILD) from exc
        self.first_rows = np.cumsum([0, *(segment.rows for segment in self.segments)])
        self.cards = [card for segment in self.segments for card in segment.documents.cards]
        self.vocabulary = Vocabulary([segment.vocabulary for segment in self.segments])
        removed = [first + segment.removed for first, segment in self.parts()]
        self.removed: Rows = np.concatenate([np.zeros(0, dtype=np.int64), *removed])
        gone = set(self.removed.tolist())
        self.id_to_row = {card.skill_id: row for row, card in enumerate(self.cards) if row not in gone}
        order = np.empty(len(self.cards), dtype=np.int64)
        order[sorted(range(len(self.cards)), key=lambda row: self.cards[row].skill_id)] = np.arange(len(self.cards))
        self.id_order: Rows = order  # where each row's id stands among all: ties go by it
        self.terms = OpenTerms(
            self.segments, self.first_rows, self.manifest, self.removed, vocabulary_size=len(self.vocabulary)
        )
        self.sequences = OpenSequences([segment.sequences for segment in self.segments], self.first_rows)
        self._stuffing = np.concatenate([segment.stuffing for segment in self.segments])
        self.heads = self.segments[0].vectors.statistics
        self.vectors = OpenVectors(self.segments, self.first_rows)

    @property
    def count(self) -> int:
        return len(self.id_to_row)

    @property
    def settings(self) -> IndexSettings:
        return self.manifest.settings

    @property
    def ranker_folder(self) -> Path | None:
        return None if self.manifest.ranker is None else self.folder / self.name / RANKER

    def parts(self) -> Iterator[tuple[int, Segment]]:
        """Each segment with its first row."""
        return zip(self.first_rows.tolist(), self.segments, strict=False)  # one more: the end

    def learned(self, rows: Rows) -> Floats | None:
        return None if self.words is None else self.words.of(rows)

    def stuffing(self, rows: Rows) -> Floats:
        return self._stuffing[rows]

    def documents(self, rows: Rows) -> list[Skill]:
        return [
            self.segments[place].documents.skills([local])[0]
            for place, local in zip(*_located(self.first_rows, rows), strict=True)
        ]

    def _check_files(self, *, verify: bool) -> None:
        for entry in self.manifest.segments:
            check_files(self.folder / SEGMENTS / entry.name, entry.files, with_digests=verify)
        if self.manifest.learned is not None:
            check_files(self.folder / self.name, {LEARNED_FILE: self.manifest.learned}, with_digests=verify)
        if self.manifest.ranker is not None:
            check_files(self.folder / self.name / RANKER, self.manifest.ranker.files, with_digests=verify)


class OpenField:
    """One field over all segments."""

    def __init__(self, name: FieldName, segments: Sequence[Segment], first_rows: Rows, average_length: float) -> None:
        self._segments = [segment.fields[name] for segment in segments]
        self._first_rows = first_rows
        self.average_length = average_length

    def of(self, rows: Rows) -> TermCounts:
        if len(self._segments) == 1:
            return self._segments[0].of(rows)
        places, locals_ = _located(self._first_rows, rows)
        return joined(
            [self._segments[place].of(np.array([local])) for place, local in zip(places, locals_, strict=True)]
        )

    def counts(self, rows: Rows, terms: TermNumbers) -> Floats:
        return _by_segment(
            rows, self._first_rows, len(terms), lambda place, local: counts_of(self._segments[place].of(local), terms)
        )

    def lengths(self, rows: Rows) -> Floats:
        found = _by_segment(
            rows, self._first_rows, 1, lambda place, local: self._segments[place].lengths(local)[:, None]
        )
        return found[:, 0]


class OpenTerms:
    """The terms of all segments. See `skills.ranking.base.Terms`."""

    def __init__(
        self,
        segments: Sequence[Segment],
        first_rows: Rows,
        manifest: IndexManifest,
        removed: Rows,
        *,
        vocabulary_size: int,
    ) -> None:
        self._postings = [segment.postings for segment in segments]
        self._fields = {name: OpenField(name, segments, first_rows, manifest.averages[name]) for name in FIELDS}
        self._settings = manifest.settings
        self._count = manifest.skills
        removed_terms, removed_counts = self._terms_of(removed)
        self._frequencies = np.zeros(vocabulary_size, dtype=np.int64)
        for postings in self._postings:
            self._frequencies += postings.frequencies(vocabulary_size)
        self._frequencies[removed_terms] -= removed_counts
        self._every_idf = self.idf(np.arange(vocabulary_size, dtype=np.uint32))

    def field(self, name: FieldName) -> OpenField:
        return self._fields[name]

    def document_frequency(self, terms: TermNumbers) -> Floats:
        return self._frequencies[terms].astype(np.float32)

    def idf(self, terms: TermNumbers) -> Floats:
        frequency = self.document_frequency(terms)
        return np.asarray(np.log1p((self._count - frequency + 0.5) / (frequency + 0.5)), dtype=np.float32)

    @property
    def every_idf(self) -> Floats:
        return self._every_idf

    def scores(self, rows: Rows, weights: Floats, field_counts: dict[FieldName, Floats]) -> Floats:
        """(rows,): BM25 over the weighted fields, as the postings have it. `weights`: idf times count in the query."""
        settings = self._settings
        weighted = np.zeros((len(rows), len(weights)), dtype=np.float32)
        lengths = whole_length(field.lengths(rows) for field in self._fields.values())
        divisor = discount(lengths, sum(field.average_length for field in self._fields.values()), settings.b)
        for name, weight in field_weights(settings).items():
            counts = np.minimum(field_counts[name], settings.count_limit)
            weighted += np.float32(weight) * counts / divisor[:, None]
        return saturated(weighted, settings.k1) @ weights

    def _terms_of(self, rows: Rows) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The terms of these rows, ascending, and in how many of the rows each stands."""
        pairs = []
        for name in FIELDS if len(rows) else ():
            found = self._fields[name].of(rows)
            row = np.repeat(np.arange(len(rows), dtype=np.uint64), np.diff(found.offsets))
            pairs.append(found.terms.astype(np.uint64) << np.uint64(32) | row)
        each = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *pairs]))
        return np.unique((each >> np.uint64(32)).astype(np.uint32), return_counts=True)


class OpenVectors:
    """The vectors of all segments. See `skills.ranking.base.SkillVectors`."""

    def __init__(self, segments: Sequence[Segment], first_rows: Rows) -> None:
        self._segments = [segment.vectors for segment in segments]
        self._first_rows = first_rows

    def of(self, rows: Rows) -> Floats:
        return self._read(rows, slots=slice(None))

    def heads(self, rows: Rows) -> Floats:
        """(rows, dimension): the first vector of each."""
        return self._read(rows, slots=0)

    def _read(self, rows: Rows, *, slots: slice | int) -> Floats:
        if len(self._segments) == 1:
            return self._segments[0].halves(rows, slots).astype(np.float32)
        none = self._segments[0].halves(rows[:0], slots)
        found = np.zeros((len(rows), *none.shape[1:]), dtype=np.float32)
        places = np.searchsorted(self._first_rows, rows, side="right") - 1
        for place in np.unique(places).tolist():
            here = places == place
            found[here] = self._segments[place].halves(rows[here] - self._first_rows[place], slots)
        return found


def open_current(folder: Path, *, encoder: Encoder | None, verify: bool = False, use_gpu: bool = True) -> Opened:
    """The generation that serves now. `encoder` None: whichever. Raises IndexRefused."""
    for _ in range(MOST_TRIES):
        name = current_generation(folder)
        if name is None:
            raise IndexRefused(f"There is no index in {str(folder)!r}.", hint="Build one with `antroute skills index`.")
        try:
            return Opened(folder, name, encoder=encoder, verify=verify, use_gpu=use_gpu)
        except (IndexRefused, OSError) as exc:
            if current_generation(folder) == name:
                if isinstance(exc, IndexRefused):
                    raise
                raise IndexRefused(f"The index in {str(folder)!r} cannot be read: {exc}.", hint=REBUILD) from exc
    raise IndexRefused(f"The index in {str(folder)!r} changes faster than it can be opened.", hint="Try again.")


def check_encoder(manifest: IndexManifest, encoder: Encoder) -> None:
    """Raises IndexRefused where the vectors are another encoder's."""
    if (manifest.encoder, manifest.dimension) != (encoder.name, encoder.dimension):
        raise IndexRefused(
            f"The index was built with encoder {manifest.encoder!r} of {manifest.dimension} numbers; here is"
            f" {encoder.name!r} of {encoder.dimension}.",
            hint="Use that encoder, or build the index again with this one.",
        )


def _located(first_rows: Rows, rows: Rows) -> tuple[list[int], list[int]]:
    """Of each row the segment's place and the row within it."""
    places = np.searchsorted(first_rows, rows, side="right") - 1
    return places.tolist(), (rows - first_rows[places]).tolist()


def _by_segment(rows: Rows, first_rows: Rows, columns: int, read: Callable[[int, Rows], Floats]) -> Floats:
    """(rows, columns), read from each segment at once."""
    found = np.zeros((len(rows), columns), dtype=np.float32)
    places = np.searchsorted(first_rows, rows, side="right") - 1
    for place in np.unique(places).tolist():
        here = places == place
        found[here] = read(place, rows[here] - first_rows[place])
    return found
