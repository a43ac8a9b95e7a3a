"""The state of a pheromone memory, which events alone change: cells, neighbours, changes and trust."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from routing.base import Vector
from routing.pheromone.base import TrailCell
from routing.pheromone.cap import WeightCap
from routing.pheromone.cells import CellEstimates, TrailCells
from routing.pheromone.changes import KEPT_COUNT, ChangeDetector, Direction
from routing.pheromone.evaporation import Evaporation
from routing.pheromone.mixture import TaskTypes
from routing.pheromone.neighbours import Near, Neighbours
from routing.pheromone.updates import LEAST_ENTROPY, UpdateRule, relative_entropy
from storage.errors import InvalidInput
from storage.trail_records import TrailEvent

KNOWN_DECISIONS = 20_000  # more than are learned again at a start
MOST_STAGES = 64  # beyond it the one goes that was not taught the longest

Embedding = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MemoryParts:
    """Which parts of a memory are at work."""

    neighbours: bool = True
    changes: bool = True
    cap: bool = True
    restart_alpha: float | None = 8.0  # exponent of the trails whose choices are watched; None: no restarts


@dataclass(frozen=True, kw_only=True)
class MemorySettings:
    """What a memory's states have in common."""

    rule: UpdateRule
    evaporation: Evaporation
    capacity: int  # texts that are remembered
    parts: MemoryParts


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What the memory knows of some candidates on one query; (arms,) each."""

    cells: CellEstimates
    mean: Vector  # after what happened nearby
    variance: Vector


class TrailState:
    """Bit for bit the same after the same events in the same order."""

    def __init__(self, settings: MemorySettings) -> None:
        self._settings = settings
        self._evaporation = settings.evaporation
        self._parts = settings.parts
        self.types: TaskTypes | None = None  # None: those of the rules
        self.digest = ""  # SHA-256 over all events so far, each with the one before
        self._known: OrderedDict[str, None] = OrderedDict()
        self._start_empty()

    def has(self, decision_id: str | None) -> bool:
        """Whether this decision's lesson was booked."""
        return decision_id in self._known

    def weight(self, tenant: str, principal: str) -> float:
        """Of this principal's next lesson, in [0, 1]."""
        return self._cap.weight(_who(tenant, principal)) if self._parts.cap else 1.0

    def alike(self, stage: str, task: str) -> int:
        """Lessons of the row in a run since which its choices are all alike."""
        return self._alike.get((stage, task), 0)

    def change_of(self, arm: str) -> Direction | None:
        """Which way the candidate's quality has changed; None: it has not."""
        return self._changes.alarm(arm) if self._parts.changes else None

    def remembered(self) -> tuple[Embedding, list[str], str]:
        """(texts, dimension) vectors, the id of a payload of each, and the encoder they are of."""
        return (*self.neighbours.rows.vectors(), self.neighbours.rows.encoder)

    def near(self, stage: str, vector: Embedding | None, encoder: str) -> Near | None:
        """Remembered texts that are like this one; None: there are none."""
        return self.neighbours.near(stage, vector, encoder=encoder) if self._parts.neighbours else None

    def view(
        self,
        arms: Sequence[str],
        mixture: Mapping[str, float],
        *,
        stage: str,
        near: Near | None,
        tick: float,
        priors: Vector | None = None,
    ) -> View:
        """`priors` (arms,): what is expected of each before it was seen."""
        cells = self._stages.get(stage) or TrailCells(self._evaporation)
        found = cells.estimates(arms, mixture, tick=tick, priors=priors)
        nearby = self.neighbours.adjusted(found.mean, found.variance, near, arms=arms, stage=stage, tick=tick)
        return View(cells=found, mean=nearby.mean, variance=nearby.variance)

    def apply(self, event: TrailEvent) -> None:
        """See `TrailMemory.apply`. Raises InvalidInput for an event that says nothing that can be done."""
        if event.kind == "deposit":
            if not self._know(event.decision_id):
                return
            self._deposit(event)
        elif event.kind == "restart":
            self._restart(event)
        elif event.kind == "reset":
            self._forget(event.stage or None, event.candidate_id)
        elif event.kind == "tasks":
            self._retype(event)
        elif event.payload_id is not None:  # erased
            self.neighbours.rows.erase(event.payload_id)
        self._chain(event)

    def shown(self, at: datetime) -> list[TrailCell]:
        """Every cell that was ever taught, by stage, task and candidate, faded until then."""
        tick = self._evaporation.tick(at)
        return [cell for stage in sorted(self._stages) for cell in self._stages[stage].shown(stage, tick=tick)]

    def plain(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "cells": [{"stage": stage, **cell} for stage, cells in self._stages.items() for cell in cells.state()],
            "stages": list(self._stages),
            "neighbours": self.neighbours.state(),
            "changes": self._changes.state(),
            "cap": self._cap.state(),
            "alike": [[stage, task, count] for (stage, task), count in self._alike.items()],
            "types": None if self.types is None else self.types.body(),
            "known": list(self._known),
            "digest": self.digest,
        }

    @classmethod
    def from_plain(cls, saved: Mapping[str, object], settings: MemorySettings) -> Self:
        """Undo of `plain`. Raises InvalidInput."""
        made = cls(settings)
        try:
            made._fill(cast("Mapping[str, Any]", saved))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"That is no saved memory of trails: {saved!r:.200}.", field="state") from exc
        return made

    def _start_empty(self) -> None:
        self._stages: OrderedDict[str, TrailCells] = OrderedDict()  # the one taught last, last
        self.neighbours = Neighbours(self._evaporation, capacity=self._settings.capacity)
        self._changes = ChangeDetector()
        self._cap = WeightCap()
        self._alike: dict[tuple[str, str], int] = {}  # stage and task to lessons in a run with choices all alike

    def _fill(self, state: Mapping[str, Any]) -> None:
        self._stages = OrderedDict((str(stage), TrailCells(self._evaporation)) for stage in state["stages"])
        for cell in state["cells"]:
            self._stages[cell["stage"]].put(cell)
        self.neighbours.restore(state["neighbours"])
        self._changes.restore(state["changes"])
        self._cap.restore(state["cap"])
        self._alike = {(str(stage), str(task)): int(count) for stage, task, count in state["alike"]}
        self.types = None if state["types"] is None else TaskTypes.from_body(state["types"])
        self._known = OrderedDict((str(decision_id), None) for decision_id in state["known"])
        self.digest = str(state["digest"])

    def _deposit(self, event: TrailEvent) -> None:
        arm, stage = cast(str, event.candidate_id), event.stage
        cells = self._cells_of(stage)
        tick = self._evaporation.tick(event.at)
        encoder = str(event.body.get("encoder", ""))
        vector = None if event.embedding is None else np.frombuffer(event.embedding, dtype="<f2").astype(np.float32)
        near = self.near(stage, vector, encoder)
        before = self.view([arm], event.mixture, stage=stage, near=near, tick=tick, priors=None)
        expected = float(before.cells.mean[0])
        if near is not None:
            residual = event.utility - expected
            self.neighbours.compare(near, arm, residual, mean=expected, stage=stage, tick=tick, weight=event.weight)
        who = _who(event.tenant, event.principal)
        self._changes.watch(
            arm,
            event.utility - float(before.mean[0]),
            weight=event.weight,
            who=who,
            is_alone=self._cap.is_alone(who),
        )
        self._cap.book(
            who,
            arm,
            reward=event.utility,
            expected=expected,
            overall=float(before.cells.overall[0]),
            weight=event.weight,
        )
        cells.deposit(event, self._settings.rule, tick=tick)
        if vector is not None and event.payload_id is not None and event.weight > 0:
            row = self.neighbours.book(
                near, vector, stage=stage, encoder=encoder, payload_id=event.payload_id, tick=tick
            )
            self.neighbours.rows.earn(row, arm, weight=event.weight, reward=event.utility)
        self._watch_choices(cells, event, tick)

    def _cells_of(self, stage: str) -> TrailCells:
        cells = self._stages.setdefault(stage, TrailCells(self._evaporation))
        self._stages.move_to_end(stage)
        while len(self._stages) > MOST_STAGES:
            gone, _ = self._stages.popitem(last=False)
            self.neighbours.forget_stage(gone)
            self._alike = {row: count for row, count in self._alike.items() if row[0] != gone}
        return cells

    def _watch_choices(self, cells: TrailCells, event: TrailEvent, tick: float) -> None:
        if self._parts.restart_alpha is None or not event.mixture:
            return
        row = event.stage, likeliest(event.mixture)
        entropy = relative_entropy(cells.tau_of(row[1], tick=tick), alpha=self._parts.restart_alpha)
        if entropy < LEAST_ENTROPY:
            self._alike[row] = self._alike.get(row, 0) + 1
        else:
            self._alike.pop(row, None)

    def _restart(self, event: TrailEvent) -> None:
        if event.candidate_id is not None:  # it became better or worse in all that it does
            self._changes.start_again(event.candidate_id)
            self._cap.start_again(event.candidate_id)
            self.neighbours.rows.drop_arm(event.candidate_id)
            for cells in self._stages.values():
                cells.scale(event.candidate_id, most=KEPT_COUNT)
            return
        for task in event.mixture:
            self._alike.pop((event.stage, task), None)
            if event.stage in self._stages:
                self._stages[event.stage].restart(task)

    def _forget(self, stage: str | None, arm: str | None) -> None:
        """Which decisions were booked stays known: what was forgotten is not learned again from the log."""
        if stage is None and arm is None:
            self._start_empty()
            return
        for name in [stage] if stage is not None else list(self._stages):
            if arm is not None and name in self._stages:
                self._stages[name].forget(arm)
            elif arm is None:
                self._stages.pop(name, None)
                self.neighbours.forget_stage(name)
        if arm is not None:
            self.neighbours.rows.drop_arm(arm, stage=stage)
            if stage is None:
                self._changes.forget(arm)
                self._cap.start_again(arm)
        self._alike = {row: count for row, count in self._alike.items() if stage is not None and row[0] != stage}

    def _retype(self, event: TrailEvent) -> None:
        try:
            types = TaskTypes.from_body(event.body["types"])
            former_to_task = {str(old): str(new) for old, new in dict(event.body["former_to_task"]).items()}
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(
                f"A `tasks` event has types and former_to_task, not {event.body!r:.200}.", field="body"
            ) from exc
        tick = self._evaporation.tick(event.at)
        for cells in self._stages.values():
            cells.move(former_to_task, tick=tick)
        self._alike.clear()
        self.types = types

    def _know(self, decision_id: str | None) -> bool:
        """Whether the decision is new; it is known from now on."""
        if decision_id is None:
            return True
        if decision_id in self._known:
            return False
        self._known[decision_id] = None
        while len(self._known) > KNOWN_DECISIONS:
            self._known.popitem(last=False)
        return True

    def _chain(self, event: TrailEvent) -> None:
        plain = replace(event, embedding=None, position=0, mixture={}, body={})
        what = f"{self.digest}|{plain!r}|{event.embedding is not None}"
        self.digest = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()


def _who(tenant: str, principal: str) -> str:
    return f"{tenant}/{principal}"


def likeliest(mixture: Mapping[str, float]) -> str:
    """Of two that are as likely, the first by name."""
    return min(mixture, key=lambda task: (-mixture[task], task))
