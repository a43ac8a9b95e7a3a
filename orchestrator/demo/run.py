"""The demo: real questions over real local models, explored, exploited, compared, explained and proved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from platformdirs import user_data_path

from agents.model_files import MODEL_FILES, fetch
from orchestrator.demo.contest import Answered, Contender, contest
from orchestrator.demo.looking import look
from orchestrator.demo.progress import ContestProgress
from orchestrator.demo.questions import make_questions
from orchestrator.demo.remembering import RememberingLLM
from orchestrator.demo.report import report, report_view
from orchestrator.demo.result import DemoPlan, DemoResult
from orchestrator.model_paths import model_path
from orchestrator.rewards import USUAL_CALL
from orchestrator.sdk import Orchestrator
from orchestrator.service import Service
from orchestrator.settings import Settings, load_settings
from orchestrator.terminal import fetch_progress, note, say, say_json
from storage.audit import verify
from storage.errors import ServiceError
from storage.records import Candidate

LEARNER = "table"
EXPLORE_SHARE = 0.45  # of the time
EXPLORED_PER_COMPARED = 1.4  # questions
EXPLORE_SEED_OFFSET = 1_000_003  # exploring questions come from another seed than the compared ones


async def run_demo(plan: DemoPlan, *, as_json: bool) -> int:
    """Prints the report; exit code 0 when everything ran and the log is whole."""
    settings = load_settings(store_url=_store_url(plan), policy=LEARNER, seed=plan.seed)
    missing = fetch_models(settings)
    orchestrator = Orchestrator(with_present_models(settings), wrap_llm=RememberingLLM)
    async with orchestrator as antroute:
        result = await _play(plan, antroute.service, settings.store_url, missing)
        verification = await verify(antroute.service.stores)
        if as_json:
            say_json(report_view(result, verification))
        else:
            say(await report(result, verification, antroute.service))
    if not as_json:
        await look(result, settings)
    return 0 if verification.is_whole and result.standings else 1


def fetch_models(settings: Settings) -> list[str]:
    """Fetches what is not here; says what could not be had, and goes on."""
    missing = []
    for name in sorted({candidate.model for candidate in settings.candidates}):
        file = settings.models[name].file or name
        if settings.models[name].provider != "local" or model_path(file, settings.model_dir) or file not in MODEL_FILES:
            continue
        try:
            with fetch_progress() as on_fetch:
                fetch(file, settings.model_dir, on_progress=on_fetch)
        except ServiceError as error:
            missing.append(f"model {name!r} could not be had, its candidates sit out: {error}")
            note(missing[-1])
    return missing


def with_present_models(settings: Settings) -> Settings:
    """The settings without the candidates whose model is not here, so that nobody contends who cannot run."""

    def is_here(name: str) -> bool:
        model = settings.models[name]
        return model.provider != "local" or model_path(model.file or name, settings.model_dir) is not None

    present = tuple(candidate for candidate in settings.candidates if is_here(candidate.model))
    return settings.model_copy(update={"candidates": present or settings.candidates})


async def _play(plan: DemoPlan, service: Service, store_url: str, missing: Sequence[str]) -> DemoResult:
    started = time.monotonic()
    explored: list[Answered] = []
    exploring = make_questions(round(plan.question_count * EXPLORED_PER_COMPARED), seed=plan.seed + EXPLORE_SEED_OFFSET)
    compared = make_questions(plan.question_count, seed=plan.seed)
    contenders = contenders_of(list(service.nodes.candidates.values()))
    with ContestProgress(len(exploring), len(compared) * len(contenders)) as progress:

        def on_explored(answered: Answered) -> None:
            explored.append(answered)
            progress.explored(answered)

        explorer = Contender(name="explore", options={"policy": "uniform"}, is_learner=True)
        half_time = started + plan.limit_seconds * EXPLORE_SHARE
        await contest(service, exploring, [explorer], until=half_time, on_answer=on_explored)
        standings = await contest(
            service, compared, contenders, until=started + plan.limit_seconds, on_answer=progress.compared
        )
    return DemoResult(
        plan=plan,
        store_url=store_url,
        candidates=tuple(service.nodes.candidates),
        notices=(*missing, *service.notices),
        explored=tuple(explored),
        standings=tuple(standing for standing in standings if standing.answered),
        seconds=time.monotonic() - started,
        cost_weight=service.nodes.rewards.cost_weight,
    )


def contenders_of(candidates: Sequence[Candidate]) -> list[Contender]:
    """The learned policy, and what anybody would compare it with.

    Strongest is the dearest model with the most skills, as a careful person would choose without data.
    """

    def strength(candidate: Candidate) -> tuple[Any, int]:
        return candidate.card.cost_usd(USUAL_CALL), len(candidate.skills)

    ranked = sorted(candidates, key=strength)
    return [
        Contender(name=f"learned ({LEARNER})", options={"policy": LEARNER}, is_learner=True),
        Contender(name="always cheapest", options={"candidate": ranked[0].id}),
        Contender(name="always strongest", options={"candidate": ranked[-1].id}),
        Contender(name="random", options={"policy": "uniform"}),
    ]


def _store_url(plan: DemoPlan) -> str:
    if plan.store_path is not None:
        return f"sqlite:///{plan.store_path.resolve()}"
    folder = user_data_path("antroute", ensure_exists=True)
    return f"sqlite:///{folder / f'demo-{datetime.now():%Y%m%d-%H%M%S}.db'}"
