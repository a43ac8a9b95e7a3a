"""A local model that hangs is told from a slow run, charged, replaced and asked again."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from agents.errors import ModelUnavailable
from agents.llm_local import LocalLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.settings import Settings
from storage.records import Generation
from tests.local_model import smallest_model_path

SHORT = Generation(max_output_tokens=4)
ANSWER_SECONDS = 5.0


@pytest.mark.local_model
async def test_model_that_hangs_is_replaced_within_its_own_time_and_what_it_may_have_cost_is_charged() -> None:
    models: dict[str, Any] = {
        "tiny": {
            "provider": "local",
            "file": str(smallest_model_path()),
            "timeout_seconds": ANSWER_SECONDS,
            "price_output_usd_per_mtok": "1",
        }
    }
    candidates: Any = [{"agent": "single_turn", "model": "tiny", "id": "tiny"}]
    settings = Settings(store_url="memory:", models=models, candidates=candidates, encoder="hashing", seed=1)
    service = await bootstrap(settings)
    try:
        before = await service.run("Say hi.", generation=SHORT)
        model = service.nodes.llms["tiny"]
        assert isinstance(model, LocalLLM)
        hung = model.server.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(ModelUnavailable):
            await service.run("Say bye.", generation=SHORT)
        account = await service.stores.budgets.get("default")
        assert account.held_usd == 0
        assert account.spent_usd > before.cost_usd
        assert (await service.run("Say more.", generation=SHORT)).answer
        assert model.server.pid != hung
    finally:
        await service.close()
