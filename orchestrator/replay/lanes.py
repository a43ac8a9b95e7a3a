"""One router's replay of the traffic, with the log itself, the best single candidate and chance beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.replay.means import MEANS_MODEL, ObservedMeans
from orchestrator.replay.records import CostSource, RouterName, Standing
from orchestrator.replay.tally import Differences, JudgedLog, Pick, Tally
from orchestrator.replay.targets import Row
from orchestrator.replay.traffic_log import Entry
from routing.forecasts import Weights
from routing.router import sample
from storage.records import Assessment, Decision

LOGGED = RouterName(name="logged", kind="logged", note="what was really done")
BEST_SINGLE = RouterName(
    name="best single", kind="reference", note="the candidate with the best mean quality of this traffic, where allowed"
)
RANDOM = RouterName(name="random", kind="reference", note="all that were allowed with the same chance")
ROUTER_MODEL = "what the trained router expects; of a candidate that it does not know, the mean in this traffic"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Of one candidate, in one decision."""

    cost_usd: float
    source: CostSource
    quality: float | None  # None: nobody forecasts, and nothing was judged
    utility: float | None


class Lanes:
    """Four routers on the same decisions, all seen by one model: the router's own, else the traffic's means."""

    def __init__(
        self, name: RouterName, means: ObservedMeans, candidates: Sequence[str], *, judged: int, weights: Weights,
        changes: int,
    ) -> None:  # fmt: skip
        """`judged`: the most decisions with a known quality. `weights`: of decisions that stored none."""
        self._means = means
        self._weights = weights
        self._judged = JudgedLog(candidates, most=judged)
        self._tallies = [Tally(each, self._judged, most_judged=judged) for each in (name, LOGGED, BEST_SINGLE, RANDOM)]
        self._forecast_usd, self._logged_usd = 0.0, 0.0
        self._has_forecast = False
        self.differences = Differences(changes)

    def add(self, entry: Entry, decision: Decision, row: Row) -> Pick:
        """Books the decision; returns what the router does with it."""
        self._has_forecast |= row.quality is not None
        allowed = [each for each in decision.assessments if each.mask_reason is None]
        expected = self._expected(entry, decision, row, allowed)
        stored = {each.candidate_id: each.probability for each in allowed}
        picks = [
            _pick(entry, expected, self._drawn(decision, row.probabilities), row.probabilities),
            _pick(entry, expected, entry.candidate_id, stored),
            self._best_single(entry, expected),
            self._random(entry, decision, expected),
        ]
        place = None
        if entry.quality is not None:
            place = self._judged.count
            model = {id: each.quality for id, each in expected.items() if each.quality is not None}
            self._judged.add(entry, entry.quality, model)
        for tally, pick in zip(self._tallies, picks, strict=True):
            tally.add(entry, pick, judged_row=place)
        if row.cost_usd is not None and entry.candidate_id in row.cost_usd:
            self._forecast_usd += row.cost_usd[entry.candidate_id]
            self._logged_usd += entry.cost_usd
        self.differences.add(entry, picks[1], picks[0])
        return picks[0]

    def standings(self, *, seed: int) -> list[Standing]:
        """The router, the log, best single, random."""
        return [tally.standing(seed=seed, is_logged=tally.name is LOGGED) for tally in self._tallies]

    @property
    def reference_usd(self) -> float:
        """The unit of weighed costs, where the router does not weigh itself."""
        return self._means.reference_usd

    @property
    def weighs_by_means(self) -> bool:
        """Whether costs are weighed in the unit of the traffic's own means, not in the router's."""
        return self._means.has_quality and not self._has_forecast

    @property
    def model(self) -> str:
        if self._has_forecast:
            return ROUTER_MODEL
        return MEANS_MODEL if self._means.has_quality else "none: nothing in this traffic was judged"

    @property
    def notes(self) -> list[str]:
        if not self._logged_usd:
            return []
        ratio = self._forecast_usd / self._logged_usd
        return [f"for those who were really picked, the router expects {ratio:.2f} times the cost that was logged"]

    def _expected(
        self, entry: Entry, decision: Decision, row: Row, allowed: Sequence[Assessment]
    ) -> Mapping[str, Expected]:
        weights = Weights(**decision.weights) if decision.weights else self._weights
        found = {}
        for each in allowed:
            id = each.candidate_id
            if row.cost_usd is not None and id in row.cost_usd:
                cost, source = row.cost_usd[id], _COST_HEAD
            else:
                cost, source = self._means.cost(id, entry.task, float(each.worst_case_usd))
            quality = (row.quality or {}).get(id)
            if quality is None and (row.quality is not None or self._means.has_quality):
                quality = self._means.quality(id, entry.task)
            utility = (row.utility or {}).get(id)
            if utility is None and quality is not None:
                utility = self._means.utility(quality, cost, weights)
            found[id] = Expected(cost_usd=cost, source=source, quality=quality, utility=utility)
        return found

    def _best_single(self, entry: Entry, expected: Mapping[str, Expected]) -> Pick:
        first = next((id for id in self._means.best_first if id in expected), min(expected))
        return _pick(entry, expected, first, {first: 1.0})

    def _random(self, entry: Entry, decision: Decision, expected: Mapping[str, Expected]) -> Pick:
        chances = dict.fromkeys(expected, 1.0 / len(expected))
        return _pick(entry, expected, self._drawn(decision, chances), chances)

    @staticmethod
    def _drawn(decision: Decision, probabilities: Mapping[str, float]) -> str:
        """With the decision's own random number, so that routers differ by their probabilities alone."""
        values, ids = list(probabilities.values()), list(probabilities)
        return sample(values, ids, seed=decision.rng_seed, counter=decision.rng_counter)


_COST_HEAD: CostSource = "cost_head"


def _pick(entry: Entry, expected: Mapping[str, Expected], id: str, probabilities: Mapping[str, float]) -> Pick:
    found = expected[id]
    is_logged = id == entry.candidate_id
    utilities = [each.utility for each in expected.values() if each.utility is not None]
    return Pick(
        candidate_id=id,
        probabilities=probabilities,
        cost_usd=entry.cost_usd if is_logged else found.cost_usd,
        source="logged" if is_logged else found.source,
        quality=found.quality,
        utility=found.utility,
        best_utility=max(utilities, default=None),
    )
