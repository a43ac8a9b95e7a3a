"""Training as a job: operators only, on folders that the settings name, in a process that ends with its job."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.service import Service
from orchestrator.training_jobs.child import Told
from orchestrator.training_jobs.runs import told_by_child
from routing.artifacts import read_manifest
from tests.conftest import MakeService
from tests.orchestrator.rest_app import ADMIN_KEY, MakeHttp
from tests.routing.small_data import small_dataset, write_dataset

ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    write_dataset(small_dataset(queries=40), tmp_path / "data" / "may")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    return tmp_path


@pytest.fixture
async def service(make_service: MakeService, folders: Path) -> Service:
    return await make_service(
        server={"secret": "s" * 48},
        cache_dir=folders / "cache",
        training={"data_dir": folders / "data", "out_dir": folders / "routers"},
    )


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    http: httpx.AsyncClient = await make_http(service=service, key=ADMIN_KEY)
    http.headers.update(ADMIN)
    return http


async def test_router_is_trained_as_a_job_whose_events_tell_its_progress(
    http: httpx.AsyncClient, service: Service, folders: Path
) -> None:
    made = await http.post("/v1/training-jobs", json={"data": "may", "router": "ridge", "folds": 0})
    assert made.status_code == 201
    job = made.json()
    assert made.headers["location"] == f"/v1/jobs/{job['id']}"
    service.worker.start()
    assert (await service.jobs.wait(job["id"], timeout_seconds=90)).state == "succeeded"
    events = await service.stores.jobs.events(job["id"])
    kinds = [event.kind for event in events]
    assert kinds[:3] == ["queued", "started", "step_started"]
    assert kinds[-2:] == ["step_finished", "succeeded"]
    assert set(kinds[3:-2]) == {"progress"}
    assert all({"done", "total", "what"} == set(event.data) for event in events if event.kind == "progress")
    result = json.loads((await http.get(f"/v1/jobs/{job['id']}/result")).json()["answer"])
    assert result["router"] == "ridge"
    assert Path(result["out"]) == folders / "routers" / job["id"]
    assert read_manifest(Path(result["out"]))[0].kind


async def test_same_key_and_order_give_the_same_training(http: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "may-1"}
    first = await http.post("/v1/training-jobs", json={"data": "may"}, headers=headers)
    again = await http.post("/v1/training-jobs", json={"data": "may"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    other = await http.post("/v1/training-jobs", json={"data": "may", "seed": 1}, headers=headers)
    assert other.status_code == 409


@pytest.mark.parametrize("data", ["june", "../elsewhere", "link", "/etc", "may/../../elsewhere", "may\x00"])
async def test_folder_that_is_not_below_the_settings_one_is_refused(http: httpx.AsyncClient, data: str) -> None:
    answer = await http.post("/v1/training-jobs", json={"data": data})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "data")


@pytest.mark.parametrize("change", [{"router": "rigde"}, {"seed": -1}, {"folds": 21}, {"out": "/tmp"}])
async def test_wrong_order_is_refused(http: httpx.AsyncClient, change: dict[str, Any]) -> None:
    assert (await http.post("/v1/training-jobs", json={"data": "may", **change})).status_code == 422


async def test_only_operators_train(http: httpx.AsyncClient) -> None:
    for role, status in (("writer", 403), ("operator", 201)):
        key = (await http.post("/v1/keys", json={"name": role, "role": role})).json()["key"]
        headers = {"authorization": f"Bearer {key}"}
        assert (await http.post("/v1/training-jobs", json={"data": "may"}, headers=headers)).status_code == status


async def test_service_without_a_folder_of_data_trains_nothing(make_http: MakeHttp, make_service: MakeService) -> None:
    http = await make_http(service=await make_service(server={"secret": "s" * 48}))
    assert (await http.post("/v1/training-jobs", json={"data": "may"})).status_code == 403


async def test_workflow_that_a_caller_names_train_is_a_workflow(http: httpx.AsyncClient, service: Service) -> None:
    workflow = {"name": "train", "inputs": ["text"], "steps": [{"name": "one", "prompt": "France {text}"}]}
    job = (await http.post("/v1/jobs", json={"workflow": workflow, "input": {"text": '{"train": {}}'}})).json()
    service.worker.start()
    await service.jobs.wait(job["id"], timeout_seconds=20)
    assert (await service.jobs.result(job["id"])).answer == "Paris"


async def test_bad_data_fails_the_job_in_words(http: httpx.AsyncClient, service: Service, folders: Path) -> None:
    (folders / "data" / "bad").mkdir()
    job = (await http.post("/v1/training-jobs", json={"data": "bad", "router": "ridge"})).json()
    service.worker.start()
    ended = await service.jobs.wait(job["id"], timeout_seconds=60)
    assert (ended.state, ended.error_code) == ("failed", "invalid_input")
    assert "candidates.json" in str(ended.error_message)


async def test_child_is_killed_when_nobody_listens_any_more(folders: Path) -> None:
    order = {
        "data": str(folders / "data" / "may"), "router": "ridge", "seed": 0, "folds": 0, "encoder": "hashing",
        "out": str(folders / "out"), "encoder_dir": str(folders), "cache_dir": str(folders / "cache"),
    }  # fmt: skip
    lines = told_by_child(order)
    first = await anext(lines)
    assert "progress" in first
    assert len(children_that_train()) == 1
    await lines.aclose()
    assert children_that_train() == []
    assert not (folders / "out").exists()


def children_that_train() -> list[Path]:
    """Of this process, in /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"training_jobs.child" in stat.with_name("cmdline").read_bytes():
                found.append(stat)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


def test_progress_is_told_now_and_then_and_at_each_end() -> None:
    moment, lines = [0.0], []
    told = Told(lines.append, clock=lambda: moment[0])
    for done in range(11):
        moment[0] += 0.1
        told(done, 10, "fitting")
    told(0, 3, "judging")
    assert [(line["progress"]["what"], line["progress"]["done"]) for line in lines] == [
        ("fitting", 0), ("fitting", 5), ("fitting", 10), ("judging", 0),
    ]  # fmt: skip
