"""Fits routers side by side on a Ray cluster, one trial a worker; the home of ray in training."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from routing.dataset import Dataset
from routing.forecasts import Inputs, Predictor
from routing.predictors.registry import predictor_class
from routing.training.fits import Fitted, fit_one
from skills.progress import Progress

LOCAL = "local"
OBJECT_STORE_BYTES = 200_000_000  # of a local cluster: the data is some tens of megabytes


@contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """`local` starts a cluster on this machine and ends it afterwards; anything else joins the one at that address."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL:
        ray.init(
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


def fit_on_ray(
    names: Sequence[str], data: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
) -> Mapping[str, Fitted]:
    """See `FitAll`. Each router is one task of one CPU; the data goes to the cluster once.

    The same arrays come back as from `fit_in_turn`. Raises what the fitting raised.
    """
    import ray

    trial = ray.remote(num_cpus=1, max_retries=2, scheduling_strategy="SPREAD")(_trial)
    data_ref, inputs_ref = ray.put(data), ray.put(inputs)
    waiting = {trial.remote(name, data_ref, inputs_ref, seed): name for name in names}
    name_to_fitted: dict[str, Fitted] = {}
    while waiting:
        on_progress(len(name_to_fitted), len(names), "routers fitted on Ray")
        done, _ = ray.wait(list(waiting), num_returns=1)
        name = waiting.pop(done[0])
        name_to_fitted[name] = _restored(ray.get(done[0]))
    on_progress(len(names), len(names), "routers fitted on Ray")
    return {name: name_to_fitted[name] for name in names}


def _trial(name: str, data: Dataset, inputs: Inputs, seed: int) -> dict[str, Any]:
    """Runs on a worker; what it gives back is what an artefact holds."""
    import ray

    fitted = fit_one(name, data, inputs, seed=seed)
    predictor = fitted.predictor
    return {
        "kind": predictor.kind,
        "arrays": predictor.arrays(),
        "settings": predictor.settings(),
        "seconds": fitted.seconds,
        "node": ray.get_runtime_context().get_node_id(),
    }


def _restored(found: Mapping[str, Any]) -> Fitted:
    kind: type[Predictor] = predictor_class(found["kind"])
    return Fitted(
        predictor=kind.restore(found["arrays"], found["settings"]), seconds=found["seconds"], node=found["node"]
    )
