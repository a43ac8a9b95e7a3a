"""Which local models are loaded, and that those which are worth it stay so."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.errors import ModelUnavailable
from orchestrator.residents import Residents
from orchestrator.routing_settings import ResidencySettings
from routing.residency import ResidencyController, Resident
from storage.records import Candidate, ModelCard


class Server:
    """A model server that only says whether it is loaded."""

    def __init__(self, path: Path = Path("model.gguf"), *, is_broken: bool = False) -> None:
        self.path = path
        self.pid: int | None = None
        self.is_broken = is_broken

    async def load(self) -> None:
        if self.is_broken:
            raise ModelUnavailable("no memory")
        self.pid = 1

    async def rest(self) -> None:
        self.pid = None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def some_residents(servers: dict[str, Server], clock: Clock) -> Residents:
    controller = ResidencyController(
        {model: Resident(size_bytes=60) for model in servers}, memory_bytes=100, epoch_seconds=10.0, clock=clock
    )
    return Residents(servers, controller=controller, epoch_seconds=10.0)  # type: ignore[arg-type]  # all it needs


async def test_what_is_called_most_is_loaded_and_what_is_not_makes_room() -> None:
    servers, clock = {"a": Server(), "b": Server()}, Clock()
    residents = some_residents(servers, clock)
    await servers["a"].load()
    assert [residents.model_to_is_loaded[model]() for model in "ab"] == [True, False]
    for model in ("a", "b", "b", "b"):
        residents.called(model)
    assert await residents.look() is None
    clock.now = 10.0
    plan = await residents.look()
    assert plan is not None
    assert (plan.load, plan.unload) == ({"b"}, {"a"})
    assert [residents.model_to_is_loaded[model]() for model in "ab"] == [False, True]


async def test_a_model_that_does_not_load_is_told_and_left_cold(caplog: pytest.LogCaptureFixture) -> None:
    servers, clock = {"a": Server(is_broken=True)}, Clock()
    residents = some_residents(servers, clock)
    residents.called("a")
    clock.now = 10.0
    await residents.look()
    assert not residents.model_to_is_loaded["a"]()
    assert "'a' could not be loaded ahead of its calls: no memory" in caplog.text


async def test_without_a_memory_limit_nothing_is_moved(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"x" * 10)
    candidates = [Candidate(id="c", agent="single_turn", model="m", card=ModelCard(model="m"))]
    servers = {"m": Server(file)}
    idle = Residents.of(servers, candidates, ResidencySettings())  # type: ignore[arg-type]  # all it needs
    idle.called("m")
    idle.start()
    assert await idle.look() is None
    await idle.stop()
    limited = Residents.of(servers, candidates, ResidencySettings(memory_mb=1))  # type: ignore[arg-type]
    limited.start()
    await limited.stop()
    assert servers["m"].pid is None
