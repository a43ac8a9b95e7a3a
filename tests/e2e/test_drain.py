"""Told to stop, `antroute serve` takes nothing new and answers what is under way, as a real process."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.antroute import SCRIPTED, STOP_SECONDS, Home, Server

ANSWER = {"message": {"role": "assistant", "content": "Here I am."}, "finish_reason": "stop"}
WORDS = ("Here ", "I ", "am.")


class Slow:
    """An endpoint for one request, which it answers when `gate` opens; streamed, its first word comes before."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.was_asked, self.gate = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            received = b""
            while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"}"):
                received += connection.recv(65536)
            is_streamed = b'"stream":true' in received
            kind = b"text/event-stream" if is_streamed else b"application/json"
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + kind + b"\r\n\r\n")
            if is_streamed:
                connection.sendall(event(WORDS[0]))
            self.was_asked.set()
            if not self.gate.wait(STOP_SECONDS):
                return
            if is_streamed:
                connection.sendall(b"".join(map(event, WORDS[1:])) + b"data: [DONE]\n\n")
            else:
                connection.sendall(json.dumps({"choices": [ANSWER]}).encode())


def event(word: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": word}}]}).encode() + b"\n\n"


@contextmanager
def slow() -> Iterator[Slow]:
    endpoint = Slow()
    thread = threading.Thread(target=endpoint.serve, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.gate.set()
        endpoint.listener.close()


def home_over(folder: Path, endpoint: Slow, **server: object) -> Home:
    prices = {"price_input_usd_per_mtok": 1, "price_output_usd_per_mtok": 2}
    models = {"slow": {"provider": "openai", "base_url": endpoint.url, "capabilities": ["chat", "stream"], **prices}}
    candidates = [{"agent": "single_turn", "model": "slow", "id": "slow"}]
    return Home(folder, {**SCRIPTED, "models": models, "candidates": candidates, "server": server})


def ask(server: Server, **more: object) -> httpx.Response:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hello there"}], **more}
    return httpx.post(f"{server.address}/v1/chat/completions", json=body, timeout=STOP_SECONDS)


def until_not_ready(server: Server) -> httpx.Response:
    """The first answer that says so, for which a signal takes a moment."""
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        response = httpx.get(f"{server.address}/readyz")
        if response.status_code == 503:
            return response
    raise AssertionError("it stayed ready")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_is_under_way_is_answered_whole_and_nothing_new_is_taken(tmp_path: Path, is_streamed: bool) -> None:
    with slow() as endpoint, ThreadPoolExecutor(1) as caller:
        home = home_over(tmp_path, endpoint, drain_seconds=STOP_SECONDS)
        with home.served() as server:
            asked: Future[httpx.Response] = caller.submit(ask, server, stream=is_streamed)
            assert endpoint.was_asked.wait(STOP_SECONDS)
            server.process.send_signal(signal.SIGTERM)
            assert until_not_ready(server).json() == {"status": "stopping"}
            refused = ask(server)
            assert (refused.status_code, refused.headers["connection"], refused.headers["retry-after"]) == (
                503, "close", "5",
            )  # fmt: skip
            assert refused.json()["error"]["code"] == "overloaded"
            assert httpx.get(f"{server.address}/healthz").status_code == 200
            endpoint.gate.set()
            response = asked.result(STOP_SECONDS)
            _, said = server.process.communicate(timeout=STOP_SECONDS)
            assert (server.process.returncode, said) == (0, "")
    assert response.status_code == 200
    if is_streamed:
        events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
        words = [choice["delta"].get("content", "") for event in events[:-1] for choice in json.loads(event)["choices"]]
        assert ("".join(words), events[-1]) == ("".join(WORDS), "[DONE]")
    else:
        assert response.json()["choices"][0]["message"]["content"] == "Here I am."
    (decision,) = json.loads(home.run("traces", "list", "--json").stdout)["decisions"]
    assert decision["status"] == "succeeded"


@pytest.mark.parametrize("drain_seconds", [0.2, 600])
def test_what_does_not_end_in_time_or_at_a_second_signal_is_cut_short_settled_and_told(
    tmp_path: Path, drain_seconds: float
) -> None:
    with slow() as endpoint, ThreadPoolExecutor(1) as caller:
        home = home_over(tmp_path, endpoint, drain_seconds=drain_seconds)
        with home.served() as server:
            asked = caller.submit(ask, server)
            assert endpoint.was_asked.wait(STOP_SECONDS)
            server.process.send_signal(signal.SIGTERM)
            if drain_seconds > STOP_SECONDS:
                until_not_ready(server)
                server.process.send_signal(signal.SIGINT)
            response = asked.result(STOP_SECONDS)
            assert server.process.wait(STOP_SECONDS) == 0
    assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
    (decision,) = json.loads(home.run("traces", "list", "--json").stdout)["decisions"]
    assert decision["status"] == "cancelled"
    (account,) = [a for a in json.loads(home.run("budgets", "list", "--json").stdout) if a["id"] == "default"]
    assert float(account["held"]["usd"]) == 0


def submitted(server: Server) -> str:
    """The id of a job."""
    job = httpx.post(f"{server.address}/v1/jobs", json={"input": {"text": "Hello there"}}, timeout=STOP_SECONDS)
    return str(job.json()["id"])


def test_with_a_job_under_way_and_no_request_open_the_door_stays_open_until_the_job_has_ended(tmp_path: Path) -> None:
    with slow() as endpoint:
        home = home_over(tmp_path, endpoint, drain_seconds=STOP_SECONDS)
        with home.served() as server:
            job_id = submitted(server)
            assert endpoint.was_asked.wait(STOP_SECONDS)
            server.process.send_signal(signal.SIGTERM)
            assert until_not_ready(server).json() == {"status": "stopping"}
            looked = [httpx.get(f"{server.address}/readyz").status_code for _ in range(20)]
            assert looked == [503] * 20
            endpoint.gate.set()
            _, said = server.process.communicate(timeout=STOP_SECONDS)
            assert (server.process.returncode, said) == (0, "")
    (job,) = json.loads(home.run("jobs", "list", "--json").stdout)["jobs"]
    assert (job["id"], job["state"]) == (job_id, "succeeded")


@pytest.mark.parametrize("drain_seconds", [0.2, 600])
def test_job_that_does_not_end_in_time_or_at_a_second_signal_goes_back_to_the_queue(
    tmp_path: Path, drain_seconds: float
) -> None:
    with slow() as endpoint:
        home = home_over(tmp_path, endpoint, drain_seconds=drain_seconds)
        with home.served() as server:
            job_id = submitted(server)
            assert endpoint.was_asked.wait(STOP_SECONDS)
            server.process.send_signal(signal.SIGTERM)
            if drain_seconds > STOP_SECONDS:
                until_not_ready(server)
                server.process.send_signal(signal.SIGINT)
            assert server.process.wait(STOP_SECONDS) == 0
    (job,) = json.loads(home.run("jobs", "list", "--json").stdout)["jobs"]
    assert (job["id"], job["state"]) == (job_id, "queued")


def test_stream_of_a_job_that_waits_ends_whole_with_an_event_that_says_why(tmp_path: Path) -> None:
    with slow() as endpoint:
        home = home_over(tmp_path, endpoint)
        with home.served() as server:
            body = {"input": {"text": "Hello there"}, "not_before": "2100-01-01T00:00:00Z"}
            job_id = httpx.post(f"{server.address}/v1/jobs", json=body, timeout=STOP_SECONDS).json()["id"]
            url = f"{server.address}/v1/jobs/{job_id}/events"
            with httpx.stream("GET", url, timeout=STOP_SECONDS) as response:
                lines = response.iter_lines()
                assert next(lines) == "id: 1"
                server.process.send_signal(signal.SIGTERM)
                rest = list(lines)  # raises where the connection is cut in the middle
            assert server.process.wait(STOP_SECONDS) == 0
    assert rest[-3] == "event: error"
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "overloaded"
