"""Fits the graph router: the groundwork's table, corrected by what a network over the affinity graph learns."""

from __future__ import annotations

from routing.dataset import Dataset
from routing.forecasts import Inputs
from routing.predictors.corrected import Graph
from routing.predictors.graph import GraphCorrection
from routing.predictors.ground_fitting import Fitted, fit_groundwork
from routing.training.graph_episodes import Hearing, graphs_of
from skills.progress import Progress

ALL_HEARING = Hearing()


def fit(data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress) -> Graph:
    """See `training.registry.Fit`."""
    fitted = fit_groundwork(data, inputs, seed=seed, on_progress=on_progress)
    correction = fit_correction(fitted, data, inputs, seed=seed, on_progress=on_progress)
    return Graph(data.candidates, fitted.groundwork, {"graph": correction}, {"graph": 1.0}).settled()


def fit_correction(
    fitted: Fitted,
    data: Dataset,
    inputs: Inputs,
    *,
    seed: int,
    on_progress: Progress,
    hearing: Hearing = ALL_HEARING,
) -> GraphCorrection:
    """Idle where there are too few queries to part into blocks, or one candidate, so that there is no choice."""
    if not fitted.is_parted or len(data.candidates) < 2:
        return GraphCorrection.idle(len(data.candidates))
    from routing.training.graph_folding import folded
    from routing.training.graph_learning import learned

    graphs = graphs_of(fitted, data, inputs, seed=seed, hearing=hearing)
    result = learned(graphs, seed=seed, on_progress=on_progress)
    scales = {name: getattr(result, name) for name in ("contrast_scale", "level_scale", "cost_scale")}
    if not any(scales.values()):
        return GraphCorrection.idle(len(data.candidates))
    return folded(result.networks, graphs.whole, **scales)
