"""The table by empirical Bayes, and what it says of queries that it did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routing.dataset import Dataset
from routing.forecasts import Inputs
from routing.predictors.corrected import MARGIN, bent
from routing.predictors.ground_fitting import BLOCKS, Fitted, fit_groundwork, quality_table
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs

DATA = small_dataset(queries=200)
INPUTS = small_inputs(DATA)


def fitted(data: Dataset = DATA, inputs: Inputs = INPUTS) -> Fitted:
    return fit_groundwork(data, inputs, seed=0, on_progress=no_progress)


def simulated(rng: np.random.Generator, queries: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True task means (tasks × candidates), membership, outcomes."""
    truth = np.clip(0.6 + spread * rng.normal(size=(5, 8)), 0.05, 0.95)
    tasks = rng.integers(5, size=queries)
    return truth, np.eye(5)[tasks], (rng.uniform(size=(queries, 8)) < truth[tasks]).astype(float)


def test_shrunk_means_are_nearer_to_the_truth_than_plain_ones() -> None:
    rng, plain_error, shrunk_error = np.random.default_rng(0), 0.0, 0.0
    for _ in range(20):
        truth, members, quality = simulated(rng, queries=100, spread=0.05)
        plain = (members.T @ quality) / members.sum(axis=0)[:, None]
        plain_error += float(((plain - truth) ** 2).mean())
        shrunk_error += float(((quality_table(quality, members) - truth) ** 2).mean())
    assert shrunk_error < 0.6 * plain_error


def test_many_outcomes_are_left_as_they_are() -> None:
    truth, members, quality = simulated(np.random.default_rng(1), queries=20_000, spread=0.2)
    assert np.abs(quality_table(quality, members) - truth).max() < 0.05


def test_missing_cells_and_absent_tasks_leave_no_gap() -> None:
    _, members, quality = simulated(np.random.default_rng(2), queries=60, spread=0.1)
    quality[::2, 0], quality[:, 1] = np.nan, np.nan
    members = np.concatenate([members, np.zeros((60, 1))], axis=1)
    assert np.isfinite(quality_table(quality, members)).all()


def test_a_query_is_shown_nothing_of_its_own_block() -> None:
    """Other outcomes in one block change what is said of the other blocks, and nothing that is said of this one."""
    before = fitted()
    block = np.flatnonzero(before.blocks == 2)
    quality = DATA.quality.copy()
    quality[block] = 1 - quality[block]
    after = fitted(replace(DATA, quality=quality))
    assert np.array_equal(after.unseen.quality[block], before.unseen.quality[block])
    others = np.flatnonzero(before.blocks != 2)
    assert not np.allclose(after.unseen.quality[others], before.unseen.quality[others])


def test_blocks_part_the_queries_evenly() -> None:
    counts = np.bincount(fitted().blocks)
    assert len(counts) == BLOCKS
    assert counts.max() - counts.min() <= 1


def test_few_queries_are_not_parted() -> None:
    few = DATA.rows(range(10))
    assert not fitted(few, INPUTS.take(range(10))).is_parted


def test_without_labels_clusters_are_the_tasks_and_no_label_is_known() -> None:
    bare = replace(DATA, tasks=(None,) * len(DATA))
    work = fitted(bare, INPUTS.without_tasks())
    ground = work.groundwork.ground(INPUTS)
    assert not ground.is_told.any()
    assert np.allclose(ground.tasks.sum(axis=1), 1)


def test_named_task_takes_the_posteriors_place_and_an_unknown_name_does_not() -> None:
    work = fitted()
    named = replace(INPUTS.take([0, 1]), tasks=("history", "never heard of"))
    ground = work.groundwork.ground(named)
    assert ground.is_told.tolist() == [True, False]
    assert ground.tasks[0].max() == 1.0


def test_bending_keeps_order_and_stays_inside() -> None:
    raw = np.linspace(-1, 2, 301)
    found = bent(raw)
    assert (np.diff(found) > 0).all()
    assert found.min() > 0 and found.max() < 1
    inside = (raw >= MARGIN) & (raw <= 1 - MARGIN)
    assert np.array_equal(found[inside], raw[inside])
