"""Reads the parts of the log that a process's policies came from: what it learned at its start, and what after that."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.replay.lessons import Lesson
from orchestrator.replay.stored import AFTER
from storage.canonical import decision_from, parsed, reward_from
from storage.errors import LogCorrupt
from storage.records import AuditEvent, Decision, Reward
from storage.stores import Stores

PAGE = 1000  # events
MOST_LATE = 64  # lessons before a writer's first event that may have been learned after its start
ALIVE_EVENTS = 2 * PAGE  # after a writer opened: who writes none of them was not at work any more
REMEMBERED = 5_000  # decisions whose rewards may still come
REWARDED = 200_000  # decisions of which it is remembered that they have a reward
DECISION, REWARD = "decision", "reward"


@dataclass(frozen=True)
class Anchor:
    """A place in the log that says in which state a policy was: a decision of the process."""

    event: AuditEvent

    @property
    def policy(self) -> str:
        return (self.event.policy or "").partition(AFTER)[0]

    @cached_property
    def sha256(self) -> str:
        return str(parsed(self.event.canonical)["policy_sha256"])


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a process began with."""

    opened_at: int  # the place of its first event
    base: tuple[Lesson, ...]  # learned again when it started
    late: tuple[Lesson, ...]  # of others who were at work: learned again then, or heard of soon after


Step = Lesson | Anchor


async def event_at(stores: Stores, position: int) -> AuditEvent:
    """Raises LogCorrupt where there is none."""
    events = await stores.audit.events(after_position=position - 1, limit=1)
    if not events or events[0].position != position:
        raise LogCorrupt(f"The log has no event at position {position}.", hint="Check it: antroute audit verify")
    return events[0]


async def beginning_of(stores: Stores, event: AuditEvent, *, relearn_limit: int) -> Beginning:
    """Of the process that wrote this event. Raises LogCorrupt."""
    opened_at = await _opening(stores, event)
    base = await relearned(stores, before=opened_at, limit=relearn_limit)
    following = await stores.audit.events(after_position=opened_at, limit=ALIVE_EVENTS)
    alive = {each.writer for each in following} - {event.writer}
    last = base[-MOST_LATE:]
    first = next((place for place, lesson in enumerate(last) if lesson.writer in alive), len(last))
    cut = len(base) - len(last) + first
    late = tuple(lesson for lesson in base[cut:] if lesson.teaches)
    return Beginning(opened_at=opened_at, base=base[:cut], late=late)


async def steps_of(stores: Stores, writer: str, begun: Beginning, *, until: int) -> AsyncGenerator[list[Step], None]:
    """What the process could learn, and its decisions, in the log's order up to a place; a page at a time."""
    first_rewards = _FirstRewards(stores, begun)
    after = begun.opened_at
    while after < until:
        events = await stores.audit.events(after_position=after, limit=min(PAGE, until - after))
        if not events:
            return
        steps: list[Step] = []
        for event in events:
            if event.kind == DECISION:
                first_rewards.note(event)
                steps += [Anchor(event)] if event.writer == writer else []
            elif event.kind == REWARD:
                steps += await first_rewards.lesson(event)
        yield steps
        after = events[-1].position


class _FirstRewards:
    """A decision's first reward is learned; a later one is for the next start."""

    def __init__(self, stores: Stores, begun: Beginning) -> None:
        self._stores = stores
        known = [lesson.decision.id for lesson in (*begun.base, *begun.late)]
        self._rewarded: OrderedDict[str, None] = OrderedDict.fromkeys(known)
        self._recent: OrderedDict[str, AuditEvent] = OrderedDict()

    def note(self, event: AuditEvent) -> None:
        self._recent[event.subject_id] = event
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    async def lesson(self, event: AuditEvent) -> list[Lesson]:
        """None or one."""
        id = event.decision_id
        if id is None or id in self._rewarded:
            return []
        self._rewarded[id] = None
        if len(self._rewarded) > REWARDED:
            self._rewarded.popitem(last=False)
        reward = reward_from(event.canonical)
        if (recent := self._recent.get(id)) is not None:
            decision = decision_from(recent.canonical)
        else:
            decision = await self._stores.decisions.get(id)
            if (await self._stores.decisions.rewards_of(id))[0].id != reward.id:
                return []  # learned long ago
        found = Lesson(position=event.position, decision=decision, reward=reward, writer=event.writer)
        return [found] if found.teaches else []


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


async def _opening(stores: Stores, event: AuditEvent) -> int:
    """The place of the writer's first event: its number in the chain says how far back that is at least."""
    while event.seq > 0:
        event = await _last_of(stores, event.writer, up_to=event.position - event.seq)
    return event.position


async def _last_of(stores: Stores, writer: str, *, up_to: int) -> AuditEvent:
    before = up_to + 1
    while before > 1:
        page = await _page_before(stores, before)
        found = next((event for event in reversed(page) if event.writer == writer), None)
        if found is not None:
            return found
        before = page[0].position if page else 0
    raise LogCorrupt(f"The log does not say when writer {writer!r} opened.", hint="Check it: antroute audit verify")


async def _page_before(stores: Stores, position: int) -> Sequence[AuditEvent]:
    """Up to PAGE events before this place, in the log's order."""
    first = max(position - PAGE, 1)
    return await stores.audit.events(after_position=first - 1, limit=position - first)
