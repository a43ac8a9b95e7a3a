"""Builds an index of skills, or brings one up to date: what did not change is taken over as it is."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from skills.base import Skill
from skills.encoder import Encoder
from skills.errors import IndexRefused
from skills.index.documents import Document, document
from skills.index.generations import (
    SEGMENT,
    SEGMENTS,
    UNFINISHED,
    being_written,
    building,
    current_generation,
    keep,
    serve,
)
from skills.index.manifest import (
    FileEntry,
    IndexManifest,
    RankerEntry,
    SegmentEntry,
    content_digest,
    entries,
    entry_of,
)
from skills.index.opened import Opened, open_current
from skills.index.segment import VOCABULARY_FILE, Part, Segment, Written, part_of, write_segment
from skills.index.settings import IndexSettings
from skills.index.vocabulary import GrowingVocabulary, Vocabulary
from skills.index.words import LEARNED_FILE, Halves, as_file, segment_vectors
from skills.progress import Progress, no_progress
from skills.ranking.base import FieldName, Rows
from skills.ranking.learned_words import LearnedWords
from skills.ranking.ranker import read_learned_words
from storage.errors import InvalidInput

SMALL_SEGMENT = 2_000  # skills that may stand beside the large segment before all is written anew
MOST_BESIDE = 0.05  # of the large segment's skills that may stand beside it, or be removed from it, before that


ReadWords = Callable[[Path], LearnedWords | None]


@dataclass(frozen=True, kw_only=True)
class IndexChange:
    """What a build did."""

    added: int
    updated: int
    removed: int
    unchanged: int
    generation: str
    is_new: bool  # a generation was swapped in
    manifest: IndexManifest


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What has to be done to the generation that serves."""

    fresh: Sequence[tuple[Skill, Document]]  # added or changed
    gone: Rows  # rows of the old generation that are removed or changed
    live: Mapping[str, str]  # id to document digest of all that will be found
    updated: int
    removed: int

    @property
    def is_empty(self) -> bool:
        return not self.fresh and not len(self.gone)


def build_index(
    skills: Iterable[Skill],
    folder: Path,
    *,
    encoder: Encoder,
    settings: IndexSettings | None = None,
    ranker: Path | None = None,
    read_words: ReadWords = read_learned_words,
    cache_dir: Path | None = None,
    on_progress: Progress = no_progress,
) -> IndexChange:
    """Makes the index hold exactly these skills, encoding only what it does not hold yet, and swaps it in.

    `cache_dir`: where vectors are kept for other builds; None: in the folder until the build is done, so that one
    broken off goes on where it stopped. `ranker`: a folder that is copied into the generation; `read_words` tells its
    learned words, None where it has none, and each skill's vector of them is kept beside it. Raises IndexRefused,
    InvalidInput for an id that stands twice, and what the encoder and `read_words` raise.
    """
    with building(folder):
        old = _usable(folder, encoder, settings or IndexSettings())
        plan = _plan(old, skills, removed=None)
        builder = _Builder(folder, encoder, settings or IndexSettings(), cache_dir, on_progress)
        return builder.build(old, plan, ranker, read_words)


def update_index(
    folder: Path,
    *,
    put: Iterable[Skill] = (),
    removed: Collection[str] = (),
    encoder: Encoder,
    read_words: ReadWords = read_learned_words,
    cache_dir: Path | None = None,
    on_progress: Progress = no_progress,
) -> IndexChange:
    """Adds or replaces some skills and removes others by id; settings and ranker stay. Raises as `build_index`.

    Ids to be removed that are not there are passed over.
    """
    if current_generation(folder) is None:
        raise IndexRefused(f"There is no index in {str(folder)!r} to be brought up to date.")
    with building(folder):
        old = open_current(folder, encoder=encoder, use_gpu=False)
        plan = _plan(old, put, removed=set(removed))
        builder = _Builder(folder, encoder, old.settings, cache_dir, on_progress)
        return builder.build(old, plan, old.ranker_folder, read_words)


def indexed_digests(folder: Path, encoder: Encoder) -> dict[str, str]:
    """Id to content digest of every skill in the index: what a catalogue compares itself with before an update.

    Empty where there is no index, or none that can be brought up to date with this encoder.
    """
    try:
        opened = open_current(folder, encoder=encoder, use_gpu=False)
    except IndexRefused:
        return {}
    return {skill_id: opened.cards[row].sha256 for skill_id, row in opened.id_to_row.items()}


