"""Talks to every provider that litellm knows; the only home of litellm, which is imported on the first call."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncGenerator, Mapping
from functools import cache
from types import ModuleType
from typing import Protocol

from agents.errors import AnswerCut, ModelRefused, ModelUnavailable
from agents.llm import Chunk, Completion, CompletionRequest
from agents.openai_wire import (
    MalformedAnswer,
    StreamedAnswer,
    completion_of,
    payload,
    retry_after_seconds,
    shortened,
)
from agents.retries import MAX_ATTEMPTS, TransientFailure, attempts, status_error

TIMEOUT_SECONDS = 120.0


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
        return f"LiteLLM(model={self.model!r}, api_base={self._api_base!r})"

    async def complete(self, request: CompletionRequest) -> Completion:
        response = await self._call(request, is_streamed=False)
        try:
            return completion_of(response.model_dump(), request)
        except MalformedAnswer as exc:
            raise self._cut(exc, StreamedAnswer(request=request)) from exc

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        answer = StreamedAnswer(request=request)
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        pieces = await self._call(request, is_streamed=True)
        try:
            while (piece := await self._next_piece(pieces, deadline, answer)) is not None:
                if delta := answer.read_event(piece):
                    yield Chunk(delta=delta)
        except MalformedAnswer as exc:
            raise self._cut(exc, answer) from exc
        finally:
            await pieces.aclose()
        # litellm itself ends a broken stream with a made-up "stop"; these two hold what the provider really sent
        if pieces.received_finish_reason is None and pieces.intermittent_finish_reason is None:
            raise self._cut(EOFError("the stream ended without an end mark"), answer)
        yield Chunk(completion=answer.completion())

    async def close(self) -> None:
        """Nothing to close: litellm keeps its connections for all its callers."""

    async def _call(self, request: CompletionRequest, *, is_streamed: bool) -> _Response:
        """Sending, again where that makes sense → litellm's response, whose stream was not read yet."""
        litellm = await asyncio.to_thread(_litellm)
        arguments = payload(self.model, request, is_streamed=is_streamed) | {
            "api_key": self._api_key,
            "api_base": self._api_base,
            "timeout": self._timeout_seconds,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,  # a provider without log-probs or seeds answers without them
        }
        async for attempt in attempts(max_attempts=self._max_attempts, timeout_seconds=self._timeout_seconds):
            with attempt:
                try:
                    async with asyncio.timeout(self._timeout_seconds):
                        response: _Response = await litellm.acompletion(**arguments)
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
            raise self._cut(exc, answer) from exc

    def _translated(self, litellm: ModuleType, exc: Exception) -> ModelUnavailable | ModelRefused:
        """Our error for one of litellm's, which carry the provider's status."""
        message = f"{self!r} failed: {self._safe(exc)}"
        if isinstance(exc, litellm.Timeout):
            return self._too_slow()
        if isinstance(exc, litellm.APIConnectionError):
            return TransientFailure(message)
        if isinstance(exc, litellm.APIResponseValidationError):
            return ModelUnavailable(message)
        status = getattr(exc, "status_code", None)
        headers = getattr(exc, "litellm_response_headers", None) or getattr(
            getattr(exc, "response", None), "headers", {}
        )
        wait = retry_after_seconds(headers.get("retry-after"))
        return status_error(status if isinstance(status, int) else 500, message, retry_after_seconds=wait)

    def _too_slow(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self!r} did not answer within {self._timeout_seconds} s.")

    def _cut(self, exc: Exception, answer: StreamedAnswer) -> AnswerCut:
        return AnswerCut(
            f"The answer of {self!r} broke off after {len(answer.deltas)} pieces: "
            f"{self._safe(exc) or type(exc).__name__}",
            usage_so_far=answer.usage,
        )

    def _safe(self, exc: Exception) -> str:
        """The error's text, bounded and without the key, which some providers repeat."""
        text = str(exc)
        return shortened(text.replace(self._api_key, "***") if self._api_key else text)


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
