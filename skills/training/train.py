"""Trains a ranker of skills on a pool and queries with known answers, and judges it on skills that it did not see."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from skills.base import Skill
from skills.embedding import embed
from skills.encoder import Encoder
from skills.index.building import build_index
from skills.index.index import LONGEST_EXCERPT
from skills.index.opened import Opened, open_current
from skills.progress import Progress, no_progress
from skills.ranking.artifact import Memory, RankerParts, written
from skills.ranking.features import FEATURES
from skills.ranking.query_memory import FEATURES as MEMORY_FEATURES
from skills.ranking.query_memory import LEAST_WARM
from skills.training.boosting import BoostingSettings
from skills.training.encoder_tuning_pairs import left_to_learn
from skills.training.folds import Numbers, copy_groups, folds_of
from skills.training.lists import Pool, Stage
from skills.training.memory_views import MemoryTraining
from skills.training.pool_words import pool_words, query_words
from skills.training.queries import LabelledQuery, QueryFile, kinds_of
from skills.training.rankers import CHOOSING, JUDGED, LEARNED, Judged, RankerTraining, WordFolds
from skills.training.words_fitting import WordsFitting, WordsSettings
from skills.tuned_layers import TunedLayers
from storage.artifact_files import MANIFEST_FILE, write_files
from storage.errors import InvalidInput

LEAST_QUERIES = 50
LEAST_SKILLS = 10
WORD_FOLDS = 2
HELD_OUT_PARTS = 10  # of the skills; one chooses how many trees are enough, another judges


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What the same data gives another ranker with."""

    seed: int = 0
    queries: int = 16_000  # whose candidates the trees of texts learn from, evenly over kinds
    queries_beside_memory: int = 3_000  # as many where the memory's trees will mostly rank
    memory_queries: int = 5_000  # whose candidates the memory's trees learn from
    with_memory: bool = True  # False: past queries are learned from, and not remembered
    without_features: tuple[str, ...] = ()  # groups of features, or single ones, that trees do not look at
    words: WordsSettings = field(default_factory=WordsSettings)
    trees: BoostingSettings = field(default_factory=BoostingSettings)

    @classmethod
    def seeded(cls, seed: int) -> TrainingSettings:
        """The usual ones; everything that is drawn is drawn with this seed."""
        return cls(seed=seed, words=WordsSettings(seed=seed))


@dataclass(frozen=True, kw_only=True)
class TrainedRanker:
    """A ranker that is not on disk yet."""

    files: Mapping[str, bytes]
    report: Mapping[str, Any]  # what the manifest says, but for the memory's skills

    def save(self, folder: Path) -> str:
        """The ranker's SHA-256. Raises InvalidInput where the folder cannot be written or holds something else."""
        write_files(folder, self.files)
        return str(json.loads(self.files[MANIFEST_FILE])["sha256"])


def train(
    skills: Sequence[Skill],
    queries: QueryFile,
    encoder: Encoder,
    *,
    cache_dir: Path | None,
    settings: TrainingSettings | None = None,
    layers: TunedLayers | None = None,
    on_progress: Progress = no_progress,
) -> TrainedRanker:
    """The same skills, queries, encoder and settings give the same files. `cache_dir`: where vectors are kept.

    `layers`: the encoder's own, if it was tuned: the ranker carries them on, and its trees learn from queries alone
    that the encoder was not tuned with.

    Raises InvalidInput where there is too little to learn from, IndexRefused, and what the encoder raises.
    """
    if len(queries.queries) < LEAST_QUERIES or len(skills) < LEAST_SKILLS:
        raise InvalidInput(
            f"There are {len(skills)} skills and {len(queries.queries)} queries with a known answer; at least"
            f" {LEAST_SKILLS} and {LEAST_QUERIES} are needed.",
            field="queries",
        )
    with tempfile.TemporaryDirectory(prefix="antroute-ranker-") as name:
        folder = Path(name)
        build_index(skills, folder, encoder=encoder, cache_dir=cache_dir, on_progress=on_progress)
        opened = open_current(folder, encoder=encoder, use_gpu=False)
        pool = _pool(skills, queries.queries, opened, encoder, cache_dir=cache_dir, on_progress=on_progress)
        return _Training(pool, folder, settings or TrainingSettings(), on_progress).run(queries, encoder, layers)


