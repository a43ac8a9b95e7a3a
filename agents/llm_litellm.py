"""Talks to every provider that litellm knows; the only home of litellm, which is imported on the first call."""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Protocol

import orjson

from agents.embedding import EmbeddingRequest, Embeddings, embedding_body, embeddings_of, estimated
from agents.errors import AnswerCut, ModelRefused, ModelUnavailable
from agents.llm import Chunk, Completion, CompletionRequest
from agents.openai_wire import (
    MalformedAnswer,
    StreamedAnswer,
    completion_of,
    counted_in,
    masked_url,
    payload,
    retry_after_seconds,
    usage_of_unusable,
    without_secrets,
)
from agents.retries import MAX_ATTEMPTS, TransientFailure, attempts, status_error
from storage.records import TokenUsage

TIMEOUT_SECONDS = 120.0
MADE_UP_STATUSES = frozenset({408, 500})  # what litellm says also where the provider sent no status


class LiteLLM:
    """One model under litellm's name for it (`openai/gpt-5`, `anthropic/claude-…`, …).

    litellm's own retries, fallbacks and telemetry are off: retries follow the same rule as everywhere here.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.model = model
        self._api_key = api_key
        self._api_base = api_base
        self._timeout_seconds = timeout_seconds
        self._max_attempts = max_attempts

    def __repr__(self) -> str:
        return f"LiteLLM(model={self.model!r}, api_base={masked_url(self._api_base or '')!r})"

    async def complete(self, request: CompletionRequest) -> Completion:
        response = await self._call(request, is_streamed=False)
        answer = response.model_dump()
        try:
            return completion_of(answer, request)
        except MalformedAnswer as exc:
            body = orjson.dumps(answer, default=str)
            is_open = counted_in(body) is None
            raise self._cut(exc, usage=usage_of_unusable(body, request), may_be_billed=is_open) from exc

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        answer = StreamedAnswer(request=request)
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        pieces = await self._call(request, is_streamed=True)
        try:
            while (piece := await self._next_piece(pieces, deadline, answer)) is not None:
                for chunk in answer.read_event(piece):
                    yield chunk
        except MalformedAnswer as exc:
            raise self._cut(exc, usage=answer.usage, pieces=len(answer.deltas)) from exc
        finally:
            await pieces.aclose()
        # litellm itself ends a broken stream with a made-up "stop"; these two hold what the provider really sent
        if pieces.received_finish_reason is None and pieces.intermittent_finish_reason is None:
            early = EOFError("the stream ended without an end mark")
            raise self._cut(early, usage=answer.usage, pieces=len(answer.deltas))
        yield Chunk(completion=answer.completion())

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        body = embedding_body(self.model, request)
        response = await self._sent("aembedding", body)
        try:
            return embeddings_of(response.model_dump(), request)
        except MalformedAnswer as exc:
            raise self._cut(exc, usage=estimated(request)) from exc

    async def close(self) -> None:
        """Nothing to close: litellm keeps its connections for all its callers."""

    async def _call(self, request: CompletionRequest, *, is_streamed: bool) -> _Response:
        """Sending, again where that makes sense → litellm's response, whose stream was not read yet."""
        # a provider without seeds answers without them; tools and formats must not be left out in silence
        drops = {"drop_params": request.call.is_plain}
        return await self._sent("acompletion", payload(self.model, request, is_streamed=is_streamed) | drops)

    async def _sent(self, function: str, body: Mapping[str, object]) -> _Response:
        litellm = await asyncio.to_thread(_litellm)
        arguments = {
            **body,
            "api_key": self._api_key,
            "api_base": self._api_base,
            "timeout": self._timeout_seconds,
            "num_retries": 0,
            "max_retries": 0,
        }
        async for attempt in attempts(max_attempts=self._max_attempts, timeout_seconds=self._timeout_seconds):
            with attempt:
                try:
                    async with asyncio.timeout(self._timeout_seconds):
                        response: _Response = await getattr(litellm, function)(**arguments)
                except TimeoutError as exc:
                    raise self._too_slow() from exc
                except tuple(litellm.LITELLM_EXCEPTION_TYPES) as exc:
                    raise self._translated(litellm, exc) from exc
        return response

    async def _next_piece(
        self, pieces: _Response, deadline: float, answer: StreamedAnswer
    ) -> Mapping[str, object] | None:
        """The next event; None at the end. Raises AnswerCut."""
        litellm = _litellm()
        try:
            async with asyncio.timeout_at(deadline):
                return (await anext(pieces)).model_dump()
        except StopAsyncIteration:
            return None
        except (TimeoutError, *litellm.LITELLM_EXCEPTION_TYPES, litellm.exceptions.MidStreamFallbackError) as exc:
            raise self._cut(exc, usage=answer.usage, pieces=len(answer.deltas)) from exc

    def _translated(self, litellm: ModuleType, exc: Exception) -> ModelUnavailable | ModelRefused:
        """Our error for one of litellm's, which carry the provider's status, or a made-up one where it sent none."""
        message = f"{self!r} failed: {self._safe(exc)}"
        causes = tuple(_causes(exc))
        if any(isinstance(cause, ConnectionRefusedError | socket.gaierror) for cause in causes):
            return TransientFailure(message)
        status = getattr(exc, "status_code", None)
        is_answered = any(isinstance(cause, litellm.httpx.HTTPStatusError) for cause in causes)
        if not is_answered and (status is None or status in MADE_UP_STATUSES):
            is_late = isinstance(exc, litellm.Timeout)
            return self._too_slow() if is_late else ModelUnavailable(message, may_be_billed=True)
        headers = getattr(exc, "litellm_response_headers", None) or getattr(
            getattr(exc, "response", None), "headers", {}
        )
        wait = retry_after_seconds(headers.get("retry-after"))
        return status_error(status if isinstance(status, int) else 500, message, retry_after_seconds=wait)

    def _too_slow(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self!r} did not answer within {self._timeout_seconds} s.", may_be_billed=True)

    def _cut(self, exc: Exception, *, usage: TokenUsage, pieces: int = 0, may_be_billed: bool = False) -> AnswerCut:
        return AnswerCut(
            f"The answer of {self!r} broke off after {pieces} pieces: {self._safe(exc) or type(exc).__name__}",
            usage_so_far=usage,
            may_be_billed=may_be_billed,
        )

    def _safe(self, exc: Exception) -> str:
        return without_secrets(str(exc), api_key=self._api_key, url=self._api_base)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, newest first."""
    link: BaseException | None = exc
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


class _Response(Protocol):
    """What we use of litellm's responses, plain and streamed."""

    received_finish_reason: str | None
    intermittent_finish_reason: str | None

    def model_dump(self) -> Mapping[str, object]: ...

    async def __anext__(self) -> _Response: ...

    def __aiter__(self) -> _Response: ...

    async def aclose(self) -> None: ...


@cache
def _litellm() -> ModuleType:
    """The module, imported on first use. Its price list comes from the package, not from the network."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # read by litellm while it is imported, and nowhere else
    import litellm

    # pydantic's remark on a type of litellm's own: nothing that its users could act on
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    vars(litellm).update(telemetry=False, suppress_debug_info=True)
    return litellm