class _Builder:
    """Writes what a plan asks for; under the folder's lock."""

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        settings: IndexSettings,
        cache_dir: Path | None,
        on_progress: Progress,
    ) -> None:
        self._folder = folder
        self._encoder = encoder
        self._settings = settings
        self._cache_dir = cache_dir or folder / UNFINISHED
        self._on_progress = on_progress
        self._seconds: dict[str, float] = {}

    def build(self, old: Opened | None, plan: _Plan, ranker: Path | None, read_words: ReadWords) -> IndexChange:
        started = time.monotonic()
        ranker_entry = None if ranker is None else _ranker_entry(ranker)
        if old is not None and plan.is_empty and _digest_of(old.manifest.ranker) == _digest_of(ranker_entry):
            return _change(old.manifest, plan, old.name, is_new=False)
        try:
            segments, averages = self._segments(old, plan)
            words = None if ranker is None else read_words(ranker)
            files = {} if words is None else {LEARNED_FILE: self._learned(old, segments, words)}
            self._seconds["in all"] = round(time.monotonic() - started, 2)
            manifest = IndexManifest(
                encoder=self._encoder.name,
                dimension=self._encoder.dimension,
                settings=self._settings,
                skills=len(plan.live),
                averages=averages,
                segments=tuple(segments),
                content_sha256=content_digest(plan.live.items(), self._settings, self._encoder.name),
                built_at=datetime.now(UTC).isoformat(timespec="seconds"),
                seconds=self._seconds,
                ranker=ranker_entry,
                learned=entry_of(files[LEARNED_FILE]) if files else None,
                learned_words="" if words is None else words.sha256,
                code_version=_code_version(),
            )
            name = serve(self._folder, manifest, ranker, files=files)
            if (self._folder / UNFINISHED).exists():
                shutil.rmtree(self._folder / UNFINISHED)
        except OSError as exc:
            raise IndexRefused(
                f"The index in {str(self._folder)!r} cannot be written: {exc}; the one before it goes on to serve.",
                hint="Make room or name another folder, then build again: what was encoded is kept.",
            ) from exc
        return _change(manifest, plan, name, is_new=True)

    def _segments(self, old: Opened | None, plan: _Plan) -> tuple[list[SegmentEntry], Mapping[FieldName, float]]:
        """All anew, or the large one as it is with a small one beside it."""
        if old is None:
            entry, written = self._write([], plan, Vocabulary(), None)
            return [entry], written.averages
        kept = [_kept_rows(segment, first, plan.gone) for first, segment in old.parts()]
        large = old.manifest.segments[0]
        beside = sum(map(len, kept[1:])) + len(plan.fresh)
        if beside > min(SMALL_SEGMENT, MOST_BESIDE * large.rows) or len(kept[0]) < (1 - MOST_BESIDE) * large.rows:
            parts = [segment.part(rows) for segment, rows in zip(old.segments, kept, strict=True)]
            entry, written = self._write(parts, plan, old.vocabulary, None)
            return [entry], written.averages
        removed = np.setdiff1d(np.arange(large.rows), kept[0])
        entries_ = [replace(large, removed=tuple(removed.tolist()))]
        if beside:
            parts = [segment.part(rows) for segment, rows in zip(old.segments[1:], kept[1:], strict=True)]
            small, _ = self._write(parts, plan, old.vocabulary, old.manifest.averages, after=old.segments[0])
            entries_.append(small)
        return entries_, old.manifest.averages

    def _learned(self, old: Opened | None, segments: Sequence[SegmentEntry], words: LearnedWords) -> bytes:
        """The rows of a segment that was there before are taken over."""
        started = time.monotonic()
        folders = [self._folder / SEGMENTS / segment.name for segment in segments]
        digests = np.concatenate([np.load(folder / VOCABULARY_FILE) for folder in folders])
        known: dict[str, Halves] = {}
        if old is not None and old.words is not None and old.manifest.learned_words == words.sha256:
            bounds = zip(old.manifest.segments, old.first_rows[:-1], old.first_rows[1:], strict=True)
            known = {entry.name: old.words.halves[first:last] for entry, first, last in bounds}
        made = [
            known[folder.name] if folder.name in known else segment_vectors(folder, words, digests)
            for folder in folders
        ]
        self._seconds["learned words"] = round(time.monotonic() - started, 2)
        return as_file(made)

    def _write(
        self,
        parts: list[Part],
        plan: _Plan,
        known: Vocabulary,
        average: Mapping[FieldName, float] | None,
        *,
        after: Segment | None = None,
    ) -> tuple[SegmentEntry, Written]:
        """A segment of the parts and of what the plan adds; its vocabulary follows that of the segment `after`."""
        vocabulary = GrowingVocabulary(known)
        started = time.monotonic()
        fresh = part_of(
            [skill for skill, _ in plan.fresh],
            [one for _, one in plan.fresh],
            settings=self._settings,
            vocabulary=vocabulary,
            encoder=self._encoder,
            cache_dir=self._cache_dir,
            on_progress=self._on_progress,
        )
        self._seconds["encoding and counting"] = round(time.monotonic() - started, 2)
        started = time.monotonic()
        first_term = 0 if after is None else len(after.vocabulary)
        new_terms = np.concatenate([known.digests[first_term:], vocabulary.new()])
        with being_written(self._folder / SEGMENTS) as made:
            self._on_progress(0, 1, "writing")
            written = write_segment(
                made,
                [*parts, fresh],
                settings=self._settings,
                new_terms=new_terms,
                average=average,
                statistics=None if after is None else after.vectors.statistics,
            )
            files = entries(made)
            keep(made, name := f"{SEGMENT}{_digest_of_files(files)[:16]}")
        self._on_progress(1, 1, "writing")
        self._seconds["writing"] = round(time.monotonic() - started, 2)
        return SegmentEntry(name=name, rows=written.rows, search=written.search, files=files), written


