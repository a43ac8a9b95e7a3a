"""What each stage, field and group of features is worth: the search once more without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.skills_bench import Workbench, first_stage, searched, told
from benchmarks.skills_measures import DEEP, Judged
from benchmarks.skills_parts import Asked, Row
from benchmarks.skills_sets import SkillSet
from routing.encoders.tuned import TunedMiniLM
from skills.base import Skill
from skills.index.settings import IndexSettings, SearchSettings
from skills.ranking.features import FEATURES
from skills.training.train import TrainingSettings

ALONE = 1_000.0  # a weight beside which others do not count
# What is left out when searching, by an index and a ranker that were made with it.
SEARCHES = {
    "vectors in the first stage": SearchSettings(dense_weight=0, dense_top=1),
    "learned words in the first stage": SearchSettings(learned_weight=0),
    "words in the first stage (vectors alone)": SearchSettings(dense_weight=ALONE, learned_weight=0, lexical_top=1),
    "half of the candidates": SearchSettings(candidates=50),
}
INDEXES = {"vectors of the body": IndexSettings(windows=0)}
FIELDS = ("name", "description", "body")
EVERYTHING = "nothing"  # is left out


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One set with one ranker, searched again and again."""

    bench: Workbench
    one: SkillSet
    asked: Asked
    ranker: Path

    def searched(
        self,
        *,
        pool: Sequence[Skill] | None = None,
        settings: IndexSettings | None = None,
        search: SearchSettings | None = None,
        ranker: Path | None = None,
        memory: bool = True,
    ) -> Judged:
        """With something left out of what is named."""
        chosen = ranker or self.ranker
        self.bench.encoder(chosen).learn(self.asked.texts, on_progress=told("queries"))
        folder = self.bench.index_folder(pool or self.one.pool, ranker=chosen, settings=settings, what=self.one.name)
        index = self.bench.opened(folder, ranker=chosen, search=search, memory=memory)
        return self.asked.judged(searched(index, self.asked.texts, top=DEEP, what=self.one.name))

    def retrieved(self) -> Judged:
        """By the first stage alone."""
        folder = self.bench.index_folder(self.one.pool, ranker=self.ranker, what=self.one.name)
        index = self.bench.opened(folder, ranker=self.ranker)
        return self.asked.judged(first_stage(index, self.asked.texts, top=DEEP, what=self.one.name))


def ablation(
    bench: Workbench, one: SkillSet, *, seed: int, queries: int, groups: Sequence[str] | None = None
) -> Iterator[Row]:
    """`queries`: that each ranker of the groups of features is trained on, the one with all of them too.

    `groups` None: all there are.
    """
    asked = Asked(queries=one.dev, seed=seed)
    it = Ablation(bench=bench, one=one, asked=asked, ranker=bench.ranker(one, seed=seed))
    whole = it.searched()
    yield _row(it, "all", EVERYTHING, whole, whole)
    yield _row(it, "stage", "the second stage", it.retrieved(), whole)
    for name, search in SEARCHES.items():
        yield _row(it, "stage", name, it.searched(search=search), whole)
    yield _row(it, "stage", "past queries", it.searched(memory=False), whole)
    for name, index in INDEXES.items():
        yield _row(it, "index", name, it.searched(settings=index), whole)
    for name in FIELDS:
        yield _row(it, "field", name, it.searched(pool=without_field(one.pool, name)), whole)
    if isinstance(bench.encoder(it.ranker).encoder, TunedMiniLM):
        yield _row(
            it, "stage", "the tuned encoder", it.searched(ranker=bench.ranker(one, seed=seed, tuned=False)), whole
        )
    every = tuple(sorted(set(FEATURES.values())))
    yield from _retrained(it, seed=seed, queries=queries, groups=every if groups is None else groups)


def without_field(pool: Sequence[Skill], name: str) -> list[Skill]:
    return [_blanked(skill, name) for skill in pool]


def _blanked(skill: Skill, name: str) -> Skill:
    if name == "name":
        return replace(skill, id=skill.skill_id, name="")
    return replace(skill, description="") if name == "description" else replace(skill, body="")


def _retrained(it: Ablation, *, seed: int, queries: int, groups: Sequence[str]) -> Iterator[Row]:
    """Rankers fitted without a group of features, on fewer queries, beside one fitted with all of them on as many."""
    few = replace(TrainingSettings.seeded(seed), queries=queries, queries_beside_memory=queries, memory_queries=queries)
    whole: Judged | None = None
    for left_out in ((), *((group,) for group in groups)):
        settings = replace(few, without_features=left_out)
        found = it.searched(ranker=it.bench.ranker(it.one, seed=seed, settings=settings))
        whole = whole or found
        yield _row(it, "features", left_out[0] if left_out else EVERYTHING, found, whole)


def _row(it: Ablation, sort: str, without: str, found: Judged, whole: Judged) -> Row:
    said = {"part": "ablation", "set": it.one.name, "sort": sort, "without": without}
    return it.asked.row(found, **said, against={EVERYTHING: it.asked.compared(found, whole)})
