"""Plays step policies over logged episodes, exactly: a candidate's episode does not depend on what was done before it.

So going on, stopping and beginning anew with another candidate all have a known end. Handing an episode over in its
middle has not, and is no action. An episode that ends, ends the job.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routing.steps.feasibility import Mask
from routing.steps.journey import (
    CONTINUE,
    FIRST_RESTART,
    STOP,
    Bools,
    Floats,
    Ints,
    Journeys,
    Scorer,
    States,
    starts,
    view_of,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Of each job: how it ended, and what it spent in units."""

    success: Floats
    spent: Floats
    is_answered: Bools  # an episode came to its end
    is_broke: Bools  # nothing more could be paid for before that
    taken: Ints  # B × C: steps paid of each candidate

    @property
    def cheapest_share(self) -> float:
        """Share of the paid steps that were the first, cheapest candidate's."""
        total = self.taken.sum()
        return float(self.taken[:, 0].sum() / total) if total else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """What can be played: logged episodes, their unit in USD, and the mask."""

    journeys: Journeys
    unit_usd: float
    mask: Mask

    @property
    def steps(self) -> Floats:
        """C × N × K: costs in units."""
        return self.journeys.cost_usd / self.unit_usd


def advance(world: World, states: States, actions: Ints) -> tuple[States, Floats, Bools]:
    """After CONTINUE or a restart: the states, what the step cost, and whose episode is at its end."""
    rows = np.arange(len(actions))
    current = np.where(actions >= FIRST_RESTART, actions - FIRST_RESTART, np.maximum(states.current, 0))
    seen = states.seen.copy()
    k = seen[rows, current]
    cost = world.journeys.cost_usd[current, states.task, k] / world.unit_usd
    seen[rows, current] = k + 1
    after = States(
        task=states.task, current=current, seen=seen, weight=states.weight, remaining=states.remaining - cost
    )
    return after, cost, k + 1 >= world.journeys.length[current, states.task]


def play(world: World, scorer: Scorer, states: States, *, first: Ints | None = None) -> Played:
    """From these states to the end. `first`: actions to take before the policy is asked; not STOP.

    A step that costs more than remains is not taken: whoever holds money before a step cannot overspend.
    """
    count = len(states.task)
    success, spent = np.zeros(count), np.zeros(count)
    answered, broke = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    taken = np.zeros_like(states.seen)
    alive = np.arange(count)
    actions = first
    while len(alive):
        if actions is None:
            view = view_of(world.journeys, states)
            allowed = world.mask.allowed(view)
            actions = scorer.scores(view, allowed).argmax(axis=1)
            broke[alive] = ~allowed[:, CONTINUE] & ~allowed[:, FIRST_RESTART:].any(axis=1)
        going = actions != STOP
        states, alive, actions = states.at(going), alive[going], actions[going]
        after, cost, ended = advance(world, states, actions)
        unpaid = cost > states.remaining + 1e-9
        broke[alive[unpaid]] = True
        after, alive, cost, ended = after.at(~unpaid), alive[~unpaid], cost[~unpaid], ended[~unpaid]
        spent[alive] += cost
        taken[alive, after.current] += 1
        done = alive[ended]
        success[done] = world.journeys.success[after.current[ended], after.task[ended]]
        answered[done] = True
        states, alive, actions = after.at(~ended), alive[~ended], None
    is_broke = broke & ~answered
    return Played(success=success, spent=spent, is_answered=answered, is_broke=is_broke, taken=taken)


def play_all(world: World, scorer: Scorer, *, weight: float, remaining: float | Floats = np.inf) -> Played:
    """Every task of the world from its beginning."""
    tasks = np.arange(len(world.journeys.task_ids))
    return play(world, scorer, starts(tasks, len(world.journeys.candidates), weight=weight, remaining=remaining))
