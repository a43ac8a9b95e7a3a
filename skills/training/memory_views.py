"""The memory as training queries would have met it: without themselves, and with some skills nobody asked for yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress, no_progress
from skills.ranking.query_memory import UNKNOWN, QueryMemory, SkillKey, bind, key_of
from skills.training.folds import Numbers, folds_of
from skills.training.lists import MemoryView, Pool
from skills.training.memory_fitting import Answered, fit_head, past_queries

WARM_FOLDS = 3  # of queries: a head has not seen those it is asked
COLD_FOLDS = 4  # of skills: the share that a mixed view hides the past queries of
VIEW_EPOCHS = 4
EPOCHS = 8

Sort = Literal["warm", "mixed"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A view, and training queries to be asked in it."""

    sort: Sort
    view: MemoryView
    places: Numbers
    is_cold: Numbers  # (places,): 1 where no needed skill has past queries in this view
    is_hidden: NDArray[np.bool_]  # (places,): a needed skill's past queries are hidden


class MemoryTraining:
    """The memory of one pool, and its views."""

    def __init__(self, pool: Pool, *, seed: int) -> None:
        golds = [np.array(sorted(frozenset().union(*needed)), dtype=np.int64) for needed in pool.needed]
        warm = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *golds]))
        number = np.full(len(pool.opened.cards), UNKNOWN, dtype=np.int64)
        number[warm] = np.arange(len(warm))
        self._pool = pool
        self._seed = seed
        self._rows = warm
        self._keys: list[SkillKey] = [key_of(pool.opened, row) for row in warm.tolist()]
        self._answered = Answered(
            vectors=pool.vectors, words=pool.query_words, golds=[number[gold] for gold in golds], skills=len(warm)
        )
        self.share = len(warm) / max(pool.opened.count, 1)

    def final(self, *, on_progress: Progress = no_progress) -> QueryMemory:
        """Of all queries."""
        past = past_queries(self._answered)
        every = np.arange(len(self._answered.words))
        head = fit_head(past, self._answered, every, epochs=EPOCHS, seed=self._seed, on_progress=on_progress)
        return QueryMemory(self._keys, past, head)

    def warm_views(self, places: Numbers) -> Iterator[Seen]:
        """All queries but the one that is asked vote; the head has not seen it."""
        past = past_queries(self._answered)
        every = np.arange(len(self._answered.words))
        fold = np.random.default_rng(self._seed).integers(0, WARM_FOLDS, len(every))
        for number in range(WARM_FOLDS):
            head = fit_head(past, self._answered, every[fold != number], epochs=VIEW_EPOCHS, seed=self._seed)
            memory = QueryMemory(self._keys, past, head)
            view = MemoryView(memory, bind(self._keys, past.asked, self._pool.opened), every)
            own = places[fold[places] == number]
            nothing = np.zeros(len(own), dtype=np.int64)
            yield Seen(sort="warm", view=view, places=own, is_cold=nothing, is_hidden=nothing.astype(bool))

    def mixed_views(self, places: Numbers) -> Iterator[Seen]:
        """As if a fold's skills were new; asked are queries that need one of them, and some that need none."""
        every = np.arange(len(self._answered.words))
        skill_fold = folds_of(self._pool.groups, COLD_FOLDS, seed=self._seed)[self._rows]
        query_fold = np.random.default_rng(self._seed + 1).integers(0, COLD_FOLDS, len(every))
        for number in range(COLD_FOLDS):
            hides = [bool((skill_fold[gold] == number).any()) for gold in self._answered.golds]
            is_hidden = np.array(hides, dtype=bool)
            kept = np.flatnonzero(~is_hidden)
            answered = self._answered.take(kept)
            past = past_queries(answered)
            rows = np.flatnonzero(query_fold[kept] != number)
            if not len(rows):
                continue
            head = fit_head(past, answered, rows, epochs=VIEW_EPOCHS, seed=self._seed)
            memory = QueryMemory(self._keys, past, head)
            excluded = np.full(len(every), UNKNOWN, dtype=np.int64)
            excluded[kept] = np.arange(len(kept))
            view = MemoryView(memory, bind(self._keys, past.asked, self._pool.opened), excluded)
            cold = places[is_hidden[places]][:: COLD_FOLDS - 1]
            own = np.concatenate([cold, places[~is_hidden[places] & (query_fold[places] == number)]])
            whole = np.array([bool((past.asked[self._answered.golds[place]] == 0).all()) for place in own.tolist()])
            yield Seen(sort="mixed", view=view, places=own, is_cold=whole.astype(np.int64), is_hidden=is_hidden[own])
