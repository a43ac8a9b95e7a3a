"""Sends stored traffic through other routers: the log is read twice, in parts, and never held whole."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.errors import DeadlineExceeded
from orchestrator.replay.lanes import Lanes
from orchestrator.replay.lessons import Lesson
from orchestrator.replay.log_walk import relearned
from orchestrator.replay.means import MEANS_MODEL, ObservedMeans
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import Comparison, TrafficFilter, TrafficReplay
from orchestrator.replay.resolving import target_of
from orchestrator.replay.tally import Differences, Pick
from orchestrator.replay.targets import Row, Seen, Step, Target
from orchestrator.replay.texts import texts_of
from orchestrator.replay.traffic_log import Entry, Survey, events_from, survey
from routing.artifacts import code_version
from routing.forecasts import Weights
from routing.pacing import PACING
from routing.sessions import SESSION
from skills.progress import Progress, no_progress
from storage.canonical import decision_from, reward_from
from storage.errors import InvalidInput
from storage.records import AuditEvent, Decision

PART = 512  # decisions whose texts are read, encoded and forecast at once
MOST_STEPS = 4 * PART  # decisions and lessons that are held at once
REMEMBERED = 5_000  # decisions whose rewards may still come
CHANGES = 50  # of the largest ones that are told
MOST_ROUTERS = 2
AROUND = (PACING, SESSION)  # contributions of rules around the router
REPLAYING = "replaying decisions"


@dataclass(frozen=True, kw_only=True)
class TrafficOptions:
    """How a replay is made."""

    seed: int = 0  # of the intervals' resampling
    changes: int = CHANGES
    seconds: float | None = None  # that it may take; None: as long as it takes
    may_read_folders: bool = False
    on_progress: Progress = no_progress


@dataclass(kw_only=True)
class _Play:
    """The second reading: several routers, decision by decision."""

    targets: Sequence[Target]
    lanes: Sequence[Lanes]
    survey: Survey
    between: Differences | None  # from the first router to the second
    means: ObservedMeans
    weights: Weights  # of decisions that stored none
    excluded: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    judged: int = 0
    moved: int = 0  # decisions that pacing or a session had a hand in

    def part(self, steps: Sequence[Step]) -> None:
        """Blocks: it encodes, forecasts and counts."""
        answers = [target.rows(steps) for target in self.targets]
        seen = [step.decision for step in steps if isinstance(step, Seen)]
        for place, decision in enumerate(seen):
            rows = [each[place] for each in answers]
            if reason := next((row for row in rows if isinstance(row, str)), None):
                self.excluded[reason] += 1
                continue
            self._book(decision, _lent([row for row in rows if isinstance(row, Row)]))

    def _book(self, decision: Decision, rows: Sequence[Row]) -> None:
        entry = self.survey.entries[decision.id]
        picks: list[Pick] = [lanes.add(entry, decision, row) for lanes, row in zip(self.lanes, rows, strict=True)]
        if self.between is not None:
            old, new = (self._by_means(entry, pick, decision) for pick in picks)
            self.between.add(entry, old, new)
        self.replayed += 1
        self.judged += entry.quality is not None
        self.moved += any(name in each.contributions for each in decision.assessments for name in AROUND)

    def _by_means(self, entry: Entry, pick: Pick, decision: Decision) -> Pick:
        """Two routers' own models cannot be set against each other; what the traffic says can."""
        if not self.means.has_quality:
            return replace(pick, quality=None, utility=None)
        quality = self.means.quality(pick.candidate_id, entry.task)
        weights = Weights(**decision.weights) if decision.weights else self.weights
        return replace(pick, quality=quality, utility=self.means.utility(quality, pick.cost_usd, weights))


def _lent(rows: Sequence[Row]) -> list[Row]:
    """Who forecasts nothing is seen by the model of the trained router beside it, so that both are seen by one."""
    lender = next((row for row in rows if row.quality is not None), None)
    if lender is None:
        return list(rows)
    return [
        replace(row, quality=lender.quality, cost_usd=lender.cost_usd, utility=lender.utility)
        if row.quality is None
        else row
        for row in rows
    ]


async def replay_traffic(
    parts: ReplayParts, router: str, wanted: TrafficFilter, options: TrafficOptions | None = None
) -> TrafficReplay:
    """What this router (a version's id, a policy's name, or a folder) would have done with stored traffic.

    Raises InvalidInput for an unknown router, or where no decision is left; ArtifactRefused, EncoderUnavailable,
    LogCorrupt; DeadlineExceeded beyond `options.seconds`.
    """
    [found], _ = await _replayed(parts, [router], wanted, options or TrafficOptions())
    return found


async def compare(
    parts: ReplayParts, first: str, second: str, wanted: TrafficFilter, options: TrafficOptions | None = None
) -> Comparison:
    """Both routers on the same decisions: what one of them cannot do is left out for both. Raises as above."""
    (one, other), between = await _replayed(parts, [first, second], wanted, options or TrafficOptions())
    if between is None:
        raise ValueError("two routers have differences")
    is_own = all(each.router.router.encoder for each in (one, other))
    own = ("expected quality and regret are each by the router's own model",) if is_own else ()
    return Comparison(
        first=one,
        second=other,
        switches=between.switches,
        changes=between.changes,
        changed=between.changed,
        notes=(*own, f"quality and utility of the changes between the two: {MEANS_MODEL}"),
    )


