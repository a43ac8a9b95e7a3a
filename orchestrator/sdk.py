"""The embedded orchestrator: the whole service inside one's own process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from orchestrator.sdk_jobs import EmbeddedJobs
from orchestrator.sdk_replay import EmbeddedReplays
from orchestrator.workflow import Workflow, WorkflowRun

if TYPE_CHECKING:
    from agents.llm import LLM
    from orchestrator.audit_service import Audit
    from orchestrator.found_skills import FoundSkills
    from orchestrator.reading import Trace
    from orchestrator.run_options import RunOptions
    from orchestrator.service import Run, Service, Streamed
    from orchestrator.settings import Settings
    from orchestrator.skill_catalog import SkillCatalog
    from orchestrator.trail_tables import TrailTable
    from skills.base import SkillLibrary
    from storage.budget_records import BudgetLimits
    from storage.records import Decision, Outcome


class Orchestrator(EmbeddedJobs, EmbeddedReplays):
    """Routes queries to candidates; `async with` opens and closes it.

    Without arguments it takes the settings file and environment, else small local models on SQLite. `llms` (by model
    name) and `skills` replace what the settings would build, `wrap_llm` wraps each model; other keyword arguments are
    settings.

    >>> async with Orchestrator(policy="thompson") as antroute:
    ...     run = await antroute.run("What is 17% of 2340?", budget_usd=0.01)
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        llms: Mapping[str, LLM] | None = None,
        skills: SkillLibrary | None = None,
        on_fetch: Callable[[int, int, str], None] | None = None,
        wrap_llm: Callable[[LLM], LLM] | None = None,
        **overrides: Any,
    ) -> None:
        self._settings = settings
        self._overrides = overrides
        self._parts: dict[str, Any] = {"llms": llms, "skills": skills, "on_fetch": on_fetch, "wrap_llm": wrap_llm}
        self._service: Service | None = None

    @property
    def service(self) -> Service:
        """The use cases behind the verbs. Raises RuntimeError before `async with`."""
        if self._service is None:
            raise RuntimeError("The orchestrator is not open: use `async with Orchestrator() as antroute:`.")
        return self._service

    async def open(self) -> Self:
        from orchestrator.bootstrap import bootstrap
        from orchestrator.settings import load_settings

        settings = self._settings or load_settings(**self._overrides)
        self._service = await bootstrap(settings, **self._parts)
        return self

    async def close(self) -> None:
        if self._service is not None:
            service, self._service = self._service, None
            await service.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def run(self, text: str, **options: Unpack[RunOptions]) -> Run:
        """Routes, executes and records one query. See `Service.run`."""
        return await self.service.run(text, **options)

    def stream(self, text: str, **options: Unpack[RunOptions]) -> AsyncGenerator[Streamed, None]:
        """Who answers, the answer's pieces as they come, then the Run. See `Service.stream`."""
        return self.service.stream(text, **options)

    async def route(self, text: str, **options: Unpack[RunOptions]) -> Decision:
        """What would be decided now, and why; nothing runs."""
        return await self.service.route(text, **options)

    async def feedback(self, decision_id: str, *, quality: float, idempotency_key: str | None = None) -> Outcome:
        """A verdict in [0, 1] on a decision's answer, from which the policies learn."""
        return await self.service.feedback(decision_id, quality=quality, idempotency_key=idempotency_key)

    async def trace(self, run_id: str) -> Trace:
        """Everything that is known of a run."""
        return await self.service.trace(run_id)

    async def memory(self, name: str | None = None, *, at: datetime | None = None) -> tuple[TrailTable, ...]:
        """What the memories of trails hold. See `Service.memory`."""
        return await self.service.memory(name, at=at)

    async def search_skills(self, text: str, *, top: int = 10) -> FoundSkills:
        """The skills that a decision on this text would consider. See `Service.search_skills`."""
        return await self.service.search_skills(text, top=top)

    @property
    def audit(self) -> Audit:
        """The log's checkpoints, proofs and verification."""
        return self.service.audit

    @property
    def skills(self) -> SkillCatalog:
        """The catalogue: add, update, remove, allow, list, scan."""
        return self.service.skills

    async def run_workflow(
        self,
        workflow: Workflow,
        *,
        budget_usd: Decimal | float | str | None = None,
        budget: BudgetLimits | None = None,
        **inputs: str,
    ) -> WorkflowRun:
        """Runs the steps under one budget; all of them stand in one trace. Raises InvalidInput, BudgetExceeded, …"""
        from orchestrator.workflow_runs import run_workflow

        return await run_workflow(self.service, workflow, inputs, budget_usd=budget_usd, budget=budget)
