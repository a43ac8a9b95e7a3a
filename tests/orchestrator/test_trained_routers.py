"""Trained routers in a running service: who decides, what is told when none can, and what a caller may weigh."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load, save

from orchestrator.client import Client
from orchestrator.explain import explain
from orchestrator.reading import Attempt
from orchestrator.rest.app import make_app
from orchestrator.service import Service
from routing.artifacts import MANIFEST_FILE, WEIGHTS_FILE, read_files
from routing.encoders.hashing import HashingEncoder
from routing.forecasts import Weights
from storage.errors import InvalidInput
from storage.records import Decision
from storage.registry import open_stores
from storage.stores import Stores
from storage.version_records import PolicyVersion, VersionState
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat
from tests.routing.trained import trained_files

QUESTION = "Which king ruled the quiet river empire in the year 800?"
Files = dict[str, bytes]


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    opened = await open_stores("memory:")
    yield opened
    await opened.close()


def router_files(folder: Path, *, ids: tuple[str, ...] = ("large", "small"), seed: int = 0) -> Files:
    """A router fitted on the small data, whose candidates are the service's."""
    trained_files(folder / f"{'-'.join(ids)}{seed}", ids, seed=seed)
    return read_files(folder / f"{'-'.join(ids)}{seed}")


async def registered(stores: Stores, files: Files, state: VersionState, *, id: str) -> PolicyVersion:
    version = PolicyVersion(
        id=id,
        name=id,
        predictor="ridge",
        artifact_sha256=json.loads(files[MANIFEST_FILE])["sha256"],
        encoder=HashingEncoder().name,
        candidates=("large", "small"),
    )
    await stores.policy_versions.register(version, files)
    return await stores.policy_versions.move(id, state, reason="test")


def resigned(files: Files, *, weights: bytes | None = None, **changes: object) -> Files:
    """The files with other weights or another manifest, and digests that fit again."""
    weights = files[WEIGHTS_FILE] if weights is None else weights
    body = {**json.loads(files[MANIFEST_FILE]), **changes, "weights_sha256": sha256(weights).hexdigest()}
    del body["sha256"]
    digest = sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return {MANIFEST_FILE: json.dumps({**body, "sha256": digest}).encode(), WEIGHTS_FILE: weights}


def with_nan(files: Files) -> Files:
    arrays = load(files[WEIGHTS_FILE])
    arrays["quality_intercepts"] = np.full_like(arrays["quality_intercepts"], np.nan)
    return resigned(files, weights=save(arrays))


def with_huge_amounts(files: Files) -> Files:
    """Finite numbers, so that loading takes them; but no amount that anything costs."""
    arrays = load(files[WEIGHTS_FILE])
    arrays["amount_least"] = np.full_like(arrays["amount_least"], 1.7e308)
    return resigned(files, weights=save(arrays))


def words(decision: Decision) -> str:
    return "\n".join(explain(Attempt(decision=decision, outcomes=(), rewards=())))


async def test_auto_is_the_table_where_no_router_is_active(make_service: MakeService) -> None:
    service = await make_service(policy="auto")
    assert (await service.route(QUESTION)).policy == "table"
    assert service.notices == ()


async def test_the_active_router_decides_and_the_stored_decision_names_it(
    make_service: MakeService, stores: Stores, tmp_path: Path
) -> None:
    version = await registered(stores, router_files(tmp_path), "active", id="router_a")
    service = await make_service(policy="auto", stores=stores)
    run = await service.run(QUESTION)
    decision = (await service.attempt(run.decision_id)).decision
    assert (decision.policy, decision.policy_version) == ("graph", "router_a")
    assert decision.policy_sha256 == version.artifact_sha256
    assert decision.weights == {"quality": 1.0, "cost": 0.3, "latency": 0.0, "energy": 0.0}
    assert decision.shadow is None
    for assessment in decision.assessments:
        assert set(assessment.contributions) == {"expected_quality", "expected_cost"}
    (notice,) = service.notices
    assert f"the active router is router_a, of kind 'ridge', since {version.changed_at.astimezone():%Y-%m-%d}" in notice
    told = words(decision)
    assert "Router    router_a" in told
    assert "weighing quality × 1, cost × 0.3" in told
    assert "× reference" in told


