"""An endpoint in a thread of its own that can do all that OpenAI's can, each by a rule that a test can foresee."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}
PERSON = '{"name": "Tom", "age": 7}'


@dataclass
class AbleUpstream:
    """`address`: up to and with /v1; `bodies`: what it was asked, oldest first."""

    address: str = ""
    bodies: list[Mapping[str, Any]] = field(default_factory=list)


@contextmanager
def able_upstream() -> Iterator[AbleUpstream]:
    upstream = AbleUpstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            upstream.bodies.append(body)
            if self.path.endswith("/embeddings"):
                self._send(json.dumps(embeddings(body)).encode(), "application/json")
            elif body.get("stream"):
                self._send(b"".join(map(event, chunks(body))) + b"data: [DONE]\n\n", "text/event-stream")
            else:
                self._send(json.dumps(completion(body)).encode(), "application/json")

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    upstream.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def message_for(body: Mapping[str, Any], index: int) -> tuple[dict[str, Any], str]:
    """A weather question with tools is a tool call, each city one; a tool's result is repeated; else an echo."""
    last = body["messages"][-1]
    text = last["content"] if isinstance(last["content"], str) else json.dumps(last["content"])
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    if last["role"] == "tool":
        return {"role": "assistant", "content": f"They say: {text}"}, "stop"
    if "get_weather" in names and "weather" in text:
        cities = [city for city in ("Paris", "Rome", "Lima") if city in text]
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [call(c, place) for place, c in enumerate(cities)],
        }, ("tool_calls")
    if names and "response_format" not in body and body.get("tool_choice") not in (None, "auto", "none"):
        made = {"id": "call_0", "type": "function", "function": {"name": names[0], "arguments": PERSON}}
        return {"role": "assistant", "content": None, "tool_calls": [made]}, "stop"  # as some endpoints say
    if "response_format" in body:
        return {"role": "assistant", "content": PERSON}, "stop"
    if "forbidden" in text:
        return {"role": "assistant", "content": ""}, "content_filter"
    return {"role": "assistant", "content": f"{index}: {text}"}, "stop"


def call(city: str, place: int) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    return {"id": f"call_{place}", "type": "function", "function": function}


def logprobs(text: str) -> dict[str, Any]:
    token = {"token": text, "logprob": -0.25, "bytes": list(text.encode())}
    return {"content": [{**token, "top_logprobs": [token]}], "refusal": None}


def completion(body: Mapping[str, Any]) -> dict[str, Any]:
    choices = []
    for index in range(body.get("n", 1)):
        message, finish = message_for(body, index)
        choices.append({"index": index, "message": message, "finish_reason": finish})
        if body.get("logprobs"):
            choices[-1]["logprobs"] = logprobs(message["content"])
    return {"id": "up-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": USAGE}


def chunks(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Words one by one, arguments in two halves, the replies in turn."""
    messages = [message_for(body, index) for index in range(body.get("n", 1))]
    for index, (message, _) in enumerate(messages):
        for word in (message["content"] or "").split(" "):
            choice = {"index": index, "delta": {"content": f"{word} "}, "finish_reason": None}
            yield chunk([choice | ({"logprobs": logprobs(word)} if body.get("logprobs") else {})] if word else [])
        for place, made in enumerate(message.get("tool_calls", ())):
            arguments = made["function"]["arguments"]
            head = {**made, "index": place, "function": {**made["function"], "arguments": ""}}
            for piece in (
                head,
                *({"index": place, "function": {"arguments": h}} for h in (arguments[:5], arguments[5:])),
            ):
                yield chunk([{"index": index, "delta": {"tool_calls": [piece]}, "finish_reason": None}])
    for index, (_, finish) in enumerate(messages):
        yield chunk([{"index": index, "delta": {}, "finish_reason": finish}])
    yield chunk([]) | {"usage": USAGE}


def chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "up-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}


def event(found: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(found).encode() + b"\n\n"


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """The first number of a vector is the text's length."""
    width = body.get("dimensions", 3)
    rows = [
        {"object": "embedding", "index": place, "embedding": [float(len(text))] + [0.5] * (width - 1)}
        for place, text in enumerate(body["input"])
    ]
    return {"object": "list", "data": rows[::-1], "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
