"""Fits the values of `cql`: from the last slot to the first, from an episode's last step to its first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routing.steps.fitted_q import FittedQ, Head
from routing.steps.journey import CONTINUE, FIRST_RESTART, Bools, Floats, Ints, States, view_of
from routing.steps.schedules import StaticSchedules
from routing.steps.simulator import World, play
from skills.progress import Progress, no_progress

FEWEST_ROWS = 20  # for a head; where fewer came this far, the schedule decides
FEWEST_OF_ACTION = 10
UNTRAINED = -5.0  # success of an action that could almost never be taken
LARGEST_WEIGHT, LEAST_WEIGHT = 1.5, 0.02
LEAST_LIMIT, LARGEST_LIMIT = 0.05, 3.0  # units
UNLIMITED_SHARE = 0.6
START_PENALTY = 3.0  # times the ridge penalty: before the first step there is little to see


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """`rows`: replays in all, each of a task with a weight, a limit and a past of its own."""

    seed: int = 0
    rows: int = 8_000
    penalty: float = 300.0  # of the ridge, in tasks; where there are fewer tasks, as many as there are
    sees_limits: bool = False

    def replays(self, tasks: int) -> int:
        return max(1, round(self.rows / tasks))


def fit(
    world: World, schedules: StaticSchedules, options: FitOptions | None = None, *, on_progress: Progress = no_progress
) -> FittedQ:
    """On all tasks of the world, whose mask is kept to. The same world and seed give the same values."""
    options = FitOptions() if options is None else options
    policy = FittedQ(world.mask.slots, schedules, sees_limits=options.sees_limits)
    rng = np.random.default_rng(options.seed)
    penalty = min(options.penalty, float(len(world.journeys.task_ids)))
    order, most = world.mask.slots.order, world.journeys.most_steps
    total, done = len(order) * (most - 1) + 1, 0
    for slot in range(len(order) - 1, -1, -1):
        pasts = _pasts(world, schedules, slot, options, rng)
        length = world.journeys.length[order[slot], pasts.task]
        for step in range(most - 1, 0, -1):
            rows = np.flatnonzero(length > step)
            if len(rows) >= FEWEST_ROWS:
                states = pasts.at(rows)
                states.seen[:, order[slot]] = step
                policy.heads[slot, step] = _head(world, policy, slot, states, penalty)
            done += 1
            on_progress(done, total, "fitting values")
    states = _drawn(world, options, rng)
    policy.heads[-1, 0] = _head(world, policy, -1, states, penalty * START_PENALTY)
    on_progress(total, total, "fitting values")
    return policy


def _drawn(world: World, options: FitOptions, rng: np.random.Generator) -> States:
    """Every task so many times, each time with another weight and limit."""
    known = len(world.journeys.task_ids)
    tasks = np.repeat(np.arange(known), options.replays(known))
    count, candidates = len(tasks), len(world.journeys.candidates)
    unlimited = UNLIMITED_SHARE if options.sees_limits else 1.0
    limit = np.exp(rng.uniform(np.log(LEAST_LIMIT), np.log(LARGEST_LIMIT), count))
    return States(
        task=tasks,
        current=np.full(count, -1, dtype=np.int64),
        seen=np.zeros((count, candidates), dtype=np.int64),
        weight=np.exp(rng.uniform(np.log(LEAST_WEIGHT), np.log(LARGEST_WEIGHT), count)),
        remaining=np.where(rng.random(count) < unlimited, np.inf, limit),
    )


def _pasts(
    world: World, schedules: StaticSchedules, slot: int, options: FitOptions, rng: np.random.Generator
) -> States:
    """Jobs that came to this slot: those before were given the schedule's quota, or a random one, or not tried."""
    drawn = _drawn(world, options, rng)
    slots, length = world.mask.slots, world.journeys.length
    count = len(drawn.task)
    nearest = np.abs(np.log(schedules.weights) - np.log(drawn.weight[:, None])).argmin(axis=1)
    fits = np.ones(count, dtype=bool)
    for earlier in dict.fromkeys(c for c in slots.order[:slot] if c != slots.order[slot]):
        run = length[earlier, drawn.task]
        quota = ((schedules.orders[nearest] == earlier) * schedules.quotas[nearest]).max(axis=1)
        choice = rng.random(count)
        random = 1 + (rng.random(count) * np.maximum(run - 1, 1)).astype(np.int64)
        steps = np.where(choice < 0.6, np.minimum(quota, world.journeys.most_steps - 1), random * (choice < 0.85))
        is_over = (steps > 0) & (steps >= run)  # the episode, and with it the job, ended before
        fits &= ~is_over
        drawn.seen[:, earlier] = steps
    drawn.current[:] = slots.order[slot]
    drawn.seen[:, slots.order[slot]] = 1
    return drawn.at(np.flatnonzero(fits & (slots.slot_of(drawn.current, drawn.seen) == slot)))


def _head(world: World, policy: FittedQ, slot: int, states: States, penalty: float) -> Head:
    """Regresses what each action came to, under what was fitted already."""
    view = view_of(world.journeys, states)
    allowed = world.mask.allowed(view)
    actions = [CONTINUE, *(FIRST_RESTART + c for c in policy.candidates_after(slot))]
    success, cost = np.zeros((2, len(view), len(actions)))
    for column, action in enumerate(actions):
        rows = np.flatnonzero(allowed[:, action])
        if len(rows):
            played = play(world, policy, states.at(rows), first=np.full(len(rows), action, dtype=np.int64))
            success[rows, column], cost[rows, column] = played.success, played.spent
    return _ridge(policy.inputs(view, slot), success, cost, allowed[:, actions], penalty, tasks=states.task)


def _ridge(inputs: Floats, success: Floats, cost: Floats, allowed: Bools, penalty: float, *, tasks: Ints) -> Head:
    """(ZᵀZ/r + penalty I)⁻¹ Zᵀ(y - ȳ)/r for each action over the rows that may take it; r: rows a task."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    z = (inputs - mean) / scale
    repeats = len(z) / len(np.unique(tasks))
    count = allowed.shape[1]
    coefficients, intercept = np.zeros((z.shape[1], 2 * count)), np.zeros(2 * count)
    targets = np.stack([success, cost])  # 2 × B × A
    identity = penalty * np.eye(z.shape[1])
    patterns: dict[bytes, list[int]] = {}
    for column in range(count):
        patterns.setdefault(allowed[:, column].tobytes(), []).append(column)
    for columns in patterns.values():
        rows = allowed[:, columns[0]]
        if rows.sum() < FEWEST_OF_ACTION:
            intercept[columns] = UNTRAINED
            continue
        part = z[rows]
        y = np.concatenate([targets[0][rows][:, columns], targets[1][rows][:, columns]], axis=1)
        level = y.mean(axis=0)
        solved = np.linalg.solve(part.T @ part / repeats + identity, part.T @ (y - level) / repeats)
        places = [*columns, *(count + column for column in columns)]
        coefficients[:, places], intercept[places] = solved, level
    return Head(mean=mean, scale=scale, coefficients=coefficients, intercept=intercept)
