"""A store in a file with some runs in it, for commands that look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.errors import ModelUnavailable
from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.jobs.request import JobRequest
from storage.errors import ServiceError
from storage.records import utc_now
from tests.conftest import answers, scripted_settings

QUESTION = "What is the capital of France?"
HOSTILE = "\x1b[2Jgone\u202e"


@dataclass(frozen=True, kw_only=True)
class StoredRuns:
    """In the order in which they were made; the last one is a plan's."""

    url: str
    run_ids: Sequence[str] = field(default_factory=list)
    decision_ids: Sequence[str] = field(default_factory=list)
    job_id: str = ""
    failed_id: str = ""  # of a decision whose candidate failed


@pytest.fixture
def stored_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredRuns:
    """Two answered runs, one judged; one that failed; a job; a vote."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("ANTROUTE_STORE_URL", url)
    monkeypatch.setenv("COLUMNS", "120")
    return asyncio.run(_filled(url))


async def _filled(url: str) -> StoredRuns:
    llms = {"small": ScriptedLLM(reply=_small), "large": ScriptedLLM(reply=answers)}
    service = await bootstrap(scripted_settings(store_url=url, policy="table", max_attempts=1), llms=llms)
    try:
        first = await service.run(QUESTION, candidate="large")
        await service.feedback(first.decision_id, quality=0.9)
        second = await service.run(f"{QUESTION} {HOSTILE}", policy="linucb")
        failed_id = ""
        try:
            await service.run("Fail.", candidate="small")
        except ServiceError as error:
            failed_id = str(getattr(error, "decision_id", ""))
        job = await service.jobs.submit(JobRequest(input={"text": QUESTION}))
        service.worker.start()
        await service.jobs.wait(job.id, timeout_seconds=20)
        vote = await service.run(QUESTION, plan="vote")
        await service.stores.summaries.catch_up(seconds=10)
        from storage.summary_records import SummaryFilter

        rows = await service.stores.summaries.find(SummaryFilter(until=utc_now()))
    finally:
        await service.close()
    return StoredRuns(
        url=url,
        run_ids=[first.run_id, second.run_id, job.run_id, vote.run_id],
        decision_ids=[row.decision_id for row in rows[::-1]],
        job_id=job.id,
        failed_id=failed_id,
    )


def _small(request: CompletionRequest) -> str:
    if "Fail" in request.messages[-1].content:
        raise ModelUnavailable(f"The model server is down. {HOSTILE}")
    return answers(request)
