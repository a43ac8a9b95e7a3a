"""Kinds of work, found among what a memory remembers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.bootstrap import bootstrap
from orchestrator.checkers import Checker
from orchestrator.cli.memory import app
from orchestrator.service import Service
from orchestrator.task_finding import find_types
from routing.pheromone.memory import PheromoneMemory
from routing.policies.pheromone import TrailPolicy
from storage.errors import InvalidInput
from tests.conftest import CANDIDATES, LARGE, SMALL, MakeService, scripted_settings

SUMS = "What is the sum of all {word} when they are added up?"
TOWNS = "Which town lies on the river {word}, and which bridge crosses it?"
WORDS = ("apples", "harbour", "violins", "granite", "sparrows", "lanterns", "vinegar", "saddles")
RIGHT = Checker(kind="exact", expected="no idea")


async def taught(service: Service) -> None:
    for word in WORDS:
        for text in (SUMS, TOWNS):
            await service.run(text.format(word=word), checker=RIGHT, candidate="small")
    await service.trails.flush()


def memory_of(service: Service) -> PheromoneMemory:
    kept = service.trails.live("pheromone")
    assert isinstance(kept, TrailPolicy)
    return kept.memory


async def test_kinds_are_found_named_and_kept_over_a_restart(make_service: MakeService, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    service = await make_service(store_url=url)
    await taught(service)
    found, event = await find_types(service.stores, memory_of(service), count=2)
    assert event.kind == "tasks" and len(found.types.names) == 2
    told = {name: set(terms) for name, terms in zip(found.types.names, found.types.terms, strict=True)}
    assert any("sum" in terms for terms in told.values()) and any("town" in terms for terms in told.values())
    again, _ = await find_types(service.stores, memory_of(service), count=2)
    assert again.types.names == found.types.names
    await service.close()
    assert (types := memory_of(await make_service(store_url=url)).types) is not None
    assert types.names == found.types.names


async def test_erased_queries_count_for_nothing(make_service: MakeService) -> None:
    service = await make_service()
    await taught(service)
    _, payload_ids, _ = memory_of(service).remembered()
    for payload_id in payload_ids[:10]:
        await service.stores.payloads.erase(payload_id)
    with pytest.raises(InvalidInput, match="6 remembered queries do not make 2"):
        await find_types(service.stores, memory_of(service), count=2)


def test_command_tells_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def teach() -> None:
        service = await bootstrap(scripted_settings(store_url=url))
        await taught(service)
        await service.close()

    asyncio.run(teach())
    settings = {"models": {"small": SMALL, "large": LARGE}, "candidates": CANDIDATES, "encoder": "hashing"}
    file = tmp_path / "antroute.yaml"
    file.write_text(json.dumps(settings))
    monkeypatch.setenv("ANTROUTE_SETTINGS", str(file))
    monkeypatch.setenv("ANTROUTE_STORE_URL", url)
    shown = CliRunner().invoke(app, ["tasks", "--count", "2"])
    assert shown.exit_code == 0, shown.output
    assert "sum" in shown.stdout and "town" in shown.stdout
    few = CliRunner().invoke(app, ["tasks", "--count", "9"])
    assert isinstance(few.exception, InvalidInput)
