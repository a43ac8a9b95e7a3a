"""Fixtures made of the doubles that the floors ship."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agents.errors import ModelUnavailable
from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.service import Service
from orchestrator.settings import Settings

SMALL = {"provider": "scripted", "price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "2"}
LARGE = {"provider": "scripted", "price_input_usd_per_mtok": "10", "price_output_usd_per_mtok": "20"}

MakeService = Callable[..., Awaitable[Service]]


def answers(request: CompletionRequest) -> str:
    """A model that knows one thing."""
    return "Paris" if "France" in request.messages[-1].content else "no idea"


def fails(request: CompletionRequest) -> str:
    raise ModelUnavailable("The model server is down.")


@pytest.fixture
async def make_service() -> AsyncIterator[MakeService]:
    """Builds services over scripted models `small` and `large`; all are closed at the end."""
    services: list[Service] = []

    async def make(*, small: Any = answers, large: Any = answers, **changes: Any) -> Service:
        given: dict[str, Any] = {
            "store_url": "memory:",
            "models": {"small": SMALL, "large": LARGE},
            "candidates": [
                {"agent": "single_turn", "model": "small", "id": "small"},
                {"agent": "single_turn", "model": "large", "id": "large"},
            ],
            "encoder": "hashing",
            "policy": "uniform",
            "seed": 7,
        }
        llms = {"small": ScriptedLLM(reply=small), "large": ScriptedLLM(reply=large)}
        service = await bootstrap(Settings(**{**given, **changes}), llms=llms)
        services.append(service)
        return service

    yield make
    for service in services:
        await service.close()
