"""References learned by counting: orders of candidates, and the task table."""

from __future__ import annotations

import numpy as np

from routing.evaluation.references import best_single_order, cheapest_order, table_forecast
from tests.routing.evaluation.doubles import dataset

NAN = float("nan")


def test_orders_put_unmeasured_candidates_last() -> None:
    train = dataset(
        np.array([[0.2, NAN, 0.9], [0.4, NAN, 0.5]]), cost=np.array([[0.1, NAN, 0.3], [0.1, NAN, 0.3]]), split="train"
    )
    assert best_single_order(train).tolist() == [2, 0, 1]
    assert cheapest_order(train).tolist() == [0, 2, 1]


def test_table_is_the_mean_of_each_task_and_candidate() -> None:
    train = dataset(
        np.array([[1.0, 0.0], [0.5, 0.2], [0.0, 0.9]]),
        cost=np.array([[3.0, 1.0], [1.0, 1.0], [5.0, 2.0]]),
        tasks=["code", "code", "chat"],
        split="train",
    )
    table = table_forecast(train, ("chat", "code", "code"))
    assert table.quality.tolist() == [[0.0, 0.9], [0.75, 0.1], [0.75, 0.1]]
    assert table.cost_usd.tolist() == [[5.0, 2.0], [2.0, 1.0], [2.0, 1.0]]


def test_table_falls_back_to_the_candidates_mean_for_unknown_tasks_and_empty_cells() -> None:
    train = dataset(np.array([[1.0, NAN], [0.0, 0.6]]), tasks=["code", "chat"], split="train")
    table = table_forecast(train, ("unheard", None, "code"))
    assert table.quality.tolist() == [[0.5, 0.6], [0.5, 0.6], [1.0, 0.6]]
    assert not table.cost_usd.any()


def test_table_hopes_nothing_of_a_candidate_never_measured() -> None:
    train = dataset(np.array([[0.4, NAN]]), cost=np.array([[2.0, NAN]]), tasks=["code"], split="train")
    table = table_forecast(train, ("code",))
    assert table.quality.tolist() == [[0.4, 0.0]]
    assert table.cost_usd.tolist() == [[2.0, 2.0]]
