"""Whether choosing an encoder for each query by pilots' centroids finds more than one encoder, or all of them fused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.skills_baselines import dense
from benchmarks.skills_bench import Workbench, told
from benchmarks.skills_known_vectors import KnownVectors
from benchmarks.skills_measures import DEEP, Judged
from benchmarks.skills_parts import Asked, Row
from benchmarks.skills_sets import SkillSet
from routing.encoders.tuned import TunedMiniLM
from skills.base import SkillSearch
from skills.index.index import SkillIndex
from skills.ranking.experts import ExpertSearcher, pilot_centroids
from skills.training.queries import read_queries

RANK_OFFSET = 60  # of reciprocal rank fusion (Cormack et al., 2009)
EXPERTS = ("minilm", "hashing")
FIRST_STAGE, VECTORS = "words and vectors", "vectors alone"
Found = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Expert:
    encoder: KnownVectors
    index: SkillIndex

    def found(self, asked: Asked, search: str) -> Found:
        if search == FIRST_STAGE:
            return ids_of(self.index.search(asked.texts, top=DEEP))
        return dense(self.index, self.encoder.encode(asked.texts), windows=False)


def experts(bench: Workbench, one: SkillSet, *, seed: int, pilots: int, names: Sequence[str]) -> Iterator[Row]:
    """`pilots`: train queries that centroids are made of; `names`: encoders, the first one's vectors are the pilots'.

    The encoder that the set's ranker carries, if it carries one, is an expert too.
    """
    asked, learned = Asked(queries=one.dev, seed=seed), _pilots(one, pilots, seed)
    several = list(_experts(bench, one, seed=seed, names=names))
    for expert in several:
        expert.encoder.learn([*asked.texts, *learned.texts], on_progress=told(expert.encoder.name))
    first = several[0].encoder
    for search in (FIRST_STAGE, VECTORS):
        found = [expert.found(asked, search) for expert in several]
        scores = [learned.judged(expert.found(learned, search)).name_to_values["mrr"] for expert in several]
        centroids = pilot_centroids(
            first.encode(learned.texts),
            np.stack(scores, axis=1).astype(np.float32),
            [query.kind for query in learned.queries],
        )
        chosen = centroids.choose(first.encode(asked.texts)).tolist()
        if search == FIRST_STAGE:
            searcher = ExpertSearcher([expert.index for expert in several], first, centroids)
            routed = asked.judged(ids_of(searcher.search(asked.texts, top=DEEP)))
        else:
            routed = asked.judged([found[expert][place] for place, expert in enumerate(chosen)])
        said = {"part": "experts", "set": one.name, "search": search, "pilots": len(learned.queries)}
        known = [asked.judged(lists) for lists in found]
        for expert, judgement in zip(several, known, strict=True):
            yield asked.row(judgement, **said, way=f"always {expert.encoder.name}")
        fused = asked.judged([_fused(lists) for lists in zip(*found, strict=True)])
        yield asked.row(fused, **said, way="all, fused")
        against = {"all, fused": asked.compared(routed, fused), "the first": asked.compared(routed, known[0])}
        shares = (np.bincount(chosen, minlength=len(several)) / max(len(chosen), 1)).round(3).tolist()
        yield asked.row(routed, **said, way="chosen by pilots", shares=shares, against=against)
        yield asked.row(_best(known), **said, way="chosen knowing the answer")


def ids_of(searches: Sequence[SkillSearch]) -> Found:
    return [[hit.skill_id for hit in one.hits] for one in searches]


def _experts(bench: Workbench, one: SkillSet, *, seed: int, names: Sequence[str]) -> Iterator[Expert]:
    """Each with an index of its own, that no ranker has a part in."""
    for name in names:
        own = bench.with_encoder(name)
        folder = own.index_folder(one.pool, what=name)
        yield Expert(encoder=own.encoder(None), index=own.opened(folder))
    if bench.untrained:
        return
    ranker = bench.ranker(one, seed=seed)
    tuned = bench.encoder(ranker)
    if isinstance(tuned.encoder, TunedMiniLM):
        folder = bench.index_folder(one.pool, ranker=ranker, what=tuned.name)
        yield Expert(encoder=tuned, index=SkillIndex.open(folder, encoder=tuned, use_gpu=False))


def _pilots(one: SkillSet, count: int, seed: int) -> Asked:
    every = read_queries(one.train_file, known={skill.skill_id for skill in one.pool}).queries
    places = np.sort(np.random.default_rng(seed).permutation(len(every))[:count])
    return Asked(queries=[every[place] for place in places.tolist()], seed=seed)


def _fused(lists: Sequence[Sequence[str]]) -> list[str]:
    """By the sum of reciprocal ranks, ties by id."""
    total: dict[str, float] = {}
    for found in lists:
        for rank, skill_id in enumerate(found, start=1):
            total[skill_id] = total.get(skill_id, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(total, key=lambda skill_id: (-total[skill_id], skill_id))[:DEEP]


def _best(known: Sequence[Judged]) -> Judged:
    """Of each query the best expert's measures: what no choice can exceed."""
    names = known[0].name_to_values
    return Judged(name_to_values={name: np.max([one.name_to_values[name] for one in known], axis=0) for name in names})
