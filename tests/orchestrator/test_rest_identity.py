"""Identity cards over HTTP: built from the settings' models, without a word on quality."""

from __future__ import annotations

from tests.conftest import LARGE, SMALL, MakeService
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp

PATH = "/.well-known/ldp-identity"
KNOWN = {
    "family": "qwen", "version": "2.5", "fingerprint": "ab12", "seconds_p50": 0.25, "seconds_p95": 1.5,
    "joules_per_output_token": 0.5, "cold_start_seconds": 3, "payload_modes": ["text", "frame"],
    "jurisdiction": "EU",
}  # fmt: skip


async def test_every_candidate_has_a_card_of_what_is_known(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(models={"small": {**SMALL, **KNOWN}, "large": LARGE})
    told = (await (await make_http(service=service)).get(PATH)).json()
    small, large = told["delegates"]
    assert (told["protocol"], small["delegate_id"], large["delegate_id"]) == ("ldp", "small", "large")
    assert (small["model_family"], small["model_version"], small["weights_fingerprint"]) == ("qwen", "2.5", "ab12")
    assert (small["jurisdiction"], small["payload_modes"]) == ("EU", ["text", "frame"])
    assert small["latency_profile"] == {"seconds_p50": 0.25, "seconds_p95": 1.5, "cold_start_seconds": 3.0}
    assert small["cost_profile"] == {
        "usd_per_mtok_input": "1", "usd_per_mtok_output": "2", "usd_usual_call": "0.000420000",
        "joules_usual_call": 30.0,
    }  # fmt: skip
    assert small["capabilities"] == [{"name": "chat", "latency_hint_ms_p50": 250, "cost_hint": "0.000420000"}]
    assert (large["model_version"], large["latency_profile"]["seconds_p50"]) == ("", None)
    assert large["endpoint"] == {"path": "/v1/chat/completions", "model": "large"}


async def test_cards_boast_of_nothing_and_hold_no_key(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(models={"small": {**SMALL, "api_key": "sk-very-secret"}, "large": LARGE})
    text = (await (await make_http(service=service)).get(PATH)).text
    assert not [word for word in ("quality", "confidence", "sk-very-secret") if word in text]


async def test_without_the_key_no_card_is_shown(make_http: MakeHttp) -> None:
    http = await make_http(key=ADMIN_KEY)
    assert (await http.get(PATH)).status_code == 401
    assert (await http.get(PATH, headers={"authorization": f"Bearer {ADMIN_KEY}"})).status_code == 200
