"""Tool calls, several replies and their price: what is sent, what is read, and what is held for it."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from agents.base import TOOLS_TEMPLATE_TOKENS, worst_case_of_call
from agents.llm import CompletionRequest
from agents.openai_wire import MalformedAnswer, StreamedAnswer, completion_of, payload
from agents.prompts import bound_of
from agents.single_turn import SingleTurnAgent
from storage.call_records import CallOptions, ToolCall
from storage.records import Generation, Message, Query

TOOLS = '[{"type":"function","function":{"name":"look"}}]'
PLAIN = CompletionRequest(messages=(Message(role="user", content="Hi"),), generation=Generation(max_output_tokens=10))
WITH_TOOLS = replace(PLAIN, call=CallOptions(tools=TOOLS))


def choice(index: int, **message: object) -> dict[str, object]:
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": "stop"}


def test_tools_and_format_count_into_the_prompt_and_replies_into_the_output() -> None:
    plain, tools = worst_case_of_call(PLAIN), worst_case_of_call(WITH_TOOLS)
    assert tools.input == plain.input + len(TOOLS) + TOOLS_TEMPLATE_TOKENS
    several = replace(PLAIN, call=CallOptions(replies=3))
    assert worst_case_of_call(several).output == 3 * plain.output
    assert bound_of([several]).longest_call == plain.input + 10  # each reply has the window for itself


def test_single_turn_passes_all_on_and_adds_no_words_of_its_own() -> None:
    called = Message(role="assistant", content="", tool_calls=(ToolCall(id="c", name="look", arguments="{}"),))
    result = Message(role="tool", content="seen", tool_call_id="c")
    query = Query(text="Hi", later_messages=(called, result), call=WITH_TOOLS.call)
    shown = payload("m", CompletionRequest(messages=query.messages, call=query.call), is_streamed=False)
    assert [turn["role"] for turn in shown["messages"]] == ["user", "assistant", "tool"]  # type: ignore[attr-defined]  # a list
    assert shown["tools"] == orjson.loads(TOOLS)
    assert SingleTurnAgent().bound(query, ()).input > worst_case_of_call(WITH_TOOLS).input


def test_plain_call_is_sent_as_ever() -> None:
    assert set(payload("m", PLAIN, is_streamed=False)) == {"model", "messages", "max_tokens", "temperature"}


def test_arguments_that_are_an_object_are_read_as_json_text() -> None:
    calls = [{"id": "c", "function": {"name": "look", "arguments": {"at": 1}}}]
    (reply,) = completion_of({"choices": [choice(0, content=None, tool_calls=calls)]}, WITH_TOOLS).replies
    assert (reply.tool_calls, reply.finish_reason) == (
        (ToolCall(id="c", name="look", arguments='{"at":1}'),),
        "tool_calls",
    )


@pytest.mark.parametrize("calls", [None, 7, "x", [7], [{}], [{"function": 7}], {"0": {}}])
def test_tool_calls_of_no_form_break_nothing(calls: object) -> None:
    completion = completion_of({"choices": [choice(0, content="Hi", tool_calls=calls)]}, WITH_TOOLS)
    assert completion.replies[0].text == "Hi"


def test_stream_of_two_replies_is_complete_when_both_are() -> None:
    answer = StreamedAnswer(request=replace(PLAIN, call=CallOptions(replies=2)))

    def read(index: object, **choice: object) -> list[object]:
        event = {"choices": [{"index": index, "delta": {}, **choice}]}
        return [chunk.piece for chunk in answer.read(orjson.dumps(event).decode())]

    assert len(read(1, delta={"content": "b"})) == 1
    assert read(0, finish_reason="length") == []
    assert not answer.is_complete
    read(1, finish_reason="stop")
    assert answer.is_complete
    assert [(r.index, r.text, r.finish_reason) for r in answer.completion().replies] == [
        (0, "", "length"),
        (1, "b", "stop"),
    ]


def test_tool_call_pieces_are_joined_by_their_index() -> None:
    answer = StreamedAnswer(request=WITH_TOOLS)
    for calls in (
        [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}],
        [{"index": 1, "id": "b", "function": {"name": "hear", "arguments": "{}"}}],
        [{"index": 0, "function": {"arguments": '{"at":'}}],
        [{"index": 0, "function": {"arguments": "1}"}}],
    ):
        answer.read(orjson.dumps({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).decode())
    (reply,) = answer.completion().replies
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [("a", "look", '{"at":1}'), ("b", "hear", "{}")]


def test_stream_without_end_of_its_arguments_is_limited() -> None:
    answer = StreamedAnswer(request=WITH_TOOLS)
    event = {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 3_000_000}}]}}]}
    answer.read(orjson.dumps(event).decode())
    with pytest.raises(MalformedAnswer, match="longer than"):
        answer.read(orjson.dumps(event).decode())
