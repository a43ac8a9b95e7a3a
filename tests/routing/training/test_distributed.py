"""Fitting side by side on a Ray cluster of two nodes, emulated on this machine by real node processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from routing.training.distributed import fit_on_ray, ray_cluster
from routing.training.fits import fit_in_turn
from skills.progress import no_progress
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, small_inputs

NAMES = ("table", "knn", "ridge", "mf")
DATA = small_dataset(queries=120)
INPUTS = small_inputs(DATA)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(240),  # starting two nodes takes half a minute on a busy machine
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Ray's own sockets and files
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[str]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def test_two_nodes_fit_what_one_process_fits(two_nodes: str) -> None:
    told: list[str] = []
    with ray_cluster(two_nodes):
        there = fit_on_ray(NAMES, DATA, INPUTS, seed=0, on_progress=lambda done, total, what: told.append(what))
    here = fit_in_turn(NAMES, DATA, INPUTS, seed=0, on_progress=no_progress)
    assert list(there) == list(NAMES)
    assert len({fitted.node for fitted in there.values()}) == 2
    assert told
    for name in NAMES:
        ours, theirs = here[name].predictor.arrays(), there[name].predictor.arrays()
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_error_of_a_trial_reaches_the_caller(two_nodes: str) -> None:
    nothing = small_dataset(queries=8)
    nothing.quality[:] = np.nan
    with ray_cluster(two_nodes), pytest.raises(InvalidInput):
        fit_on_ray(["knn"], nothing, small_inputs(nothing), seed=0, on_progress=no_progress)
