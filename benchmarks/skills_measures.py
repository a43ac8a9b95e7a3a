"""How good lists of found skills are, by kind of query; and intervals for the difference of two ways to find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.training.queries import LabelledQuery

RESAMPLES = 2_000
DEPTH = 10
DEEP = 50
Found = Sequence[str]  # ids of skills, best first
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Every measure of every query, in the order of the queries."""

    name_to_values: Mapping[str, Values]

    def mean(self, name: str, places: NDArray[np.int64] | slice = slice(None)) -> float:
        values = self.name_to_values[name][places]
        return float(values.mean()) if len(values) else float("nan")


def judged(queries: Sequence[LabelledQuery], found: Sequence[Found]) -> Judged:
    """`found`: one list a query."""
    gains = [_gains(query, ids) for query, ids in zip(queries, found, strict=True)]
    needed = [len(query.gold) for query in queries]
    return Judged(
        name_to_values={
            name: np.array([measure(gain, count) for gain, count in zip(gains, needed, strict=True)], dtype=np.float64)
            for name, measure in MEASURES.items()
        }
    )


def _gains(query: LabelledQuery, ids: Found) -> list[int]:
    """For each hit the place of the needed skill that it is the first to answer; -1: none, or answered before."""
    id_to_need = {skill_id: place for place, same in enumerate(query.gold) for skill_id in same}
    left = set(range(len(query.gold)))
    gains = []
    for skill_id in ids[:DEEP]:
        need = id_to_need.get(skill_id, -1)
        gains.append(need if need in left else -1)
        left.discard(need)
    return gains


def _hit_at_1(gains: list[int], needed: int) -> float:
    return float(bool(gains) and gains[0] >= 0)


def _recall(depth: int) -> Callable[[list[int], int], float]:
    """Share of the needed skills among the first `depth`."""
    return lambda gains, needed: sum(need >= 0 for need in gains[:depth]) / needed


def _complete(gains: list[int], needed: int) -> float:
    """Whether all that are needed are among the first ten."""
    return float(sum(need >= 0 for need in gains[:DEPTH]) == needed)


def _ndcg(gains: list[int], needed: int) -> float:
    """Gain 1 for each needed skill, once, discounted by log2(1 + rank) (Järvelin and Kekäläinen, 2002)."""
    found = sum(1 / np.log2(2 + rank) for rank, need in enumerate(gains[:DEPTH]) if need >= 0)
    ideal = sum(1 / np.log2(2 + rank) for rank in range(min(needed, DEPTH)))
    return float(found / ideal)


def _reciprocal_rank(gains: list[int], needed: int) -> float:
    return next((1 / rank for rank, need in enumerate(gains, start=1) if need >= 0), 0.0)


MEASURES: Mapping[str, Callable[[list[int], int], float]] = {
    "hit@1": _hit_at_1,
    "hit@10": lambda gains, needed: float(any(need >= 0 for need in gains[:DEPTH])),
    "recall@50": _recall(DEEP),
    "ndcg@10": _ndcg,
    "complete@10": _complete,
    "mrr": _reciprocal_rank,
}


def by_kind(queries: Sequence[LabelledQuery], judgement: Judged) -> dict[str, dict[str, float]]:
    """Means of every measure: of each kind, and of `all`."""
    kinds = np.array([query.kind for query in queries])
    kind_to_places = {str(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}
    kind_to_places["all"] = np.arange(len(queries))
    return {
        kind: {name: round(judgement.mean(name, places), 4) for name in MEASURES} | {"queries": len(places)}
        for kind, places in kind_to_places.items()
    }


def groups_of(queries: Sequence[LabelledQuery]) -> NDArray[np.int64]:
    """(queries,): the same number for queries that need the same skill first; what is drawn together."""
    firsts = [min(query.gold[0]) for query in queries]
    return np.unique(firsts, return_inverse=True)[1].astype(np.int64)


def difference(one: Values, other: Values, groups: NDArray[np.int64], *, seed: int) -> dict[str, float]:
    """Mean of `one - other` over the queries, with its 95 % interval: whole groups are drawn with replacement.

    `p`: two-sided, the share of draws on the other side of none, doubled.
    """
    totals = np.bincount(groups, one - other)
    sizes = np.bincount(groups).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=RESAMPLES)
    means = (drawn @ totals) / np.maximum(drawn @ sizes, 1)
    low, high = np.quantile(means, [0.025, 0.975])
    beyond = min(float((means <= 0).mean()), float((means >= 0).mean()))
    return {
        "mean": round(float(totals.sum() / sizes.sum()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "p": min(1.0, 2 * beyond),
    }
