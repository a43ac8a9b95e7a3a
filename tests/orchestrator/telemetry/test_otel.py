"""Runs become OpenTelemetry spans: whole, nested, in a caller's trace, and without texts unless they are wanted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agents.errors import ModelUnavailable
from orchestrator.bootstrap import bootstrap
from orchestrator.service import Service
from orchestrator.telemetry.conventions import Names
from orchestrator.telemetry.opened import listen
from orchestrator.telemetry.otel import RunExport
from tests.conftest import CANDIDATES, MakeService, fails, scripted_settings
from tests.orchestrator.rest_app import MakeHttp, chat

QUESTION = "What is the capital of France, canary-question?"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
Exported = Callable[..., Awaitable[tuple[Service, InMemorySpanExporter]]]


@pytest.fixture
async def exported(make_service: MakeService) -> AsyncIterator[Exported]:
    """Services whose spans go to a list."""
    exports: list[RunExport] = []

    async def make(*, has_content: bool = False, **parts: Any) -> tuple[Service, InMemorySpanExporter]:
        service, seen = await make_service(**parts), InMemorySpanExporter()
        names = Names(
            candidates=service.nodes.candidates, model_to_provider={"small": "openai"}, has_content=has_content
        )
        exports.append(RunExport(SimpleSpanProcessor(seen), names))
        listen(service, exports[-1])
        return service, seen

    yield make
    for export in exports:
        await export.close()


async def spans_in(seen: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    """All so far: a run is exported after its caller has the answer."""
    await asyncio.sleep(0)
    return seen.get_finished_spans()


async def by_name(seen: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in await spans_in(seen)}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_run_is_a_workflow_with_a_decision_an_agent_and_a_chat(exported: Exported) -> None:
    service, seen = await exported(candidates=CANDIDATES[:1])
    run = await service.run(QUESTION)
    spans = await by_name(seen)
    assert set(spans) == {"invoke_workflow single", "router.decide", "invoke_agent single_turn", "chat small"}
    root, chat_span, agent = spans["invoke_workflow single"], spans["chat small"], spans["invoke_agent single_turn"]
    assert root.parent is None
    assert root.context.trace_id == chat_span.context.trace_id
    assert agent.parent is not None
    assert (agent.parent.span_id, chat_span.parent.span_id if chat_span.parent else None) == (
        root.context.span_id, agent.context.span_id,
    )  # fmt: skip
    assert chat_span.kind is SpanKind.CLIENT
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
    }.items() <= (attributes(chat_span).items())
    assert attributes(chat_span)["gen_ai.usage.output_tokens"] == run.usage.output
    assert attributes(chat_span)["gen_ai.response.finish_reasons"] == ["stop"]
    assert attributes(agent)["gen_ai.agent.id"] == "small"
    assert attributes(agent)["gen_ai.usage.input_tokens"] == run.usage.input
    assert attributes(root)["router.cost_usd"] == pytest.approx(float(run.cost_usd))
    assert (root.end_time or 0) >= (chat_span.end_time or 0) > (chat_span.start_time or 0) >= (root.start_time or 0)


async def test_the_decision_says_who_among_whom_and_why(exported: Exported) -> None:
    service, seen = await exported()
    run = await service.run(QUESTION, candidate="large", budget_usd="0.05")
    found = attributes((await by_name(seen))["router.decide"])
    assert found["router.candidates"] == ["small", "large"]
    assert (found["router.selected"], found["router.propensity"]) == ("large", 1.0)
    assert (found["router.policy.id"], found["router.reason"]) == ("uniform", "the only one that may be picked")
    assert (found["router.decision.id"], found["router.budget.remaining"]) == (run.decision_id, 0.05)
    assert found["router.policy.version"]


async def test_each_attempt_is_there_and_the_failed_one_says_why(exported: Exported) -> None:
    service, seen = await exported(small=fails, policy="cheapest")
    await service.run(QUESTION)
    agents = [span for span in await spans_in(seen) if span.name == "invoke_agent single_turn"]
    assert [attributes(span)["gen_ai.agent.id"] for span in agents] == ["small", "large"]
    assert [span.status.status_code for span in agents] == [StatusCode.ERROR, StatusCode.UNSET]
    assert attributes(agents[0])["error.type"] == "model_unavailable"
    assert attributes((await by_name(seen))["invoke_workflow single"])["router.attempts"] == 2


async def test_a_run_that_failed_is_told_with_its_error(exported: Exported) -> None:
    service, seen = await exported(small=fails, candidates=CANDIDATES[:1])
    with pytest.raises(ModelUnavailable):
        await service.run(QUESTION)
    root = (await by_name(seen))["invoke_workflow single"]
    assert (root.status.status_code, attributes(root)["error.type"]) == (StatusCode.ERROR, "model_unavailable")


async def test_a_plan_s_asks_stand_in_one_trace(exported: Exported) -> None:
    service, seen = await exported()
    await service.run(QUESTION, plan="vote")
    spans = await spans_in(seen)
    assert {span.context.trace_id for span in spans} == {spans[0].context.trace_id}
    assert sum(span.name == "invoke_agent single_turn" for span in spans) >= 2
    assert "router.plan" in (await by_name(seen))


@pytest.mark.parametrize("has_content", [False, True])
async def test_texts_leave_only_where_they_are_wanted(exported: Exported, has_content: bool) -> None:
    service, seen = await exported(has_content=has_content, small=lambda _: "canary-answer", candidates=CANDIDATES[:1])
    await service.run(QUESTION)
    told = "".join(span.to_json() for span in await spans_in(seen))
    assert ("canary-question" in told, "canary-answer" in told) == (has_content, has_content)


@pytest.mark.parametrize(("flags", "is_sampled"), [("01", True), ("00", False)])
async def test_a_caller_s_trace_goes_on_here_if_it_is_sampled(
    exported: Exported, make_http: MakeHttp, flags: str, is_sampled: bool
) -> None:
    service, seen = await exported()
    http = await make_http(service=service)
    headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"}
    assert (await http.post("/v1/chat/completions", json=chat(), headers=headers)).status_code == 200
    spans = await spans_in(seen)
    assert bool(spans) == is_sampled
    assert {f"{span.context.trace_id:032x}" for span in spans} <= {TRACE_ID}
    parents = [span.parent for span in spans if span.name.startswith("invoke_workflow")]
    assert [f"{parent.span_id:016x}" for parent in parents if parent] == ([SPAN_ID] if is_sampled else [])


async def test_a_traceparent_that_says_nothing_is_left_aside(exported: Exported, make_http: MakeHttp) -> None:
    service, seen = await exported()
    http = await make_http(service=service)
    for sent in ("nonsense", f"00-{'0' * 32}-{SPAN_ID}-01"):
        await http.post("/v1/chat/completions", json=chat(), headers={"traceparent": sent})
    roots = [span for span in await spans_in(seen) if span.name.startswith("invoke_workflow")]
    assert [span.parent for span in roots] == [None, None]
    assert len({span.context.trace_id for span in roots}) == 2


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest], list[str]]]:
    """A receiver of OTLP over HTTP: its URL, what came, and the keys that came along."""
    received: list[ExportTraceServiceRequest] = []
    keys: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            keys.append(self.headers.get("x-key", ""))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received, keys
        server.shutdown()
        thread.join()


async def test_spans_arrive_at_a_collector_when_the_service_closes_at_the_latest() -> None:
    with collector() as (url, received, keys):
        settings = scripted_settings(telemetry={"endpoint": url, "headers": {"x-key": "k"}, "service_name": "ours"})
        service = await bootstrap(settings)
        await service.run(QUESTION)
        await service.close()
    resources = [resource for request in received for resource in request.resource_spans]
    names = {span.name for resource in resources for scope in resource.scope_spans for span in scope.spans}
    assert {"invoke_workflow single", "router.decide"} < names
    assert {a.value.string_value for r in resources for a in r.resource.attributes if a.key == "service.name"} == {
        "ours"
    }
    assert set(keys) == {"k"}
    assert "canary" not in str(received)


async def test_a_collector_that_is_away_costs_no_run() -> None:
    settings = scripted_settings(telemetry={"endpoint": "http://127.0.0.1:9/v1/traces", "timeout_seconds": 0.2})
    service = await bootstrap(settings)
    assert (await service.run(QUESTION)).answer
    await service.close()


def test_without_an_endpoint_no_exporter_is_loaded() -> None:
    code = """if True:
        import asyncio, sys
        from orchestrator.bootstrap import bootstrap
        from tests.conftest import scripted_settings
        async def main():
            await (await bootstrap(scripted_settings())).close()
        asyncio.run(main())
        print([name for name in sys.modules if name == "orchestrator.telemetry.otel" or "otlp" in name])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
