"""`bopo`: a policy guided by the boundary of always-small and always-large (Budget-Aware Agentic Routing, 2602.21227).

1. Boundary labels: a task is easy where small succeeds, hard where only another candidate does, intractable where none.
2. Supervised warm start: easy and intractable → small to its end, hard → the cheapest success, also from within a
   small episode.
3. Group-relative updates: G jobs of one task, weight and limit; R = success + hard bonus - λ C (C in units, which is
   the boundary-relative cost up to scale and level); the always-small and always-large jobs stand in each group as
   anchors, A = (R - mean of the others and the anchors) / (1 + λ). No division by the group's spread: returns are
   binary, and it would blow up the groups that agree.

logits = x W + prior [a = the static schedule's action]: linear, so that some hundred tasks suffice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from routing.steps.journey import (
    CONTINUE,
    FIRST_RESTART,
    STOP,
    Bools,
    Floats,
    Ints,
    Journeys,
    States,
    View,
    starts,
    view_of,
)  # fmt: skip
from routing.steps.schedules import StaticSchedules
from routing.steps.simulator import World, advance
from routing.steps.softmax import Adam, log_gradient, logits_of, probabilities, running_inputs, sampled
from skills.progress import Progress, no_progress

Boundary = Literal["easy", "hard", "intractable"]
PRIOR = 3.0  # logits for the schedule's action


@dataclass(frozen=True, kw_only=True)
class BopoOptions:
    """`rounds` of `groups` tasks with `group` jobs each."""

    seed: int = 0
    warm_rounds: int = 30
    rounds: int = 120
    groups: int = 100
    group: int = 8
    rate: float = 0.01
    decay: float = 0.1
    entropy: float = 0.003
    hard_bonus: float = 0.1
    unlimited_share: float = 0.75
    with_anchors: bool = True


class Bopo:
    """`weights`: (C + 1) × D × (2 + C), by the running candidate (row 0: none)."""

    def __init__(self, schedules: StaticSchedules, weights: Floats) -> None:
        self.schedules, self.weights = schedules, weights

    def logits(self, view: View, inputs: Floats) -> Floats:
        logits = logits_of(self.weights, view.current + 1, inputs)
        logits[np.arange(len(view)), self.schedules.actions(view)] += PRIOR
        return logits

    def scores(self, view: View, allowed: Bools) -> Floats:
        found: Floats = np.where(allowed, self.logits(view, running_inputs(view)), -np.inf)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.schedules.arrays(), "weights": self.weights}

    def settings(self) -> dict[str, Any]:
        return self.schedules.settings()

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> Bopo:
        """Raises KeyError, TypeError, ValueError."""
        return cls(StaticSchedules.restore(arrays, settings), arrays["weights"])


def boundary_labels(journeys: Journeys, small: int) -> list[Boundary]:
    """Of each task; what only candidates other than small solve is hard."""
    solved = journeys.success > 0
    return [
        "easy" if solved[small, task] else "hard" if solved[:, task].any() else "intractable"
        for task in range(len(journeys.task_ids))
    ]


def fit(
    world: World,
    schedules: StaticSchedules,
    options: BopoOptions,
    *,
    small: int,
    large: int,
    on_progress: Progress = no_progress,
) -> Bopo:
    """The same world and seed give the same policy."""
    rng = np.random.default_rng(options.seed)
    count = len(world.journeys.candidates)
    probe = view_of(world.journeys, starts(np.arange(1), count, weight=1.0))
    shape = (count + 1, running_inputs(probe).shape[1], FIRST_RESTART + count)
    policy = Bopo(schedules, np.zeros(shape))
    labels = boundary_labels(world.journeys, small)
    _warm_start(world, policy, labels, small, options, rng)
    adam = Adam(shape, rate=options.rate, decay=options.decay)
    anchors = _Anchors.of(world, labels, small, large)
    for done in range(options.rounds):
        on_progress(done, options.rounds, "group-relative rounds")
        gradient = _round(world, policy, anchors, options, rng)
        policy.weights = adam.step(policy.weights, gradient, share=min(1.0, 2 * (1 - done / options.rounds) + 0.05))
    on_progress(options.rounds, options.rounds, "group-relative rounds")
    return policy


@dataclass(frozen=True, kw_only=True, eq=False)
class _Anchors:
    """Of each task: success and cost of the boundary policies, 2 × N; and whether it is hard."""

    success: Floats
    cost: Floats
    is_hard: Floats

    @classmethod
    def of(cls, world: World, labels: list[Boundary], small: int, large: int) -> _Anchors:
        cost = world.steps.sum(axis=2)
        return cls(
            success=world.journeys.success[[small, large]],
            cost=cost[[small, large]],
            is_hard=np.array([float(label == "hard") for label in labels]),
        )

    def returns(self, tasks: Ints, weight: Floats, bonus: float) -> Floats:
        """2 × B."""
        success = self.success[:, tasks]
        return success * (1 + bonus * self.is_hard[tasks]) - weight * self.cost[:, tasks]


def _warm_start(
    world: World, policy: Bopo, labels: list[Boundary], small: int, options: BopoOptions, rng: np.random.Generator
) -> None:
    """Multinomial regression on the boundary's actions: at the beginning, and after each step of small."""
    journeys = world.journeys
    cost = np.where(journeys.success > 0, world.steps.sum(axis=2), np.inf)
    best = cost.argmin(axis=0)
    tasks = np.concatenate([np.flatnonzero(journeys.length[small] > k) for k in range(journeys.most_steps)])
    steps = np.concatenate(
        [np.full((journeys.length[small] > k).sum(), k, dtype=np.int64) for k in range(journeys.most_steps)]
    )
    states = starts(tasks, len(journeys.candidates), weight=np.exp(rng.uniform(np.log(0.03), np.log(1.5), len(tasks))))
    states.seen[:, small] = steps
    states = replace(states, current=np.where(steps > 0, small, -1))
    is_hard = np.array([label == "hard" for label in labels])[tasks]
    wanted = np.where(is_hard, FIRST_RESTART + best[tasks], np.where(steps > 0, CONTINUE, FIRST_RESTART + small))
    view = view_of(journeys, states)
    inputs, allowed = running_inputs(view), world.mask.allowed(view)
    rows = np.arange(len(view))
    allowed[rows, wanted] = True
    adam = Adam(policy.weights.shape, rate=options.rate, decay=options.decay)
    for _ in range(options.warm_rounds):
        errors = -probabilities(policy.logits(view, inputs), allowed)
        errors[rows, wanted] += 1.0
        gradient = log_gradient(view.current + 1, inputs, errors / len(view), policy.weights.shape)
        policy.weights = adam.step(policy.weights, gradient)