@pytest.mark.parametrize(
    ("spoil", "label", "notice"),
    [
        (with_nan, "table (after artifact_refused)", "holds a NaN or infinity in 'quality_intercepts'"),
        (lambda files: resigned(files, encoder="another"), "table (after artifact_refused)", "encoder 'another'"),
        (lambda files: resigned(files, kind="oracle"), "table (after artifact_refused)", "No router 'oracle'"),
        (with_huge_amounts, "table (after bad_forecast)", "a forecast held a NaN or a number beyond 1e+09"),
    ],
)
async def test_an_artefact_that_cannot_serve_falls_back_and_the_decision_says_so(
    make_service: MakeService, stores: Stores, tmp_path: Path, spoil: Callable[[Files], Files], label: str, notice: str
) -> None:
    await registered(stores, spoil(router_files(tmp_path)), "active", id="router_a")
    service = await make_service(policy="auto", stores=stores)
    run = await service.run(QUESTION)
    decision = (await service.attempt(run.decision_id)).decision
    assert decision.policy == label
    assert run.candidate_id in {"small", "large"}
    assert any(notice in each for each in service.notices)
    assert "so the per-task table chose" in words(decision)


@pytest.mark.parametrize("content", [None, b"not what was registered"])
async def test_a_file_that_was_lost_or_changed_in_the_store_falls_back(
    make_service: MakeService, stores: Stores, tmp_path: Path, content: bytes | None
) -> None:
    version = await registered(stores, router_files(tmp_path), "active", id="router_a")
    kept: dict[str, Any] = stores.policy_versions.log.artifacts[version.artifact_sha256]  # type: ignore[attr-defined]  # the memory store's own
    del kept[WEIGHTS_FILE]
    if content is not None:
        kept[WEIGHTS_FILE] = content
    service = await make_service(policy="graph", stores=stores)
    assert (await service.route(QUESTION)).policy == "table (after artifact_refused)"
    assert any("cannot serve" in notice for notice in service.notices)


async def test_graph_demanded_without_a_router_says_so(make_service: MakeService) -> None:
    service = await make_service(policy="graph")
    assert (await service.route(QUESTION)).policy == "table (after no_active_router)"
    assert service.notices == ("policy 'graph' is set, and no trained router can serve: the table chooses",)


async def test_candidates_unknown_to_the_router_are_told(
    make_service: MakeService, stores: Stores, tmp_path: Path
) -> None:
    await registered(stores, router_files(tmp_path, ids=("large", "other")), "active", id="router_a")
    service = await make_service(policy="auto", stores=stores)
    decision = await service.route(QUESTION)
    assert decision.policy == "graph"
    assert "it does not know small" in service.notices[0]
    by_id = {assessment.candidate_id: assessment for assessment in decision.assessments}
    assert by_id["small"].contributions == {"table_estimate": 0.5}
    assert "not known to the router" in words(decision)


async def test_the_shadow_is_stored_with_the_decision_and_told(
    make_service: MakeService, stores: Stores, tmp_path: Path
) -> None:
    await registered(stores, router_files(tmp_path), "active", id="router_a")
    await registered(stores, router_files(tmp_path, seed=5), "shadow", id="router_b")
    service = await make_service(policy="auto", stores=stores)
    run = await service.run(QUESTION)
    decision = (await service.attempt(run.decision_id)).decision
    assert decision.shadow is not None
    assert decision.shadow.policy_version == "router_b"
    assert 0 < decision.shadow.probability < 1
    agrees = decision.shadow.candidate_id == decision.candidate_id
    assert ("would have picked the same" if agrees else "instead") in words(decision)


async def test_a_shadow_that_cannot_forecast_touches_nothing_and_is_counted(
    make_service: MakeService, make_http: MakeHttp, stores: Stores, tmp_path: Path
) -> None:
    await registered(stores, router_files(tmp_path), "active", id="router_a")
    await registered(stores, with_huge_amounts(router_files(tmp_path, seed=5)), "shadow", id="router_b")
    service = await make_service(policy="auto", stores=stores)
    http = await make_http(service=service)
    answer = (await http.post("/v1/chat/completions", json=chat())).json()
    decision = (await service.attempt(answer["antroute"]["decision_id"])).decision
    assert (decision.policy, decision.shadow) == ("graph", None)
    assert any("the shadow router failed on 1 queries" in notice for notice in service.notices)
    figures = (await http.get("/metrics")).text
    assert 'antroute_forecast_failures{role="shadow"} 1.0' in figures
    assert 'antroute_forecast_failures{role="active"} 0.0' in figures


