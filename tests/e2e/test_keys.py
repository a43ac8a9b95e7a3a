"""Keys as an operator makes them, before and while a service runs; and nothing secret is found anywhere."""

from __future__ import annotations

import json
import time

import httpx

from tests.e2e.antroute import Home, Server

CHAT = "/v1/chat/completions"
ADMIN_KEY = "canary-of-the-settings-admin-0123456789abcdef"
BODY = {"model": "auto", "messages": [{"role": "user", "content": "Hello there"}]}
HEEDED_SECONDS = 5.0  # until another process's revocation must hold


def made(home: Home, *arguments: str) -> dict[str, str]:
    done = home.run("keys", "create", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    key: dict[str, str] = json.loads(done.stdout)
    return key


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def test_first_admin_key_is_made_with_nobody_running_and_opens_the_door_beyond_loopback(home: Home) -> None:
    refused = home.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "antroute keys create admin --role admin" in refused.stderr
    told = home.run("keys", "create", "admin", "--role", "admin")
    assert told.stdout.startswith("ak_")
    assert len(told.stdout.strip()) == 46
    with home.served("--host", "0.0.0.0") as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{address}/v1/models").status_code == 401
        assert httpx.get(f"{address}/v1/keys", headers=bearer(told.stdout.strip())).status_code == 200


def test_key_made_and_revoked_beside_a_running_service_is_heeded(home: Home) -> None:
    with home.served(ANTROUTE_SERVER__REQUIRES_KEY="true") as server:
        key = made(home, "bot", "--role", "writer", "--usd", "5")
        answer = httpx.post(f"{server.address}{CHAT}", json=BODY, headers=bearer(key["key"]))
        assert answer.status_code == 200
        assert home.run("keys", "revoke", key["id"]).returncode == 0
        began = time.monotonic()
        while httpx.get(f"{server.address}/v1/models", headers=bearer(key["key"])).status_code != 401:
            assert time.monotonic() - began < HEEDED_SECONDS
            time.sleep(0.1)
        listed = json.loads(home.run("keys", "list", "--json").stdout)
        assert [(each["name"], each["state"]) for each in listed] == [("bot", "revoked")]
        assert "digest" not in listed[0]


def test_no_secret_is_found_in_files_logs_metrics_traces_or_errors(home: Home) -> None:
    more = {
        "ANTROUTE_SERVER__ADMIN_KEY": ADMIN_KEY,
        "ANTROUTE_SERVER__LOG_LEVEL": "debug",
        "ANTROUTE_SERVER__LOG_FORMAT": "json",
        "ANTROUTE_SERVER__ACCESS_LOG": "true",
    }
    canaries = {"admin key": ADMIN_KEY, "key": made(home, "bot", "--role", "operator")["key"]}
    canaries["secret"] = (home.store_path.parent / "secret").read_text()
    assert all(len(each) >= 32 for each in canaries.values())
    with home.served(**more) as server:
        seen = visited(server, canaries["key"])
        _, said = server.stop()
    seen["log"] = said
    for path in home.folder.rglob("*"):
        if path.is_file() and path.name != "secret":
            seen[str(path)] = path.read_bytes().decode("latin-1")
    assert any(name.endswith("antroute.db") for name in seen)
    found = [(what, where) for what, text in canaries.items() for where, seen_text in seen.items() if text in seen_text]
    assert found == []


def visited(server: Server, key: str) -> dict[str, str]:
    """What the service says to its users when it is asked with these keys, well and badly."""
    seen = {}
    with httpx.Client(base_url=server.address, timeout=30) as http:
        answer = http.post(CHAT, json=BODY, headers=bearer(key))
        assert answer.status_code == 200
        run_id = answer.json()["antroute"]["run_id"]
        calls = [
            ("GET", "/metrics", bearer(ADMIN_KEY)), ("GET", f"/v1/traces/{run_id}", bearer(key)),
            ("GET", "/v1/keys", bearer(ADMIN_KEY)), ("GET", "/v1/keys", bearer(key)),
            ("GET", "/v1/models", bearer(f"{key}x")), ("GET", "/v1/models", bearer(f"{ADMIN_KEY}x")),
            ("POST", CHAT, bearer(key)), ("GET", "/v1/decisions?limit=x", bearer(key)), ("GET", "/readyz", {}),
            ("GET", "/openapi.json", bearer(ADMIN_KEY)), ("GET", "/v1/nothing", bearer(ADMIN_KEY)),
            ("POST", "/v1/audit/verify", bearer(ADMIN_KEY)),
        ]  # fmt: skip
        for method, path, headers in calls:
            response = http.request(method, path, headers=headers)
            seen[f"{method} {path} {response.status_code}"] = f"{response.headers}\n{response.text}"
    return seen
