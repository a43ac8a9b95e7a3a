"""What was earned per arm and task, and estimates that lean on the arm's other tasks where a cell is thin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from typing import cast

from storage.errors import InvalidInput

NEUTRAL_REWARD = 0.5  # assumed of an arm of which nothing is known
PRIOR_COUNT = 1.0  # rewards that the assumption, and the arm's mean within a task, weigh as much as
NEGLIGIBLE_WEIGHT = 0.01  # of a task in a mixture: below it nothing is booked


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What an arm may earn on a mixture of tasks. Variances are in units of one reward's variance."""

    overall_mean: float  # of the arm on all tasks
    mean: float
    count: float  # rewards seen, weighted by the mixture
    variance: float


class Cells:
    """Weighted counts and sums of rewards in cells of arm × task.

    With k = PRIOR_COUNT: M_a = (k/2 + Σ_t s_at) / (k + Σ_t n_at), m_at = (k M_a + s_at) / (k + n_at); a mixture w earns
    Σ_t w_t m_at: partial pooling as in the two-level Gaussian model with known variances (Gelman et al., Bayesian Data
    Analysis, ch. 5), with the arm's plain mean in place of the precision-weighted one.
    """

    def __init__(self) -> None:
        self._arm_to_task_to_cell: dict[str, dict[str, tuple[float, float]]] = {}  # (n, s)

    def add(self, arm: str, mixture: Mapping[str, float], reward: float) -> None:
        """Books the reward on each task by its weight."""
        task_to_cell = self._arm_to_task_to_cell.setdefault(arm, {})
        for task, weight in mixture.items():
            if weight >= NEGLIGIBLE_WEIGHT:
                count, total = task_to_cell.get(task, (0.0, 0.0))
                task_to_cell[task] = (count + weight, total + weight * reward)

    def estimate(self, arm: str, mixture: Mapping[str, float]) -> Estimate:
        """Exactly rounded sums, so that a state or a mixture read back in another order gives the same bits."""
        task_to_cell = self._arm_to_task_to_cell.get(arm, {})
        count = fsum([PRIOR_COUNT, *(n for n, _ in task_to_cell.values())])
        overall = fsum([PRIOR_COUNT * NEUTRAL_REWARD, *(s for _, s in task_to_cell.values())]) / count
        cells = [(weight, *task_to_cell.get(task, (0.0, 0.0))) for task, weight in mixture.items()]
        leaning = fsum(w * PRIOR_COUNT / (PRIOR_COUNT + n) for w, n, _ in cells)  # weight of the arm's overall mean
        return Estimate(
            overall_mean=overall,
            mean=fsum(w * (PRIOR_COUNT * overall + s) / (PRIOR_COUNT + n) for w, n, s in cells),
            count=fsum(w * n for w, n, _ in cells),
            variance=fsum(w * w / (PRIOR_COUNT + n) for w, n, _ in cells) + leaning * leaning / count,
        )

    def state(self) -> dict[str, object]:
        return {
            arm: {task: [n, s] for task, (n, s) in task_to_cell.items()}
            for arm, task_to_cell in self._arm_to_task_to_cell.items()
        }

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises InvalidInput and keeps what it had if the state has another shape."""
        try:
            arms = cast("Mapping[str, Mapping[str, tuple[float, float]]]", state)
            restored = {
                arm: {task: (float(n), float(s)) for task, (n, s) in task_to_cell.items()}
                for arm, task_to_cell in arms.items()
            }
        except (AttributeError, TypeError, ValueError) as exc:
            raise InvalidInput(
                f"Saved cells are arm to task to [count, sum], not {state!r:.200}.", field="cells"
            ) from exc
        self._arm_to_task_to_cell = restored
