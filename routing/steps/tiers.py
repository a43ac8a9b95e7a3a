"""`tiers`: a budget tier for each stage of a job, learned by PPO (BudgetMem, arXiv:2602.06025).

Stages are the attempts at a task, one after the other; a tier is who makes the attempt: the low, the mid or the high
candidate. Each attempt has the quota of steps that the static schedules give its candidate; when it is used up, the
next stage's tier is chosen from the text and from how the attempt stands. A tier that was had already ends the job.
Joint log-probability: the sum over a job's stages; return of the whole job (Schulman et al., 2017, with clipping). The
reward has its scales aligned over a sliding window:

    r = success · σ(c) / σ(success) + λ (1 - c),    c: cost between the window's 5th and 95th percentile

Without alignment λ weighs a cost whose spread is not that of success: `is_aligned=False` shows what becomes of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    View,
    starts,
    view_of,
)  # fmt: skip
from routing.steps.schedules import StaticSchedules
from routing.steps.simulator import World, advance
from routing.steps.slots import Slots
from routing.steps.softmax import Adam, log_gradient, logits_of, probabilities, running_inputs, sampled, surroundings
from skills.progress import Progress, no_progress

LOW, MID, HIGH = 0, 1, 2
TIERS = ("low", "mid", "high")
LEAST_SPREAD = 0.05  # of a standard deviation, in a reward's scale


@dataclass(frozen=True, kw_only=True)
class TierOptions:
    """PPO's settings as in BudgetMem, with a larger batch and rate for a linear policy."""

    seed: int = 0
    is_aligned: bool = True
    rounds: int = 80
    batch: int = 512
    epochs: int = 4
    rate: float = 0.02
    clip: float = 0.2
    entropy: float = 0.01
    window: int = 2_000
    decay: float = 0.02


class Tiers:
    """`members`: the candidates of low, mid, high; `quotas`: C steps; `weights`: stages × D × 3."""

    def __init__(self, members: tuple[int, ...], quotas: Ints, weights: Floats) -> None:
        self.members, self.quotas, self.weights = members, quotas, weights

    def inputs(self, view: View) -> Floats:
        """B × D."""
        return running_inputs(view)

    def tier_logits(self, view: View, inputs: Floats) -> Floats:
        """B × 3, for the stage that would begin now."""
        stage = np.minimum((view.seen > 0).sum(axis=1), len(self.weights) - 1)
        return logits_of(self.weights, stage, inputs)

    def scores(self, view: View, allowed: Bools) -> Floats:
        """1 for what is wanted; then going on, then whoever may be begun, then the end."""
        tier = self.tier_logits(view, self.inputs(view)).argmax(axis=1)
        scores = np.tile(np.r_[0.5, 0.0, np.full(len(self.quotas), 0.25)], (len(view), 1))
        scores[np.arange(len(view)), self.actions(view, tier)] = 1.0
        return np.where(allowed, scores, -np.inf)

    def is_choosing(self, view: View) -> Bools:
        """B: whether a stage begins now."""
        current = np.maximum(view.current, 0)
        return (view.current < 0) | (view.seen[np.arange(len(view)), current] >= self.quotas[current])

    def actions(self, view: View, tier: Ints) -> Ints:
        """What is wanted, allowed or not; `tier` counts where a stage begins."""
        wanted = np.array(self.members)[tier]
        had = view.seen[np.arange(len(view)), wanted] > 0
        return np.where(self.is_choosing(view), np.where(had, STOP, FIRST_RESTART + wanted), CONTINUE)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"weights": self.weights, "quotas": self.quotas}

    def settings(self) -> dict[str, Any]:
        return {"members": list(self.members)}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> Tiers:
        """Raises KeyError, TypeError, ValueError."""
        members = tuple(int(c) for c in settings["members"])
        weights, quotas = arrays["weights"], arrays["quotas"]
        if weights.ndim != 3 or weights.shape[2] != len(TIERS) or len(members) != len(TIERS):
            raise ValueError(f"tiers of shape {weights.shape} for the candidates {members}")
        if not 0 <= min(members) <= max(members) < len(quotas):
            raise ValueError(f"tiers name the candidates {members} of {len(quotas)}")
        return cls(members, quotas, weights)


def members_of(journeys: Journeys, *, small: int, large: int) -> tuple[int, int, int]:
    """Low is small, high is large, mid whoever else succeeds most often; with two candidates, mid is small again."""
    others = [c for c in range(len(journeys.candidates)) if c not in (small, large)]
    mid = max(others, key=lambda c: float(journeys.success[c].mean()), default=small)
    return small, mid, large


def any_order(members: tuple[int, ...], count: int) -> Slots:
    """Slots in which each candidate may follow each other one."""
    distinct = tuple(dict.fromkeys(members))
    a, b, c = (*distinct, *distinct)[:3]
    return Slots(order=(a, b, a) if len(distinct) == 2 else (a, b, c, a, b, a, c), count=count)