class _Training:
    def __init__(self, pool: Pool, folder: Path, settings: TrainingSettings, on_progress: Progress) -> None:
        self._pool = pool
        self._folder = folder
        self._settings = settings
        self._on_progress = on_progress
        seed = settings.seed
        self._word_fold = folds_of(pool.groups, WORD_FOLDS, seed=seed)
        drawn = folds_of(pool.groups, HELD_OUT_PARTS, seed=seed + 1)
        first = np.array([min(needed[0]) for needed in pool.needed])
        self._fold_of = self._word_fold[first]  # of each query
        self._parts_of = np.select([drawn == 0, drawn == 1], [JUDGED, CHOOSING], LEARNED)[first]

    def run(self, queries: QueryFile, encoder: Encoder, layers: TunedLayers | None) -> TrainedRanker:
        fitting = WordsFitting(
            self._pool.words.bags, self._pool.words.queries, self._pool.words.digests, self._settings.words
        )
        by_skill = self._folds(fitting, self._fold_of)
        memory_training = MemoryTraining(self._pool, seed=self._settings.seed)
        has_memory = self._settings.with_memory and memory_training.share >= LEAST_WARM
        apart = self._not_tuned_with(layers)
        trainer = RankerTraining(
            self._pool,
            by_skill,
            self._settings.trees,
            seed=self._settings.seed,
            unseen=unseen_features(self._settings.without_features),
            on_progress=self._on_progress,
        )
        count = self._settings.queries_beside_memory if has_memory else self._settings.queries
        text = trainer.by_text(self._sample(count, apart), self._parts_of)
        memory_judged: Judged | None = None
        memory: Memory | None = None
        if has_memory:
            drawn = np.random.default_rng(self._settings.seed).integers(0, WORD_FOLDS, len(self._fold_of))
            memory_judged = trainer.by_memory(
                memory_training, self._sample(self._settings.memory_queries, apart), self._folds(fitting, drawn)
            )
            memory = Memory(
                queries=memory_training.final(on_progress=self._on_progress),
                trees=memory_judged.trees,
                fit=memory_judged.fit,
            )
        words = fitting.fit(self._pairs(np.ones(len(self._fold_of), dtype=bool)), on_progress=self._on_progress)
        parts = RankerParts(
            words=words, query_mean=self._pool.query_mean, trees=text.trees, fit=text.fit, memory=memory
        )
        report = self._report(queries, encoder, text, memory_judged, memory_training.share)
        memory_trees = None if memory_judged is None else memory_judged.arrays
        files = written(parts, text.arrays, memory_trees, report, layers=layers)
        return TrainedRanker(files=files, report=report)

    def _folds(self, fitting: WordsFitting, fold_of: Numbers) -> WordFolds:
        stages = []
        for fold in range(WORD_FOLDS):
            words = fitting.fit(self._pairs(fold_of != fold), on_progress=self._on_progress)
            stages.append(Stage.of(words, self._pool.words, self._folder))
        return WordFolds(stages=stages, fold_of=fold_of)

    def _pairs(self, used: Any) -> Numbers:
        """(pairs, 2): each of these queries with each skill that it needs."""
        pairs = [(place, min(need)) for place in np.flatnonzero(used).tolist() for need in self._pool.needed[place]]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def _not_tuned_with(self, layers: TunedLayers | None) -> np.ndarray:
        """(queries,): those that the encoder was not tuned with."""
        if layers is None:
            return np.ones(len(self._pool.queries), dtype=bool)
        said = layers.trained_with
        left = left_to_learn(
            self._pool.queries, seed=int(str(said.get("seed", 0))), tuned_with=str(said.get("queries_sha256", ""))
        )
        return np.array([query.query_id in left for query in self._pool.queries], dtype=bool)

    def _sample(self, count: int, usable: np.ndarray) -> Numbers:
        """Places of usable queries, as many of each kind as of any other if there are, ascending."""
        rng = np.random.default_rng(self._settings.seed)
        kinds = np.array([query.kind for query in self._pool.queries])
        names = sorted(set(kinds.tolist()), key=lambda name: int((kinds == name).sum()))
        chosen: list[Numbers] = []
        left = count
        for done, name in enumerate(names):
            own = rng.permutation(np.flatnonzero(usable & (kinds == name)))[: left // (len(names) - done)]
            left -= len(own)
            chosen.append(own)
        return np.sort(np.concatenate(chosen))

    def _report(
        self, queries: QueryFile, encoder: Encoder, text: Judged, memory: Judged | None, warm: float
    ) -> dict[str, Any]:
        digests = [card.sha256 for card in self._pool.opened.cards]
        return {
            "encoder": encoder.name,
            "dimension": encoder.dimension,
            "seed": self._settings.seed,
            "settings": asdict(self._settings),
            "index_settings": asdict(self._pool.opened.settings),
            "data": {
                "skills": len(digests),
                "skills_sha256": sha256("".join(sorted(digests)).encode()).hexdigest(),
                "queries": len(queries.queries),
                "queries_sha256": queries.sha256,
                "kinds": dict(kinds_of(queries.queries)),
                "unknown_gold": queries.unknown_gold,
                "dropped_queries": queries.dropped,
                "skills_with_queries": round(warm, 4),
            },
            "metrics": {"text": text.metrics, "memory": None if memory is None else memory.metrics},
            "code_version": _code_version(),
        }


def unseen_features(names: Sequence[str]) -> Numbers:
    """Their columns. Raises InvalidInput for what is neither a group nor a feature."""
    every = [*FEATURES.items(), *((name, "memory") for name in MEMORY_FEATURES)]
    for name in names:
        if not any(name in pair for pair in every):
            groups = ", ".join(sorted({group for _, group in every}))
            raise InvalidInput(
                f"No feature and no group of them is called {name!r}; groups: {groups}.", field="without"
            )
    return np.array([column for column, pair in enumerate(every) if set(pair) & set(names)], dtype=np.int64)


def _pool(
    skills: Sequence[Skill],
    queries: Sequence[LabelledQuery],
    opened: Opened,
    encoder: Encoder,
    *,
    cache_dir: Path | None,
    on_progress: Progress,
) -> Pool:
    by_id = {skill.skill_id: skill for skill in skills}
    ordered = [by_id[card.skill_id] for card in opened.cards]
    texts = [query.text[:LONGEST_EXCERPT] for query in queries]
    vectors = embed(texts, encoder, cache_dir=cache_dir, on_progress=on_progress)
    words = query_words([query.text for query in queries], on_progress=on_progress)
    return Pool(
        opened=opened,
        groups=copy_groups(ordered, on_progress=on_progress),
        queries=queries,
        needed=[
            tuple(frozenset(opened.id_to_row[skill_id] for skill_id in need) for need in query.gold)
            for query in queries
        ],
        vectors=vectors,
        query_mean=vectors.mean(axis=0, dtype=np.float64).astype(np.float32),
        query_words=words,
        words=pool_words(opened, ordered, words),
    )


def _code_version() -> str:
    try:
        return version("antroute")
    except PackageNotFoundError:
        return "source"
