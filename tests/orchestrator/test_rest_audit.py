"""Checkpoints and proofs over HTTP, to those whose decisions they are; and the client's verbs."""

from __future__ import annotations

import json
from pathlib import Path

from storage.checkpoint_proof import check_proof
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

SELDOM = {"signing_key": "5e" * 32, "every_events": 10**6, "every_seconds": 10**6}  # only when a test says so


async def test_checkpoints_are_listed_page_by_page_with_the_public_keys(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service(audit=SELDOM)
    for _ in range(3):
        await service.run("What is the capital of France?")
        assert service.audit.checkpointer is not None
        await service.audit.checkpointer.look(is_last=True)
    http = await make_http(service=service)
    first = (await http.get("/v1/audit/checkpoints?limit=2")).json()
    assert [each["number"] for each in first["checkpoints"]] == [1, 2]
    rest = (await http.get(f"/v1/audit/checkpoints?limit=2&cursor={first['next_cursor']}")).json()
    assert ([each["number"] for each in rest["checkpoints"]], rest["next_cursor"]) == ([3], None)
    assert [key["key_id"] for key in rest["keys"]] == [rest["checkpoints"][0]["key_id"]]
    assert (await http.get("/v1/audit/checkpoints?limit=0")).status_code == 422
    assert (await http.get("/v1/audit/checkpoints?page=2")).status_code == 422
    text = (await http.get("/metrics")).text
    assert "antroute_audit_checkpoint 3.0" in text
    assert "antroute_audit_checkpoints_not_outside 0.0" in text


async def test_a_proof_is_given_once_a_checkpoint_holds_the_decision(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service(audit=SELDOM)
    run = await service.run("What is the capital of France?")
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)
    http = await make_http(service=service)
    answer = await http.get(f"/v1/audit/proofs/{run.decision_id}")
    assert check_proof(json.dumps(answer.json())).is_proven
    later = await service.run("What is the capital of France?")
    answer = await http.get(f"/v1/audit/proofs/{later.decision_id}")
    assert answer.status_code == 404
    assert "in no signed checkpoint yet" in answer.json()["error"]["message"]


async def test_another_tenant_s_decision_is_not_proven_to_anybody_else(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service(audit=SELDOM)
    http = await make_http(service=service, rules=RULES)
    one, other = await holder(service, tenant="one"), await holder(service, tenant="other")
    body = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    sent = await http.post("/v1/chat/completions", json=body, headers=one.headers)
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)
    path = f"/v1/audit/proofs/{sent.headers['x-antroute-decision-id']}"
    assert (await http.get(path, headers=one.headers)).status_code == 200
    refused, unknown = await http.get(path, headers=other.headers), await http.get(path + "x", headers=other.headers)
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert refused.json()["error"]["code"] == unknown.json()["error"]["code"]
    assert (await http.post("/v1/audit/verify", headers=one.headers)).status_code == 403


async def test_verifying_over_http_looks_at_the_checkpoints_too(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(audit=SELDOM)
    await service.run("What is the capital of France?")
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)
    found = (await (await make_http(service=service)).post("/v1/audit/verify")).json()
    assert (found["is_whole"], found["checkpoints"], found["first_bad_checkpoint"]) == (True, 1, None)


async def test_a_place_outside_that_fails_is_a_notice_of_the_service(make_service: MakeService, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service = await make_service(audit={**SELDOM, "outside": f"{tmp_path}/file/below.jsonl"})
    await service.run("What is the capital of France?")
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)
    assert any("1 signed checkpoints are not outside yet" in notice for notice in service.notices)
    assert service.audit.not_outside() == 1
