"""Verifiers and provenance over HTTP: comparisons and names are taken, programs are not."""

from __future__ import annotations

import pytest

from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat

CHAT = "/v1/chat/completions"
NAMED = {"lint": {"kind": "exit_code", "command": ["grep", "-q", "Paris"]}}


async def test_answer_is_judged_by_a_comparison_and_by_a_name(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(verifiers=NAMED)
    http = await make_http(service=service)
    for verifier in ({"kind": "checker", "check": "exact", "expected": "Paris"}, "lint"):
        answer = await http.post(CHAT, json=chat(antroute={"verifier": verifier}))
        assert answer.status_code == 200, answer.text
        (decision,) = (await http.get(f"/v1/decisions?run_id={answer.json()['antroute']['run_id']}")).json()[
            "decisions"
        ]
        told = (await http.get(f"/v1/decisions/{decision['id']}")).json()
        verdict = told["outcomes"][-1]
        assert (verdict["judged_by"], verdict["has_passed"], verdict["quality"]) == ("verifier", True, 1.0)
        came = told["provenance"]
        assert (came["verification"], came["verified_by"]) == ("tool", verdict["verifier"])
        assert (came["produced_by"], came["decision_id"]) == (decision["candidate_id"], decision["id"])
        assert came["cost_usd"] == told["outcomes"][0]["cost_usd"]


@pytest.mark.parametrize(
    "verifier",
    [
        {"kind": "exit_code", "command": ["touch", "/tmp/owned"]},
        {"kind": "tests", "tests": "import os\nassert os.system('id') == 0"},
        {"kind": "model"},
        {"kind": "numeric", "expected": 1, "name": "lint"},
        {"kind": "regex", "pattern": "("},
        "nobody",
        {},
    ],
)
async def test_nothing_that_runs_comes_in_from_outside(
    verifier: object, make_http: MakeHttp, make_service: MakeService
) -> None:
    http = await make_http(service=await make_service(verifiers=NAMED))
    answer = await http.post(CHAT, json=chat(antroute={"verifier": verifier}))
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["type"]


async def test_answer_that_nobody_judged_is_unverified(make_http: MakeHttp) -> None:
    http = await make_http()
    answer = await http.post(CHAT, json=chat())
    listed = (await http.get(f"/v1/decisions?run_id={answer.json()['antroute']['run_id']}")).json()["decisions"]
    told = (await http.get(f"/v1/decisions/{listed[0]['id']}")).json()
    assert (told["provenance"]["verification"], told["provenance"]["lineage"]) == ("unverified", [])
