"""The pages of trained routers: figures, gate, moves, and what is refused said in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.rest.console.router_figures import figures_of, frontier, own_frontier
from orchestrator.routers import Routers
from orchestrator.service import Service
from storage.version_records import PolicyVersion
from tests.conftest import MakeService
from tests.orchestrator.console.looking import HOSTILE, OWN, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder
from tests.orchestrator.trained_folders import FAILED, PASSED, SERVED, a_trained_folder

WHY = {"reason": "tried and good"}
METRICS = {
    "digest": "d" * 64,
    "queries": 94,
    "gate": {**PASSED, "rivals": {"knn": {"mean": 0.021, "low": 0.01, "high": 0.03, "p": 0.01}}},
    "text_only": {
        "quality": 0.6,
        "cost_share": 0.5,
        "cost_usd": 0.0001,
        "utility_area": 0.45,
        "calibration_error": None,
        "thrift": {"point": {"quality": 0.58, "cost_share": 0.3}},
        "comparisons": {"best_single": {"quality": {"mean": 0.05, "low": 0.0, "high": 0.1, "p": 0.1}}},
    },
}


def version(**changes: object) -> PolicyVersion:
    fields = {
        "id": "router_1", "name": "one", "predictor": "table", "artifact_sha256": "a" * 64, "encoder": "hashing",
        "candidates": SERVED, "metrics": METRICS,
    }  # fmt: skip
    return PolicyVersion(**{**fields, **changes})  # type: ignore[arg-type]  # as each test names them


async def registered(
    service: Service, folder: Path, *, passed: bool = True, seed: int = 0, name: str = ""
) -> PolicyVersion:
    gate = PASSED if passed else FAILED
    routers = Routers(service.stores, candidates=SERVED)
    return (await routers.register(a_trained_folder(folder, gate=gate, seed=seed), name=name)).version


async def test_without_versions_the_page_says_how_to_train_one(make_http: MakeHttp) -> None:
    text = await page_of(await make_http(), "/console/routers")
    assert "antroute train --data data --out router\nantroute routers register router" in text


async def test_versions_are_listed_and_one_shows_its_gate_and_its_moves(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path
) -> None:
    service = await make_service()
    first = await registered(service, tmp_path / "first", name=HOSTILE)
    second = await registered(service, tmp_path / "second", passed=False, seed=1)
    http = await make_http(service=service)
    listed = await page_of(http, "/console/routers")
    assert first.id in listed and second.id in listed and "not passed" in listed
    assert "utility area -0.0042 against knn" in await page_of(http, f"/console/routers/{second.id}")
    sent = await http.post(f"/console/routers/{first.id}/promote", data=WHY, headers=OWN)
    assert (sent.status_code, sent.headers["location"]) == (303, f"/console/routers/{first.id}?said=router_promoted")
    text = await page_of(http, sent.headers["location"])
    assert "The version is active" in text and "tried and good" in text
    assert any(first.id in notice for notice in service.notices)  # this process serves it already


async def test_what_is_refused_is_said_on_the_page_and_moves_nothing(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path
) -> None:
    service = await make_service()
    weak = await registered(service, tmp_path / "weak", passed=False)
    http = await make_http(service=service)
    refused = await http.post(f"/console/routers/{weak.id}/promote", data=WHY, headers=OWN)
    assert refused.status_code == 409 and "may not become active" in refused.text
    assert_inert(refused.text)
    back = await http.post("/console/routers/rollback", data=WHY, headers=OWN)
    assert back.status_code == 409 and 'role="alert"' in back.text
    assert (await http.post(f"/console/routers/{weak.id}/shadow", data={}, headers=OWN)).status_code == 422
    assert (await http.post("/console/routers/nobody/retire", data=WHY, headers=OWN)).status_code == 404
    assert await service.stores.policy_versions.moves_of(weak.id) == []
    forced = await http.post(f"/console/routers/{weak.id}/promote", data={**WHY, "force": "yes"}, headers=OWN)
    assert forced.status_code == 303
    assert "forced past its gate" in await page_of(http, f"/console/routers/{weak.id}")


async def test_shadow_retire_and_rollback_are_forms_of_the_pages(
    make_http: MakeHttp, make_service: MakeService, tmp_path: Path
) -> None:
    service = await make_service()
    first, second = [await registered(service, tmp_path / f"{seed}", seed=seed) for seed in (0, 1)]
    http = await make_http(service=service)

    async def send(path: str) -> None:
        assert (await http.post(f"/console/routers/{path}", data=WHY, headers=OWN)).status_code == 303

    for path in (f"{first.id}/promote", f"{second.id}/shadow", f"{second.id}/promote", "rollback"):
        await send(path)
    assert (await service.stores.policy_versions.serving()).active_id == first.id
    await send(f"{first.id}/retire")
    assert "No version is active" in await page_of(http, "/console/routers")


@pytest.mark.parametrize("path", ["", "/router_1"])
async def test_readers_and_writers_are_refused(make_http: MakeHttp, make_service: MakeService, path: str) -> None:
    service = await make_service()
    http, writer = await make_http(service=service, rules=RULES), await holder(service, role="writer")
    assert (await http.get(f"/console/routers{path}", headers=writer.headers)).status_code == 403
    sent = await http.post("/console/routers/rollback", data=WHY, headers={**writer.headers, **OWN})
    assert sent.status_code == 403


def test_figures_are_those_that_the_version_was_registered_with() -> None:
    found = figures_of(version())
    assert (found.quality, found.cost_share, found.utility_area, found.queries) == (0.6, 0.5, 0.45, 94)
    assert found.best_quality == pytest.approx(0.55)
    assert (found.thrift_quality, found.thrift_cost_share) == (0.58, 0.3)
    assert [(each.rival, each.mean, each.low) for each in found.gate] == [("knn", 0.021, 0.01)]
    assert found.gate_problem is None


@pytest.mark.parametrize(
    "metrics", [{}, {"text_only": [], "gate": 7}, {"text_only": {"quality": "much", "comparisons": {"knn": None}}}]
)
def test_free_json_that_says_something_else_gives_no_figures(metrics: dict[str, object]) -> None:
    found = figures_of(version(metrics=metrics))
    assert (found.quality, found.cost_share, found.utility, found.gate) == (None, None, (), ())
    assert not own_frontier(version(metrics=metrics)) and not frontier([version(metrics=metrics)])


def test_only_versions_judged_on_the_same_queries_stand_in_one_picture() -> None:
    other = version(id="router_2", name="other", metrics={**METRICS, "digest": "e" * 64})
    twin = version(id="router_3", name=HOSTILE)
    drawn = frontier([version(), other, twin])
    assert "one" in drawn and "other" not in drawn
    assert_inert(str(drawn))
    assert "thrifty" in own_frontier(version())
