"""Good chat completions go past FastAPI; whatever else there is goes through it, and nobody can tell."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from orchestrator.rest.quick_chat import PATH
from tests.orchestrator.rest_app import MakeHttp, chat


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the requests that FastAPI saw."""
    paths: list[str] = []
    through = FastAPI.__call__

    async def seen(self: FastAPI, scope: dict[str, object], *rest: object) -> None:
        paths.append(str(scope["path"]))
        await through(self, scope, *rest)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(FastAPI, "__call__", seen)
    return paths


async def test_a_good_request_goes_past_and_counts_under_its_route(make_http: MakeHttp, passed: list[str]) -> None:
    http = await make_http()
    assert (await http.post(PATH, json=chat())).status_code == 200
    assert (await http.post(PATH, json=chat(stream=True))).status_code == 200
    assert (await http.post(PATH, json=chat(model="nobody"))).status_code == 404
    assert passed == []
    figures = (await http.get("/metrics")).text
    assert f'antroute_http_requests_total{{route="{PATH}",status="200"}} 2.0' in figures
    assert f'antroute_http_requests_total{{route="{PATH}",status="404"}} 1.0' in figures


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"messages": [', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"messages": []}', "application/json", 400),
        (b'{"messages": [{"role": "user", "content": "hello"}]}', "text/plain", 400),
    ],
)
async def test_what_is_wrong_is_told_by_fastapi(
    content: bytes, kind: str, status: int, make_http: MakeHttp, passed: list[str]
) -> None:
    http = await make_http()
    response: httpx.Response = await http.post(PATH, content=content, headers={"content-type": kind})
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert passed == [PATH]
