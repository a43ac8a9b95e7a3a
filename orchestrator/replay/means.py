"""What the log itself says of each candidate: its mean cost and quality on each task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from orchestrator.replay.records import CostSource
from orchestrator.replay.traffic_log import Entry
from routing.forecasts import Weights
from routing.policies.cells import Cells

MEANS_MODEL = "the candidates' mean quality and cost on each task in this traffic, drawn towards their overall mean"


class ObservedMeans:
    """Of the decisions given. A candidate that was never picked has no cost of its own; see `cost`."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._quality = Cells()
        pair_to_costs: dict[tuple[str, str], list[float]] = defaultdict(list)
        id_to_costs: dict[str, list[float]] = defaultdict(list)
        judged: dict[str, list[float]] = defaultdict(list)
        costs, worst_cases = list[float](), list[float]()
        for entry in entries:
            pair_to_costs[entry.candidate_id, entry.task].append(entry.cost_usd)
            id_to_costs[entry.candidate_id].append(entry.cost_usd)
            costs.append(entry.cost_usd)
            worst_cases.append(entry.worst_case_usd)
            if entry.quality is not None:
                self._quality.add(entry.candidate_id, {entry.task: 1.0}, entry.quality)
                judged[entry.candidate_id].append(entry.quality)
        self._pair_to_cost = {pair: _mean(found) for pair, found in pair_to_costs.items()}
        self._id_to_cost = {id: _mean(found) for id, found in id_to_costs.items()}
        self._id_to_quality = {id: _mean(found) for id, found in judged.items()}
        worst = fsum(worst_cases)
        self._share = fsum(costs) / worst if worst else 0.0  # of the worst case that calls really took

    @property
    def has_quality(self) -> bool:
        """Whether anything was judged."""
        return bool(self._id_to_quality)

    @property
    def best_first(self) -> Sequence[str]:
        """Candidates by what they earned on the whole, of equals the cheaper one first."""
        ids = sorted(self._id_to_cost)
        return sorted(ids, key=lambda id: (-self._id_to_quality.get(id, 0.0), self._id_to_cost[id]))

    @property
    def reference_usd(self) -> float:
        """The best one's mean cost: the unit of weighed costs."""
        return self._id_to_cost[self.best_first[0]]

    def quality(self, candidate_id: str, task: str) -> float:
        return self._quality.estimate(candidate_id, {task: 1.0}).mean

    def cost(self, candidate_id: str, task: str, worst_case_usd: float) -> tuple[float, CostSource]:
        """In USD, and where it is from."""
        if (found := self._pair_to_cost.get((candidate_id, task))) is not None:
            return found, "task_mean"
        if (found := self._id_to_cost.get(candidate_id)) is not None:
            return found, "candidate_mean"
        return worst_case_usd * self._share, "worst_case"

    def utility(self, quality: float, cost_usd: float, weights: Weights) -> float:
        cost = cost_usd / self.reference_usd if self.reference_usd else 0.0
        return weights.quality * quality - weights.cost * cost

    def qualities(self, ids: Sequence[str], task: str) -> Mapping[str, float]:
        return {id: self.quality(id, task) for id in ids}


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
