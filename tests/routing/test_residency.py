"""Which models stay loaded: the set that is worth most within the limit, changed slowly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from routing.residency import Residency, ResidencyController, Resident
from storage.errors import InvalidInput

MODELS = {
    "tiny": Resident(size_bytes=100, cold_start_seconds=1.0),
    "small": Resident(size_bytes=400, cold_start_seconds=2.0),
    "large": Resident(size_bytes=700, cold_start_seconds=8.0),
}
NONE: frozenset[str] = frozenset()


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def a_controller(memory_bytes: int, clock: Clock, models: dict[str, Resident] = MODELS) -> ResidencyController:
    return ResidencyController(models, memory_bytes=memory_bytes, epoch_seconds=60.0, clock=clock)


def after_an_epoch(controller: ResidencyController, clock: Clock, loaded: frozenset[str]) -> Residency | None:
    clock.now += 60.0
    return controller.plan(loaded)


def test_the_set_that_is_worth_most_within_the_limit_is_kept() -> None:
    clock = Clock()
    controller = a_controller(800, clock)
    for model, calls in {"tiny": 3, "small": 9, "large": 2}.items():
        for _ in range(calls):
            controller.called(model)
    plan = after_an_epoch(controller, clock, frozenset({"large"}))
    # worth: tiny 3, small 18, large 16; small + tiny fit and are worth 21, large + tiny 19
    assert plan == Residency(
        keep=frozenset({"small", "tiny"}), load=frozenset({"small", "tiny"}), unload=frozenset({"large"})
    )


def test_nothing_changes_within_an_epoch_or_for_a_small_gain() -> None:
    clock = Clock()
    controller = a_controller(700, clock)
    for _ in range(10):
        controller.called("tiny")
    assert controller.plan(NONE) is None
    controller.called("small", value=10.0 / 2.0 * 1.05)
    clock.now += 59.0
    assert controller.plan(NONE) is None
    assert a_controller(700, clock).plan(frozenset({"tiny"})) is None
    close = a_controller(450, clock)
    close.called("tiny", value=10.0)
    close.called("small", value=5.2)
    assert after_an_epoch(close, clock, frozenset({"tiny"})) is None


def test_demand_of_long_ago_fades() -> None:
    clock = Clock()
    controller = a_controller(700, clock)
    for _ in range(10):
        controller.called("large")
    assert after_an_epoch(controller, clock, NONE) == Residency(
        keep=frozenset({"large"}), load=frozenset({"large"}), unload=NONE
    )
    for _ in range(12):
        for _ in range(8):
            controller.called("small")
        plan = after_an_epoch(controller, clock, frozenset({"large"}))
        if plan is not None:
            break
    assert plan is not None
    assert plan.keep == {"small"}


def test_a_set_that_no_longer_fits_is_cut_down() -> None:
    clock = Clock()
    controller = a_controller(750, clock)
    controller.called("large")
    plan = after_an_epoch(controller, clock, frozenset({"large", "small"}))
    assert plan == Residency(keep=frozenset({"large"}), load=NONE, unload=frozenset({"small"}))


def test_a_model_that_nobody_knows_or_that_fits_nowhere_is_left_out() -> None:
    clock = Clock()
    controller = a_controller(500, clock)
    controller.called("large")
    controller.called("elsewhere")
    assert after_an_epoch(controller, clock, NONE) is None


def test_many_models_fit_by_worth_per_byte() -> None:
    clock, rng = Clock(), np.random.default_rng(2)
    models = {f"m{n}": Resident(size_bytes=int(rng.integers(1, 100))) for n in range(30)}
    controller = a_controller(300, clock, models)
    for model in models:
        controller.called(model, value=float(rng.random()))
    plan = after_an_epoch(controller, clock, NONE)
    assert plan is not None
    assert 200 < sum(models[model].size_bytes for model in plan.keep) <= 300


@pytest.mark.parametrize(("memory", "epoch"), [(0, 60.0), (100, 0.0)])
def test_limits_are_above_zero(memory: int, epoch: float) -> None:
    with pytest.raises(InvalidInput, match="must be above 0"):
        ResidencyController(MODELS, memory_bytes=memory, epoch_seconds=epoch)
