"""How well lists of skills answer queries: found first, found at all, in what order, and all that is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from skills.ranking.base import Rows

Needed = tuple[frozenset[int], ...]  # of each needed skill the rows that are as good
RECALL_AT = 50
GRADED = 10
_GAINS = 1 / np.log2(np.arange(2, GRADED + 2))


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Means over queries; see `measured` for each query's."""

    hit_at_1: float
    recall_at_50: float
    ndcg_at_10: float
    complete_at_10: float
    queries: int


def measured(order: Rows, needed: Needed) -> tuple[float, float, float, float]:
    """Of one query, `order` best first: hit@1, recall@50, nDCG@10, complete@10; each need counts once."""
    left = list(needed)
    gains = np.zeros(GRADED)
    found_late = 0
    for rank, row in enumerate(order[:RECALL_AT].tolist()):
        answers = next((need for need in left if row in need), None)
        if answers is None:
            continue
        left.remove(answers)
        if rank < GRADED:
            gains[rank] = 1
        else:
            found_late += 1
    ideal = _GAINS[: len(needed)].sum()
    found = int(gains.sum())
    return (
        float(gains[0]),
        (found + found_late) / len(needed),
        float(gains @ _GAINS / ideal),
        float(found == len(needed)),
    )


def mean_measures(orders: Sequence[Rows], needed: Sequence[Needed]) -> Measures:
    """All zero where there is no query."""
    each = np.array([measured(order, need) for order, need in zip(orders, needed, strict=True)]).reshape(-1, 4)
    hit, recall, ndcg, complete = each.mean(axis=0).round(4).tolist() if len(each) else (0.0,) * 4
    return Measures(hit_at_1=hit, recall_at_50=recall, ndcg_at_10=ndcg, complete_at_10=complete, queries=len(each))


def measures_by_kind(
    orders: Sequence[Rows], needed: Sequence[Needed], kinds: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    """Each kind's, and those of all under "all"."""
    found = {}
    for kind in sorted(set(kinds)):
        own = [place for place, other in enumerate(kinds) if other == kind]
        found[kind] = asdict(mean_measures([orders[place] for place in own], [needed[place] for place in own]))
    return {**found, "all": asdict(mean_measures(orders, needed))}
