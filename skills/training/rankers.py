"""Learns the order of candidates, by their texts and by what past queries say, and judges what was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress, no_progress
from skills.ranking.artifact import START, text_trees
from skills.ranking.base import Floats, Rows
from skills.ranking.features import FEATURES
from skills.ranking.fit import Fit
from skills.ranking.query_memory import FEATURES as MEMORY_FEATURES
from skills.ranking.trees import Trees
from skills.training.abstention import Cases, cases_of, error_rates, fit_fit, joined_cases
from skills.training.boosting import BoostingSettings, fit_trees, some_trees
from skills.training.folds import Numbers
from skills.training.lists import Lists, MemoryView, Miner, Pool, Stage, beside, learned_part, lists_of, orders_of
from skills.training.measures import mean_measures, measures_by_kind
from skills.training.memory_views import MemoryTraining, Seen

MOST_CASES = 1_000  # queries that the fit is learned from
QUERY_PARTS = 10  # of the memory's queries one part is held out


LEARNED, CHOOSING, JUDGED = 0, 1, 2  # what queries of a skill are for
START_COLUMN = list(FEATURES).index(START)
TREES_A_STEP = 25


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Trees learned from all, and what trees of the same making gave for what they had not seen."""

    arrays: Mapping[str, NDArray[Any]]
    trees: Trees
    fit: Fit | None
    metrics: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class WordFolds:
    """Words learned without the queries of each fold."""

    stages: Sequence[Stage]
    fold_of: Numbers  # of each query of the pool


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Queries that are asked with one sight of the words and of the memory."""

    miner: Miner
    places: Numbers


class RankerTraining:
    """One pool; `by_skill`: words that saw no query of the skills which are asked for."""

    def __init__(
        self,
        pool: Pool,
        by_skill: WordFolds,
        settings: BoostingSettings,
        *,
        seed: int,
        unseen: Numbers,
        on_progress: Progress = no_progress,
    ) -> None:
        """`unseen`: columns of features that no tree is to look at."""
        self._pool = pool
        self._unseen = unseen
        self._by_skill = by_skill
        self._settings = settings
        self._seed = seed
        self._on_progress = on_progress

    def by_text(self, places: Numbers, parts_of: Numbers) -> Judged:
        """`parts_of`: of each query of the pool the part that its skills are in: to be learned from, or held out."""
        part = parts_of[places]
        judged_places = places[part == JUDGED]
        learned = self._lists(self._parts(places[part == LEARNED]), "finding candidates")
        chosen = self._lists(self._parts(places[part == CHOOSING]), "finding candidates of held-out skills", whole=True)
        judged = self._lists(self._parts(judged_places), "finding candidates of held-out skills", whole=True)
        count, before = self._enough(self._trees(learned, "1 of 2", start=START_COLUMN), chosen)
        cases = self._cases(self._parts(judged_places), text_trees(before).sums)
        metrics = {
            "held_out": "skills",
            "ranker": self._measured(judged, judged_places, text_trees(before).sums(judged.features)),
            "first_stage": self._measured(judged, judged_places, None),
            "fit": error_rates(cases),
            "lists": len(learned.sizes) + len(chosen.sizes) + len(judged.sizes),
            "trees": count,
        }
        every = self._trees(beside([learned, chosen, judged]), "2 of 2", start=START_COLUMN) if count else before
        arrays = some_trees(every, first=0, last=count)
        return Judged(arrays=arrays, trees=text_trees(arrays), fit=fit_fit(cases), metrics=metrics)

    def _enough(self, arrays: dict[str, NDArray[Any]], lists: Lists) -> tuple[int, dict[str, NDArray[Any]]]:
        """As many of the trees as order these lists best, and how many; none where the first stage does better."""
        scores = lists.features[:, START_COLUMN].copy()
        needed = [self._pool.needed[place] for place in lists.places.tolist()]
        best, count = mean_measures(list(orders_of(lists, scores).values()), needed).ndcg_at_10, 0
        trees = len(arrays["leaves"])
        for first in range(0, trees, TREES_A_STEP):
            last = min(first + TREES_A_STEP, trees)
            scores += Trees(some_trees(arrays, first=first, last=last), features=len(FEATURES)).sums(lists.features)
            found = mean_measures(list(orders_of(lists, scores).values()), needed).ndcg_at_10
            if found > best:
                best, count = found, last
            self._on_progress(last, trees, "choosing how many trees")
        return count, some_trees(arrays, first=0, last=count)

    def by_memory(self, memory: MemoryTraining, places: Numbers, by_query: WordFolds) -> Judged:
        """Held out are queries; those that need none but skills without past queries are judged apart.

        `by_query`: words that saw other queries of the skills which are asked for, as they will when they serve.
        """
        held_out = np.random.default_rng(self._seed + 2).permutation(len(places)) % QUERY_PARTS == 0
        is_held_out = np.zeros(len(self._pool.queries), dtype=bool)
        is_held_out[places[held_out]] = True
        learned, warm, cold = [], [], []
        cases: list[tuple[_Part, ...]] = []
        for seen in (*memory.warm_views(places), *memory.mixed_views(places[::2])):
            what = f"finding candidates with {seen.sort} memory"
            apart = is_held_out[seen.places]
            learned.append(self._lists(self._seen(seen, ~apart, by_query), what))
            if seen.sort == "warm":
                parts = tuple(self._seen(seen, apart, by_query))
                cases.append(parts)
                warm.append(self._lists(parts, what, whole=True))
            else:
                chosen = apart & (seen.is_cold > 0)
                cold.append(self._lists(self._seen(seen, chosen, by_query), what, whole=True))
        width = len(FEATURES) + len(MEMORY_FEATURES)
        every = beside(learned)
        before = Trees(self._trees(every, "memory, 1 of 2"), features=width)
        found = joined_cases([self._cases(parts, before.sums, MOST_CASES // len(cases)) for parts in cases])
        metrics = {
            "held_out": "queries",
            "ranker": self._measured_views(warm, before),
            "ranker_without_past_queries": self._measured_views(cold, before),
            "first_stage": self._measured_views(warm, None),
            "fit": error_rates(found),
            "lists": len(every.sizes) + sum(len(one.sizes) for one in (*warm, *cold)),
        }
        arrays = self._trees(beside([every, *warm, *cold]), "memory, 2 of 2")
        return Judged(arrays=arrays, trees=Trees(arrays, features=width), fit=fit_fit(found), metrics=metrics)

    def _parts(self, places: Numbers, view: MemoryView | None = None, folds: WordFolds | None = None) -> list[_Part]:
        own = folds or self._by_skill
        return [
            _Part(miner=Miner(self._pool, stage, view), places=places[own.fold_of[places] == fold])
            for fold, stage in enumerate(own.stages)
        ]

    def _seen(self, seen: Seen, chosen: NDArray[np.bool_], by_query: WordFolds) -> list[_Part]:
        """What words have seen of a skill is what the memory has."""
        hidden, open_ = seen.places[chosen & seen.is_hidden], seen.places[chosen & ~seen.is_hidden]
        parts = [*self._parts(hidden, seen.view), *self._parts(open_, seen.view, by_query)]
        return [part for part in parts if len(part.places)] or parts[:1]

    def _lists(self, parts: Sequence[_Part], what: str, *, whole: bool = False) -> Lists:
        total, found = sum(len(part.places) for part in parts), []
        for number, part in enumerate(parts):
            told = self._told(sum(len(before.places) for before in parts[:number]), total)
            found.append(lists_of(self._pool, part.miner, part.places, whole=whole, on_progress=told, what=what))
        return beside(found)

    def _told(self, first: int, total: int) -> Progress:
        """Progress of a part, told as that of the whole."""
        return lambda done, _, what: self._on_progress(first + done, total, what)

    def _trees(self, lists: Lists, what: str, *, start: int | None = None) -> dict[str, NDArray[Any]]:
        """`start`: the feature that scores begin with."""
        own = learned_part(lists)
        begun = None if start is None else own.features[:, start].copy()
        own.features[:, self._unseen[self._unseen < own.features.shape[1]]] = 0  # a tree never splits on a constant

        def told(done: int, of: int, doing: str) -> None:
            self._on_progress(done, of, f"{doing} ({what})")

        return fit_trees(
            own.features, own.labels, own.sizes, self._settings, seed=self._seed, start=begun, on_progress=told
        )

    def _cases(self, parts: Sequence[_Part], scores: Callable[[Floats], Floats], queries: int = MOST_CASES) -> Cases:
        most = queries // len(parts)
        return joined_cases(
            [
                cases_of(self._pool, part.miner, part.places[:most], scores, on_progress=self._on_progress)
                for part in parts
            ]
        )

    def _measured(self, lists: Lists, places: Numbers, scores: Floats | None) -> Mapping[str, Mapping[str, float]]:
        """By kind; a query that nothing was found for counts too."""
        orders = orders_of(lists, scores)
        nothing: Rows = np.zeros(0, dtype=np.int64)
        return measures_by_kind(
            [orders.get(place, nothing) for place in places.tolist()],
            [self._pool.needed[place] for place in places.tolist()],
            [self._pool.queries[place].kind for place in places.tolist()],
        )

    def _measured_views(self, views: Sequence[Lists], trees: Trees | None) -> Mapping[str, Mapping[str, float]]:
        lists = beside(views)
        return self._measured(lists, lists.places, None if trees is None else trees.sums(lists.features))
