"""Router versions over HTTP: looked at, moved, and in force at once."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from orchestrator.routers import Routers
from orchestrator.service import Service
from storage.version_records import PolicyVersion
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat
from tests.orchestrator.trained_folders import FAILED, PASSED, SERVED, a_trained_folder

WHY = {"reason": "tried and good"}


async def registered(service: Service, folder: Path, *, passed: bool = True, seed: int = 0) -> PolicyVersion:
    gate = PASSED if passed else FAILED
    change = await Routers(service.stores, candidates=SERVED).register(a_trained_folder(folder, gate=gate, seed=seed))
    return change.version


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_versions_are_listed_shown_and_moved(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path
) -> None:
    service = await make_service()
    http = await make_http(service=service)
    assert (await http.get("/v1/routers")).json() == {"routers": []}
    first = await registered(service, tmp_path / "first")
    second = await registered(service, tmp_path / "second", seed=1)
    listed = (await http.get("/v1/routers")).json()["routers"]
    assert [(each["id"], each["state"]) for each in listed] == [(second.id, "candidate"), (first.id, "candidate")]
    promoted = (await http.post(f"/v1/routers/{first.id}/promote", json=WHY)).json()
    assert (promoted["version"]["state"], promoted["notices"]) == ("active", [])
    assert (await http.post(f"/v1/routers/{second.id}/shadow", json=WHY)).json()["version"]["state"] == "shadow"
    assert any(first.id in notice for notice in service.notices)  # this process serves it already
    assert (await http.post(f"/v1/routers/{second.id}/promote", json=WHY)).status_code == 200
    assert (await http.post("/v1/routers/rollback", json=WHY)).json()["version"]["id"] == first.id
    shown = (await http.get(f"/v1/routers/{second.id[:12]}")).json()
    assert [move["to_state"] for move in shown["moves"]] == ["shadow", "active", "retired"]
    assert shown["moves"][1]["reason"] == "tried and good"
    assert (await http.post(f"/v1/routers/{first.id}/retire", json=WHY)).json()["notices"]
    assert (await http.post("/v1/audit/verify")).json()["is_whole"]


async def test_promoted_router_is_the_policy_of_the_next_decision(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path
) -> None:
    service = await make_service()
    http = await make_http(service=service)
    version = await registered(service, tmp_path / "first")
    assert (await http.post(f"/v1/routers/{version.id}/promote", json=WHY)).status_code == 200
    answer = await http.post("/v1/chat/completions", json=chat(model="auto:graph"))
    decision_id = answer.json()["antroute"]["decision_id"]
    decision = (await http.get(f"/v1/decisions/{decision_id}")).json()
    assert (decision["policy"], decision["policy_version"]) == ("graph", version.id)


async def test_refusals_name_what_is_wrong(make_http: MakeHttp, make_service: MakeService, tmp_path: Path) -> None:
    service = await make_service()
    http = await make_http(service=service)
    weak = await registered(service, tmp_path / "weak", passed=False)
    promote = f"/v1/routers/{weak.id}/promote"
    refused = await http.post(promote, json=WHY)
    assert code_of(refused) == (409, "promotion_refused")
    assert "-0.0042 against knn" in refused.json()["error"]["message"]
    assert code_of(await http.post("/v1/routers/rollback", json=WHY)) == (409, "version_conflict")
    assert code_of(await http.get("/v1/routers/nobody")) == (404, "not_found")
    assert code_of(await http.post(promote, json={"force": True})) == (422, "invalid_input")
    forced = await http.post(promote, json={**WHY, "force": True})
    assert forced.json()["notices"][0].startswith("forced past its gate")
    assert code_of(await http.post(promote, json={**WHY, "force": True})) == (409, "version_conflict")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_what_a_foreign_web_page_can_send_moves_nothing(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path, content_type: str | None
) -> None:
    """A page may send these types without asking; a JSON type it may not."""
    service = await make_service()
    http = await make_http(service=service)
    version = await registered(service, tmp_path / "first")
    headers = {} if content_type is None else {"content-type": content_type}
    for path in (f"{version.id}/promote", f"{version.id}/shadow", f"{version.id}/retire", "rollback"):
        for content in (b"", b'{"reason": "evil"}'):
            response = await http.post(f"/v1/routers/{path}", content=content, headers=headers)
            assert code_of(response) == (422, "invalid_input"), path
    assert await service.stores.policy_versions.moves_of(version.id) == []
