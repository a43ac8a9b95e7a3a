"""`antroute serve` as a process: how it starts, stops, refuses, and what it costs."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from orchestrator.client import Client
from orchestrator.errors import ServerUnreachable
from tests.e2e.antroute import SCRIPTED, Home, Server

MOST_RSS_MIB = 200
KEY = "a-long-enough-key-of-more-than-32-characters"


def chat(text: str = "Hello there", **more: object) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_and_closes_the_store(number: signal.Signals, home: Home) -> None:
    with home.served() as server:
        assert httpx.post(f"{server.address}/v1/chat/completions", json=chat()).status_code == 200
        status, said = server.stop(number)
    assert (status, said) == (0, "")
    assert home.store_path.is_file()
    assert not home.store_path.with_suffix(".db-wal").exists()  # SQLite removes it when the last one closes
    assert home.run("audit", "verify").returncode == 0


def test_signal_while_a_model_is_asked_settles_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        models = {"small": {"provider": "openai", "base_url": url, "price_output_usd_per_mtok": 1}}
        candidates = [{"agent": "single_turn", "model": "small"}]
        settings = {**SCRIPTED, "models": models, "candidates": candidates, "server": {"drain_seconds": 0.2}}
        home = Home(tmp_path, settings)
        with home.served() as server, closing(asking(server)), closing(silent.accept()[0]) as asked:
            assert asked.recv(4) == b"POST"
            assert httpx.get(f"{server.address}/healthz").status_code == 200
            status, _ = server.stop()
    assert status == 0
    (decision,) = json.loads(home.run("traces", "list", "--json").stdout)["decisions"]
    assert decision["status"] == "cancelled"


def asking(server: Server) -> socket.socket:
    """A connection on which a streamed answer is waited for."""
    caller = socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])))
    body = json.dumps(chat(stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    caller.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    return caller


def test_address_beyond_loopback_needs_a_strong_key(home: Home) -> None:
    for key in ("", "weak"):
        more = {"ANTROUTE_SERVER__ADMIN_KEY": key} if key else {}
        done = home.run("serve", "--host", "0.0.0.0", "--port", "0", **more)
        assert done.returncode == 1
        assert "beyond loopback" in done.stderr
        assert "ANTROUTE_SERVER__ADMIN_KEY" in done.stderr
    with home.served("--host", "0.0.0.0", ANTROUTE_SERVER__ADMIN_KEY=KEY) as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.post(f"{address}/v1/chat/completions", json=chat()).status_code == 401
        bearer = {"authorization": f"Bearer {KEY}"}
        assert httpx.post(f"{address}/v1/chat/completions", json=chat(), headers=bearer).status_code == 200
        _, said = server.stop()
    assert KEY not in said


def test_port_in_use_is_told(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = home.run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Cannot listen on 127.0.0.1" in done.stderr
    assert "Hint: Choose another with --port" in done.stderr


def test_ipv6_loopback_is_served(home: Home) -> None:
    with home.served("--host", "::1") as server:
        assert httpx.get(f"{server.address}/healthz").status_code == 200


def test_wrong_settings_are_told_in_words(tmp_path: Path) -> None:
    done = Home(tmp_path, {**SCRIPTED, "polciy": "x"}).run("serve", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Unknown setting 'polciy'; did you mean 'policy'?")


async def test_client_gets_the_embedded_one_s_answers_until_nobody_is_there(home: Home) -> None:
    with home.served() as server:
        async with Client(server.address) as client:
            run = await client.run("Hello there", candidate="small")
            pieces = [piece async for piece in client.stream("Hello there", candidate="small")]
            assert (run.answer, run.candidate_id, run.attempts) == ("You said: Hello there", "small", 1)
            assert pieces[1:-1] == ["You", " said:", " Hello", " there"]
            assert (await client.trace(run.run_id))["answer"] == run.answer
            server.stop()
            with pytest.raises(ServerUnreachable, match="did not answer"):
                await client.run("Hello there")


def load(server: Server, count: int = 50) -> None:
    """So many requests, one after the other."""
    with httpx.Client(timeout=30) as http:
        responses = [
            http.post(f"{server.address}/v1/chat/completions", json=chat(f"Hello {number}")) for number in range(count)
        ]
    assert {response.status_code for response in responses} == {200}


@pytest.mark.parametrize("encoder", ["hashing", "auto"])
def test_front_door_is_small(encoder: str, tmp_path: Path) -> None:
    with Home(tmp_path, {**SCRIPTED, "encoder": encoder}).served() as server:
        load(server)
        assert server.rss_mib <= MOST_RSS_MIB
