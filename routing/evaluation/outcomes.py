"""The measured outcomes that routers are judged by: which cells are known, and what costs are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset
from routing.forecasts import Inputs, Matrix, Reference
from storage.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """Queries with at least one known cell; unknown cells hold zero and are never chosen."""

    candidates: tuple[str, ...]
    tasks: tuple[str | None, ...]
    quality: Matrix
    cost_usd: Matrix
    latency_seconds: Matrix | None  # NaN where it was not measured; None: nowhere measured
    is_known: NDArray[np.bool_]  # queries × candidates
    reference: Reference  # of the training queries
    rows: NDArray[np.int64]  # places of these queries in the data
    excluded_queries: int  # without any known cell

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def missing_cells(self) -> int:
        """Of the queries that are kept."""
        return int((~self.is_known).sum())


def outcomes_of(data: Dataset, inputs: Inputs, reference: Reference) -> tuple[Outcomes, Inputs]:
    """The outcomes of these queries, and the inputs of those that are kept.

    A cell is known where its quality is, and its cost too unless the data holds no costs at all. Raises InvalidInput
    where nothing is known, or where inputs and data differ in length.
    """
    if len(inputs) != len(data):
        raise InvalidInput(f"{len(inputs)} inputs for {len(data)} queries; they must be of the same.", field="inputs")
    has_costs = not np.isnan(data.cost_usd).all()
    is_known = ~np.isnan(data.quality) & (~np.isnan(data.cost_usd) | (not has_costs))
    kept = np.flatnonzero(is_known.any(axis=1))
    if not len(kept):
        raise InvalidInput(
            f"None of the {len(data)} queries has a known outcome; routers can only be judged by measured ones.",
            field="quality",
        )
    known = is_known[kept]
    outcomes = Outcomes(
        candidates=data.candidates,
        tasks=tuple(data.tasks[row] for row in kept),
        quality=np.where(known, data.quality[kept], 0.0),
        cost_usd=np.where(known & has_costs, data.cost_usd[kept], 0.0),
        latency_seconds=None if np.isnan(data.latency_seconds).all() else data.latency_seconds[kept],
        is_known=known,
        reference=reference,
        rows=kept,
        excluded_queries=len(data) - len(kept),
    )
    return outcomes, inputs.take(kept)
