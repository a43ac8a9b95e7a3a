"""Playing logged episodes: what an action costs, how it ends, and that no limit is ever broken."""

from __future__ import annotations

import numpy as np
import pytest

from routing.steps.feasibility import Mask, prices_of
from routing.steps.journey import (
    CONTINUE,
    FIRST_RESTART,
    STOP,
    Bools,
    Floats,
    Journeys,
    View,
    journeys_of,
    ordered_candidates,
    starts,
    view_of,
)  # fmt: skip
from routing.steps.schedules import WEIGHTS, StaticSchedules, fit_schedules, run_schedule
from routing.steps.simulator import World, play, play_all
from routing.steps.slots import Slots, merged
from tests.routing.steps.small_episodes import random_trajectories


class Whim:
    """Scores that hang on the state alone and are otherwise random."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def scores(self, view: View, allowed: Bools) -> Floats:
        rng = np.random.default_rng(self.seed)
        mixed = np.sin(view.seen @ rng.random((view.seen.shape[1], allowed.shape[1])) * 40 + self.seed)
        return np.where(allowed, mixed, -np.inf)


def made(seed: int, order: tuple[int, ...] = (0, 1, 2, 0, 1)) -> World:
    data = random_trajectories(seed)
    journeys = journeys_of(data, ordered_candidates(data, data.candidates))
    unit = float(journeys.total_usd[2].mean())
    return World(journeys=journeys, unit_usd=unit, mask=Mask(prices_of(journeys, unit), Slots(order=order, count=3)))


def test_going_on_pays_step_by_step_and_ends_with_the_episode() -> None:
    world = made(0)
    n = int(world.journeys.length[0].argmax())
    length, paid = int(world.journeys.length[0, n]), world.steps[0, n]
    states = starts(np.array([n]), 3, weight=1.0)

    class GoesOn:
        def scores(self, view: View, allowed: Bools) -> Floats:
            return np.where(np.arange(5) == CONTINUE, 1.0, 0.0)[None]

    found = play(world, GoesOn(), states, first=np.array([FIRST_RESTART]))
    assert found.is_answered.all()
    assert found.success[0] == world.journeys.success[0, n]
    assert found.spent[0] == pytest.approx(paid.sum())
    assert found.taken.tolist() == [[length, 0, 0]]


def test_stopping_costs_nothing_more_and_is_no_answer() -> None:
    world = made(1)

    class Stops:
        def scores(self, view: View, allowed: Bools) -> Floats:
            return np.tile(np.where(np.arange(5) == STOP, 1.0, 0.0), (len(view), 1))

    long = np.flatnonzero(world.journeys.length[1] > 1)
    first = np.full(len(long), FIRST_RESTART + 1)
    found = play(world, Stops(), starts(long, 3, weight=1.0), first=first)
    assert not found.is_answered.any()
    assert not found.is_broke.any()
    np.testing.assert_allclose(found.spent, world.steps[1, long, 0])


def test_policy_sees_only_steps_that_were_taken() -> None:
    world = made(2)
    states = starts(np.arange(5), 3, weight=1.0)
    assert not view_of(world.journeys, states).signals.any()
    states.seen[:, 1] = 1
    signals = view_of(world.journeys, states).signals
    np.testing.assert_array_equal(signals[:, 1], world.journeys.signals[1, :5, 0])
    assert not signals[:, [0, 2]].any()


@pytest.mark.parametrize("seed", range(6))
def test_no_random_policy_overspends_or_breaks_the_mask_under_random_limits(seed: int) -> None:
    world = made(seed)
    rng = np.random.default_rng(seed)
    tasks = rng.integers(0, 40, 400)
    limits = np.exp(rng.uniform(np.log(0.01), np.log(4.0), 400))
    states = starts(tasks, 3, weight=rng.random(400), remaining=limits)
    found = play(world, Whim(seed), states)
    assert (found.spent <= limits + 1e-9).all()
    begun = found.spent > 0
    assert (limits[begun] >= world.mask.cheapest_completion - 1e-9).all()
    assert (found.is_broke & begun).mean() < 0.01


def test_mask_reserves_a_whole_answer() -> None:
    world = made(3, order=(0, 2))
    whole = world.mask.prices.left()[:, 0]
    states = starts(np.arange(1), 3, weight=1.0, remaining=float(whole[0]) * 1.2 + 0.01)
    allowed = world.mask.allowed(view_of(world.journeys, states))[0]
    assert allowed.tolist() == [False, True, True, False, False]  # large could be begun, but not be paid to its end
    states.seen[:, 0], states.current[:] = 1, 0
    assert world.mask.allowed(view_of(world.journeys, states))[0].tolist() == [True, True, False, False, False]


def test_schedule_is_worth_what_playing_it_gives() -> None:
    world = made(4)
    schedules = fit_schedules(world, WEIGHTS[::5])
    policy = StaticSchedules.of(WEIGHTS[::5], schedules, 3)
    again = World(journeys=world.journeys, unit_usd=world.unit_usd, mask=Mask(world.mask.prices, policy.slots()))
    for weight, schedule in zip(WEIGHTS[::5], schedules, strict=True):
        success, spent = run_schedule(world, schedule)
        found = play_all(again, policy, weight=float(weight))
        np.testing.assert_allclose(found.success, success)
        np.testing.assert_allclose(found.spent, spent)


def test_schedules_are_at_least_as_good_as_any_single_candidate() -> None:
    world = made(5)
    for weight, schedule in zip(WEIGHTS, fit_schedules(world), strict=True):
        success, spent = run_schedule(world, schedule)
        for candidate in range(3):
            alone, cost = run_schedule(world, ((candidate, world.journeys.most_steps),))
            assert success.mean() - weight * spent.mean() >= alone.mean() - weight * cost.mean() - 1e-9


def test_slots_hold_every_order_and_know_where_a_job_is() -> None:
    order = merged([(0, 1, 2), (1, 0, 2), (2,)])
    slots = Slots(order=order, count=3)
    for path in ((0, 1, 2), (1, 0, 2)):
        seen, current, place = np.zeros((1, 3), dtype=np.int64), np.array([-1]), -1
        for candidate in path:
            slot = slots.slot_of(current, seen)
            assert slots.reachable(slot, seen)[0, candidate]
            seen[0, candidate], current[0] = 1, candidate
            assert int(slots.slot_of(current, seen)[0]) > place
            place = int(slots.slot_of(current, seen)[0])
    assert len(merged([(0, 1, 2, 3), (3, 2, 1, 0)], most=4)) == 4


def test_journeys_do_not_hang_on_the_order_of_names() -> None:
    data = random_trajectories(7)
    assert ordered_candidates(data, ("c2", "c0", "c1")) == ordered_candidates(data, ("c0", "c1", "c2"))
    journeys: Journeys = journeys_of(data, ("c0",))
    assert journeys.only(np.array([3, 1])).task_ids == ("t003", "t001")