async def test_promoting_another_router_under_load_loses_no_request(
    make_service: MakeService, stores: Stores, tmp_path: Path
) -> None:
    versions = {
        name: await registered(stores, router_files(tmp_path, seed=seed), state, id=name)
        for seed, (name, state) in enumerate([("router_a", "active"), ("router_b", "shadow")])
    }
    service = await make_service(policy="auto", stores=stores)
    texts = [f"What is the sum of {number} prices?" for number in range(60)]
    running = [asyncio.create_task(service.run(text)) for text in texts]
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    assert done
    await stores.policy_versions.move("router_b", "active", reason="better")
    await service.trained.watch.check()
    running += [asyncio.create_task(service.run(f"{text} Again.")) for text in texts]
    runs = await asyncio.gather(*running)
    assert len(runs) == 2 * len(texts)
    decisions = [(await service.attempt(run.decision_id)).decision for run in runs]
    for decision in decisions:
        assert decision.policy == "graph"
        assert decision.policy_sha256 == versions[decision.policy_version].artifact_sha256
    assert decisions[0].policy_version == "router_a"
    assert decisions[-1].policy_version == "router_b"
    assert "router_b" in service.notices[0]


async def test_the_order_of_candidates_in_the_settings_changes_no_choice(
    make_service: MakeService, stores: Stores, tmp_path: Path
) -> None:
    await registered(stores, router_files(tmp_path), "active", id="router_a")
    kinds = [{"agent": "single_turn", "model": name, "id": name} for name in ("small", "large")]
    texts = [f"Translate 'The golden horse sleeps beside house {number}.'" for number in range(12)]

    async def chosen(service: Service) -> list[str | None]:
        return [(await service.route(text)).candidate_id for text in texts]

    one = await make_service(policy="auto", stores=stores, candidates=kinds)
    other = await make_service(policy="auto", stores=stores, candidates=kinds[::-1])
    assert await chosen(one) == await chosen(other)


async def test_a_caller_s_own_weights_are_used_and_stored(
    make_service: MakeService, make_http: MakeHttp, stores: Stores, tmp_path: Path
) -> None:
    await registered(stores, router_files(tmp_path), "active", id="router_a")
    service = await make_service(policy="auto", stores=stores, weights={"quality": 1.0, "latency": 0.25})
    http = await make_http(service=service)
    assert (await service.route(QUESTION)).weights["latency"] == 0.25
    thrifty = {"quality": 0.0, "cost": 1.0, "latency": 0.0, "energy": 0.0}
    for wanted in (thrifty, Weights(**thrifty)):
        assert (await service.route(QUESTION, weights=wanted)).weights == thrifty
    body = {"text": QUESTION, "antroute": {"weights": {"quality": 0, "cost": 1}}}
    preview = (await http.post("/v1/route", json=body)).json()
    cheapest = max(preview["assessments"], key=lambda each: each["probability"])
    assert (preview["weights"], cheapest["candidate_id"]) == (thrifty, "large")  # alphabetically first: the cheap one
    answer = (await http.post("/v1/chat/completions", json=chat(antroute={"weights": {"cost": 2}}))).json()
    decision = (await service.attempt(answer["antroute"]["decision_id"])).decision
    assert decision.weights == {"quality": 1.0, "cost": 2.0, "latency": 0.0, "energy": 0.0}


async def test_the_remote_client_sends_the_weights(make_service: MakeService, stores: Stores, tmp_path: Path) -> None:
    await registered(stores, router_files(tmp_path), "active", id="router_a")
    service = await make_service(policy="auto", stores=stores)
    transport = httpx.ASGITransport(app=make_app(service))
    async with Client("http://localhost", transport=transport) as antroute:
        run = await antroute.run(QUESTION, weights=Weights(quality=0.5, latency=0.25))
        preview = await antroute.route(QUESTION, weights={"cost": 3.0})
        with pytest.raises(InvalidInput, match="All weights are 0"):
            await antroute.route(QUESTION, weights={"quality": 0.0})
    stored = (await service.attempt(run.decision_id)).decision
    assert stored.weights == {"quality": 0.5, "cost": 0.0, "latency": 0.25, "energy": 0.0}
    assert preview["weights"]["cost"] == 3.0


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"speed": 1.0}, "No weight 'speed'; known: quality, cost, latency, energy"),
        ({"cost": -1.0}, r"'cost' is -1.0; it must be 0 to 1e\+06"),
        ({"cost": float("nan")}, "'cost' is nan"),
        ({"cost": float("inf")}, "'cost' is inf"),
        ({"quality": 0.0}, "All weights are 0"),
    ],
)
async def test_wrong_weights_are_refused_in_words(
    make_service: MakeService, weights: Mapping[str, float], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await (await make_service()).route(QUESTION, weights=weights)


@pytest.mark.parametrize("weights", [{"speed": 1}, {"cost": -1}, {"cost": "much"}, {"cost": 1e7}, {"quality": 0}])
async def test_wrong_weights_are_refused_over_http(make_http: MakeHttp, weights: Mapping[str, object]) -> None:
    http = await make_http()
    response = await http.post("/v1/route", json={"text": QUESTION, "antroute": {"weights": weights}})
    assert response.status_code == 422
    assert "weights" in json.dumps(response.json())
