"""The gate opens for a sure win over every rival, and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from routing.evaluation.gate import gate
from storage.errors import InvalidInput

RIVAL = np.random.default_rng(0).normal(0.5, 0.3, size=500)
BETTER = RIVAL + np.random.default_rng(1).normal(0.05, 0.1, size=500)


def test_router_that_beats_both_rivals_passes() -> None:
    found = gate(BETTER, {"knn": RIVAL, "best_single": RIVAL - 0.1}, seed=0)
    assert found.is_passed
    assert found.reason.startswith("Passed: utility area +0.0")
    assert 0 < found.rivals["knn"].low < found.rivals["knn"].mean < found.rivals["best_single"].mean


def test_router_that_loses_to_one_rival_is_held_back_by_name() -> None:
    found = gate(BETTER, {"knn": BETTER + 0.01, "best_single": RIVAL}, seed=0)
    assert not found.is_passed
    assert "against knn" in found.reason
    assert "best_single" not in found.reason


def test_win_that_may_be_luck_does_not_pass() -> None:
    noisy = RIVAL + np.random.default_rng(2).normal(0.0, 0.5, size=500)
    noisy += 0.01 - (noisy - RIVAL).mean()
    found = gate(noisy, {"knn": RIVAL, "best_single": RIVAL - 1}, seed=0)
    assert found.rivals["knn"].mean == pytest.approx(0.01)
    assert not found.is_passed


def test_knn_does_not_beat_itself() -> None:
    assert not gate(RIVAL, {"knn": RIVAL, "best_single": RIVAL - 0.1}, seed=0).is_passed


def test_gate_stays_shut_without_a_rival() -> None:
    found = gate(BETTER, {"best_single": RIVAL}, seed=0)
    assert not found.is_passed
    assert found.reason == "Not passed: knn was not judged beside it."


def test_rival_judged_on_other_queries_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'knn' was judged on 499 queries, the router on 500"):
        gate(BETTER, {"knn": RIVAL[:-1]}, seed=0)
