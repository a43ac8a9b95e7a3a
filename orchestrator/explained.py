"""An explanation with what else the stores know of it, and as plain JSON values."""

from __future__ import annotations

from typing import Any

from orchestrator.explanation import Explanation, explanation_of
from orchestrator.reading import Attempt
from orchestrator.views import attempt_view, plain
from routing.artifacts import manifest_in
from routing.errors import ArtifactRefused
from routing.forecasts import Reference
from routing.router import TRAINED
from storage.errors import LogCorrupt, RecordNotFound
from storage.records import Decision
from storage.stores import Stores


async def explained(stores: Stores, attempt: Attempt) -> Explanation:
    """With amounts in dollars, seconds and joules where the trained router that chose is registered here."""
    return explanation_of(attempt, reference=await reference_of(stores, attempt.decision))


async def reference_of(stores: Stores, decision: Decision) -> Reference | None:
    """What amounts were measured in; None: no trained router chose, or its files are not here or not whole."""
    if decision.policy != TRAINED:
        return None
    try:
        return manifest_in(await stores.policy_versions.artifact(decision.policy_version)).reference
    except (ArtifactRefused, LogCorrupt, RecordNotFound):
        return None


def explanation_view(explanation: Explanation) -> dict[str, Any]:
    """The decision with its outcomes and rewards, and beside them why."""
    attempt = Attempt(decision=explanation.decision, outcomes=explanation.outcomes, rewards=explanation.rewards)
    why = {
        "verdict": explanation.verdict,
        "headline": explanation.headline,
        "margin": explanation.margin,
        "flips": plain(explanation.flips),
        "money": plain(explanation.money),
    }
    return {**attempt_view(attempt), "explanation": why}
