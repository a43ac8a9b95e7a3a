"""Measures on lists that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from skills.training.measures import mean_measures, measured, measures_by_kind


def test_one_need_found_second() -> None:
    hit, recall, ndcg, complete = measured(np.array([7, 3, 5]), (frozenset({3}),))
    assert (hit, recall, complete) == (0, 1, 1)
    assert ndcg == pytest.approx(1 / np.log2(3))


def test_copy_of_what_was_found_counts_once() -> None:
    both = (frozenset({1, 2}), frozenset({9}))
    hit, recall, ndcg, complete = measured(np.array([1, 2, 9]), both)
    assert (hit, recall, complete) == (1, 1, 1)
    assert ndcg == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))


def test_need_beyond_ten_is_recalled_and_not_complete() -> None:
    order = np.arange(20)
    assert measured(order, (frozenset({0}), frozenset({15})))[1:] == (1, pytest.approx(0.6131, abs=1e-4), 0)


def test_means_by_kind_and_of_nothing() -> None:
    orders = [np.array([1]), np.array([2])]
    needed = [(frozenset({1}),), (frozenset({1}),)]
    found = measures_by_kind(orders, needed, ["x", "y"])
    assert (found["x"]["hit_at_1"], found["y"]["hit_at_1"], found["all"]["hit_at_1"]) == (1, 0, 0.5)
    assert mean_measures([], []).queries == 0
