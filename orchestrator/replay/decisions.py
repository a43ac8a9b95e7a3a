"""Replays stored decisions: the action always, scores and probabilities where the state that chose can be had again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.replay.again import replayed, seen_by
from orchestrator.replay.lessons import Learner, Shape
from orchestrator.replay.log_walk import beginning_of, event_at, steps_of
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import DecisionReplay, Replays
from orchestrator.replay.states import State, StateWalk
from orchestrator.replay.stored import checked, policy_name
from orchestrator.replay.trails import TrailReplay, TrailTask
from orchestrator.replay.trained import TrainedReplay
from routing.base import Policy
from routing.router import TRAINED
from routing.wrappers import NO_ENCODER
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.records import Decision
from storage.stores import DecisionFilter, StoredDecision, Stores

MOST_DECISIONS = 10_000  # at once
PAGE = 500  # decisions
RUN, DECISION = "run_", "decision_"
STATE_NOT_FOUND = (
    "no state that its process's policies can have been in has its digest: others taught them at a moment that the "
    "log does not tell, or settings of the policy were changed since"
)
OUT_OF_TIME = "its state was not found in the time that there was; `antroute replay` has no such limit"
REPLAYING = "replaying decisions"


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A decision, its place in the log, and the attempt that failed before it."""

    decision: Decision
    position: int
    before: Decision | None


async def replay_decisions(
    parts: ReplayParts,
    ids: Sequence[str],
    *,
    tenant: str | None = None,
    seconds: float | None = None,
    on_progress: Progress = no_progress,
) -> Replays:
    """Those of these ids: decisions, and all decisions of runs, in the order given.

    Decisions of one process are replayed in one walk through what it learned. `tenant`: others' are not there.
    `seconds`: that the search for one process's states may take; what is not found by then is not recomputed.
    Raises RecordNotFound; InvalidInput for none, or more than MOST_DECISIONS.
    """
    tasks = await _tasks(parts.stores, ids, tenant)
    done: dict[str, DecisionReplay] = {}

    def take(found: DecisionReplay) -> None:
        done[found.decision_id] = found
        on_progress(len(done), len(tasks), REPLAYING)

    trained = TrainedReplay(parts)
    memories = parts.memories()
    known = parts.policies()
    learned = list[_Task]()
    name_to_trails: dict[str, list[TrailTask]] = defaultdict(list)
    for task in tasks.values():
        name, found = policy_name(task.decision), checked(task.decision)
        if name == TRAINED:
            take(await trained.replay(found, task.decision, task.before))
        elif name in memories:
            name_to_trails[name].append(TrailTask(found=found, decision=task.decision, before=task.before))
        elif name in known:
            learned.append(task)
        else:
            take(replace(found, reason=f"no policy {name!r} is known to this version"))
    for name, trail_tasks in name_to_trails.items():
        for found in await TrailReplay(parts, trained, name).replay(trail_tasks):
            take(found)
    for found in await _of_processes(parts, learned, seconds):
        take(found)
    return Replays(decisions=tuple(done[id] for id in tasks))


async def _tasks(stores: Stores, ids: Sequence[str], tenant: str | None) -> Mapping[str, _Task]:
    """By decision id."""
    if not ids:
        raise InvalidInput("Nothing to replay: name decisions or runs.", field="ids")
    runs: dict[str, dict[str, _Task]] = {}
    found: dict[str, _Task] = {}
    for id in dict.fromkeys(ids):
        run_id = id if id.startswith(RUN) else await _run_of(stores, id, tenant)
        if run_id not in runs:
            runs[run_id] = await _of_run(stores, run_id, tenant)
        wanted = runs[run_id] if id == run_id else {id: runs[run_id][id]}
        found.update(wanted)
        if len(found) > MOST_DECISIONS:
            raise InvalidInput(f"At most {MOST_DECISIONS} decisions are replayed at once.", field="ids")
    return found


