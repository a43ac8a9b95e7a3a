"""The rows of an export, in the log's order, page by page: decisions, events of the log, spans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace

from orchestrator.exports.matching import Matching, is_plain
from orchestrator.exports.records import ExportWish, Page, Pages, Row
from orchestrator.reading import Attempt, attempts_in
from orchestrator.views import plain, record_view
from routing.recent import Recent
from storage.canonical import iso
from storage.records import AuditEvent
from storage.stores import Stores
from storage.summary_records import DecisionSummary

WINDOW = 2000  # places of the log a page
AT_ONCE = 100  # runs that are read in one go
REMEMBERED_RUNS = 20_000  # a run's decisions stand near each other: so far back it is known whether a run was told
EVENT_FIELDS = tuple(each.name for each in fields(AuditEvent))


async def windows(stores: Stores, wish: ExportWish) -> AsyncIterator[tuple[int, list[DecisionSummary]]]:
    """The wanted decisions of each stretch of the log, oldest first, and where the stretch ends."""
    position = 0
    while position < wish.until_position:
        end = min(position + WINDOW, wish.until_position)
        wanted = replace(wish.wanted, after_position=position, before_position=end + 1, limit=WINDOW)
        yield end, (await stores.summaries.find(wanted))[::-1]
        position = end


async def summary_pages(stores: Stores, wish: ExportWish) -> Pages:
    """A flat row a decision."""
    async for end, found in windows(stores, wish):
        rows = [{**_flat(each), **texts} for each, texts in zip(found, await _texts(stores, found, wish), strict=True)]
        yield _page(rows, end, [each.position for each in found])


async def decision_pages(stores: Stores, wish: ExportWish) -> Pages:
    """A row a decision, with all that is stored of it, its outcomes and its rewards."""
    async for end, found in windows(stores, wish):
        rows: list[Row] = []
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            attempts = await _attempts(stores, some)
            texts = await texts_of(stores, attempts, wish)
            rows += [
                {"position": each.position, **_whole(attempt), **text}
                for each, attempt, text in zip(some, attempts, texts, strict=True)
            ]
        yield _page(rows, end, [each.position for each in found])


async def event_pages(stores: Stores, wish: ExportWish) -> Pages:
    """A row an event, `canonical` exactly as it is hashed; of a filtered export only those of wanted decisions."""
    matching, position = Matching(stores.summaries, wish.wanted), 0
    while position < wish.until_position:
        events = await stores.audit.events(after_position=position, limit=WINDOW)
        events = [each for each in events if each.position <= wish.until_position]
        end = events[-1].position if events else wish.until_position
        if is_plain(wish.wanted):
            kept = [each for each in events if _is_in_time(each, wish)]
        else:
            kept = await matching.of(events, after_position=position, until_position=end)
        yield _page([_event_row(each) for each in kept], end, [each.position for each in kept])
        position = end


async def span_pages(stores: Stores, wish: ExportWish) -> Pages:
    """A row a span, those of a run together."""
    async for end, run_ids, found in run_windows(stores, wish):
        rows: list[Row] = []
        for start in range(0, len(run_ids), AT_ONCE):
            records = await stores.traces.runs(run_ids[start : start + AT_ONCE])
            rows += [record_view(span) for each in records.values() for span in each.spans]
        yield _page(rows, end, [each.position for each in found])


async def run_windows(stores: Stores, wish: ExportWish) -> AsyncIterator[tuple[int, list[str], list[DecisionSummary]]]:
    """The runs of the wanted decisions, each once, in the order of their first ones."""
    told: Recent[bool] = Recent(REMEMBERED_RUNS)
    async for end, found in windows(stores, wish):
        run_ids = []
        for each in found:
            if each.run_id not in told:
                run_ids.append(each.run_id)
            told.remember(each.run_id, True)
        yield end, run_ids, found


async def _attempts(stores: Stores, found: Sequence[DecisionSummary]) -> list[Attempt]:
    records = await stores.traces.runs(list(dict.fromkeys(each.run_id for each in found)))
    known = {attempt.decision.id: attempt for each in records.values() for attempt in attempts_in(each)}
    return [known[each.decision_id] for each in found]


def _page(rows: Sequence[Row], end: int, positions: Sequence[int]) -> Page:
    return Page(
        rows=rows, position=end, first_position=min(positions, default=0), last_position=max(positions, default=0)
    )


def _whole(attempt: Attempt) -> dict[str, object]:
    """As `attempt_view` has it, with records in it that are still none of JSON's values."""
    decision = {each.name: getattr(attempt.decision, each.name) for each in fields(attempt.decision)}
    return {**decision, "outcomes": attempt.outcomes, "rewards": attempt.rewards}


def _flat(summary: DecisionSummary) -> dict[str, object]:
    row = {each.name: getattr(summary, each.name) for each in fields(summary) if each.name != "usage"}
    return row | {f"{name}_tokens": count for name, count in plain(summary.usage).items()}


def _event_row(event: AuditEvent) -> Row:
    return {name: getattr(event, name) for name in EVENT_FIELDS}


def _is_in_time(event: AuditEvent, wish: ExportWish) -> bool:
    since, until = wish.wanted.since, wish.wanted.until
    return (since is None or event.at >= iso(since)) and (until is None or event.at < iso(until))


async def _texts(stores: Stores, found: Sequence[DecisionSummary], wish: ExportWish) -> list[dict[str, str | None]]:
    if not wish.with_texts:
        return [{} for _ in found]
    return await texts_of(stores, await _attempts(stores, found), wish)


async def texts_of(stores: Stores, attempts: Sequence[Attempt], wish: ExportWish) -> list[dict[str, str | None]]:
    """Question and answer; None where they are erased, or there was none."""
    if not wish.with_texts:
        return [{} for _ in attempts]
    answers = [[o.payload_id for o in attempt.outcomes if o.payload_id] for attempt in attempts]
    ids = {attempt.decision.payload_id for attempt in attempts} | {id for each in answers for id in each}
    payloads = await stores.audit.payloads(sorted(ids))

    def text(payload_id: str) -> str | None:
        return payloads[payload_id].text if payload_id in payloads else None

    return [
        {"query": text(attempt.decision.payload_id), "answer": text(each[-1]) if each else None}
        for attempt, each in zip(attempts, answers, strict=True)
    ]
