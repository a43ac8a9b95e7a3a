"""Fits the stack: one groundwork, corrected by the kernel and by the graph network together."""

from __future__ import annotations

from routing.dataset import Dataset
from routing.forecasts import Inputs
from routing.predictors.corrected import Stack
from routing.predictors.ground_fitting import fit_groundwork
from routing.predictors.kernel import KernelCorrection
from routing.training.graph import fit_correction
from skills.progress import Progress

# Chosen by cross-validation on three data sets: in full, one overfits what the other has explained already.
WEIGHTS = {"graph": 0.7, "kernel": 0.6}


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Stack:
    """See `training.registry.Fit`."""
    fitted = fit_groundwork(data, inputs, seed=seed, on_progress=on_progress)
    corrections = {
        "graph": fit_correction(fitted, data, inputs, seed=seed, on_progress=on_progress),
        "kernel": KernelCorrection.fit(fitted, data, seed=seed),
    }
    return Stack(data.candidates, fitted.groundwork, corrections, WEIGHTS).settled()
