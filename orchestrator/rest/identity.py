"""Identity cards of all candidates (LDP): who they are and what they cost, not how good they think they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from orchestrator.rewards import USUAL_CALL
from orchestrator.service import Service
from storage.records import Candidate

router = APIRouter(tags=["identity"])
PATH = "/.well-known/ldp-identity"


@router.get(PATH)
async def identity_cards(request: Request) -> dict[str, Any]:
    """One card a candidate. What nobody knows is null or empty; there is no quality in it, for it would be a boast."""
    service: Service = request.app.state.service
    return {"protocol": "ldp", "delegates": [card_view(each) for each in service.nodes.candidates.values()]}


def card_view(candidate: Candidate) -> dict[str, Any]:
    card = candidate.card
    milliseconds = None if card.seconds_p50 is None else round(1000 * card.seconds_p50)
    usual_cost = f"{card.cost_usd(USUAL_CALL):f}"
    return {
        "delegate_id": candidate.id,
        "agent": candidate.agent,
        "model": candidate.model,
        "model_family": card.family,
        "model_version": card.version,
        "weights_fingerprint": card.fingerprint,
        "trust_domain": card.trust_domain,
        "jurisdiction": card.jurisdiction,
        "context_window": card.context_window,
        "cost_profile": {
            "usd_per_mtok_input": f"{card.price_input_usd_per_mtok:f}",
            "usd_per_mtok_output": f"{card.price_output_usd_per_mtok:f}",
            "usd_usual_call": usual_cost,
            "joules_usual_call": card.joules(USUAL_CALL) or None,
        },
        "latency_profile": {
            "seconds_p50": card.seconds_p50,
            "seconds_p95": card.seconds_p95,
            "cold_start_seconds": card.cold_start_seconds,
        },
        "capabilities": [
            {"name": name, "latency_hint_ms_p50": milliseconds, "cost_hint": usual_cost} for name in card.capabilities
        ],
        "skills": list(candidate.skills),
        "payload_modes": list(card.payload_modes),
        "endpoint": {"path": "/v1/chat/completions", "model": candidate.id},
    }
