"""The gate before promotion: a router must beat kNN and the best single candidate on held-out queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.evaluation.bootstrap import Difference, difference, resampled_means
from storage.errors import InvalidInput

KNN = "knn"
RIVALS = (KNN, "best_single")
GATE_LEVEL = 0.80  # of the interval whose lower end must be above zero: nine chances in ten that the router is better

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """`rivals`: name to the difference in utility area, with the interval of `GATE_LEVEL`."""

    rivals: Mapping[str, Difference]
    is_passed: bool
    reason: str


def gate(areas: Vector, rivals: Mapping[str, Vector], *, seed: int) -> Gate:
    """`areas`: each query's utility area, of the router and of each rival on the same queries.

    Every one of `RIVALS` must be there, or the gate stays shut and says so. Raises InvalidInput for other queries.
    """
    for name, other in rivals.items():
        if other.shape != areas.shape:
            raise InvalidInput(
                f"Rival {name!r} was judged on {len(other)} queries, the router on {len(areas)}; both need the same.",
                field="rivals",
            )
    columns = np.stack([areas, *rivals.values()], axis=1)
    return verdict(columns.mean(axis=0), resampled_means(columns, seed=seed), tuple(rivals))


def verdict(means: Vector, resampled: NDArray[np.float64], rivals: tuple[str, ...]) -> Gate:
    """The router's column comes first, then the rivals'; `resampled` as from `resampled_means`."""
    differences = {
        name: difference(float(means[0] - means[place]), resampled[:, 0] - resampled[:, place], level=GATE_LEVEL)
        for place, name in enumerate(rivals, start=1)
    }
    missing = [f"{name} was not judged beside it" for name in RIVALS if name not in differences]
    lost = [_told(name, found) for name, found in differences.items() if found.low <= 0]
    if missing or lost:
        return Gate(rivals=differences, is_passed=False, reason=f"Not passed: {'; '.join([*missing, *lost])}.")
    won = "; ".join(_told(name, found) for name, found in differences.items())
    return Gate(rivals=differences, is_passed=True, reason=f"Passed: {won}.")


def _told(name: str, found: Difference) -> str:
    return (
        f"utility area {found.mean:+.4f} against {name} "
        f"({GATE_LEVEL:.0%} interval {found.low:+.4f} to {found.high:+.4f})"
    )
