"""Indexes and rankers of the skill benchmark: made by the functions that the commands call, and kept between runs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.skills_known_vectors import KnownVectors
from benchmarks.skills_sets import SkillSet, without_bodies
from routing.encoders.tuned import encoder_of
from routing.registry import choose_encoder
from skills.base import Skill, content_sha256
from skills.encoder import Encoder
from skills.index.building import build_index
from skills.index.index import SkillIndex
from skills.index.settings import IndexSettings, SearchSettings
from skills.progress import Progress
from skills.ranking.base import Ranker, Retrieved
from skills.ranking.ranker import LearnedRanker, load_ranker
from skills.training.queries import read_queries
from skills.training.train import TrainingSettings, train
from skills.tuned_layers import read_tuned_layers

INDEXED_BY = ("skills/index", "storage/vectors")  # folders whose code an index depends on
TRAINED_BY = (*INDEXED_BY, "skills/ranking", "skills/training")
QUERIES_AT_ONCE = 64
ROOT = Path(__file__).resolve().parents[1]


def told(what: str) -> Progress:
    """Progress on standard error, a line every ten seconds."""
    last = [time.monotonic()]

    def tell(done: int, of: int, doing: str) -> None:
        if time.monotonic() - last[0] > 10:
            last[0] = time.monotonic()
            print(f"    {what}: {doing} {done}/{of}", file=sys.stderr, flush=True)

    return tell


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """Where things are kept, and what is made with which encoder."""

    work: Path
    cache_dir: Path  # of vectors
    encoder_name: str = "auto"
    encoder_dir: Path | None = None  # None: the user's cache folder
    given_rankers: Path | None = None  # holds a folder a set, made by `antroute skills train`; None: all are trained
    untrained: bool = False  # only what needs no ranker
    _encoders: dict[str, KnownVectors] = field(default_factory=dict)

    def with_encoder(self, name: str) -> Workbench:
        return replace(self, encoder_name=name, _encoders={})

    def encoder(self, ranker: Path | None) -> KnownVectors:
        """The ranker's own where it carries one, else the one named; its vectors are kept in the cache."""
        key = "" if ranker is None else str(ranker)
        if key not in self._encoders:
            own = None if ranker is None else encoder_of(ranker, cache_dir=self.encoder_dir)
            made: Encoder = own or choose_encoder(self.encoder_name, cache_dir=self.encoder_dir).encoder
            same = next((known for known in self._encoders.values() if known.name == made.name), None)
            self._encoders[key] = same or KnownVectors(made, cache_dir=self.cache_dir)
        return self._encoders[key]

    def index_folder(
        self,
        skills: Sequence[Skill],
        *,
        ranker: Path | None = None,
        settings: IndexSettings | None = None,
        what: str = "index",
    ) -> Path:
        """Built where it is not there yet, as `antroute skills index` does."""
        encoder = self.encoder(ranker)
        said = [encoder.name, asdict(settings or IndexSettings()), code_sha256(INDEXED_BY), _digest_of(ranker)]
        digest = sha256(json.dumps(said).encode())
        for skill in skills:
            digest.update(f"{skill.skill_id} {content_sha256(skill)}\n".encode())
        folder = self.work / "indexes" / digest.hexdigest()[:16]
        build_index(
            skills,
            folder,
            encoder=encoder.encoder,
            settings=settings,
            ranker=ranker,
            cache_dir=self.cache_dir,
            on_progress=told(what),
        )
        return folder

    def opened(
        self, folder: Path, *, ranker: Path | None = None, search: SearchSettings | None = None, memory: bool = True
    ) -> SkillIndex:
        """As `antroute skills search` opens it; without a GPU, so that figures are the same everywhere."""
        encoder = self.encoder(ranker)

        def loaded(place: Path) -> Ranker:
            found = load_ranker(place, encoder=encoder.name)
            return found if memory else without_memory(found)

        return SkillIndex.open(folder, encoder=encoder, load_ranker=loaded, settings=search, use_gpu=False)

    def ranker(
        self,
        one: SkillSet,
        *,
        seed: int = 0,
        settings: TrainingSettings | None = None,
        bodies: bool = True,
        tuned: bool = True,
    ) -> Path:
        """The given one of this set, or one trained here as `antroute skills train` does.

        `bodies` False: on a pool without them. `settings`: others than a seed's, which no given one was trained with.
        `tuned` False: without the encoder that the given one carries; else whatever is trained here is for that one.
        """
        given = None if self.given_rankers is None else self.given_rankers / one.name
        given = given if given is not None and given.is_dir() else None
        if given is not None and settings is None and bodies and tuned and seed == 0:
            return given
        chosen = settings or TrainingSettings.seeded(seed)
        layers = read_tuned_layers(given) if given is not None and tuned else None
        encoder = self.encoder(given if layers is not None else None).encoder
        said = json.dumps([one.name, asdict(chosen), bodies, code_sha256(TRAINED_BY), encoder.name], default=str)
        folder = self.work / "rankers" / f"{one.name}-{sha256(said.encode()).hexdigest()[:16]}"
        if not folder.exists():
            skills = one.pool if bodies else without_bodies(one.pool)
            began = time.monotonic()
            trained = train(
                skills,
                read_queries(one.train_file, known={skill.skill_id for skill in skills}),
                encoder,
                cache_dir=self.cache_dir,
                settings=chosen,
                layers=layers,
                on_progress=told(f"ranker of {one.name}"),
            )
            trained.save(folder)
            print(f"    ranker of {one.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return folder

    def forget(self, folder: Path) -> None:
        """An index of tens of thousands of skills takes a gigabyte."""
        if self.work / "indexes" in folder.parents:
            shutil.rmtree(folder)


def without_memory(ranker: LearnedRanker) -> LearnedRanker:
    parts = replace(ranker.parts, memory=None)
    return LearnedRanker(parts, sha256=f"{ranker.sha256} without memory", encoder=ranker.encoder)


def searched(index: SkillIndex, texts: Sequence[str], *, top: int, what: str) -> list[list[str]]:
    """Ids after the last stage, best first."""
    tell, found = told(what), []
    for first in range(0, len(texts), QUERIES_AT_ONCE):
        found += [
            [hit.skill_id for hit in one.hits] for one in index.search(texts[first : first + QUERIES_AT_ONCE], top=top)
        ]
        tell(len(found), len(texts), "searching")
    return found


def first_stage(index: SkillIndex, texts: Sequence[str], *, top: int, what: str) -> list[list[str]]:
    """Ids as the first stage orders them, best first."""
    tell, found = told(what), []
    for first in range(0, len(texts), QUERIES_AT_ONCE):
        some: list[Retrieved] = index.retrieve(texts[first : first + QUERIES_AT_ONCE])
        for one in some:
            order = np.lexsort((index.arrays.id_order[one.rows], -one.fused))[:top]
            found.append([index.arrays.cards[row].skill_id for row in one.rows[order].tolist()])
        tell(len(found), len(texts), "retrieving")
    return found


def fit_probabilities(index: SkillIndex, texts: Sequence[str], *, what: str) -> tuple[list[list[str]], list[float]]:
    """Of each text the best skill's id, and the probability that it fits; not a number where none is known."""
    tell, best, probabilities = told(what), [], []
    for first in range(0, len(texts), QUERIES_AT_ONCE):
        for one in index.search(texts[first : first + QUERIES_AT_ONCE], top=1):
            best.append([hit.skill_id for hit in one.hits])
            probabilities.append(float("nan") if one.fit_probability is None else one.fit_probability)
        tell(len(best), len(texts), "searching")
    return best, probabilities


def code_sha256(folders: Sequence[str] = TRAINED_BY) -> str:
    digest = sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest_of(ranker: Path | None) -> str:
    if ranker is None:
        return ""
    return sha256(b"".join(path.read_bytes() for path in sorted(ranker.iterdir()) if path.is_file())).hexdigest()
