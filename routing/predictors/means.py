"""Means of what was measured, candidate by candidate, with something sensible where nothing was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset, mean_of_known
from routing.forecasts import Inputs, Matrix
from storage.errors import InvalidInput

AMOUNTS = ("cost_usd", "latency_seconds", "energy_joules")  # what a forecast says beside quality


def candidate_means(matrix: Matrix) -> NDArray[np.float64]:
    """Mean of each column over its known cells; an empty column gets the mean of all known cells, or 0 without any."""
    known = ~np.isnan(matrix)
    overall = float(matrix[known].mean()) if known.any() else 0.0
    means = mean_of_known(matrix)
    return np.where(np.isnan(means), overall, means)


def known_amounts(data: Dataset) -> tuple[str, ...]:
    """Names of the amounts to forecast: cost always, the others where at least one cell is known."""
    return tuple(name for name in AMOUNTS if name == "cost_usd" or not np.isnan(getattr(data, name)).all())


def check_learnable(data: Dataset, inputs: Inputs) -> None:
    """Raises InvalidInput where no quality is known, or the inputs are not the data's queries."""
    if len(inputs) != len(data):
        raise InvalidInput(f"{len(inputs)} inputs for {len(data)} queries; give one for each.", field="inputs")
    if np.isnan(data.quality).all():
        raise InvalidInput("No candidate has a known quality; at least one outcome is needed.", field="quality")
