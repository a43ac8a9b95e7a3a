"""Replays decisions of memories of trails: the memory after each of its stored events, until its digest is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.replay.again import replayed, seen_by
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import DecisionReplay
from orchestrator.replay.texts import text_of
from orchestrator.replay.trained import TrainedReplay
from routing.base import ACTIVE, Context
from routing.policies.pheromone import TrailPolicy
from routing.snapshots import state_sha256
from storage.errors import InvalidInput, LogCorrupt
from storage.records import Decision

BATCH = 500  # events
NOT_FOUND = (
    "no state of this memory has its digest: several processes taught it at once, or a text in it was erased since"
)
HEURISTIC = "heuristic"  # a contribution that holds the candidates' conditions, which are not stored apart
HIDDEN = "its heuristic holds the candidates' conditions of that moment, which are not stored apart"


@dataclass(frozen=True, kw_only=True)
class TrailTask:
    """A decision to be replayed, and the attempt before it."""

    found: DecisionReplay
    decision: Decision
    before: Decision | None


class TrailReplay:
    """`name`: of a policy that is a memory of trails."""

    def __init__(self, parts: ReplayParts, trained: TrainedReplay, name: str) -> None:
        self._parts = parts
        self._trained = trained
        self._memory = parts.memories()[name]
        self._sha256_to_tasks: dict[str, list[TrailTask]] = {}

    async def replay(self, tasks: Sequence[TrailTask]) -> list[DecisionReplay]:
        """In the order in which their states are found."""
        for task in tasks:
            self._sha256_to_tasks.setdefault(task.decision.policy_sha256, []).append(task)
        done = await self._matching(state_sha256(self._memory.state()))
        after = await self._begin(tasks)
        done += await self._matching(self._memory.memory.digest)
        while self._sha256_to_tasks:
            events = await self._parts.stores.trails.events(self._memory.name, after_position=after, limit=BATCH)
            for event in events:
                self._memory.apply(event)
                after = event.position
                done += await self._matching(self._memory.memory.digest)
            if len(events) < BATCH:
                break
        left = [task for waiting in self._sha256_to_tasks.values() for task in waiting]
        return done + [replace(task.found, reason=NOT_FOUND) for task in left]

    async def _begin(self, tasks: Sequence[TrailTask]) -> int:
        """Puts the memory at the last snapshot before the first decision; the place in the memory's events."""
        first = min(task.decision.decided_at for task in tasks)
        try:
            snapshot = await self._parts.stores.trails.snapshot(self._memory.name, until=first)
            if snapshot is None:
                return 0
            self._memory.restore(snapshot.state)
        except (InvalidInput, LogCorrupt):  # then all its events are applied
            self._memory = self._parts.memories()[self._memory.name]
            return 0
        return snapshot.position

    async def _matching(self, sha256: str) -> list[DecisionReplay]:
        return [await self._replayed(task) for task in self._sha256_to_tasks.pop(sha256, [])]

    async def _replayed(self, task: TrailTask) -> DecisionReplay:
        policy = self._memory
        seen = await text_of(self._parts, task.decision)
        if seen.vector is None:
            return replace(task.found, reason=seen.lack)
        context = replace(seen_by(task.decision), embedding=seen.vector)
        alone = replayed(task.found, policy, task.decision, context, before=task.before)
        if alone.recomputed != "differ":
            return alone
        version_id = await self._active_at(task.decision)
        if version_id is not None:
            return await self._beside(task, policy, context, version_id)
        hides = any(HEURISTIC in each.contributions for each in task.decision.assessments)
        return replace(task.found, reason=HIDDEN) if hides else alone

    async def _beside(self, task: TrailTask, policy: TrailPolicy, context: Context, version_id: str) -> DecisionReplay:
        """With what the trained router expected that was active then: the decision does not name it."""
        seen = await text_of(self._parts, task.decision)
        forecast = await self._trained.forecast(version_id, "", task.decision, seen)
        if isinstance(forecast, str):
            return replace(task.found, reason=forecast)
        context = replace(context, forecasts={ACTIVE: forecast})
        found = replayed(task.found, policy, task.decision, context, before=task.before)
        words = f"router {version_id!r} was active beside it, with weights that are not stored"
        return found if found.recomputed != "differ" else replace(task.found, reason=words)

    async def _active_at(self, decision: Decision) -> str | None:
        """The trained router that was active at the decision, by the log."""
        versions = self._parts.stores.policy_versions
        moves = [move for version in await versions.versions() for move in await versions.moves_of(version.id)]
        before = [move for move in moves if move.moved_at <= decision.decided_at]
        return max(before, key=lambda move: move.moved_at).active_id if before else None
