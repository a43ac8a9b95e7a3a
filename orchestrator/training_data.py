"""One's own traces as training data: decisions of the log with their latest verdict, cost, latency and propensity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.reading import Attempt, attempt_of
from orchestrator.settings import Settings
from routing.cards import CandidateCard
from routing.training.assembly import DEFAULT_SPLIT_RULE, Imported, LeftOut, Measurement, SplitRule, assemble
from skills.progress import Progress, no_progress
from storage.provenance import is_verified
from storage.records import Payload
from storage.stores import DecisionFilter, Stores

PAGE = 200  # decisions


async def import_traces(
    stores: Stores,
    settings: Settings,
    *,
    since: datetime | None = None,
    rule: SplitRule = DEFAULT_SPLIT_RULE,
    on_progress: Progress = no_progress,
) -> Imported:
    """Every decision that somebody judged and whose query text is not erased. Raises InvalidInput if there is none."""
    left_out, measurements = LeftOut(), list[Measurement]()
    before: int | None = None
    seen = 0
    while page := await stores.decisions.find(DecisionFilter(since=since, before_position=before, limit=PAGE)):
        before, seen = page[-1].position, seen + len(page)
        attempts = [await attempt_of(stores, stored.decision.id) for stored in page]
        payloads = await stores.audit.payloads([attempt.decision.payload_id for attempt in attempts])
        for attempt in attempts:
            measured = _measurement(attempt, payloads.get(attempt.decision.payload_id), left_out)
            measurements += [] if measured is None else [measured]
        on_progress(seen, 0, "reading decisions")
    measurements.reverse()  # oldest first, as they happened
    candidates = {measured.candidate for measured in measurements}
    return assemble(measurements, cards=cards_of(settings, candidates) or None, rule=rule, left_out=left_out)


def cards_of(settings: Settings, candidates: Iterable[str]) -> list[CandidateCard]:
    """What the settings say of these candidates; nothing but the id of those they do not name any more."""
    id_to_card = {}
    for candidate in settings.candidates:
        model = settings.models.get(candidate.model)
        if model is not None:
            id_to_card[candidate.candidate_id] = CandidateCard(
                id=candidate.candidate_id,
                name=candidate.model,
                description=model.description,
                price_input_usd_per_mtok=float(model.price_input_usd_per_mtok),
                price_output_usd_per_mtok=float(model.price_output_usd_per_mtok),
                context_window=model.context_window,
                family=model.family,
                size_b=model.size_b,
                extra={"agent": candidate.agent, "skills": list(candidate.skills)},
            )
    return [id_to_card.get(id, CandidateCard(id=id)) for id in sorted(candidates)]


def _measurement(attempt: Attempt, payload: Payload | None, left_out: LeftOut) -> Measurement | None:
    """None, and counted, where the attempt teaches nothing."""
    decision = attempt.decision
    judged = [outcome for outcome in attempt.outcomes if is_verified(outcome.judged_by)]
    qualities = [outcome.quality for outcome in judged if outcome.quality is not None]
    text = None if payload is None else payload.text
    if decision.candidate_id is None:
        left_out.add("no candidate was allowed", decision.id)
    elif not qualities:
        left_out.add("nobody judged it", decision.id)
    elif text is None:
        left_out.add("its text was erased", decision.id)
    elif not text.strip():
        left_out.add("its text is empty", decision.id)
    else:
        return Measurement(
            place=decision.id,
            query_id=decision.query_id,
            text=text,
            task=decision.task or None,
            candidate=decision.candidate_id,
            measures={"quality": qualities[-1], "propensity": decision.propensity, **_amounts(attempt)},
        )
    return None


def _amounts(attempt: Attempt) -> dict[str, float]:
    """What the execution took; a verdict takes nothing."""
    ran = [outcome for outcome in attempt.outcomes if outcome.status != "judged"]
    if not ran:
        return {}
    usages = [outcome.usage for outcome in ran]
    return {
        "cost_usd": float(attempt.cost_usd),
        "input_tokens": float(sum(usage.input + usage.cache_read + usage.cache_write for usage in usages)),
        "output_tokens": float(sum(usage.output for usage in usages)),
        "latency_seconds": sum(outcome.latency_seconds for outcome in ran),
    }
