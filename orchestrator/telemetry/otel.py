"""Exports runs as OpenTelemetry spans, after they ended and from a thread; the only home of opentelemetry.

The trace in our own store stays the source: its spans are put into OpenTelemetry's words, nothing is timed twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from orchestrator.recorder import Entry
from orchestrator.request_context import current_request
from orchestrator.run import Run
from orchestrator.run_trace import RunTrace, current_trace
from orchestrator.telemetry.conventions import Names, OutSpan, out_spans, span_id_of, trace_id_of
from orchestrator.telemetry_settings import TelemetrySettings
from storage.records import Outcome, utc_now

QUEUED_SPANS = 8192  # that wait for the collector; more are dropped rather than kept
FAREWELL_SECONDS = 2.0
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}


class RunExport:
    """Listens to the service's runs; a run of a caller's trace becomes a part of it, unless that is not sampled."""

    def __init__(
        self,
        processor: SpanProcessor,
        names: Names,
        *,
        service_name: str = "antroute",
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`give_up` ends an export that is under way, and what it would try again."""
        self._processor = processor
        self._give_up = give_up
        self._names = names
        self._resource = Resource.create({"service.name": service_name})
        self._scope = InstrumentationScope("antroute")

    def recorded(self, entry: Entry) -> None:
        """Hears of each execution while its run lasts."""
        trace = current_trace.get()
        if trace is None or entry.decision is None:
            return
        for outcome in (item for item in entry.items if isinstance(item, Outcome)):
            trace.attempts.append((entry.decision, outcome))

    def answered(self, run: Run) -> None:
        self._ended(run, None)

    def failed(self, code: str) -> None:
        self._ended(None, code)

    async def close(self) -> None:
        """Sends what waits, for a moment: a collector that is away must not keep the service from ending."""
        sending = asyncio.create_task(asyncio.to_thread(self._processor.shutdown))
        await asyncio.wait([sending], timeout=FAREWELL_SECONDS)
        if not sending.done():
            self._give_up()
        await sending

    def _ended(self, run: Run | None, code: str | None) -> None:
        trace, request = current_trace.get(), current_request.get()
        if trace is not None:
            sent = None if request is None else request.traceparent
            # after `recorded`, which was called for, but has not run yet
            asyncio.get_running_loop().call_soon(self._export, trace, run, code, utc_now(), sent)

    def _export(
        self, trace: RunTrace, run: Run | None, code: str | None, ended_at: datetime, traceparent: str | None
    ) -> None:
        if not trace.run_id:  # refused before there was anything to time
            return
        caller = None if traceparent is None else _caller(traceparent)
        if caller is not None and not caller.trace_flags.sampled:
            return
        trace_id = trace_id_of(trace.run_id) if caller is None else caller.trace_id
        for span in out_spans(trace, self._names, ended_at=ended_at, run=run, code=code):
            self._processor.on_end(self._readable(span, trace_id, caller))

    def _readable(self, span: OutSpan, trace_id: int, caller: SpanContext | None) -> ReadableSpan:
        def context(key: str) -> SpanContext:
            return SpanContext(trace_id, span_id_of(key), is_remote=False, trace_flags=SAMPLED)

        return ReadableSpan(
            name=span.name,
            context=context(span.key),
            parent=caller if span.parent_key is None else context(span.parent_key),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=KINDS[span.kind],
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
            instrumentation_scope=self._scope,
        )


def over_http(settings: TelemetrySettings, names: Names) -> RunExport:
    """To `settings.endpoint`, in batches."""
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, headers=headers, timeout=settings.timeout_seconds)
    processor = BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS, schedule_delay_millis=1000)
    return RunExport(processor, names, service_name=settings.service_name, give_up=exporter.shutdown)


def _caller(traceparent: str) -> SpanContext | None:
    """The caller's span; None where its ids say nothing, as W3C Trace Context has it. The form was checked."""
    _, trace_id, span_id, flags = traceparent.split("-")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return context if context.is_valid else None


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
