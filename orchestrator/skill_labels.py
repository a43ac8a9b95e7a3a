"""Weak labels for the ranker of skills, out of one's own traces: which found skill was called, and how that ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.reading import Attempt, attempt_of
from orchestrator.tracing import DECISION_ID, SKILL_ID
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput
from storage.records import Span
from storage.stores import DecisionFilter, Stores

PAGE = 200  # decisions
GOOD_REWARD = 0.5
TRUST = 0.5  # of an outcome, against a label that somebody wrote for this very query


@dataclass(frozen=True, kw_only=True)
class WeakLabel:
    """A line of a queries.jsonl: `gold` are the needed skills, each with the ids that will do."""

    query_id: str
    text: str
    gold: tuple[tuple[str, ...], ...] = ()
    negatives: tuple[str, ...] = ()  # that were called, and it ended badly
    kind: str = "outcome"
    weight: float = 0.0  # in [0, 0.5]: how much better or worse than middling it ended, times TRUST


async def weak_labels(
    stores: Stores, since: datetime | None = None, *, on_progress: Progress = no_progress
) -> list[WeakLabel]:
    """Oldest first. Of decisions that were judged, whose text is not erased, and whose agent really called a skill
    that was found for the query: a skill that is merely shown teaches nothing.
    """
    labels: list[WeakLabel] = []
    seen = 0
    async for attempts in _attempts(stores, since):
        payloads = await stores.audit.payloads([attempt.decision.payload_id for attempt in attempts])
        for attempt in attempts:
            payload = payloads.get(attempt.decision.payload_id)
            text = "" if payload is None else payload.text or ""
            if attempt.rewards and _was_answered(attempt) and text.strip():
                labels += _labels(attempt, text, await called_skills(stores, attempt))
        seen += len(attempts)
        on_progress(seen, 0, "reading decisions")
    labels.reverse()
    return labels


async def write_labels(
    stores: Stores, file: Path, *, since: datetime | None = None, on_progress: Progress = no_progress
) -> int:
    """One JSON object a line; how many there are. Raises InvalidInput where there is none, and then writes nothing."""
    labels = await weak_labels(stores, since, on_progress=on_progress)
    if not labels:
        raise InvalidInput(
            "No judged decision called a skill that was found for its query.",
            field="since",
            hint="Let a candidate with `found_skills` answer, and send verdicts: POST /v1/decisions/ID/outcomes.",
        )
    text = "".join(json.dumps(asdict(label), ensure_ascii=False) + "\n" for label in labels)
    try:
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
    except OSError as exc:
        raise InvalidInput(f"{str(file)!r} cannot be written: {exc.strerror}.", field="out") from exc
    return len(labels)


async def called_skills(stores: Stores, attempt: Attempt) -> tuple[str, ...]:
    """The ids of the shown skills that the agent called without an error, each once, in their order."""
    selection = attempt.decision.skills
    if selection is None or not selection.shown:
        return ()
    spans = await stores.traces.spans_of(attempt.decision.run_id)
    called = _called(spans, attempt.decision.id)
    shown = {skill.skill_id for skill in selection.shown}
    return tuple(dict.fromkeys(skill_id for skill_id in called if skill_id in shown))


def _was_answered(attempt: Attempt) -> bool:
    """A model that was too slow, or away, says nothing of the skills."""
    return any(outcome.status == "succeeded" for outcome in attempt.outcomes)


def _called(spans: Iterable[Span], decision_id: str) -> list[str]:
    ordered = sorted(spans, key=lambda span: span.started_at)
    executions = {span.id for span in ordered if span.attributes.get(DECISION_ID) == decision_id}
    return [
        span.attributes[SKILL_ID]
        for span in ordered
        if span.parent_id in executions and SKILL_ID in span.attributes and not span.is_failed
    ]


def _labels(attempt: Attempt, text: str, called: tuple[str, ...]) -> list[WeakLabel]:
    reward, query_id = attempt.rewards[-1].value, attempt.decision.query_id
    weight = round(abs(reward - GOOD_REWARD) / GOOD_REWARD * TRUST, 6)
    if not called or weight == 0:
        return []
    if reward >= GOOD_REWARD:
        gold = tuple((skill_id,) for skill_id in called)
        return [WeakLabel(query_id=query_id, text=text, gold=gold, weight=weight)]
    return [WeakLabel(query_id=query_id, text=text, negatives=called, weight=weight)]


async def _attempts(stores: Stores, since: datetime | None) -> AsyncIterator[list[Attempt]]:
    """Newest first, page by page; only decisions that a search for skills was made for."""
    before: int | None = None
    while page := await stores.decisions.find(DecisionFilter(since=since, before_position=before, limit=PAGE)):
        before = page[-1].position
        ids = [stored.decision.id for stored in page if stored.decision.skills is not None]
        yield [await attempt_of(stores, decision_id) for decision_id in ids]