def _usable(folder: Path, encoder: Encoder, settings: IndexSettings) -> Opened | None:
    """The generation that serves, where what is in it can be taken over."""
    try:
        old = open_current(folder, encoder=encoder, use_gpu=False)
    except IndexRefused:
        return None  # none, damaged, of another encoder or format: all is built anew
    return old if old.settings == settings else None


def _plan(old: Opened | None, skills: Iterable[Skill], removed: set[str] | None) -> _Plan:
    """`removed` None: all that are not among the skills. Of these only the changed ones are held in memory.

    Raises InvalidInput for a skill without an id, or one that stands twice.
    """
    held = {} if old is None else {skill_id: old.cards[row].document_sha256 for skill_id, row in old.id_to_row.items()}
    given: dict[str, str] = {}
    fresh: list[tuple[Skill, Document]] = []
    for skill in skills:
        if not skill.skill_id:
            raise InvalidInput(f"A skill has neither id nor name: {skill.description!r:.80}.", field="skill_id")
        if skill.skill_id in given:
            raise InvalidInput(f"Two skills have the id {skill.skill_id!r}; each needs its own.", field="skill_id")
        one = document(skill)
        given[skill.skill_id] = one.card.document_sha256
        if held.get(skill.skill_id) != one.card.document_sha256:
            fresh.append((skill, one))
    replaced = [skill.skill_id for skill, _ in fresh if skill.skill_id in held]
    unwanted = {skill_id for skill_id in held if skill_id not in given and (removed is None or skill_id in removed)}
    rows = [] if old is None else [old.id_to_row[skill_id] for skill_id in (*replaced, *unwanted)]
    return _Plan(
        fresh=fresh,
        gone=np.array(sorted(rows), dtype=np.int64),
        live={skill_id: digest for skill_id, digest in (held | given).items() if skill_id not in unwanted},
        updated=len(replaced),
        removed=len(unwanted),
    )


def _kept_rows(segment: Segment, first: int, gone: Rows) -> Rows:
    """Rows of the segment that go on to be found."""
    return np.setdiff1d(np.arange(segment.rows), np.concatenate([segment.removed, gone - first]))


def _change(manifest: IndexManifest, plan: _Plan, generation: str, *, is_new: bool) -> IndexChange:
    return IndexChange(
        added=len(plan.fresh) - plan.updated,
        updated=plan.updated,
        removed=plan.removed,
        unchanged=len(plan.live) - len(plan.fresh),
        generation=generation,
        is_new=is_new,
        manifest=manifest,
    )


def _ranker_entry(folder: Path) -> RankerEntry:
    """Raises IndexRefused."""
    try:
        files = entries(folder)
    except OSError as exc:
        raise IndexRefused(f"The ranker in {str(folder)!r} cannot be read: {exc}.", hint="Train it first.") from exc
    if not files:
        raise IndexRefused(f"The folder {str(folder)!r} holds no ranker.", hint="Name a folder made by `skills train`.")
    return RankerEntry(sha256=_digest_of_files(files), files=files)


def _digest_of(ranker: RankerEntry | None) -> str:
    return "" if ranker is None else ranker.sha256


def _digest_of_files(files: Mapping[str, FileEntry]) -> str:
    return sha256(json.dumps({name: entry.sha256 for name, entry in files.items()}).encode()).hexdigest()


def _code_version() -> str:
    try:
        return version("antroute")
    except PackageNotFoundError:
        return "source"
