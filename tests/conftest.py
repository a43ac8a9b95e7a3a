"""Fixtures made of the doubles that the floors ship."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agents.errors import ModelUnavailable
from agents.llm import LLM, CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.service import Service
from orchestrator.settings import Settings

SMALL = {"provider": "scripted", "price_input_usd_per_mtok": "1", "price_output_usd_per_mtok": "2"}
LARGE = {"provider": "scripted", "price_input_usd_per_mtok": "10", "price_output_usd_per_mtok": "20"}
CANDIDATES = [
    {"agent": "single_turn", "model": "small", "id": "small"},
    {"agent": "single_turn", "model": "large", "id": "large"},
]

MakeService = Callable[..., Awaitable[Service]]


def answers(request: CompletionRequest) -> str:
    """A model that knows one thing."""
    return "Paris" if "France" in request.messages[-1].content else "no idea"


def fails(request: CompletionRequest) -> str:
    raise ModelUnavailable("The model server is down.")


def scripted_settings(**changes: Any) -> Settings:
    """Two scripted models, `large` ten times as dear as `small`; everything in memory."""
    given: dict[str, Any] = {
        "store_url": "memory:",
        "models": {"small": SMALL, "large": LARGE},
        "candidates": CANDIDATES,
        "encoder": "hashing",
        "policy": "uniform",
        "seed": 7,
        "audit": {"signing_key": "5e" * 32},  # no test makes a file beside the user's own
    }
    return Settings(**{**given, **changes})


@pytest.fixture
async def make_service() -> AsyncIterator[MakeService]:
    """Builds services over the models `small` and `large` (an LLM, or a reply function); all are closed at the end."""
    services: list[Service] = []

    async def make(*, small: Any = answers, large: Any = answers, stores: Any = None, **changes: Any) -> Service:
        llms: dict[str, LLM] = {
            name: ScriptedLLM(reply=given) if callable(given) else given
            for name, given in {"small": small, "large": large}.items()
        }
        services.append(await bootstrap(scripted_settings(**changes), llms=llms, stores=stores))
        return services[-1]

    yield make
    for service in services:
        await service.close()
