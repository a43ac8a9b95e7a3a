"""Spans: nested, timed, and forgotten once collected."""

from __future__ import annotations

import pytest

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.tracing import TracedLLM, Tracer
from storage.records import Message, Query
from tests.conftest import MakeService, answers

REQUEST = CompletionRequest(messages=(Message(role="user", content="two words"),))


def test_spans_nest_and_failures_are_marked() -> None:
    tracer, query = Tracer(), Query(text="x")
    with pytest.raises(ValueError, match="broken"), tracer.span(query, "outer"):
        with tracer.span(query, "inner", kind="a") as attributes:
            attributes["more"] = "b"
        raise ValueError("broken")
    inner, outer = tracer.collect(query)
    assert (inner.parent_id, outer.parent_id) == (outer.id, None)
    assert (inner.is_failed, outer.is_failed) == (False, True)
    assert inner.attributes == {"kind": "a", "more": "b"}
    assert outer.seconds >= inner.seconds
    assert tracer.collect(query) == ()


def test_queries_of_one_run_are_collected_apart() -> None:
    tracer = Tracer()
    one, other = Query(text="a", run_id="run_1"), Query(text="b", run_id="run_1")
    with tracer.span(one, "a"), tracer.span(other, "b"):
        pass
    assert [span.name for span in tracer.collect(one)] == ["a"]
    assert [span.name for span in tracer.collect(other)] == ["b"]


async def test_call_and_stream_tell_their_tokens() -> None:
    tracer, query = Tracer(), Query(text="x")
    llm = TracedLLM(ScriptedLLM(reply=answers), tracer, query, "m")
    await llm.complete(REQUEST)
    _ = [chunk async for chunk in llm.stream(REQUEST)]
    complete, stream = tracer.collect(query)
    assert complete.attributes == stream.attributes
    assert complete.attributes["gen_ai.usage.input_tokens"] == "2"
    assert not stream.is_failed


async def test_stream_that_is_left_is_marked_as_failed() -> None:
    tracer, query = Tracer(), Query(text="x")
    stream = TracedLLM(ScriptedLLM(reply=answers), tracer, query, "m").stream(REQUEST)
    await anext(stream)
    await stream.aclose()
    (span,) = tracer.collect(query)
    assert span.is_failed


async def test_skill_call_stands_under_its_execution(make_service: MakeService) -> None:
    replies = iter(['CALL calculator {"expression": "6*7"}', "ANSWER: 42"])
    candidates = [{"agent": "tool_loop", "model": "small", "skills": ["calculator"], "id": "tools"}]
    service = await make_service(small=lambda request: next(replies), candidates=candidates)
    run = await service.run("What is 6 times 7?")
    spans = {span.name: span for span in (await service.trace(run.run_id)).spans}
    assert run.answer == "42"
    assert spans["execute_tool"].attributes == {"gen_ai.tool.name": "calculator"}
    assert spans["execute_tool"].parent_id == spans["execute"].id
