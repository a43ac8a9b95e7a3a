"""Settings to candidates and the cards of their models, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agents.registry import AGENTS
from orchestrator.errors import SettingsInvalid
from orchestrator.settings import MOST_SHOWN_SKILLS, CandidateSettings, ModelSettings, Settings
from storage.records import Candidate, ModelCard

REMOTE_CAPABILITIES = ("chat", "stream", "tools", "json", "logprobs", "n")
CANDIDATE_ID = re.compile(r"(?!auto(:|$))[A-Za-z0-9._:/+@-]{1,200}")  # fits a header; `auto` means: any of them


def cards_in(settings: Settings) -> dict[str, ModelCard]:
    """By the model's name."""
    return {name: _card(name, model) for name, model in settings.models.items()}


def endpoints_in(settings: Settings) -> dict[str, str]:
    """Model to where it is asked: its base URL and the name that it has there; of those that have a URL."""
    return {
        name: f"{model.base_url.rstrip('/')} {model.upstream_model or name}"
        for name, model in settings.models.items()
        if model.base_url
    }


def candidates_in(settings: Settings) -> dict[str, Candidate]:
    """By id. Raises SettingsInvalid."""
    cards = cards_in(settings)
    return {c.id: c for c in [_candidate(c, cards, settings.skills.shown) for c in settings.candidates]}


def _card(name: str, model: ModelSettings) -> ModelCard:
    return ModelCard(
        model=name,
        description=model.description,
        price_input_usd_per_mtok=model.price_input_usd_per_mtok,
        price_cache_read_usd_per_mtok=model.price_cache_read_usd_per_mtok,
        price_output_usd_per_mtok=model.price_output_usd_per_mtok,
        context_window=model.context_window,
        capabilities=_capabilities(model),
        family=model.family,
        size_b=model.size_b,
        trust_domain=model.trust_domain,
        jurisdiction=model.jurisdiction,
        version=model.version,
        fingerprint=model.fingerprint,
        seconds_p50=model.seconds_p50,
        seconds_p95=model.seconds_p95,
        joules_per_input_token=model.joules_per_input_token,
        joules_per_output_token=model.joules_per_output_token,
        cold_start_seconds=model.cold_start_seconds,
        payload_modes=model.payload_modes,
    )


def _capabilities(model: ModelSettings) -> tuple[str, ...]:
    """What the settings say; of a remote model of which they say nothing, what such endpoints can as a rule."""
    is_open = model.provider in ("openai", "litellm") and "capabilities" not in model.model_fields_set
    return REMOTE_CAPABILITIES if is_open else model.capabilities


def _candidate(candidate: CandidateSettings, cards: Mapping[str, ModelCard], shown: int) -> Candidate:
    if candidate.model not in cards:
        raise SettingsInvalid(
            f"Candidate {candidate.agent}/{candidate.model} names no known model; known: {', '.join(sorted(cards))}."
        )
    if candidate.agent not in AGENTS:
        raise SettingsInvalid(f"Candidate names no known agent, {candidate.agent!r}; known: {', '.join(AGENTS)}.")
    name = candidate.candidate_id
    if not CANDIDATE_ID.fullmatch(name):
        raise SettingsInvalid(
            f"{name!r} cannot be a candidate's id: at most 200 of A-Z a-z 0-9 . _ : / + @ -, and not `auto`.",
            hint="Give the candidate an `id` of its own, or the model another name.",
        )
    found = shown if candidate.found_skills is True else int(candidate.found_skills)
    if found and len(candidate.skills) + found > MOST_SHOWN_SKILLS:
        raise SettingsInvalid(
            f"Candidate {name!r} names {len(candidate.skills)} skills and wants {found} found ones; "
            f"a model is shown at most {MOST_SHOWN_SKILLS}."
        )
    return Candidate(
        id=name,
        agent=candidate.agent,
        model=candidate.model,
        card=cards[candidate.model],
        skills=candidate.skills,
        found_skills=found,
    )
