"""The training data in memory: queries, candidates, and what was measured of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routing.cards import CandidateCard
from routing.forecasts import Matrix, Reference
from storage.errors import InvalidInput

Split = Literal["train", "dev", "test"]
MEASURES = ("quality", "cost_usd", "input_tokens", "output_tokens", "latency_seconds", "energy_joules", "propensity")


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Every matrix is queries × candidates with NaN where nothing was measured.

    Canonical: cards in alphabetical order of their ids, queries in that of theirs, so that the order in which files
    list things changes nothing. Build it with `Dataset.canonical`.
    """

    cards: tuple[CandidateCard, ...]
    query_ids: tuple[str, ...]
    texts: tuple[str, ...]
    tasks: tuple[str | None, ...]
    splits: tuple[Split, ...]
    quality: Matrix  # in [0, 1]
    cost_usd: Matrix
    input_tokens: Matrix
    output_tokens: Matrix
    latency_seconds: Matrix
    energy_joules: Matrix
    propensity: Matrix  # with which probability the logging policy picked this candidate; all NaN: not from a log

    @classmethod
    def canonical(
        cls,
        *,
        cards: Sequence[CandidateCard],
        query_ids: Sequence[str],
        texts: Sequence[str],
        tasks: Sequence[str | None],
        splits: Sequence[Split],
        measures: Mapping[str, Matrix],
    ) -> Dataset:
        """The same data in canonical order; measures that are left out are all NaN."""
        empty = np.full((len(query_ids), len(cards)), np.nan)
        data = cls(
            cards=tuple(cards),
            query_ids=tuple(query_ids),
            texts=tuple(texts),
            tasks=tuple(tasks),
            splits=tuple(splits),
            **{name: measures.get(name, empty) for name in MEASURES},
        )
        columns = sorted(range(len(cards)), key=lambda place: cards[place].id)
        return data._columns(columns).rows(sorted(range(len(query_ids)), key=query_ids.__getitem__))

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(card.id for card in self.cards)

    def rows(self, places: Sequence[int] | NDArray[np.int64]) -> Dataset:
        """The queries at these places, in this order."""
        chosen = [int(place) for place in places]
        return replace(
            self,
            query_ids=tuple(self.query_ids[place] for place in chosen),
            texts=tuple(self.texts[place] for place in chosen),
            tasks=tuple(self.tasks[place] for place in chosen),
            splits=tuple(self.splits[place] for place in chosen),
            **{name: getattr(self, name)[chosen] for name in MEASURES},
        )

    def split(self, name: Split) -> Dataset:
        return self.rows(self.places_of(name))

    def places_of(self, name: Split) -> NDArray[np.int64]:
        return np.array([place for place, split in enumerate(self.splits) if split == name], dtype=np.int64)

    def of_candidates(self, ids: Sequence[str]) -> Dataset:
        """Only these candidates. Raises InvalidInput for one that is not there."""
        if unknown := sorted(set(ids) - set(self.candidates)):
            raise InvalidInput(f"No candidates {unknown}; known: {', '.join(self.candidates)}.", field="candidates")
        return self._columns([place for place, id in enumerate(self.candidates) if id in set(ids)])

    def _columns(self, places: Sequence[int]) -> Dataset:
        return replace(
            self,
            cards=tuple(self.cards[place] for place in places),
            **{name: getattr(self, name)[:, list(places)] for name in MEASURES},
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything in canonical order: the same for files that list the same things otherwise."""
        whole = sha256()
        for card in self.cards:
            whole.update(repr(sorted(card.to_json().items())).encode())
        for row in zip(self.query_ids, self.texts, self.tasks, self.splits, strict=True):
            whole.update(repr(row).encode("utf-8", "surrogatepass"))
        for name in MEASURES:
            matrix = getattr(self, name)
            whole.update(np.where(np.isnan(matrix), np.nan, matrix).astype("<f8").tobytes())  # one NaN for all
        return whole.hexdigest()

    @cached_property
    def reference(self) -> Reference:
        """Of the queries in this set: take it of `split("train")`. Raises InvalidInput if no quality is known."""
        quality = mean_of_known(self.quality)
        if np.isnan(quality).all():
            raise InvalidInput("No candidate has a known quality; at least one outcome is needed.", field="quality")
        best = int(np.nanargmax(quality))
        cost = mean_of_known(self.cost_usd)[best]
        return Reference(
            candidate=self.candidates[best],
            quality=float(quality[best]),
            cost_usd=0.0 if np.isnan(cost) else float(cost),
            latency_seconds=_known(mean_of_known(self.latency_seconds)[best]),
            energy_joules=_known(mean_of_known(self.energy_joules)[best]),
        )


def mean_of_known(matrix: Matrix) -> NDArray[np.float64]:
    """Mean of each column over its known cells; NaN where there are none."""
    known = ~np.isnan(matrix)
    counts = known.sum(axis=0)
    totals = np.where(known, matrix, 0.0).sum(axis=0)
    means: NDArray[np.float64] = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return means


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