async def _run_of(stores: Stores, id: str, tenant: str | None) -> str:
    if not id.startswith(DECISION):
        raise InvalidInput(
            f"{id!r} is neither a decision's id nor a run's.", field="ids", hint="See: antroute traces list"
        )
    decision = await stores.decisions.get(id)
    if tenant not in (None, decision.tenant):
        raise RecordNotFound(f"No decision {id!r}.")
    return decision.run_id


async def _of_run(stores: Stores, run_id: str, tenant: str | None) -> dict[str, _Task]:
    page_of = DecisionFilter(run_id=run_id, tenant=tenant, limit=PAGE)
    stored: list[StoredDecision] = []
    while page := await stores.decisions.find(page_of):
        stored += page
        page_of = replace(page_of, before_position=page[-1].position)
        if len(stored) > MOST_DECISIONS:
            raise InvalidInput(f"Run {run_id!r} has more than {MOST_DECISIONS} decisions; name some.", field="ids")
    if not stored:
        raise RecordNotFound(f"No run {run_id!r}.", hint="`antroute traces list` shows the newest ones.")
    attempts = {(each.decision.query_id, each.decision.attempt): each.decision for each in stored}
    return {
        each.decision.id: _Task(
            decision=each.decision,
            position=each.position,
            before=attempts.get((each.decision.query_id, each.decision.attempt - 1)),
        )
        for each in reversed(stored)
    }


async def _of_processes(parts: ReplayParts, tasks: Sequence[_Task], seconds: float | None) -> list[DecisionReplay]:
    """Decisions of policies that learn from rewards, process by process."""
    writer_to_tasks: dict[str, list[_Task]] = defaultdict(list)
    done: list[DecisionReplay] = []
    for task in tasks:
        writer_to_tasks[(await event_at(parts.stores, task.position)).writer].append(task)
    for own in writer_to_tasks.values():
        try:
            done += await _of_process(parts, own, seconds)
        except (LogCorrupt, RecordNotFound) as error:
            done += [replace(checked(task.decision), reason=str(error)) for task in own]
    return done


async def _of_process(parts: ReplayParts, tasks: Sequence[_Task], seconds: float | None) -> list[DecisionReplay]:
    waiting: dict[State, list[_Task]] = defaultdict(list)
    for task in tasks:
        waiting[policy_name(task.decision), task.decision.policy_sha256].append(task)
    done: list[DecisionReplay] = []

    def on_found(state: State, policy: Policy) -> None:
        for task in waiting.pop(state, []):
            context = seen_by(task.decision)
            done.append(replayed(checked(task.decision), policy, task.decision, context, before=task.before))

    last = max(task.position for task in tasks)
    event = await event_at(parts.stores, last)
    begun = await beginning_of(parts.stores, event, relearn_limit=parts.relearn_limit)
    learner = _learner(parts, tasks)
    places = {state: [task.position for task in of_state] for state, of_state in waiting.items()}
    walk = StateWalk(learner, event.writer, places, on_found, names=learner.names, seconds=seconds)
    await asyncio.to_thread(walk.begin, begun)
    async for steps in steps_of(parts.stores, event.writer, begun, until=last):
        await asyncio.to_thread(walk.feed, steps)
        if walk.is_done:
            break
    await asyncio.to_thread(walk.finish)
    reason = OUT_OF_TIME if walk.is_late else STATE_NOT_FOUND
    left = [task for of_state in waiting.values() for task in of_state]
    return done + [replace(checked(task.decision), reason=reason) for task in left]


def _learner(parts: ReplayParts, tasks: Sequence[_Task]) -> Learner:
    """All policies whose decisions name a state that rewards alone make: the others' tell when lessons came in."""
    left_out = {TRAINED, *parts.memories()}
    policies = {name: policy for name, policy in parts.policies().items() if name not in left_out}
    seen = next((task.decision for task in tasks if _has_shape(task.decision)), None)
    return Learner(policies, None if seen is None else Shape.of(seen))


def _has_shape(decision: Decision) -> bool:
    """Whether it was made with the process's encoder: without one, nothing was seen of its text."""
    return decision.encoder != NO_ENCODER
