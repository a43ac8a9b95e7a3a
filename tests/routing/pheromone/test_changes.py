"""A candidate that is not what it was is noticed; chance and a single voice are not."""

from __future__ import annotations

import json

import numpy as np

from routing.pheromone.changes import ALARM, ChangeDetector


def requests_until(detector: ChangeDetector, *, mean: float, who: str = "", is_alone: bool = True) -> int | None:
    rng = np.random.default_rng(0)
    for number in range(400):
        detector.watch("small", mean + 0.4 * rng.normal(), who=who, is_alone=is_alone)
        if detector.alarm("small"):
            return number + 1
    return None


def test_chance_rings_no_alarm() -> None:
    assert requests_until(ChangeDetector(), mean=0.0) is None


def test_worse_and_better_are_told_apart() -> None:
    worse, better = ChangeDetector(), ChangeDetector()
    assert (requests_until(worse, mean=-0.4) or 999) < 100
    assert (requests_until(better, mean=0.4) or 999) < 100
    assert (worse.alarm("small"), better.alarm("small")) == ("down", "up")


def test_one_principal_among_others_cannot_ring_it_alone() -> None:
    detector = ChangeDetector()
    assert requests_until(detector, mean=-0.8, who="liar", is_alone=False) is None
    assert (requests_until(detector, mean=-0.8, who="witness", is_alone=False) or 999) < 100


def test_after_an_alarm_it_starts_again() -> None:
    detector = ChangeDetector()
    requests_until(detector, mean=-0.6)
    detector.start_again("small")
    assert detector.alarm("small") is None


def test_its_state_comes_back() -> None:
    detector, restored = ChangeDetector(), ChangeDetector()
    for _ in range(5):
        detector.watch("small", -0.5, who="a")
    restored.restore(json.loads(json.dumps(detector.state())))
    assert restored.state() == detector.state()
    assert ALARM > 0