async def _replayed(
    parts: ReplayParts, routers: Sequence[str], wanted: TrafficFilter, options: TrafficOptions
) -> tuple[list[TrafficReplay], Differences | None]:
    started = time.perf_counter()
    found = await survey(parts.stores, wanted)
    entries = list(found.entries.values())
    newest = await parts.stores.decisions.get(entries[-1].decision_id)
    targets = [
        await target_of(parts, asked, newest, before=entries[0].position, may_read_folders=options.may_read_folders)
        for asked in routers
    ]
    means, judged = ObservedMeans(entries), sum(entry.quality is not None for entry in entries)
    candidates = sorted(found.candidates)
    lanes = [
        Lanes(target.name, means, candidates, judged=judged, weights=parts.weights, changes=options.changes)
        for target in targets
    ]
    between = Differences(options.changes) if len(targets) == MOST_ROUTERS else None
    play = _Play(targets=targets, lanes=lanes, survey=found, between=between, means=means, weights=parts.weights)
    async for steps in _parts_of(parts, found, targets):
        await asyncio.to_thread(play.part, steps)
        done = play.replayed + play.excluded.total()
        options.on_progress(done, len(entries), REPLAYING)
        if options.seconds is not None and time.perf_counter() - started > options.seconds:
            raise DeadlineExceeded(
                f"{done} of {len(entries)} decisions were replayed within {options.seconds:g} s.",
                hint="Take fewer: a later `since`, or a lower `limit`.",
            )
    if not play.replayed:
        reasons = ", ".join(f"{count}: {reason}" for reason, count in play.excluded.most_common())
        raise InvalidInput(f"None of the {len(entries)} decisions can be replayed ({reasons}).", field="router")
    made = [await asyncio.to_thread(_result, play, each, options, started) for each in lanes]
    return made, between


def _result(play: _Play, lanes: Lanes, options: TrafficOptions, started: float) -> TrafficReplay:
    router, logged, *references = lanes.standings(seed=options.seed)
    return TrafficReplay(
        traffic=play.survey.traffic(play.replayed, play.excluded, play.judged),
        router=router,
        logged=logged,
        references=tuple(references),
        switches=lanes.differences.switches,
        changes=lanes.differences.changes,
        changed=lanes.differences.changed,
        model=lanes.model,
        reference_cost_usd=lanes.reference_usd,
        seconds=time.perf_counter() - started,
        notes=tuple(_notes(play, lanes)),
        code_version=code_version(),
    )


def _notes(play: _Play, lanes: Lanes) -> Iterator[str]:
    yield from lanes.notes
    if lanes.weighs_by_means:
        unit = f"${lanes.reference_usd:.3g}, the best single candidate's mean cost"
        yield f"utility and regret are in quality, less the weight of cost times the cost in units of {unit}"
    if play.moved:
        yield f"pacing or a session moved {play.moved} of the logged decisions; the replayed router goes without them"
    if play.judged < play.replayed:
        yield f"{play.judged} of {play.replayed} were judged; estimates of quality speak of decisions like these"


async def _parts_of(parts: ReplayParts, found: Survey, targets: Sequence[Target]) -> AsyncGenerator[list[Step], None]:
    """The decisions that are taken, PART at a time, and between them the lessons of the log, if anybody learns."""
    wants_text = any(target.needs_text for target in targets)
    lessons = _Lessons(parts, found) if any(target.learns for target in targets) else None
    if lessons is not None:
        await lessons.begin()
    decisions: list[Decision] = []
    steps: list[Decision | Lesson] = []
    places = [entry.position for entry in found.entries.values()]
    async for event in events_from(parts.stores.audit, places[0], until=places[-1]):
        if event.kind == "decision" and (lessons is not None or event.subject_id in found.entries):
            decision = decision_from(event.canonical)
            if event.subject_id in found.entries:
                decisions.append(decision)
                steps.append(decision)
            if lessons is not None:
                lessons.note(decision)
        if lessons is not None and (lesson := await lessons.of(event)) is not None:
            steps.append(lesson)
        if len(decisions) >= PART or len(steps) >= MOST_STEPS:
            yield await _with_texts(parts, steps, decisions if wants_text else [])
            decisions, steps = [], []
    if steps:
        yield await _with_texts(parts, steps, decisions if wants_text else [])


async def _with_texts(
    parts: ReplayParts, steps: Sequence[Decision | Lesson], decisions: Sequence[Decision]
) -> list[Step]:
    texts = await texts_of(parts, decisions) if decisions else {}
    return [step if isinstance(step, Lesson) else Seen(decision=step, text=texts.get(step.id)) for step in steps]


class _Lessons:
    """The first reward of each decision, as it stands in the log."""

    def __init__(self, parts: ReplayParts, found: Survey) -> None:
        self._parts = parts
        self._before = next(iter(found.entries.values())).position
        self._recent: OrderedDict[str, Decision] = OrderedDict()
        self._rewarded: set[str] = set()

    async def begin(self) -> None:
        """What was rewarded before the traffic is known already."""
        lessons = await relearned(self._parts.stores, before=self._before, limit=self._parts.relearn_limit)
        self._rewarded = {lesson.decision.id for lesson in lessons}

    def note(self, decision: Decision) -> None:
        """Remembers a decision, whose reward stands further on."""
        self._recent[decision.id] = decision
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    async def of(self, event: AuditEvent) -> Lesson | None:
        if event.kind != "reward" or event.decision_id is None or event.decision_id in self._rewarded:
            return None
        self._rewarded.add(event.decision_id)
        decision = self._recent.get(event.decision_id) or await self._parts.stores.decisions.get(event.decision_id)
        return Lesson(position=event.position, decision=decision, reward=reward_from(event.canonical))
