"""How well skills are found by each stage, with and without their bodies, from pools of every size, and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.skills_baselines import bm25, dense
from benchmarks.skills_bench import Workbench, first_stage, searched, told
from benchmarks.skills_measures import DEEP, Judged, by_kind, difference, groups_of, judged
from benchmarks.skills_padding import padded, padding
from benchmarks.skills_sets import SkillSet, long_queries, without_bodies
from skills.base import Skill
from skills.index.settings import IndexSettings
from skills.training.queries import LabelledQuery

Row = dict[str, Any]
BM25, HEADS, NEAREST = "BM25", "dense, heads", "dense, heads and windows"
UNTRAINED, TRAINED, RANKED = "first stage, untrained", "first stage, trained", "ranked"
COMPARED = ("hit@1", "recall@50", "ndcg@10", "complete@10")
LARGE = 30_000  # skills, from which on an index is not kept
MOST_SOUGHT = 400  # skills that the curve over pools' sizes asks for: they are in every pool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Queries that are judged."""

    queries: Sequence[LabelledQuery]
    seed: int

    @property
    def texts(self) -> list[str]:
        return [query.text for query in self.queries]

    def judged(self, found: Sequence[Sequence[str]]) -> Judged:
        return judged(self.queries, found)

    def row(self, judgement: Judged, **said: object) -> Row:
        return {**said, "seed": self.seed, "by_kind": by_kind(self.queries, judgement)}

    def compared(self, one: Judged, other: Judged) -> dict[str, dict[str, float]]:
        """Of every measure the mean of `one - other`, with its interval; queries of one skill are drawn together."""
        groups = groups_of(self.queries)
        return {
            name: difference(one.name_to_values[name], other.name_to_values[name], groups, seed=self.seed)
            for name in COMPARED
        }


def stages(bench: Workbench, one: SkillSet, *, seed: int) -> Iterator[Row]:
    """Every stage with and without the skills' bodies; without them the ranker was trained without them too."""
    asked = Asked(queries=one.dev, seed=seed)
    known: dict[tuple[str, bool], Judged] = {}
    for bodies in (True, False):
        pool = one.pool if bodies else without_bodies(one.pool)
        ranker = partial(bench.ranker, one, seed=seed, bodies=bodies)
        for stage, found in found_by_stage(bench, pool, asked.texts, ranker=ranker, what=one.name):
            mine = known[stage, bodies] = asked.judged(found)
            against = {} if stage == BM25 else {BM25: asked.compared(mine, known[BM25, bodies])}
            if stage == RANKED:
                against[UNTRAINED] = asked.compared(mine, known[UNTRAINED, bodies])
            if not bodies:
                against["with bodies"] = asked.compared(mine, known[stage, True])
            yield asked.row(mine, part="stages", set=one.name, stage=stage, bodies=bodies, against=against)


def pool_sizes(bench: Workbench, one: SkillSet, *, seed: int, sizes: Sequence[int]) -> Iterator[Row]:
    """The same queries in larger and larger pools, every one of which holds the smaller ones."""
    firsts = sorted({query.gold for query in one.dev})
    drawn = np.random.default_rng(seed).permutation(len(firsts))[: min(MOST_SOUGHT, len(firsts), min(sizes) // 2)]
    chosen = {firsts[place] for place in drawn.tolist()}
    asked = Asked(queries=[query for query in one.dev if query.gold in chosen], seed=seed)
    sought = {skill_id for query in asked.queries for skill_id in query.gold_ids}
    filling = padding(
        one.pool, sought, size=max(sizes), settings=IndexSettings(), seed=seed, on_progress=told("padding")
    )
    ranker = partial(bench.ranker, one, seed=seed)
    for size in sizes:
        pool = padded(one.pool, sought, filling, size)
        real = min(len(pool), len(sought) + len(filling.rest))
        said = {"part": "pool-size", "set": one.name, "size": len(pool), "recombined": len(pool) - real}
        said |= {"sought": len(sought), "left_out_as_copies": filling.excluded}
        found_at_size = found_by_stage(
            bench, pool, asked.texts, ranker=ranker, what=f"{size} skills", keep=len(pool) < LARGE
        )
        for stage, found in found_at_size:
            yield asked.row(asked.judged(found), stage=stage, **said)


def transfer(bench: Workbench, one: SkillSet, teacher: SkillSet, *, seed: int) -> Iterator[Row]:
    """The ranker of another set, which saw neither these skills nor their queries."""
    asked = Asked(queries=one.dev, seed=seed)
    base: Judged | None = None
    for stage, found in found_by_stage(
        bench,
        one.pool,
        asked.texts,
        ranker=partial(bench.ranker, teacher, seed=seed),
        what=f"{one.name}, by {teacher.name}",
    ):
        mine = asked.judged(found)
        base = base or mine
        against = {} if stage == BM25 else {BM25: asked.compared(mine, base)}
        yield asked.row(mine, part="transfer", set=one.name, teacher=teacher.name, stage=stage, against=against)


def joined(bench: Workbench, one: SkillSet, *, seed: int) -> Iterator[Row]:
    """Long queries: several of one skill's in one text, among sentences that any task could have."""
    asked = Asked(queries=long_queries(one.dev, seed=seed), seed=seed)
    words = float(np.median([len(text.split()) for text in asked.texts])) if asked.queries else 0.0
    base: Judged | None = None
    for stage, found in found_by_stage(
        bench, one.pool, asked.texts, ranker=partial(bench.ranker, one, seed=seed), what=f"{one.name}, long"
    ):
        mine = asked.judged(found)
        base = base or mine
        against = {} if stage == BM25 else {BM25: asked.compared(mine, base)}
        yield asked.row(mine, part="long", set=one.name, stage=stage, median_words=words, against=against)


def found_by_stage(
    bench: Workbench,
    pool: Sequence[Skill],
    texts: Sequence[str],
    *,
    ranker: Callable[[], Path],
    what: str,
    keep: bool = True,
) -> Iterator[tuple[str, list[list[str]]]]:
    """Each stage's name with the ids that it finds for every text, what needs no ranker first.

    `keep` False: indexes are deleted after use.
    """
    yield BM25, bm25(pool, texts, with_bodies=True)
    plain = bench.encoder(None)
    plain.learn(texts, on_progress=told(what))
    folder = bench.index_folder(pool, what=what)
    index = bench.opened(folder)
    vectors = plain.encode(list(texts))
    yield HEADS, dense(index, vectors, windows=False)
    yield NEAREST, dense(index, vectors, windows=True)
    yield UNTRAINED, first_stage(index, texts, top=DEEP, what=what)
    if not keep:
        bench.forget(folder)
    if bench.untrained:
        return
    learned = ranker()
    bench.encoder(learned).learn(texts, on_progress=told(what))
    trained_folder = bench.index_folder(pool, ranker=learned, what=what)
    trained = bench.opened(trained_folder, ranker=learned)
    yield TRAINED, first_stage(trained, texts, top=DEEP, what=what)
    yield RANKED, searched(trained, texts, top=DEEP, what=what)
    if not keep:
        bench.forget(trained_folder)
