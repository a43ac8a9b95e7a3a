"""Logs of a few decisions for tests of replays."""

from __future__ import annotations

from orchestrator.replay.parts import ReplayParts, parts_of
from orchestrator.service import Service
from storage.records import Decision
from storage.stores import DecisionFilter, Stores
from tests.conftest import scripted_settings

QUESTION = "What is 17 × 3?"


def parts_in(service: Service, **changes: object) -> ReplayParts:
    """As the service's, with the settings of `tests.conftest`; `changes`: of these settings."""
    return parts_of(scripted_settings(**changes), service.stores)


async def asked(service: Service, count: int, *, policy: str | None = None, judged: bool = True) -> list[str]:
    """Ids of so many new decisions; each but every fifth one is judged, the dear model's better."""
    ids = []
    for number in range(count):
        run = await service.run(f"{QUESTION} ({number})", policy=policy)
        if judged and number % 5:
            quality = (0.8 if run.candidate_id == "large" else 0.4) + 0.01 * (number % 7)
            await service.feedback(run.decision_id, quality=quality)
        ids.append(run.decision_id)
    return ids


async def decisions_in(stores: Stores) -> list[Decision]:
    """All, oldest first."""
    return [each.decision for each in reversed(await stores.decisions.find(DecisionFilter(limit=10_000)))]
