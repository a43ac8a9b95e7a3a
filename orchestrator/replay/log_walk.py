"""Reads the parts of the log that a process's policies came from: what it learned at its start, and what after that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.replay.lessons import Lesson
from orchestrator.replay.stored import policy_name
from storage.canonical import decision_from, reward_from
from storage.errors import LogCorrupt
from storage.records import AuditEvent, Decision, Reward
from storage.stores import Stores

PAGE = 1000  # events
MOST_LATE = 64  # lessons before a writer's first event that may have been learned after its start
OPENED, DECISION, REWARD = "writer_opened", "decision", "reward"


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A place in the log that says in which state a policy was: a decision."""

    position: int
    policy: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What one process could learn, each list in the order of the log."""

    base: tuple[Lesson, ...]  # again, when it started
    own: tuple[Lesson, ...]  # of its own decisions' first rewards
    others: tuple[Lesson, ...]  # that other processes wrote meanwhile
    anchors: tuple[Anchor, ...]


async def writer_of(stores: Stores, position: int) -> str:
    """Who wrote the event at this place. Raises LogCorrupt where there is none."""
    events = await stores.audit.events(after_position=position - 1, limit=1)
    if not events or events[0].position != position:
        raise LogCorrupt(f"The log has no event at position {position}.", hint="Check it: antroute audit verify")
    return events[0].writer


async def timeline_of(stores: Stores, writer: str, *, until: int, relearn_limit: int) -> Timeline:
    """Of the process that is this writer, up to the event at `until`."""
    opened_at, events = await _since_opening(stores, writer, until)
    base = await relearned(stores, before=opened_at, limit=relearn_limit)
    id_to_decision = {e.subject_id: decision_from(e.canonical) for e in events if e.kind == DECISION}
    rewarded = {lesson.decision.id for lesson in base}
    own, others = list[Lesson](), list[Lesson]()
    for event in events:
        if event.kind != REWARD or event.decision_id is None or event.decision_id in rewarded:
            continue
        reward = reward_from(event.canonical)
        rewarded.add(event.decision_id)
        decision = id_to_decision.get(event.decision_id)
        if decision is None:
            decision = await stores.decisions.get(event.decision_id)
            if (await stores.decisions.rewards_of(decision.id))[0].id != reward.id:
                continue  # learned long ago, or beyond what is learned again
        (own if event.writer == writer else others).append(
            Lesson(position=event.position, decision=decision, reward=reward, writer=event.writer)
        )
    base, late = _parted(base, alive={event.writer for event in events} - {writer})
    return Timeline(
        base=base, own=tuple(own), others=(*late, *others), anchors=_anchors(events, writer, id_to_decision)
    )


def _parted(base: tuple[Lesson, ...], *, alive: set[str]) -> tuple[tuple[Lesson, ...], tuple[Lesson, ...]]:
    """What was surely there when the process started, and what may have come later.

    A writer's opening stands in the log with its first event: others, who are at work still, may have written since.
    """
    last = base[-MOST_LATE:]
    first = next((place for place, lesson in enumerate(last) if lesson.writer in alive), len(last))
    cut = len(base) - len(last) + first
    return base[:cut], base[cut:]


def _anchors(events: Iterable[AuditEvent], writer: str, id_to_decision: dict[str, Decision]) -> tuple[Anchor, ...]:
    made = []
    for event in events:
        if event.kind == DECISION and event.writer == writer:
            decision = id_to_decision[event.subject_id]
            made.append(Anchor(position=event.position, policy=policy_name(decision), sha256=decision.policy_sha256))
    return tuple(made)


async def _since_opening(stores: Stores, writer: str, until: int) -> tuple[int, list[AuditEvent]]:
    """Where the writer opened, and all events from there to `until`."""
    found: list[AuditEvent] = []
    end = until
    while end > 0:
        page = await _page_before(stores, end + 1)
        for event in reversed(page):
            found.append(event)
            if event.kind == OPENED and event.writer == writer:
                return event.position, found[::-1]
        end = page[0].position - 1 if page else 0
    raise LogCorrupt(f"The log does not say when writer {writer!r} opened.", hint="Check it: antroute audit verify")


async def relearned(stores: Stores, *, before: int, limit: int) -> tuple[Lesson, ...]:
    """The newest reward of each of the newest rewarded decisions, oldest first, as a start learns them."""
    id_to_reward: dict[str, tuple[AuditEvent, Reward]] = {}  # newest first
    id_to_decision: dict[str, Decision] = {}
    while before > 1 and len(id_to_reward) < limit:
        page = await _page_before(stores, before)
        for event in reversed(page):
            if event.kind == REWARD and event.decision_id is not None and len(id_to_reward) < limit:
                id_to_reward.setdefault(event.decision_id, (event, reward_from(event.canonical)))
            elif event.kind == DECISION and event.subject_id in id_to_reward:
                id_to_decision[event.subject_id] = decision_from(event.canonical)
        before = page[0].position if page else 0
    for id in id_to_reward:
        if id not in id_to_decision:
            id_to_decision[id] = await stores.decisions.get(id)
    return tuple(
        Lesson(position=event.position, decision=id_to_decision[id], reward=reward, writer=event.writer)
        for id, (event, reward) in reversed(id_to_reward.items())
    )


async def _page_before(stores: Stores, position: int) -> Sequence[AuditEvent]:
    """Up to PAGE events before this place, in the log's order."""
    first = max(position - PAGE, 1)
    return await stores.audit.events(after_position=first - 1, limit=position - first)
