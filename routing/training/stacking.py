"""Fits the stack: one groundwork, corrected by the kernel and by the graph network together."""

from __future__ import annotations

from routing.dataset import Dataset, Progress
from routing.forecasts import Inputs
from routing.predictors.corrected import Stack
from routing.predictors.ground_fitting import fit_groundwork
from routing.predictors.kernel import KernelCorrection
from routing.training.graph import fit_correction

WEIGHTS = {
    "kernel": 0.4,
    "graph": 0.5,
}  # about half of what each is worth alone: their errors differ, the mean's are less


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Stack:
    """See `training.registry.Fit`."""
    fitted = fit_groundwork(data, inputs, seed=seed, on_progress=on_progress)
    corrections = {
        "graph": fit_correction(fitted, data, inputs, seed=seed, on_progress=on_progress),
        "kernel": KernelCorrection.fit(fitted, data, seed=seed),
    }
    return Stack(data.candidates, fitted.groundwork, corrections, WEIGHTS)
