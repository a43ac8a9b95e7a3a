"""A log of really made decisions: several policies, verdicts in between, failures, a restart, then a trained router."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.errors import ModelUnavailable
from agents.llm import LLM, CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.routers import Routers
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.training_data import import_traces
from storage.records import Decision, Payload, new_id
from storage.registry import open_stores
from storage.stores import DecisionFilter, Stores

NAME_TO_PRICE = {"tiny": "0.1", "small": "1", "middle": "4", "large": "20"}  # USD a million input tokens
LEARNING = ("table", "thompson", "linucb", "lints", "best_single")
POLICIES = (*LEARNING, "uniform", "cheapest", "pheromone", "auto")
SUBJECTS = ("the tides", "a queue", "17% of 2340", "the French revolution", "sorting a list", "a poem on rain")
FORMS = ("Explain {} to a child.", "Write code about {}.", "What is {}?", "Translate {} to German.", "Sum up {}.")
FAILURE_SHARE = 0.03  # of calls
JUDGED_SHARE = 0.6
AT_ONCE = 4  # of runs, in the part that is not one after the other


@dataclass(frozen=True, kw_only=True)
class MadeLog:
    url: str
    settings: Settings
    router_id: str


def settings_of(url: str, **changes: Any) -> Settings:
    models = {
        name: {"provider": "scripted", "price_input_usd_per_mtok": price, "price_output_usd_per_mtok": price}
        for name, price in NAME_TO_PRICE.items()
    }
    candidates = [{"agent": "single_turn", "model": name, "id": name} for name in NAME_TO_PRICE]
    given: dict[str, Any] = {
        "store_url": url, "models": models, "candidates": candidates, "encoder": "hashing", "policy": "table",
        "seed": 11, "sessions": {"margin": 0.05}, "pacing": {"whole": {"allowance_usd": 0.02, "period": "day"}},
    }  # fmt: skip
    return Settings(**{**given, **changes})


async def made_log(url: str, folder: Path, *, decisions: int, seed: int, **changes: Any) -> MadeLog:
    """Half of the decisions before a restart and a trained router, half after; a quarter of each half side by side."""
    settings, drawn = settings_of(url, **changes), random.Random(seed)
    await _process(settings, decisions // 2, drawn, POLICIES)
    router_id = await _promoted(settings, folder)
    await _process(settings, decisions - decisions // 2, drawn, (*POLICIES, "graph", "graph", "graph"))
    return MadeLog(url=url, settings=settings, router_id=router_id)


async def _process(settings: Settings, decisions: int, drawn: random.Random, policies: tuple[str, ...]) -> None:
    service = await bootstrap(settings, llms=_models(drawn))
    try:
        alone = decisions - decisions // 4
        for number in range(alone):
            await _one(service, number, drawn, policies[number % len(policies)])
        for first in range(alone, decisions, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, decisions))
            await asyncio.gather(*(_one(service, n, drawn, policies[n % len(policies)]) for n in numbers))
    finally:
        await service.close()


async def _one(service: Service, number: int, drawn: random.Random, policy: str) -> None:
    text = f"{drawn.choice(FORMS).format(drawn.choice(SUBJECTS))} ({number})"
    session = f"session {number % 5}" if number % 4 == 0 else None
    run = await service.run(text, policy=policy, session=session)
    if drawn.random() < JUDGED_SHARE:
        place = list(NAME_TO_PRICE).index(run.candidate_id)
        quality = min(1.0, max(0.0, 0.4 + 0.15 * place + drawn.uniform(-0.3, 0.3)))
        await service.feedback(run.decision_id, quality=quality)


def _models(drawn: random.Random) -> Mapping[str, LLM]:
    return {name: ScriptedLLM(reply=_reply(drawn)) for name in NAME_TO_PRICE}


def _reply(drawn: random.Random) -> Callable[[CompletionRequest], str]:
    def reply(request: CompletionRequest) -> str:
        if drawn.random() < FAILURE_SHARE:
            raise ModelUnavailable("The model server is down for a moment.")
        return " ".join(["word"] * drawn.randrange(3, 30))

    return reply


async def _promoted(settings: Settings, folder: Path) -> str:
    """A router that is trained on the log so far, made active; its id."""
    stores = await open_stores(settings.store_url)
    try:
        encoder = await trained_folder(stores, settings, folder / "router", encoder=settings.encoder)
        routers = Routers(stores, candidates=tuple(NAME_TO_PRICE), encoder_name=encoder)
        version = (await routers.register(folder / "router")).version
        return (await routers.promote(version.id, force=True, reason="benchmark")).version.id
    finally:
        await stores.close()


async def trained_folder(stores: Stores, settings: Settings, folder: Path, *, encoder: str) -> str:
    """Trains a small router on the log's verdicts, with the encoder of this name, whose full name it returns."""
    from routing.artifacts import save
    from routing.registry import choose_encoder
    from routing.training.embedding import inputs_of
    from routing.training.fitting import TrainingOptions, train

    data = (await import_traces(stores, settings)).data
    opened = choose_encoder(encoder, cache_dir=settings.encoder_dir).encoder
    made = train("ridge", data, inputs_of(data, opened, cache_dir=None), opened, TrainingOptions(seed=0, folds=0))
    save(folder, made.predictor, made.manifest, memory=made.memory)
    return opened.name


async def multiplied(stores: Stores, times: int) -> int:
    """Writes every decision of the log so often again, under other ids and with another text; how many those are."""
    found = [each.decision for each in await stores.decisions.find(DecisionFilter(limit=100_000))]
    count = 0
    for time in range(times):
        for decision in reversed(found):
            count += await _again(stores, decision, time)
    await stores.journal.flush()
    return count


async def _again(stores: Stores, decision: Decision, time: int) -> bool:
    outcomes = await stores.decisions.outcomes_of(decision.id)
    rewards = await stores.decisions.rewards_of(decision.id)
    text = (await stores.payloads.get(decision.payload_id)).text
    payload = Payload.of(f"{text} Take {time}.")
    run_id = new_id("run")
    copy = replace(
        decision, id=new_id("decision"), run_id=run_id, query_id=new_id("query"), payload_id=payload.id,
        payload_digest=payload.digest,
    )  # fmt: skip
    told = [
        replace(each, id=new_id("outcome"), decision_id=copy.id, run_id=run_id, payload_id=None, payload_digest=None)
        for each in outcomes
    ]
    earned = [
        replace(each, id=new_id("reward"), decision_id=copy.id, run_id=run_id, outcome_id=told[0].id)
        for each in rewards[:1]
    ]
    await stores.journal.write(payload, copy, *told, *earned)
    return True