def _round(world: World, policy: Bopo, anchors: _Anchors, options: BopoOptions, rng: np.random.Generator) -> Floats:
    """The gradient of one round of groups."""
    repeat, groups = options.group, options.groups
    tasks = np.repeat(rng.integers(0, len(world.journeys.task_ids), groups), repeat)
    weight = np.repeat(np.exp(rng.uniform(np.log(0.03), np.log(1.5), groups)), repeat)
    limit = np.exp(rng.uniform(np.log(0.05), np.log(4.0), groups))
    remaining = np.repeat(np.where(rng.random(groups) < options.unlimited_share, np.inf, limit), repeat)
    states = starts(tasks, len(world.journeys.candidates), weight=weight, remaining=remaining)
    log, success, spent = _rollout(world, policy, states, rng)
    returns = success * (1 + options.hard_bonus * anchors.is_hard[tasks]) - weight * spent
    total = returns.reshape(groups, repeat).sum(axis=1).repeat(repeat) - returns
    others = float(repeat - 1)
    if options.with_anchors:
        total = total + anchors.returns(tasks, weight, options.hard_bonus).sum(axis=0)
        others += 2.0
    advantage = (returns - total / others) / (1 + weight)
    gradient = np.zeros(policy.weights.shape)
    for job, group, inputs, chances, actions in log:
        errors = -chances * advantage[job][:, None]
        errors[np.arange(len(job)), actions] += advantage[job]
        logs = np.log(np.maximum(chances, 1e-12))
        spread = (chances * logs).sum(axis=1, keepdims=True)
        errors += options.entropy * -chances * (logs - spread)
        gradient += log_gradient(group, inputs, errors, gradient.shape)
    return gradient / len(tasks)


def _rollout(
    world: World, policy: Bopo, states: States, rng: np.random.Generator
) -> tuple[list[tuple[Ints, Ints, Floats, Floats, Ints]], Floats, Floats]:
    """Sampled jobs; the log holds, for each moment: job, group of weights, inputs, chances, actions."""
    count = len(states.task)
    success, spent, alive = np.zeros(count), np.zeros(count), np.arange(count)
    log = []
    while len(alive):
        view = view_of(world.journeys, states)
        inputs = running_inputs(view)
        chances = probabilities(policy.logits(view, inputs), world.mask.allowed(view))
        actions = sampled(chances, rng)
        log.append((alive, view.current + 1, inputs, chances, actions))
        going = actions != STOP
        states, alive = states.at(going), alive[going]
        after, cost, ended = advance(world, states, actions[going])
        spent[alive] += cost
        success[alive[ended]] = world.journeys.success[after.current[ended], after.task[ended]]
        states, alive = after.at(~ended), alive[~ended]
    return log, success, spent