def fit(
    world: World,
    schedules: StaticSchedules,
    options: TierOptions,
    *,
    small: int,
    large: int,
    on_progress: Progress = no_progress,
) -> Tiers:
    """The world's slots must let the members follow each other. The same world and seed give the same policy."""
    rng = np.random.default_rng(options.seed)
    most, count = world.journeys.most_steps, len(world.journeys.candidates)
    members = members_of(world.journeys, small=small, large=large)
    used = np.array([(schedules.orders == c) @ np.ones(schedules.orders.shape[1]) for c in range(count)]).sum(axis=1)
    given = np.array([((schedules.orders == c) * schedules.quotas).sum() for c in range(count)])
    quotas = np.where(used > 0, np.rint(given / np.maximum(used, 1)), most - 1).astype(np.int64)
    probe = view_of(world.journeys, starts(np.arange(1), count, weight=1.0))
    shape = (len(set(members)), running_inputs(probe).shape[1], len(TIERS))
    policy = Tiers(members, quotas, np.zeros(shape))
    adam = Adam(shape, rate=options.rate, decay=options.decay)
    window: deque[tuple[float, float]] = deque(maxlen=options.window)
    for done in range(options.rounds):
        on_progress(done, options.rounds, "PPO rounds")
        batch = _rollout(world, policy, options, rng)
        window.extend(zip(batch.success.tolist(), batch.spent.tolist(), strict=True))
        advantage = _advantage(batch, np.array(window), is_aligned=options.is_aligned)
        for _ in range(options.epochs):
            share = min(1.0, 2 * (1 - done / options.rounds) + 0.05)
            policy.weights = adam.step(policy.weights, _gradient(policy, batch, advantage, options), share=share)
    on_progress(options.rounds, options.rounds, "PPO rounds")
    return policy


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """Sampled jobs (B), and their M choices of a tier."""

    weight: Floats  # B
    success: Floats  # B
    spent: Floats  # B
    state: Floats  # B × D: at the beginning, for the value
    job: Ints  # M
    stage: Ints  # M
    inputs: Floats  # M × D
    tier: Ints  # M
    old_log: Floats  # M


def _rollout(world: World, policy: Tiers, options: TierOptions, rng: np.random.Generator) -> _Batch:
    count = options.batch
    tasks = rng.integers(0, len(world.journeys.task_ids), count)
    weight = np.exp(rng.uniform(np.log(0.03), np.log(1.5), count))
    states = starts(tasks, len(policy.quotas), weight=weight)
    begin = surroundings(view_of(world.journeys, states))
    success, spent, alive = np.zeros(count), np.zeros(count), np.arange(count)
    choices: list[tuple[Ints, Ints, Floats, Ints, Floats]] = []
    while len(alive):
        view = view_of(world.journeys, states)
        inputs = policy.inputs(view)
        logits = policy.tier_logits(view, inputs)
        chances = probabilities(logits, np.ones(logits.shape, dtype=bool))
        tier = sampled(chances, rng)
        rows = np.flatnonzero(policy.is_choosing(view))
        stage = np.minimum((view.seen > 0).sum(axis=1), len(policy.weights) - 1)
        choices.append((alive[rows], stage[rows], inputs[rows], tier[rows], np.log(chances[rows, tier[rows]])))
        actions = policy.actions(view, tier)
        going = actions != STOP
        states, alive = states.at(going), alive[going]
        after, cost, ended = advance(world, states, actions[going])
        spent[alive] += cost
        success[alive[ended]] = world.journeys.success[after.current[ended], after.task[ended]]
        states, alive = after.at(~ended), alive[~ended]
    job, stages, inputs, tiers, logs = (np.concatenate(parts) for parts in zip(*choices, strict=True))
    return _Batch(
        weight=weight, success=success, spent=spent, state=begin,
        job=job, stage=stages, inputs=inputs, tier=tiers, old_log=logs,
    )  # fmt: skip


def _advantage(batch: _Batch, window: Floats, *, is_aligned: bool) -> Floats:
    """B: the return less a linear value of what is known at the beginning."""
    low, high = np.percentile(window[:, 1], [5, 95])
    spread = max(high - low, 1e-6)
    scale = 1.0
    if is_aligned:
        costs = np.clip((window[:, 1] - low) / spread, 0, 1)
        scale = max(costs.std(), LEAST_SPREAD) / max(window[:, 0].std(), LEAST_SPREAD)
    cost = np.clip((batch.spent - low) / spread, 0, 1)
    returns = batch.success * scale + batch.weight * (1 - cost)
    gram = batch.state.T @ batch.state + 10.0 * np.eye(batch.state.shape[1])
    found: Floats = returns - batch.state @ np.linalg.solve(gram, batch.state.T @ returns)
    found /= found.std() + 1e-6
    return found


def _gradient(policy: Tiers, batch: _Batch, advantage: Floats, options: TierOptions) -> Floats:
    """Of the clipped objective with the joint ratio, and of the entropy."""
    everything = np.ones((len(batch.tier), len(TIERS)), dtype=bool)
    chances = probabilities(logits_of(policy.weights, batch.stage, batch.inputs), everything)
    rows = np.arange(len(batch.tier))
    logs = np.log(np.maximum(chances, 1e-12))
    joint = np.bincount(batch.job, logs[rows, batch.tier] - batch.old_log, minlength=len(batch.success))
    ratio = np.exp(np.clip(joint, -20, 20))
    is_open = np.where(advantage > 0, ratio < 1 + options.clip, ratio > 1 - options.clip)
    pull = (ratio * advantage * is_open)[batch.job]
    errors = -chances * pull[:, None]
    errors[rows, batch.tier] += pull
    errors += options.entropy * -chances * (logs - (chances * logs).sum(axis=1, keepdims=True))
    return log_gradient(batch.stage, batch.inputs, errors, policy.weights.shape) / len(batch.success)
