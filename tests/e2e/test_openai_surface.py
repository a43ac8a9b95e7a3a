"""All of OpenAI's surface that we have, with OpenAI's own client, through the router, to an endpoint that can do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from tests.e2e.able_upstream import AbleUpstream, able_upstream
from tests.e2e.antroute import Home, Server

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USAGE: Any = {"include_usage": True}


def asked(text: str) -> Any:
    return [{"role": "user", "content": text}]


def settings(address: str) -> dict[str, object]:
    able = {"provider": "openai", "base_url": address, "upstream_model": "m", "price_input_usd_per_mtok": 1}
    plain = {"provider": "scripted", "price_input_usd_per_mtok": 1}
    return {
        "models": {
            "able": able,
            "seeing": {**able, "capabilities": ["chat", "vision"]},
            "plain": plain,
            "vectors": {**able, "capabilities": ["embeddings"]},
        },
        "candidates": [
            {"agent": "single_turn", "model": "able", "id": "able"},
            {"agent": "single_turn", "model": "seeing", "id": "seeing"},
            {"agent": "single_turn", "model": "plain", "id": "plain"},
            {"agent": "step_by_step", "model": "able", "id": "thinker"},
        ],
        "encoder": "hashing",
        "policy": "uniform",
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[AbleUpstream]:
    with able_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(upstream: AbleUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Home(tmp_path_factory.mktemp("home"), settings(upstream.address)).served() as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", timeout=30, max_retries=0) as client:
        yield client


def test_tool_calls_and_their_results_go_through_to_one_who_can(
    client: openai.OpenAI, server: Server, upstream: AbleUpstream
) -> None:
    messages = asked("What is the weather in Paris and Rome?")
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=messages, tools=[WEATHER], tool_choice="auto", parallel_tool_calls=True
    )
    choice = raw.parse().choices[0]
    assert raw.headers["x-antroute-candidate"] == "able"
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    calls: Any = choice.message.tool_calls
    assert [(c.id, json.loads(c.function.arguments)["city"]) for c in calls] == [
        ("call_0", "Paris"),
        ("call_1", "Rome"),
    ]
    assert upstream.bodies[-1]["tools"] == [WEATHER]
    assert (upstream.bodies[-1]["tool_choice"], upstream.bodies[-1]["parallel_tool_calls"]) == ("auto", True)
    assert [message["role"] for message in upstream.bodies[-1]["messages"]] == ["user"]  # no words of ours
    messages += [choice.message, *({"role": "tool", "tool_call_id": c.id, "content": f"{c.id} sunny"} for c in calls)]
    answer = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "They say: call_1 sunny"
    sent = upstream.bodies[-1]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert sent[1]["tool_calls"][1]["function"] == calls[1].function.model_dump()
    trace = httpx.get(f"{server.address}/v1/traces/{raw.headers['x-antroute-run-id']}").json()
    assert json.loads(trace["answer"])["tool_calls"][0]["name"] == "get_weather"
    decision = httpx.get(f"{server.address}/v1/decisions/{raw.parse().id}").json()
    reasons = {each["candidate_id"]: each["mask_reason"] for each in decision["assessments"]}
    assert reasons["able"] is None
    assert reasons["plain"] == "lacks 'tools'"
    assert "does not pass a caller's tools" in reasons["thinker"]
    assert [outcome["status"] for outcome in decision["outcomes"]] == ["succeeded"]


def test_streamed_tool_calls_come_piece_by_piece(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="auto", messages=asked("weather in Rome"), tools=[WEATHER], stream=True, stream_options=USAGE
    ) as stream:
        chunks = list(stream)
    pieces = [p for c in chunks for choice in c.choices for p in choice.delta.tool_calls or ()]
    assert [p.function.arguments for p in pieces if p.function] == ["", '{"cit', 'y": "Rome"}']
    assert (pieces[0].id, pieces[0].function and pieces[0].function.name) == ("call_0", "get_weather")
    assert [choice.finish_reason for c in chunks for choice in c.choices][-1] == "tool_calls"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 26


def test_forced_tool_is_told_as_tool_calls_also_where_the_endpoint_says_stop(client: openai.OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    answer = client.chat.completions.create(model="auto", messages=asked("Hi"), tools=[WEATHER], tool_choice=named)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_several_replies(client: openai.OpenAI, server: Server) -> None:
    answer = client.chat.completions.create(model="auto", messages=asked("Hi"), n=2, temperature=1)
    assert [(c.index, c.message.content) for c in answer.choices] == [(0, "0: Hi"), (1, "1: Hi")]
    decision = httpx.get(f"{server.address}/v1/decisions/{answer.id}").json()
    trace = httpx.get(f"{server.address}/v1/traces/{decision['run_id']}").json()
    assert [each["content"] for each in json.loads(trace["answer"])] == ["0: Hi", "1: Hi"]
    with client.chat.completions.create(model="auto", messages=asked("Hi"), n=2, stream=True) as stream:
        index_to_text = {0: "", 1: ""}
        ends = []
        for chunk in stream:
            for choice in chunk.choices:
                index_to_text[choice.index] += choice.delta.content or ""
                ends += [choice.index] if choice.finish_reason else []
    assert index_to_text == {0: "0: Hi ", 1: "1: Hi "}
    assert ends == [0, 1]


def test_log_probabilities(client: openai.OpenAI, upstream: AbleUpstream) -> None:
    answer = client.chat.completions.create(model="auto", messages=asked("Hi"), logprobs=True, top_logprobs=2)
    found = answer.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert (found.content[0].token, found.content[0].logprob) == ("0: Hi", -0.25)
    assert found.content[0].top_logprobs[0].token == "0: Hi"
    assert upstream.bodies[-1]["top_logprobs"] == 2
    with client.chat.completions.create(model="auto", messages=asked("Hi"), logprobs=True, stream=True) as stream:
        tokens = [t.token for c in stream for x in c.choices if x.logprobs for t in x.logprobs.content or ()]
    assert tokens == ["0:", "Hi"]


class Person(BaseModel):
    name: str
    age: int


def test_structured_output_is_parsed(client: openai.OpenAI, upstream: AbleUpstream) -> None:
    answer = client.chat.completions.parse(model="auto", messages=asked("Tom is 7."), response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Tom", age=7)
    assert upstream.bodies[-1]["response_format"]["json_schema"]["schema"]["required"] == ["name", "age"]
    loose: Any = {"type": "json_object"}
    plain = client.chat.completions.create(model="auto", messages=asked("As JSON."), response_format=loose)
    assert json.loads(plain.choices[0].message.content or "")["age"] == 7


def test_sampling_is_passed_on(client: openai.OpenAI, upstream: AbleUpstream) -> None:
    client.chat.completions.create(
        model="able",
        messages=asked("Hi"),
        stop=["x", "y"],
        seed=5,
        temperature=0.5,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=-0.2,
        max_completion_tokens=9,
        user="u",
        store=True,
        service_tier="auto",
        metadata={"a": "b"},
        response_format={"type": "text"},
    )
    sent = upstream.bodies[-1]
    wanted = {"stop": ["x", "y"], "seed": 5, "temperature": 0.5, "top_p": 0.9, "max_tokens": 9}
    assert {**sent, **wanted, "presence_penalty": 0.1, "frequency_penalty": -0.2} == sent
    assert not {"user", "store", "service_tier", "metadata", "response_format"} & set(sent)


def test_images_go_to_one_who_sees(client: openai.OpenAI, upstream: AbleUpstream) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    content: Any = [{"type": "text", "text": "What is this?"}, image]
    messages: Any = [{"role": "user", "content": content}]
    answer = client.chat.completions.create(model="auto", messages=messages)
    assert answer.model == "seeing"
    assert upstream.bodies[-1]["messages"][-1]["content"] == content
    sound: Any = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
    with pytest.raises(openai.BadRequestError, match="with 'audio'"):
        client.chat.completions.create(model="auto", messages=[{"role": "user", "content": sound}])


def test_what_a_filter_held_back_is_told(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="able", messages=asked("forbidden"))
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("content_filter", "")


@pytest.mark.parametrize(
    ("wish", "field", "words"),
    [
        ({"model": "plain", "tools": [WEATHER]}, "tools", "Candidate 'plain' cannot"),
        ({"model": "thinker", "tools": [WEATHER]}, "tools", "works in its own way"),
        ({"model": "plain", "n": 2}, "n", "'n'"),
        ({"model": "plain", "logprobs": True}, "logprobs", "'logprobs'"),
        ({"model": "seeing", "response_format": {"type": "json_object"}}, "response_format", "'json'"),
        ({"tool_choice": "required"}, "tool_choice", "without `tools`"),
        ({"top_logprobs": 3}, "top_logprobs", "without `logprobs`"),
        ({"n": 17}, "n", "less than or equal to 16"),
        ({"extra_body": {"wings": 2}}, "wings", "wings"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "not permitted"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "not permitted"),
        ({"tools": [WEATHER], "extra_body": {"antroute": {"plan": "vote"}}}, "plan", "Plan 'vote' works with texts"),
        (
            {"tools": [WEATHER], "extra_body": {"antroute": {"verifier": {"kind": "regex", "pattern": "x"}}}},
            "verifier",
            "",
        ),
    ],
)
def test_what_cannot_be_done_is_a_bad_request_that_names_it(
    wish: dict[str, Any], field: str, words: str, client: openai.OpenAI
) -> None:
    for is_stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(**{"model": "auto", "messages": asked("Hi"), "stream": is_stream, **wish})
        error = caught.value
        assert (error.status_code, error.type, error.param) == (400, "invalid_request_error", field)
        assert words in error.message


def test_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=asked("Hi"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="gpt-9", input="Hi")
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="gpt-9", input="Hi")


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"auto", "auto:uniform", "able", "plain", "vectors", "minilm"} <= set(names)
    assert client.models.retrieve("auto:uniform").id == "auto:uniform"


def test_embeddings_of_a_model_are_charged_and_traced(client: openai.OpenAI, server: Server) -> None:
    raw = client.embeddings.with_raw_response.create(model="vectors", input=["four", "seven77"])  # base64 by itself
    found = raw.parse()
    assert [row.embedding for row in found.data] == [[4.0, 0.5, 0.5], [7.0, 0.5, 0.5]]
    assert found.usage.prompt_tokens == 5
    floats = client.embeddings.create(model="vectors", input="four", encoding_format="float", dimensions=2)
    assert floats.data[0].embedding == [4.0, 0.5]
    decision = httpx.get(f"{server.address}/v1/decisions/{raw.headers['x-antroute-decision-id']}").json()
    assert decision["outcomes"][0]["status"] == "succeeded"
    assert float(decision["outcomes"][0]["cost_usd"]) == float(raw.headers["x-antroute-cost-usd"]) == 5e-6
    trace = httpx.get(f"{server.address}/v1/traces/{decision['run_id']}").json()
    assert [span["name"] for span in trace["spans"]] == ["embeddings"]
    with pytest.raises(openai.BadRequestError, match="A text is empty"):
        client.embeddings.create(model="vectors", input="")


def test_response_whole_and_as_events(client: openai.OpenAI, upstream: AbleUpstream) -> None:
    whole = client.responses.create(model="able", input="Hi", instructions="Be brief.", max_output_tokens=9)
    assert (whole.output_text, whole.status) == ("0: Hi", "completed")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 26
    assert [m["content"] for m in upstream.bodies[-1]["messages"]] == ["Be brief.", "Hi"]
    turns: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "One"}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Two", "annotations": []}],
        },
        {"role": "user", "content": "Three"},
    ]
    with client.responses.stream(model="able", input=turns) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "0: Three "
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert kinds.count("response.output_text.delta") == 2
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_response_with_tools_and_with_a_format(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "strict": False, **WEATHER["function"]}
    first = client.responses.create(model="auto", input="weather in Paris", tools=[tool])
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Paris"}
    said: Any = [
        {"role": "user", "content": "weather in Paris"},
        call,
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert client.responses.create(model="auto", input=said, tools=[tool]).output_text == "They say: sunny"
    with client.responses.stream(model="auto", input="weather in Rome", tools=[tool]) as stream:
        kinds = [event.type for event in stream]
        (streamed,) = stream.get_final_response().output
    assert streamed.type == "function_call"
    assert json.loads(streamed.arguments) == {"city": "Rome"}
    assert kinds.count("response.function_call_arguments.delta") == 2
    parsed = client.responses.parse(model="auto", input="Tom is 7.", text_format=Person)
    assert parsed.output_parsed == Person(name="Tom", age=7)


@pytest.mark.parametrize(
    ("wish", "field"), [({"store": True}, "store"), ({"previous_response_id": "resp_1"}, "previous_response_id")]
)
def test_response_that_would_need_storage_is_refused(wish: dict[str, Any], field: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="auto", input="Hi", **wish)
    assert caught.value.param == field
