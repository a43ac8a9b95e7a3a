"""What a principal's lessons weigh: less the further they are from what the others tell, and never a flood of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from storage.errors import InvalidInput

TOLERANCE = 2.0  # mean squared standardised deviation from the others up to which a principal is trusted in full
PROBATION = 8.0  # lessons that were compared with the others', after which a principal's lessons weigh in full
MOST_SHARE = 0.1  # φ: of all evidence that one principal's may be, where there are ten or more of them
LEAST_EVIDENCE = 20.0  # lessons that the share is taken of at least, so that somebody can begin
LEAST_OTHERS = 1.0  # lessons of others on a candidate, below which nobody can be compared with them
MOST_PRINCIPALS = 1024  # that are told apart; who was not heard of the longest is forgotten
RESIDUALS_KEPT = 0.99  # at each further lesson on the candidate: about the last hundred count
VARIANCE_FORGETTING = 0.02
START_VARIANCE = 0.2
LEAST_VARIANCE = 0.05


@dataclass(kw_only=True)
class _Standing:
    """What is known of one principal. Residuals are rewards less what the others led to expect."""

    arm_to_residuals: dict[str, tuple[float, float]] = field(default_factory=dict)  # count, sum
    arm_to_evidence: dict[str, tuple[float, float]] = field(default_factory=dict)  # weight, weight × reward, as booked
    evidence: float = 0.0  # weight of all its lessons


class WeightCap:
    """weight = min(1, (compared + 1) / (probation + 1)) × trust × what is left of the principal's share, in [0, 1].

    Trust_p = min(1, 2 A / X_p)², X_p = Σ_a (Σ z)² / (n σ_a²) over its A candidates: X is about A for one who sees what
    the others see, and grows with each lesson of one who does not. z is the reward less the mean of all others on that
    candidate, corrected for the task; σ² a moving mean of z². Who is alone is trusted.
    """

    def __init__(self) -> None:
        self._standings: OrderedDict[str, _Standing] = OrderedDict()  # who was heard of last, last
        self._arm_to_variance: dict[str, float] = {}
        self._arm_to_evidence: dict[str, tuple[float, float]] = {}  # of all
        self._evidence = 0.0

    def weight(self, principal: str) -> float:
        """Of the principal's next lesson."""
        return self._proven(principal) * self.trust(principal) * self._room(principal)

    def trust(self, principal: str) -> float:
        standing = self._standings.get(principal)
        if standing is None or not standing.arm_to_residuals:
            return 1.0
        strange = sum(
            total * total / (count * max(self._arm_to_variance.get(arm, START_VARIANCE), LEAST_VARIANCE))
            for arm, (count, total) in sorted(standing.arm_to_residuals.items())
        )
        share = min(1.0, TOLERANCE * len(standing.arm_to_residuals) / max(strange, 1e-9))
        return share * share

    def is_alone(self, principal: str) -> bool:
        """Whether nobody else has taught anything yet."""
        return not self._standings.keys() - {principal}

    def book(self, principal: str, arm: str, *, reward: float, expected: float, overall: float, weight: float) -> None:
        """A lesson of this weight. `expected`: m, `overall`: M of the candidate, before the lesson was booked."""
        standing = self._standings.setdefault(principal, _Standing())
        self._standings.move_to_end(principal)
        self._compare(standing, arm, reward=reward, adjustment=expected - overall, weight=weight)
        for sums in (self._arm_to_evidence, standing.arm_to_evidence):
            count, total = sums.get(arm, (0.0, 0.0))
            sums[arm] = (count + weight, total + weight * reward)
        standing.evidence += weight
        self._evidence += weight
        while len(self._standings) > MOST_PRINCIPALS:
            self._standings.popitem(last=False)

    def start_again(self, arm: str) -> None:
        """The candidate is not what it was: what each said of it is no measure any more."""
        self._arm_to_evidence.pop(arm, None)
        for standing in self._standings.values():
            standing.arm_to_evidence.pop(arm, None)
            standing.arm_to_residuals.pop(arm, None)

    def state(self) -> dict[str, object]:
        return {
            "principals": [[name, asdict(standing)] for name, standing in self._standings.items()],
            "variances": dict(sorted(self._arm_to_variance.items())),
            "arms": {arm: list(sums) for arm, sums in sorted(self._arm_to_evidence.items())},
            "evidence": self._evidence,
        }

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises InvalidInput."""
        try:
            saved = cast(Mapping[str, Any], state)
            self._standings = OrderedDict((str(name), _standing(each)) for name, each in saved["principals"])
            self._arm_to_variance = {arm: float(value) for arm, value in saved["variances"].items()}
            self._arm_to_evidence = _pairs(saved["arms"])
            self._evidence = float(saved["evidence"])
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"That is no saved weight cap: {state!r:.200}.", field="cap") from exc

    def _proven(self, principal: str) -> float:
        if self.is_alone(principal):
            return 1.0
        standing = self._standings.get(principal, _Standing())
        compared = sum(count for count, _ in standing.arm_to_residuals.values())
        return min(1.0, (compared + 1.0) / (PROBATION + 1.0))

    def _room(self, principal: str) -> float:
        standing = self._standings.get(principal)
        if standing is None or self.is_alone(principal):
            return 1.0
        limit = max(MOST_SHARE, 1.0 / len(self._standings)) * max(self._evidence, LEAST_EVIDENCE)
        return min(max(limit - standing.evidence, 0.0), 1.0)

    def _compare(self, standing: _Standing, arm: str, *, reward: float, adjustment: float, weight: float) -> None:
        count, total = self._arm_to_evidence.get(arm, (0.0, 0.0))
        own_count, own_total = standing.arm_to_evidence.get(arm, (0.0, 0.0))
        others = count - own_count
        if others < LEAST_OTHERS:
            return
        residual = reward - ((total - own_total) / others + adjustment)
        variance = self._arm_to_variance.get(arm, START_VARIANCE)
        self._arm_to_variance[arm] = variance + VARIANCE_FORGETTING * weight * (min(residual**2, 1.0) - variance)
        n, s = standing.arm_to_residuals.get(arm, (0.0, 0.0))
        standing.arm_to_residuals[arm] = (RESIDUALS_KEPT * n + 1.0, RESIDUALS_KEPT * s + residual)


def _standing(saved: Mapping[str, Any]) -> _Standing:
    return _Standing(
        arm_to_residuals=_pairs(saved["arm_to_residuals"]),
        arm_to_evidence=_pairs(saved["arm_to_evidence"]),
        evidence=float(saved["evidence"]),
    )


def _pairs(saved: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {str(arm): (float(count), float(total)) for arm, (count, total) in saved.items()}
