"""The console by itself: its pages and nothing else, over models that nobody can ask."""

from __future__ import annotations

import httpx
import pytest

from agents.errors import ModelUnavailable
from orchestrator.bootstrap import bootstrap
from orchestrator.rest.console_alone import console_app, unasked
from tests.conftest import scripted_settings
from tests.orchestrator.console.looking import OWN


async def test_pages_are_served_nothing_else_and_no_model_is_asked() -> None:
    settings = scripted_settings()
    service = await bootstrap(settings, llms=unasked(settings))
    try:
        transport = httpx.ASGITransport(app=console_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            first = await http.get("/")
            assert (first.status_code, first.headers["location"]) == (303, "/console")
            assert (await http.get("/console/decisions")).status_code == 200
            tried = await http.post("/console/try", data={"text": "What is 2 + 2?"}, headers=OWN)
            assert "Picked " in tried.text
            for path in ("/v1/models", "/metrics", "/healthz", "/consoles"):
                assert (await http.get(path)).status_code == 404
        with pytest.raises(ModelUnavailable, match="asks no model"):
            await service.run("What is 2 + 2?")
    finally:
        await service.close()
