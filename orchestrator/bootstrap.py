"""Settings to a running service; the only place that knows every floor and builds things.

Order of the wrappers, outermost first: StreamedLLM, TracedLLM, MeteredLLM, the model; TracedLibrary,
GroupedLibrary (of many), FilteredLibrary, CombinedLibrary, the libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agents.llm import LLM, CompletionRequest, ScriptedLLM
from agents.model_files import MODEL_FILES, fetch
from agents.registry import make_agent
from orchestrator.around_router import around, rebook
from orchestrator.audit_service import made_audit
from orchestrator.borrowed import Borrowed
from orchestrator.candidate_groups import candidate_groups
from orchestrator.candidates import candidates_in, cards_in, endpoints_in
from orchestrator.checkpoints import Checkpoints
from orchestrator.conditions import LiveConditions
from orchestrator.embedding import EmbeddingService
from orchestrator.embedding_models import embedding_models
from orchestrator.errors import SettingsInvalid
from orchestrator.found_skills import SkillFinder, SkillIndex
from orchestrator.health import ModelHealth
from orchestrator.job_bootstrap import made_jobs
from orchestrator.model_paths import model_path
from orchestrator.nodes import Nodes
from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import Plans, make_plan
from orchestrator.policies import made_policies, trail_memories
from orchestrator.recorder import Recorder
from orchestrator.replay.desk import ReplayDesk
from orchestrator.replay.parts import parts_of
from orchestrator.residents import Residents
from orchestrator.retention import Retention
from orchestrator.reward_tail import RewardTail
from orchestrator.rewards import Rewards, reference_cost
from orchestrator.run_options import Defaults
from orchestrator.run_steps import RunSteps
from orchestrator.service import Service
from orchestrator.settings import ModelSettings, Settings
from orchestrator.skill_bootstrap import index_files, made_catalog, opened_index
from orchestrator.skill_libraries import Libraries, live_skills, open_libraries
from orchestrator.telemetry.opened import open_telemetry
from orchestrator.tracing import Tracer
from orchestrator.trail_keeper import TrailKeeper
from orchestrator.trained_routers import TrainedRouters
from orchestrator.verdicts import Verdicts
from orchestrator.verifiers.named import NamedVerifiers
from orchestrator.verifiers.rates import VerifierRates
from orchestrator.webhooks.service import make_webhooks
from routing.base import Router
from routing.encoders.cached import CachedEncoder
from routing.features import TaskCatalog, TaskFeaturizer
from routing.learned import ForecastingFeaturizer
from routing.registry import POLICIES, EncoderChoice, choose_encoder
from routing.router import PolicyRouter
from skills.base import SkillLibrary
from skills.encoder import Encoder
from storage.records import BudgetAccount, Candidate
from storage.registry import open_stores
from storage.stores import DecisionFilter, Stores

if TYPE_CHECKING:
    from agents.llm_local import LocalLLM
    from agents.local_models import LocalModelServer

DEFAULT_ACCOUNT = "default"
RECENT_DECISIONS = 200  # that are looked at for the random numbers used so far


@dataclass(kw_only=True)
class Models:
    """The models that can be asked, and why others cannot."""

    llms: dict[str, LLM] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # model to reason
    servers: dict[str, LocalModelServer] = field(default_factory=dict)  # of those that this process loads


async def bootstrap(
    settings: Settings,
    *,
    llms: Mapping[str, LLM] | None = None,
    skills: SkillLibrary | None = None,
    on_fetch: Callable[[int, int, str], None] | None = None,
    wrap_llm: Callable[[LLM], LLM] | None = None,
    stores: Stores | None = None,
    skill_index: SkillIndex | None = None,
    borrowed: Borrowed | None = None,
) -> Service:
    """Opens the stores, builds every part and teaches the policies what the log holds.

    `llms` (model name to LLM), `skills`, `skill_index` and `stores` stand in for what the settings would build: for
    tests and for people who bring their own; `wrap_llm` wraps each model, beneath the meter. `on_fetch` hears of a
    model file's download (done bytes, total bytes, what). `borrowed`: what another process does for this service.
    """
    borrowed = borrowed or Borrowed()
    candidates = candidates_in(settings)
    verifiers = NamedVerifiers({name: each.spec for name, each in settings.verifiers.items()})
    encoder = borrowed.encoder or choose_encoder(settings.encoder, cache_dir=settings.encoder_dir)
    reference = settings.reward.reference_cost_usd or reference_cost(list(cards_in(settings).values()))
    async with AsyncExitStack() as opened:
        libraries = await _given(skills) if skills else await open_libraries(settings)
        opened.push_async_callback(libraries.close)
        await _check(settings, candidates, libraries.named)
        has_own_stores = stores is not None
        stores = stores or await open_stores(settings.store_url, mode=settings.write_mode)
        opened.push_async_callback(stores.close)
        audit = made_audit(settings, stores)
        opened.push_async_callback(audit.stop)
        first_counter = await next_counter(stores, settings.seed)
        featurizer = _featurizer(settings, encoder.encoder)
        policies = made_policies(settings, candidates.values())
        router = PolicyRouter(
            policies, featurizer, default=settings.policy, seed=settings.seed, first_counter=first_counter
        )
        memories = trail_memories(policies, settings, candidates.values())
        trails = TrailKeeper(stores.trails, memories, on_change=router.changed)
        trained = TrainedRouters(
            stores, featurizer, candidates=tuple(candidates), policy=settings.policy, source=borrowed.routers
        )
        models = await made_models(settings, llms or {}, on_fetch)
        for llm in models.llms.values():
            opened.push_async_callback(llm.close)
        residents = Residents.of(models.servers, candidates.values(), settings.residency)
        opened.push_async_callback(residents.stop)
        files = index_files(settings, encoder.encoder)
        index = skill_index or opened_index(settings, files, opened)
        finder = SkillFinder(
            index=index, catalogue=stores.skills, live=libraries.live, least_fit=settings.skills.least_fit
        )
        if any(candidate.found_skills for candidate in candidates.values()):
            await finder.open()
        whole_router = around(router, settings, stores)
        nodes = Nodes(
            candidates=candidates,
            router=whole_router,
            agents={name: make_agent(name) for name in {c.agent for c in candidates.values()}},
            llms={name: wrap_llm(llm) if wrap_llm else llm for name, llm in models.llms.items()},
            skills=libraries.named,
            stores=stores,
            recorder=Recorder(stores, learn=whole_router.learn),
            tracer=Tracer(),
            rewards=Rewards(cost_weight=settings.reward.cost_weight, reference_cost_usd=reference),
            health=ModelHealth(model_to_endpoint=endpoints_in(settings)),
            absent_models=models.absent,
            finder=finder,
            groups=await candidate_groups(candidates.values(), libraries.named, encoder.encoder),
            conditions=LiveConditions(model_to_is_loaded=residents.model_to_is_loaded, on_call=residents.called),
        )
        await stores.budgets.open(BudgetAccount.of(DEFAULT_ACCOUNT, settings.budget.limits("account")))
        await trails.restore()
        await rebook(whole_router, settings, stores)
        tail = RewardTail(stores, partial(router.learn_elsewhere, but=trails.memories))
        await tail.begin()
        await relearn(whole_router, stores, settings.relearn_limit, tail)
        await trails.settle()
        trails.start()
        opened.push_async_callback(trails.stop)
        tail.start()
        opened.push_async_callback(tail.stop)
        await trained.watch.check()
        trained.watch.start()
        opened.push_async_callback(trained.watch.stop)
        residents.start()
        nodes.recorder.start()
        rates = VerifierRates(verifiers.name_to_kind)
        await rates.restore(stores, limit=settings.relearn_limit)
        checkpoints = Checkpoints(stores.url if has_own_stores else settings.store_url)
        opened.push_async_callback(checkpoints.close)
        webhooks = make_webhooks(settings, stores)
        opened.push_async_callback(webhooks.sender.stop)
        service = Service(
            nodes=nodes,
            plans=plans_of(settings),
            verdicts=Verdicts(nodes=nodes, rates=rates),
            verifiers=verifiers,
            steps=RunSteps(nodes=nodes, max_attempts=settings.max_attempts),
            defaults=Defaults(
                run_limits=settings.budget.limits("run"),
                on_exhausted=settings.budget.on_exhausted,
                run_timeout_seconds=settings.budget.run_timeout_seconds,
                query_bytes=settings.limits.query_bytes,
                output_tokens=settings.limits.output_tokens,
            ),
            policies=tuple(POLICIES),
            lasting_notices=(*_notices(models, encoder), *libraries.notices),
            more_notices=[borrowed.notices],
            trained=trained,
            trails=trails,
            skills=made_catalog(settings, stores.skills, files=files, index=index),
            webhooks=webhooks,
            training=settings.training,
            on_close=opened.aclose,
        )
        models_that_embed = embedding_models(settings, encoder.encoder)
        for each in models_that_embed.values():
            if each.embedder is not None:
                opened.push_async_callback(each.embedder.close)
        service.embeddings = EmbeddingService(
            name_to_model=models_that_embed, stores=stores, recorder=nodes.recorder, defaults=service.defaults
        )
        service.replays = ReplayDesk(parts=parts_of(settings, stores, encoder=encoder.encoder))
        service.audit = audit
        service.more_notices.append(audit.notices)
        audit.start()
        service.jobs, service.worker = made_jobs(settings, service, checkpoints)
        open_telemetry(service, settings, opened)
        retention = Retention(stores, payload_days=settings.retention.payload_days)
        retention.start()
        opened.push_async_callback(retention.stop)
        service.on_close = opened.pop_all().aclose
        return service


def plans_of(settings: Settings) -> Plans:
    """Raises InvalidInput for an unknown plan, or options that it does not take."""
    for name, options in {settings.plan: {}, **settings.plans}.items():
        make_plan(PlanSpec(name=name, options=options))
    return Plans(default=settings.plan, name_to_options=settings.plans)


def _notices(models: Models, encoder: EncoderChoice) -> tuple[str, ...]:
    notices = [f"model {name!r} {reason}" for name, reason in models.absent.items()]
    if encoder.fallback_reason:
        notices.append(f"no sentence encoder, routing by hashed words: {encoder.fallback_reason}")
    if encoder.larger_reason:
        notices.append(f"the sentence encoder takes 65 MB more than it could: {encoder.larger_reason}")
    return tuple(notices)


async def next_counter(stores: Stores, seed: int | None) -> int:
    """The first random number of a fixed seed that no stored decision has used; a restart must repeat none."""
    if seed is None:
        return 0
    recent = await stores.decisions.find(DecisionFilter(limit=RECENT_DECISIONS))
    return max((each.decision.rng_counter + 1 for each in recent if each.decision.rng_seed == seed), default=0)


async def relearn(router: Router, stores: Stores, limit: int, tail: RewardTail | None = None) -> None:
    """Teaches the policies the newest rewards of the log again, oldest first; the tail is to leave these out."""
    for rewarded in await stores.decisions.rewarded(limit=limit) if limit else []:
        router.learn(rewarded.decision, rewarded.reward)
        if tail is not None:
            tail.skip(rewarded.decision.id)


async def _given(library: SkillLibrary) -> Libraries:
    return Libraries(named=library, live=await live_skills(library))


async def _check(settings: Settings, candidates: Mapping[str, Candidate], library: SkillLibrary) -> None:
    """What settings alone cannot know: doubled ids, unknown skills."""
    if len(candidates) < len(settings.candidates):
        raise SettingsInvalid("Two candidates have one id.", hint="Give each its own `id` in the settings.")
    offered = {skill.name for skill in await library.skills()}
    for candidate in candidates.values():
        if unknown := sorted(set(candidate.skills) - offered):
            raise SettingsInvalid(
                f"Candidate {candidate.id!r} names unknown skills {unknown}; known: {', '.join(sorted(offered))}."
            )


def _featurizer(settings: Settings, encoder: Encoder) -> ForecastingFeaturizer:
    catalog = TaskCatalog(task_to_examples=settings.tasks) if settings.tasks else TaskCatalog.default()
    cached = CachedEncoder(encoder)
    return ForecastingFeaturizer(TaskFeaturizer(cached, catalog), cached)


async def made_models(
    settings: Settings, given: Mapping[str, LLM], on_fetch: Callable[[int, int, str], None] | None
) -> Models:
    """Every model that a candidate names. Where no local file is here at all, the smallest one is fetched."""
    models = Models()
    wanted = sorted({candidate.model for candidate in settings.candidates})
    local = {}
    for name in wanted:
        model = settings.models[name]
        if name in given:
            models.llms[name] = given[name]
        elif model.provider == "local":
            local[name] = model.file or name
        elif model.lacks_key:
            models.absent[name] = f"needs the environment variable {model.api_key_variable!r}, which is not set"
        else:
            models.llms[name] = _remote(name, model)
    paths = {name: model_path(file, settings.model_dir) for name, file in local.items()}
    fetchable = [name for name, file in local.items() if file in MODEL_FILES]
    if fetchable and not models.llms and not any(paths.values()):
        smallest = min(fetchable, key=lambda name: MODEL_FILES[local[name]].size_bytes)
        paths[smallest] = await asyncio.to_thread(fetch, local[smallest], settings.model_dir, on_progress=on_fetch)
    for name, path in paths.items():
        if path is None:
            advice = f"; get it with `antroute models fetch {local[name]}`" if name in fetchable else ""
            models.absent[name] = f"has no file {local[name]!r} on this machine{advice}"
            continue
        local_llm = _local(path, settings.models[name], threads=settings.model_threads)
        models.llms[name], models.servers[name] = local_llm, local_llm.server
    return models


def _local(path: Path, model: ModelSettings, *, threads: int) -> LocalLLM:
    from agents.llm_local import LocalLLM  # its HTTP client takes 10 MB
    from agents.local_models import LocalModelServer

    server = LocalModelServer(path, threads=threads, context_window=model.context_window)
    return LocalLLM(server, timeout_seconds=model.timeout_seconds)


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
