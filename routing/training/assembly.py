"""Single measurements, from wherever, put together to a Dataset: ids, splits and cards are made where they lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import isnan

import numpy as np

from routing.cards import CandidateCard
from routing.dataset import Dataset, Split
from routing.training.splits import DEV_SHARE, stable_split
from storage.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One candidate's outcome of one query. `place` says where it came from, for messages."""

    place: str
    text: str
    candidate: str
    measures: Mapping[str, float]  # names of `dataset.MEASURES`; quality is among them
    query_id: str | None = None  # None: the text's digest
    task: str | None = None
    split: Split | None = None  # None: by the text's hash


@dataclass(kw_only=True)
class LeftOut:
    """Counts what was not taken, and why."""

    reason_to_count: Counter[str] = field(default_factory=Counter)
    reason_to_first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, place: str, *, count: int = 1) -> None:
        self.reason_to_count[reason] += count
        self.reason_to_first.setdefault(reason, place)


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """How queries without a split are parted into train and dev."""

    dev_share: float = DEV_SHARE
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of an import. `taken` counts measurements, of which `merged` were repetitions, now part of a mean."""

    data: Dataset
    taken: int
    merged: int
    left_out: LeftOut


@dataclass(kw_only=True)
class _Query:
    text: str
    task: str | None
    split: Split | None


DEFAULT_SPLIT_RULE = SplitRule()


def assemble(
    measurements: Iterable[Measurement],
    *,
    cards: Sequence[CandidateCard] | None = None,
    rule: SplitRule = DEFAULT_SPLIT_RULE,
    left_out: LeftOut | None = None,
) -> Imported:
    """`cards` None: one with nothing but its id for each candidate there is. A pair measured again gets the mean.

    Raises InvalidInput where nothing can be taken.
    """
    left_out = LeftOut() if left_out is None else left_out
    known = None if cards is None else {card.id for card in cards}
    id_to_query: dict[str, _Query] = {}
    pair_to_measures: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for one in measurements:
        if known is not None and one.candidate not in known:
            left_out.add(f"the candidate {one.candidate!r:.60} has no card", one.place)
            continue
        query_id = one.query_id or text_id(one.text)
        query = id_to_query.setdefault(query_id, _Query(text=one.text, task=one.task, split=one.split))
        if query.text != one.text:
            left_out.add("its query id came with another text before", one.place)
            continue
        query.task, query.split = query.task or one.task, query.split or one.split
        pair_to_measures.setdefault((query_id, one.candidate), []).append(one.measures)
    taken = sum(map(len, pair_to_measures.values()))
    if not taken:
        raise InvalidInput(_nothing(left_out), field="source")
    found = sorted({candidate for _, candidate in pair_to_measures})
    chosen = [CandidateCard(id=id) for id in found] if cards is None else list(cards)
    return Imported(
        data=_dataset(id_to_query, pair_to_measures, chosen, rule),
        taken=taken,
        merged=taken - len(pair_to_measures),
        left_out=left_out,
    )


def text_id(text: str) -> str:
    """An id for a query that has none: equal texts are one query."""
    return f"text-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _dataset(
    id_to_query: Mapping[str, _Query],
    pair_to_measures: Mapping[tuple[str, str], Sequence[Mapping[str, float]]],
    cards: Sequence[CandidateCard],
    rule: SplitRule,
) -> Dataset:
    row_of = {id: place for place, id in enumerate(id_to_query)}
    column_of = {card.id: place for place, card in enumerate(cards)}
    shape = (len(row_of), len(column_of))
    names = sorted({name for group in pair_to_measures.values() for measures in group for name in measures})
    matrices = {name: np.full(shape, np.nan) for name in names}
    for (query_id, candidate), group in pair_to_measures.items():
        cell = row_of[query_id], column_of[candidate]
        for name in names:
            values = [value for measures in group if not isnan(value := measures.get(name, np.nan))]
            if values:
                matrices[name][cell] = sum(values) / len(values)
    queries = list(id_to_query.values())
    return Dataset.canonical(
        cards=cards,
        query_ids=list(id_to_query),
        texts=[query.text for query in queries],
        tasks=[query.task for query in queries],
        splits=[query.split or stable_split(query.text, dev_share=rule.dev_share, seed=rule.seed) for query in queries],
        measures=matrices,
    )


def _nothing(left_out: LeftOut) -> str:
    reasons = [
        f"  {count} left out: {reason} (first: {left_out.reason_to_first[reason]})"
        for reason, count in left_out.reason_to_count.most_common(10)
    ]
    return "\n".join(["No outcome could be taken" + (":" if reasons else "; there is none."), *reasons])
