"""A caller who leaves: nothing stays held, nothing goes unrecorded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Overloaded
from orchestrator.service import Service
from storage.registry import open_stores
from storage.stores import DecisionFilter
from tests.conftest import MakeService
from tests.orchestrator.doubles import GatedLLM, cancelled


class Gate:
    """Lets one method's calls through to the store, and holds their answers back until it is opened."""

    def __init__(self, wrapped: Any, method: str) -> None:
        self.wrapped = wrapped
        self.method = method
        self.has_begun = asyncio.Event()
        self.gate = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.wrapped, name)
        return self._gated(call) if name == self.method else call

    def _gated(self, call: Any) -> Any:
        async def gated(*arguments: Any, **options: Any) -> Any:
            result = await call(*arguments, **options)
            self.has_begun.set()
            await self.gate.wait()
            return result

        return gated


async def ended(service: Service) -> list[str]:
    """Waits until no run is under way; the statuses of the newest decision's outcomes."""
    await asyncio.gather(*service.runs, return_exceptions=True)
    (stored,) = await service.stores.decisions.find(DecisionFilter())
    accounts = await service.stores.budgets.accounts()
    assert sum(account.held_usd for account in accounts) == 0
    return [outcome.status for outcome in await service.stores.decisions.outcomes_of(stored.decision.id)]


async def test_leaving_in_mid_answer_is_settled_and_recorded(make_service: MakeService) -> None:
    model = GatedLLM(["a", "b"])
    service = await make_service(small=model)
    task = asyncio.create_task(service.run("hello", candidate="small"))
    await model.has_begun.wait()
    await cancelled(task)
    assert task.cancelled()
    assert model.was_cancelled
    assert await ended(service) == ["cancelled"]
    spent = (await service.stores.budgets.get("default")).spent_usd
    assert spent > 0  # nobody can say how far the model had come


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize(
    ("part", "method", "status"),
    [("budgets", "line", "cancelled"), ("budgets", "hold", "cancelled"), ("budgets", "settle", "succeeded")],
)
async def test_leaving_during_the_bookkeeping_loses_nothing(
    store: str, cancels: int, part: str, method: str, status: str, make_service: MakeService, tmp_path: Path
) -> None:
    stores = await open_stores("memory:" if store == "memory" else f"sqlite:///{tmp_path / 'a.db'}")
    gate = Gate(getattr(stores, part), method)
    parts: dict[str, Any] = {part: gate}
    service = await make_service(stores=replace(stores, **parts))
    task = asyncio.create_task(service.run("hello", candidate="small"))
    await gate.has_begun.wait()
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0)
    gate.gate.set()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await ended(service) == [status]


async def test_outer_time_limit_is_still_a_time_limit(make_service: MakeService) -> None:
    service = await make_service(small=GatedLLM(["a", "b"]))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await service.run("hello", candidate="small")
    assert await ended(service) == ["cancelled"]


async def test_closing_ends_what_is_under_way(make_service: MakeService, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    model = GatedLLM(["a", "b"])
    service = await make_service(small=model, store_url=url)
    task = asyncio.create_task(service.run("hello", candidate="small"))
    await model.has_begun.wait()
    await service.close()
    await asyncio.wait([task])
    with pytest.raises(Overloaded, match="is stopping"):
        task.result()
    again = await make_service(store_url=url)
    assert await ended(again) == ["cancelled"]
