"""Settings to a running service; the only place that knows every floor and builds things.

Order of the wrappers, outermost first: StreamedLLM, TracedLLM, MeteredLLM, the model; TracedLibrary,
FilteredLibrary, CombinedLibrary, the libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.llm import LLM, CompletionRequest, ScriptedLLM
from agents.llm_local import LocalLLM
from agents.local_models import LocalModelServer
from agents.model_files import MODEL_FILES, fetch, find
from agents.registry import make_agent
from orchestrator.errors import SettingsInvalid
from orchestrator.graph import build_run_graph
from orchestrator.health import ModelHealth
from orchestrator.nodes import Nodes
from orchestrator.recorder import Recorder
from orchestrator.rewards import USUAL_CALL, Rewards, reference_cost
from orchestrator.service import Defaults, Service
from orchestrator.settings import CandidateSettings, ModelSettings, Settings
from orchestrator.tracing import Tracer
from routing.base import Encoder, Router
from routing.encoders.cached import CachedEncoder
from routing.features import TaskCatalog, TaskFeaturizer
from routing.registry import POLICIES, choose_encoder, make_policy
from routing.router import PolicyRouter
from routing.wrappers import FallbackRouter
from skills.base import SkillLibrary
from skills.registry import make_library
from skills.wrappers import CombinedLibrary
from storage.records import BudgetAccount, Candidate, ModelCard
from storage.registry import open_stores
from storage.stores import Stores

DEFAULT_ACCOUNT = "default"


@dataclass(kw_only=True)
class Models:
    """The models that can be asked, why others cannot, and how to let go of them."""

    llms: dict[str, LLM] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # model to reason
    on_close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


async def bootstrap(
    settings: Settings,
    *,
    llms: Mapping[str, LLM] | None = None,
    skills: SkillLibrary | None = None,
    on_fetch: Callable[[int, int, str], None] | None = None,
    wrap_llm: Callable[[LLM], LLM] | None = None,
) -> Service:
    """Opens the stores, builds every part and teaches the policies what the log holds.

    `llms` (model name to LLM) and `skills` stand in for what the settings would build: for tests and for people
    who bring their own; `wrap_llm` wraps each model, beneath the meter. `on_fetch` hears of a model file's download
    (done bytes, total bytes, what).
    """
    cards = {name: _card(name, model) for name, model in settings.models.items()}
    library = skills or await _library(settings)
    candidates = {c.id: c for c in [_candidate(c, cards) for c in settings.candidates]}
    await _check(settings, candidates, library)
    encoder = choose_encoder(settings.encoder)
    router = _router(settings, candidates, encoder.encoder)
    models = await _models(settings, llms or {}, on_fetch)
    stores = await open_stores(settings.store_url, mode=settings.write_mode)
    reference = settings.reward.reference_cost_usd or reference_cost(list(cards.values()))
    nodes = Nodes(
        candidates=candidates,
        router=router,
        agents={name: make_agent(name) for name in {c.agent for c in candidates.values()}},
        llms={name: wrap_llm(llm) if wrap_llm else llm for name, llm in models.llms.items()},
        skills=library,
        stores=stores,
        recorder=Recorder(stores),
        tracer=Tracer(),
        rewards=Rewards(cost_weight=settings.reward.cost_weight, reference_cost_usd=reference),
        health=ModelHealth(),
        absent_models=models.absent,
    )
    await stores.budgets.open(BudgetAccount(id=DEFAULT_ACCOUNT, limit_usd=settings.budget.account_limit_usd))
    await relearn(router, stores, settings.relearn_limit)
    nodes.recorder.start()
    notices = [f"model {name!r} {reason}" for name, reason in models.absent.items()]
    if encoder.fallback_reason:
        notices.append(f"no sentence encoder, routing by hashed words: {encoder.fallback_reason}")
    return Service(
        nodes=nodes,
        graph=build_run_graph(nodes, max_attempts=settings.max_attempts),
        defaults=Defaults(
            run_limit_usd=settings.budget.run_limit_usd,
            run_timeout_seconds=settings.budget.run_timeout_seconds,
            query_bytes=settings.limits.query_bytes,
            output_tokens=settings.limits.output_tokens,
        ),
        policies=tuple(POLICIES),
        notices=tuple(notices),
        on_close=tuple(models.on_close),
    )


async def relearn(router: Router, stores: Stores, limit: int) -> None:
    """Teaches the policies the newest rewards of the log again, oldest first."""
    for rewarded in await stores.decisions.rewarded(limit=limit) if limit else []:
        router.learn(rewarded.decision, rewarded.reward)


def _card(name: str, model: ModelSettings) -> ModelCard:
    return ModelCard(
        model=name,
        description=model.description,
        price_input_usd_per_mtok=model.price_input_usd_per_mtok,
        price_cache_read_usd_per_mtok=model.price_cache_read_usd_per_mtok,
        price_output_usd_per_mtok=model.price_output_usd_per_mtok,
        context_window=model.context_window,
        capabilities=model.capabilities,
        family=model.family,
        size_b=model.size_b,
        trust_domain=model.trust_domain,
        jurisdiction=model.jurisdiction,
    )


def _candidate(candidate: CandidateSettings, cards: Mapping[str, ModelCard]) -> Candidate:
    if candidate.model not in cards:
        raise SettingsInvalid(
            f"Candidate {candidate.agent}/{candidate.model} names no known model; known: {', '.join(sorted(cards))}."
        )
    name = candidate.id or f"{candidate.agent}/{candidate.model}{'+skills' if candidate.skills else ''}"
    return Candidate(
        id=name, agent=candidate.agent, model=candidate.model, card=cards[candidate.model], skills=candidate.skills
    )


async def _library(settings: Settings) -> SkillLibrary:
    libraries = [make_library("builtin")]
    libraries += [make_library("markdown", folder=Path(folder)) for folder in settings.skill_folders]
    return CombinedLibrary(*libraries)


async def _check(settings: Settings, candidates: Mapping[str, Candidate], library: SkillLibrary) -> None:
    """What settings alone cannot know: doubled ids, unknown skills, unknown policy."""
    if len(candidates) < len(settings.candidates):
        raise SettingsInvalid("Two candidates have one id.", hint="Give each its own `id` in the settings.")
    offered = {skill.name for skill in await library.skills()}
    for candidate in candidates.values():
        if unknown := sorted(set(candidate.skills) - offered):
            raise SettingsInvalid(
                f"Candidate {candidate.id!r} names unknown skills {unknown}; known: {', '.join(sorted(offered))}."
            )


def _router(settings: Settings, candidates: Mapping[str, Candidate], encoder: Encoder) -> Router:
    catalog = TaskCatalog(task_to_examples=settings.tasks) if settings.tasks else TaskCatalog.default()
    prices = {c.id: float(c.card.cost_usd(USUAL_CALL)) for c in candidates.values()}
    options: dict[str, dict[str, object]] = {"cheapest": {"arm_to_price_usd": prices}}
    policies = {name: make_policy(name, **options.get(name, {})) for name in POLICIES}
    featurizer = TaskFeaturizer(CachedEncoder(encoder), catalog)
    return FallbackRouter(PolicyRouter(policies, featurizer, default=settings.policy, seed=settings.seed))


async def _models(
    settings: Settings, given: Mapping[str, LLM], on_fetch: Callable[[int, int, str], None] | None
) -> Models:
    """Every model that a candidate names. Where no local file is here at all, the smallest one is fetched."""
    models = Models()
    wanted = {candidate.model for candidate in settings.candidates}
    for name in sorted(wanted):
        if name in given:
            models.llms[name] = given[name]
        elif settings.models[name].provider != "local":
            models.llms[name] = _remote(name, settings.models[name])
    local = {name: settings.models[name].file or name for name in sorted(wanted - set(models.llms))}
    paths = {name: find(file, settings.cache_dir) for name, file in local.items()}
    if local and not models.llms and not any(paths.values()):
        smallest = min(
            local, key=lambda name: MODEL_FILES[local[name]].size_bytes if local[name] in MODEL_FILES else 1e18
        )
        paths[smallest] = await asyncio.to_thread(fetch, local[smallest], settings.cache_dir, on_progress=on_fetch)
    for name, path in paths.items():
        if path is None:
            models.absent[name] = f"is not on this machine; get it with `antroute models fetch {local[name]}`"
            continue
        server = LocalModelServer(
            path, threads=settings.model_threads, context_window=settings.models[name].context_window
        )
        models.llms[name] = LocalLLM(server)
    models.on_close += [llm.close for llm in models.llms.values()]
    return models


def _remote(name: str, model: ModelSettings) -> LLM:
    upstream = model.upstream_model or name
    if model.provider == "openai":
        if model.base_url is None:
            raise SettingsInvalid(f"Model {name!r} needs a `base_url`, up to and with /v1.")
        from agents.llm_openai import OpenAILLM

        return OpenAILLM(
            base_url=model.base_url, model=upstream, api_key=model.key(), timeout_seconds=model.timeout_seconds
        )
    if model.provider == "litellm":
        from agents.llm_litellm import LiteLLM

        return LiteLLM(
            model=upstream, api_key=model.key(), api_base=model.base_url, timeout_seconds=model.timeout_seconds
        )
    return ScriptedLLM(reply=echo)


def echo(request: CompletionRequest) -> str:
    """What a `scripted` model says: the question back; for trying the service without a model."""
    return f"You said: {request.messages[-1].content}"
