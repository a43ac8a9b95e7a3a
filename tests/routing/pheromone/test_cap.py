"""Who tells what nobody else sees is heard less and less; who is alone is heard."""

from __future__ import annotations

import json

import numpy as np

from routing.pheromone.cap import WeightCap

QUALITY = {"small": 0.4, "large": 0.8}


def taught(*, liar: str | None, rounds: int = 60, tenants: int = 20) -> WeightCap:
    cap = WeightCap()
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for tenant in range(tenants):
            arm = "small" if rng.random() < 0.5 else "large"
            reward = float(rng.random() < QUALITY[arm])
            name = f"tenant {tenant}"
            told = 1.0 - reward if name == liar else reward
            cap.book(name, arm, reward=told, expected=0.5, overall=0.5, weight=cap.weight(name))
    return cap


def test_honest_principals_are_trusted() -> None:
    cap = taught(liar=None)
    assert np.mean([cap.trust(f"tenant {number}") for number in range(20)]) > 0.95


def test_a_liar_is_not() -> None:
    cap = taught(liar="tenant 3")
    assert cap.trust("tenant 3") < 0.2
    assert np.mean([cap.trust(f"tenant {number}") for number in range(20) if number != 3]) > 0.9


def test_who_is_alone_is_heard_in_full() -> None:
    cap = WeightCap()
    for number in range(200):
        cap.book("me", "small", reward=float(number % 2), expected=0.5, overall=0.5, weight=cap.weight("me"))
    assert cap.weight("me") == 1.0


def test_a_flood_is_capped() -> None:
    cap = taught(liar=None, rounds=10)
    for _ in range(500):
        cap.book("tenant 0", "small", reward=0.4, expected=0.5, overall=0.5, weight=cap.weight("tenant 0"))
    assert cap.weight("tenant 0") == 0.0
    assert cap.weight("tenant 1") > 0.0


def test_a_changed_candidate_is_no_measure_of_honesty() -> None:
    cap = taught(liar="tenant 3")
    for arm in QUALITY:
        cap.start_again(arm)
    assert cap.trust("tenant 3") == 1.0


def test_its_state_comes_back() -> None:
    cap, restored = taught(liar="tenant 3", rounds=5), WeightCap()
    restored.restore(json.loads(json.dumps(cap.state())))
    assert restored.state() == cap.state()
    assert restored.weight("tenant 3") == cap.weight("tenant 3")
