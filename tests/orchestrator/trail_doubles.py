"""A memory of trails that is simple enough to be checked by eye, and a store whose database can be away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from routing.base import Context, Lesson, Policy, Vector
from routing.pheromone.base import TrailCell
from storage.errors import InvalidInput, StorageUnavailable
from storage.stores import TrailStore
from storage.trail_records import TrailEvent, TrailSnapshot

REMEMBERED = 3  # decisions; so few that the memory alone would soon count twice


@dataclass
class Cell:
    tau: float = 0.5
    n: float = 0.0
    mean: float = 0.0
    used_at: str = ""


class DoubleMemory(Policy):
    """τ ← τ + w_t (u − τ) / 2, and a mean; it knows the last few decisions, and keeps the vector of each text."""

    def __init__(self, name: str = "double") -> None:
        self.name = name
        self.cells_by_key: dict[tuple[str, str, str], Cell] = {}
        self.decisions: list[str] = []
        self.vectors: dict[str, str] = {}
        self.pending: list[TrailEvent] = []

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        return [{"tau": self._cell(context.task, context.stage, arm).tau} for arm in arms]

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        return np.full(len(arms), 1 / len(arms))

    def update(self, arm: str, context: Context, reward: float) -> None:
        raise AssertionError("a memory observes")

    def observe(self, arm: str, context: Context, lesson: Lesson) -> None:
        event = TrailEvent(
            memory=self.name,
            mixture=dict(context.task_mixture),
            stage=context.stage,
            candidate_id=arm,
            utility=lesson.reward,
            decision_id=lesson.decision_id,
            payload_id=lesson.payload_id,
            embedding=None if context.embedding is None else context.embedding.astype(np.float16).tobytes(),
            at=lesson.at,
        )
        self.learn(event)

    def learn(self, event: TrailEvent) -> None:
        """As if it had just been learned here."""
        if event.decision_id not in self.decisions:
            self.apply(event)
            self.pending.append(event)

    def drain(self) -> list[TrailEvent]:
        drained, self.pending = self.pending, []
        return drained

    def apply(self, event: TrailEvent) -> None:
        if event.kind == "reset":
            self.cells_by_key = {key: cell for key, cell in self.cells_by_key.items() if not _is_meant(key, event)}
        elif event.kind == "erased":
            self.vectors.pop(event.payload_id or "", None)
        elif event.kind == "deposit" and event.decision_id not in self.decisions:
            self._deposit(event)

    def state(self) -> dict[str, object]:
        cells = [[*key, asdict(cell)] for key, cell in sorted(self.cells_by_key.items())]
        return {"cells": cells, "decisions": list(self.decisions), "vectors": dict(self.vectors)}

    def restore(self, state: Mapping[str, Any]) -> None:
        try:
            cells = {(task, stage, arm): Cell(**cell) for task, stage, arm, cell in state["cells"]}
            decisions, vectors = list(state["decisions"]), dict(state["vectors"])
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"This is no state of a double: {exc!r}.", field="state") from exc
        self.cells_by_key, self.decisions, self.vectors = cells, decisions, vectors

    def reset(self, *, stage: str | None, candidate_id: str | None) -> TrailEvent:
        event = TrailEvent(memory=self.name, kind="reset", stage=stage or "", candidate_id=candidate_id)
        self.apply(event)
        return event

    def cells(self, *, at: datetime) -> list[TrailCell]:
        return [
            TrailCell(
                task=task,
                stage=stage,
                candidate_id=candidate_id,
                tau=cell.tau,
                n=cell.n,
                mean=cell.mean,
                variance=0.0,
                used_at=datetime.fromisoformat(cell.used_at) if cell.used_at else None,
            )
            for (task, stage, candidate_id), cell in sorted(self.cells_by_key.items())
        ]

    def count(self) -> float:
        """Deposits that are counted in all cells."""
        return round(sum(cell.n for cell in self.cells_by_key.values()), 9)

    def _cell(self, task: str, stage: str, candidate_id: str) -> Cell:
        return self.cells_by_key.get((task, stage, candidate_id), Cell())

    def _deposit(self, event: TrailEvent) -> None:
        for task, weight in event.mixture.items():
            key = (task, event.stage, event.candidate_id or "")
            cell = self.cells_by_key.setdefault(key, Cell())
            cell.tau += weight * (event.utility - cell.tau) / 2
            cell.n += weight
            cell.mean += weight * (event.utility - cell.mean) / cell.n
            cell.used_at = event.at.astimezone(UTC).isoformat()
        if event.decision_id is not None:
            self.decisions = [*self.decisions, event.decision_id][-REMEMBERED:]
        if event.embedding is not None and event.payload_id is not None:
            self.vectors[event.payload_id] = event.embedding.hex()


class AwayStore:
    """A store in front of another: away while `is_away`; loses the answer of the next write when `loses_answer`."""

    def __init__(self, store: TrailStore) -> None:
        self.store = store
        self.is_away = False
        self.loses_answer = False
        self.snapshots = 0

    async def append(self, events: Sequence[TrailEvent]) -> list[TrailEvent]:
        self._ensure_here()
        stored = await self.store.append(events)
        if self.loses_answer:
            self.loses_answer = False
            raise StorageUnavailable("The connection broke after the commit.")
        return stored

    async def events(
        self, memory: str, *, after_position: int = 0, until: datetime | None = None, limit: int = 1000
    ) -> list[TrailEvent]:
        self._ensure_here()
        return await self.store.events(memory, after_position=after_position, until=until, limit=limit)

    async def put_snapshot(self, snapshot: TrailSnapshot) -> None:
        self._ensure_here()
        self.snapshots += 1
        await self.store.put_snapshot(snapshot)

    async def snapshot(self, memory: str, *, until: datetime | None = None) -> TrailSnapshot | None:
        self._ensure_here()
        return await self.store.snapshot(memory, until=until)

    async def known_decisions(self, memory: str, decision_ids: Sequence[str]) -> set[str]:
        self._ensure_here()
        return await self.store.known_decisions(memory, decision_ids)

    def _ensure_here(self) -> None:
        if self.is_away:
            raise StorageUnavailable("The database is away.")


def _is_meant(key: tuple[str, str, str], event: TrailEvent) -> bool:
    _, stage, candidate_id = key
    return event.stage in ("", stage) and event.candidate_id in (None, candidate_id)
