"""Runs as OTLP/JSON, a run a line, in the words in which they are exported live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.exports.records import ExportWish, Page, Pages, Row
from orchestrator.exports.rows import AT_ONCE, run_windows, texts_of
from orchestrator.reading import Attempt, Trace, attempts_in
from orchestrator.run import Run
from orchestrator.run_trace import RunTrace
from orchestrator.telemetry.conventions import Names, OutSpan, Value, out_spans, span_id_of, trace_id_of
from storage.records import Outcome
from storage.stores import Stores

# As the OpenTelemetry protocol numbers them.
KINDS = {"internal": 1, "client": 3}
ERROR = 2
ERASED = "(erased)"


async def otlp_pages(stores: Stores, wish: ExportWish) -> Pages:
    """A row a run: one `TracesData` of the protocol's JSON encoding."""
    names = Names(candidates=wish.candidates, model_to_provider=wish.model_to_provider, has_content=wish.with_texts)
    async for end, run_ids, found in run_windows(stores, wish):
        rows: list[Row] = []
        for start in range(0, len(run_ids), AT_ONCE):
            rows += [
                _traces_data(trace, names) for trace in await _traces(stores, run_ids[start : start + AT_ONCE], wish)
            ]
        positions = [each.position for each in found]
        yield Page(
            rows=rows, position=end, first_position=min(positions, default=0), last_position=max(positions, default=0)
        )


async def _traces(stores: Stores, run_ids: Sequence[str], wish: ExportWish) -> list[Trace]:
    """The texts are left out where nobody wants them."""
    found: list[Trace] = []
    for run_id, records in (await stores.traces.runs(run_ids)).items():
        attempts = attempts_in(records)
        texts = await texts_of(stores, attempts, wish)
        answers = [each["answer"] for each in texts if each.get("answer") is not None]
        found.append(
            Trace(
                run_id=run_id,
                query_text=texts[0].get("query"),
                answer_text=answers[-1] if answers else None,
                attempts=attempts,
                spans=tuple(records.spans),
            )
        )
    return found


def _traces_data(trace: Trace, names: Names) -> Row:
    spans = [_span(span, trace.run_id) for span in _told(trace, names)]
    resource = {"attributes": [_attribute("service.name", "antroute")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "antroute"}, "spans": spans}]}]}


def _told(trace: Trace, names: Names) -> list[OutSpan]:
    ended = [(attempt, _last_outcome(attempt)) for attempt in trace.attempts]
    attempts = [(attempt.decision, outcome) for attempt, outcome in ended if outcome is not None]
    started_at = min([span.started_at for span in trace.spans] + [a.decision.decided_at for a in trace.attempts])
    ended_at = max([span.started_at + timedelta(seconds=span.seconds) for span in trace.spans] + [started_at])
    whole = RunTrace(
        text=ERASED if trace.query_text is None else trace.query_text,
        started_at=started_at,
        run_id=trace.run_id,
        spans=list(trace.spans),
        attempts=attempts,
    )
    run = _run(trace, ended_at - started_at)
    code = None if run is not None or not attempts else attempts[-1][1].error_code or "_OTHER"
    return out_spans(whole, names, ended_at=ended_at, run=run, code=code)


def _last_outcome(attempt: Attempt) -> Outcome | None:
    """What happened, not what was judged; None: it runs, or was killed."""
    done = [outcome for outcome in attempt.outcomes if outcome.status != "judged"]
    return done[-1] if done else None


def _run(trace: Trace, lasted: timedelta) -> Run | None:
    """How it was answered; None: it was not."""
    for attempt in reversed(trace.attempts):
        outcome = _last_outcome(attempt)
        if outcome is None or outcome.status != "succeeded":
            continue
        decision = attempt.decision
        return Run(
            run_id=trace.run_id,
            answer=ERASED if trace.answer_text is None else trace.answer_text,
            candidate_id=decision.candidate_id or "",
            decision_id=decision.id,
            cost_usd=trace.cost_usd,
            quality=outcome.quality,
            attempts=len(trace.attempts),
            latency_seconds=lasted.total_seconds(),
            overhead_seconds=0.0,
            usage=outcome.usage,
            plan=decision.plan,
        )
    return None


def _span(span: OutSpan, run_id: str) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "traceId": f"{trace_id_of(run_id):032x}",
        "spanId": f"{span_id_of(span.key):016x}",
        "name": span.name,
        "kind": KINDS[span.kind],
        "startTimeUnixNano": _nanoseconds(span.started_at),
        "endTimeUnixNano": _nanoseconds(span.ended_at),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "status": {} if span.error is None else {"code": ERROR, "message": span.error},
    }
    return told if span.parent_key is None else told | {"parentSpanId": f"{span_id_of(span.parent_key):016x}"}


def _attribute(name: str, value: Value) -> Mapping[str, Any]:
    return {"key": name, "value": _value(value)}


def _value(value: Value) -> Mapping[str, Any]:
    """64-bit integers are texts in protobuf's JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"doubleValue": value}


def _nanoseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1_000_000) * 1000)
