"""Times the steps of a run; the spans wait here until the run's outcome is written with them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar

from agents.llm import LLM, Chunk, Completion, CompletionRequest
from orchestrator.run_trace import current_trace
from skills.base import Skill, SkillLibrary
from skills.call_context import CallContext, calling
from storage.records import Query, Span, new_id, utc_now

DECISION_ID = "decision.id"  # attribute of an execution
SKILL_ID = "skill.id"  # attribute of the call of a found skill
_parent_id: ContextVar[str | None] = ContextVar("parent_span_id", default=None)


class Tracer:
    """Collects the spans of the queries under way; side by side, several may belong to one run."""

    def __init__(self) -> None:
        self.query_id_to_spans: dict[str, list[Span]] = {}

    @contextmanager
    def span(self, query: Query, name: str, **attributes: str) -> Iterator[dict[str, str]]:
        """Times the block; the block may add attributes to the mapping it gets. Spans nest by task context."""
        span_id, parent_id, started_at = new_id("span"), _parent_id.get(), utc_now()
        token, started, is_failed = _parent_id.set(span_id), time.perf_counter(), True
        try:
            yield attributes
            is_failed = False
        finally:
            _parent_id.reset(token)
            span = Span(
                run_id=query.run_id, name=name, started_at=started_at, seconds=time.perf_counter() - started,
                id=span_id, parent_id=parent_id, is_failed=is_failed, attributes=attributes,
            )  # fmt: skip
            self.add(query, span)

    def add(self, query: Query, span: Span) -> None:
        self.query_id_to_spans.setdefault(query.id, []).append(span)
        if (trace := current_trace.get()) is not None:
            trace.add(span)

    def collect(self, query: Query) -> tuple[Span, ...]:
        """The finished spans of the query, which are forgotten here."""
        return tuple(self.query_id_to_spans.pop(query.id, ()))


class TracedLLM:
    """A span for each call, with the tokens it used."""

    def __init__(self, wrapped: LLM, tracer: Tracer, query: Query, model: str) -> None:
        self.wrapped = wrapped
        self.tracer = tracer
        self.query = query
        self.model = model

    async def complete(self, request: CompletionRequest) -> Completion:
        with self.tracer.span(self.query, "chat", **{"gen_ai.request.model": self.model}) as attributes:
            completion = await self.wrapped.complete(request)
            attributes.update(_of(completion))
            return completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Not nested by context: a generator's finalisation may run in another one."""
        started_at, started, found = utc_now(), time.perf_counter(), {"gen_ai.request.model": self.model}
        is_failed = True
        try:
            async with aclosing(self.wrapped.stream(request)) as chunks:
                async for chunk in chunks:
                    if chunk.completion is not None:
                        found.update(_of(chunk.completion))
                        is_failed = False
                    yield chunk
        finally:
            span = Span(
                run_id=self.query.run_id, name="chat", started_at=started_at, seconds=time.perf_counter() - started,
                parent_id=_parent_id.get(), is_failed=is_failed, attributes=found,
            )  # fmt: skip
            self.tracer.add(self.query, span)

    async def close(self) -> None:
        await self.wrapped.close()


class TracedLibrary(SkillLibrary):
    """A span for each call of a skill, which learns on whose behalf it is called.

    The span of one that was found for the query has its id in the catalogue.
    """

    def __init__(
        self, wrapped: SkillLibrary, tracer: Tracer, query: Query, *, name_to_id: Mapping[str, str] | None = None
    ) -> None:
        self.wrapped = wrapped
        self.tracer = tracer
        self.query = query
        self.name_to_id = name_to_id or {}

    async def skills(self) -> Sequence[Skill]:
        return await self.wrapped.skills()

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        found = {SKILL_ID: self.name_to_id[name]} if name in self.name_to_id else {}
        query = self.query
        context = CallContext(
            tenant=query.tenant, principal=query.principal, scope=(f"skill:{name}",), trace_id=query.run_id,
            session_id=query.session_id,
        )  # fmt: skip
        with self.tracer.span(query, "execute_tool", **{"gen_ai.tool.name": name, **found}), calling(context):
            return await self.wrapped.call(name, arguments)


def _of(completion: Completion) -> dict[str, str]:
    usage = completion.usage
    return {
        "gen_ai.usage.input_tokens": str(usage.input + usage.cache_read + usage.cache_write),
        "gen_ai.usage.output_tokens": str(usage.output),
        "gen_ai.response.finish_reasons": completion.finish_reason,
    }
