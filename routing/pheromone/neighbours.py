"""What happened on this very query and on like ones, by a likeness that is measured and not supposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.base import Vector
from routing.pheromone.evaporation import Evaporation
from routing.pheromone.remembered_rows import RememberedRows

NEAREST = 16  # rows that are looked at
EDGES = np.array([0.7, 0.8, 0.9, 0.97, 0.9995])  # cosines: below the first nobody is a neighbour, from the last the
# texts are the same (half precision moves a cosine by less than 1e-6)
PRIOR_LIKENESS = np.array([0.0, 0.0, 0.0, 0.0, 0.6])  # ρ0 of each bin
PRIOR_WEIGHT = 0.4  # κ: products of residuals that the prior weighs as much as
MOST_LIKENESS = 0.95

Embedding = NDArray[np.float32]
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Near:
    """Remembered rows, the nearest first, and the bin of each one's cosine."""

    rows: Places
    bins: Places


@dataclass(frozen=True, kw_only=True, eq=False)
class Adjusted:
    """(arms,) each, as `CellEstimates` has them."""

    mean: Vector
    variance: Vector


class Neighbours:
    """Rows of outcomes, one a remembered text and stage, and for each stage how alike outcomes in a bin of cosine are.

    ρ_b = clip((κ ρ0_b + Σ z z') / (κ + Σ (z² + z'²) / 2), 0, .95) is the correlation of two residuals z = r - m of one
    candidate on two texts whose cosine lies in bin b: an empirical-Bayes estimate that shrinks to the prior. With
    K_i = ρ / (1 - ρ), N and S a row's count and sum of rewards:
    m' = m + Σ_i K_i (S_i - N_i m) / (1 + D), v' = v / (1 + D)², D = Σ_i K_i N_i.
    """

    def __init__(self, evaporation: Evaporation, *, capacity: int) -> None:
        self._evaporation = evaporation
        self.rows = RememberedRows(capacity)
        self._stage_to_sums: dict[str, Vector] = {}  # (2, bins): Σ z z', Σ (z² + z'²) / 2

    def near(self, stage: str, vector: Embedding | None, *, encoder: str) -> Near | None:
        """None where there is nobody."""
        if vector is None:
            return None
        found, cosines = self.rows.nearest(stage, vector, encoder=encoder, count=NEAREST)
        bins = np.searchsorted(EDGES, cosines, side="right") - 1
        return Near(rows=found[bins >= 0], bins=bins[bins >= 0]) if (bins >= 0).any() else None

    def adjusted(
        self, mean: Vector, variance: Vector, near: Near | None, *, arms: Sequence[str], stage: str, tick: float
    ) -> Adjusted:
        """The estimates of these arms, after what happened nearby."""
        if near is None:
            return Adjusted(mean=mean, variance=variance)
        n, s = self._outcomes(near, arms, tick)
        likeness = self.likeness(stage)[near.bins]
        k = likeness / (1.0 - likeness)
        evidence = k @ n
        return Adjusted(
            mean=mean + (k @ s - evidence * mean) / (1.0 + evidence), variance=variance / (1.0 + evidence) ** 2
        )

    def likeness(self, stage: str) -> Vector:
        """(bins,): ρ."""
        products, squares = self._stage_to_sums.get(stage, np.zeros((2, len(EDGES))))
        rho: Vector = np.clip((PRIOR_WEIGHT * PRIOR_LIKENESS + products) / (PRIOR_WEIGHT + squares), 0.0, MOST_LIKENESS)
        return rho

    def compare(
        self, near: Near, arm: str, residual: float, *, mean: float, stage: str, tick: float, weight: float
    ) -> None:
        """Learns from a lesson, before it is booked, how alike what happened nearby was. `mean`: m of the arm here."""
        n, s = (values[:, 0] for values in self._outcomes(near, [arm], tick))
        seen = n > 0
        if not seen.any():
            return
        other = s[seen] / n[seen] - mean
        sums = self._stage_to_sums.setdefault(stage, np.zeros((2, len(EDGES))))
        np.add.at(sums[0], near.bins[seen], weight * residual * other)
        np.add.at(sums[1], near.bins[seen], weight * (residual * residual + other * other) / 2.0)

    def book(
        self,
        near: Near | None,
        vector: Embedding,
        *,
        stage: str,
        encoder: str,
        payload_id: str,
        tick: float,
    ) -> int:
        """The row of this text, which is made where it is new; its older evidence has faded to this moment."""
        is_same = near is not None and near.bins[0] == len(EDGES) - 1
        if near is not None and is_same:
            row = int(near.rows[0])
            self.rows.touch(row)
        else:
            row = self.rows.add(stage, vector, encoder=encoder, payload_id=payload_id)
        self.rows.fade(row, self._evaporation.share_kept, tick=tick)
        return row

    def forget_stage(self, stage: str) -> None:
        self.rows.drop_stage(stage)
        self._stage_to_sums.pop(stage, None)

    def state(self) -> dict[str, object]:
        return {
            "rows": self.rows.state(),
            "likeness": {stage: sums.tolist() for stage, sums in sorted(self._stage_to_sums.items())},
        }

    def restore(self, state: dict[str, object]) -> None:
        """Undo of `state`. Raises KeyError, TypeError or ValueError where it is none."""
        likeness = state["likeness"]
        if not isinstance(likeness, dict):
            raise TypeError("likeness is a stage to two rows of sums")
        self.rows.restore(state["rows"])
        self._stage_to_sums = {
            stage: np.array(sums, dtype=np.float64).reshape(2, len(EDGES)) for stage, sums in likeness.items()
        }

    def _outcomes(self, near: Near, arms: Sequence[str], tick: float) -> tuple[Vector, Vector]:
        """(rows, arms) counts and sums, faded to now."""
        kept = self._evaporation.share_kept(tick - self.rows.ticks(near.rows))[:, None]
        n, s = self.rows.outcomes(near.rows, arms)
        return n * kept, s * kept
