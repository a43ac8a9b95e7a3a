"""A model server in a thread of its own, whose models answer by rules that a test can foresee."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BROKEN = "/broken/v1"  # whatever is asked below it fails
WAITING = "Wait until you are told, "  # a question that contains it is answered after `let_go` of what comes after it
LONGEST_WAIT_SECONDS = 90.0


@dataclass
class Upstream:
    """`address`: up to the /v1 that is added to it; `answers`: what is said to whom asks exactly that."""

    address: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    weak: frozenset[str] = frozenset({"small"})  # models that know every other answer
    model_to_seconds: dict[str, float] = field(default_factory=dict)  # that it takes to answer
    waiting: dict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))

    def let_go(self, *names: str) -> None:
        for name in names or tuple(self.waiting):
            self.waiting[name].set()

    def said(self, model: str, question: str) -> str:
        answer = self.answers.get(question, f"{model} heard: {question}")
        knows = model not in self.weak or len(question) % 2 == 0 or question not in self.answers
        return answer if knows else "I am not sure."


@contextmanager
def upstream(answers: Mapping[str, str]) -> Iterator[Upstream]:
    """It ends with the block; who still waits is let go."""
    found = Upstream(answers=dict(answers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(found))
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        found.let_go()
        server.shutdown()
        server.server_close()
        thread.join()


def handler_of(found: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body go in one packet, so that nobody waits for an acknowledgement

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path.startswith(BROKEN):
                self._send(503, {"error": {"message": "This model is being repaired."}})
                return
            question = str(body["messages"][-1]["content"])
            if WAITING in question:
                found.waiting[question.rpartition(WAITING)[2]].wait(LONGEST_WAIT_SECONDS)
            time.sleep(found.model_to_seconds.get(body["model"], 0.0))
            self._send(200, completion(found.said(body["model"], question), question))

        def _send(self, status: int, content: Mapping[str, object]) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # a caller who was cancelled has left
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


def completion(answer: str, question: str) -> dict[str, object]:
    """In OpenAI's shape; a token is four characters."""
    tokens = {"prompt_tokens": len(question) // 4 + 1, "completion_tokens": len(answer) // 4 + 1}
    message = {"role": "assistant", "content": answer}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {**tokens, "total_tokens": sum(tokens.values())}
    return {"id": "up-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
