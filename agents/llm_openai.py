"""Talks to any OpenAI-compatible endpoint over plain HTTP; the only home of aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import orjson

from agents.embedding import EmbeddingRequest, Embeddings, embedding_body, embeddings_of, estimated
from agents.errors import AnswerCut, ModelRefused, ModelUnavailable
from agents.llm import Chunk, Completion, CompletionRequest
from agents.openai_wire import (
    MalformedAnswer,
    StreamedAnswer,
    completion_of,
    counted_in,
    error_text,
    loads,
    masked_url,
    payload,
    retry_after_seconds,
    shortened,
    usage_of_unusable,
    without_secrets,
)
from agents.retries import MAX_ATTEMPTS, TransientFailure, sent, status_error
from agents.sse import EventReader, EventTooLong
from storage.records import TokenUsage

TIMEOUT_SECONDS = 120.0
CONNECT_TIMEOUT_SECONDS = 5.0
BODY_BYTES_LIMIT = 4 * 1024 * 1024
VECTORS_BYTES_LIMIT = 128 * 1024 * 1024  # 2048 vectors of 3072 numbers, and some
ERROR_BYTES_LIMIT = 64 * 1024
PIECE_BYTES = 64 * 1024


class OpenAILLM:
    """One model behind `base_url` (with its `/v1`, where it has one).

    `timeout_seconds` bounds a whole call: all attempts, the waits between them and the answer's last byte. A call is
    tried again only where the first try is free: after a failed connection or a 429, 502, 503 or 504. A request that
    was sent and got no status is not sent again; its error says that it may be billed. Redirects are not followed, and
    proxies from the environment are not used: the key goes to `base_url` and nowhere else.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._max_attempts = max_attempts
        # connections belong to the loop that opened them
        self._loop_to_session: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    def __repr__(self) -> str:
        return f"OpenAILLM(base_url={masked_url(self.base_url)!r}, model={self.model!r})"

    async def complete(self, request: CompletionRequest) -> Completion:
        async with self._response(payload(self.model, request, is_streamed=False)) as response:
            received = bytearray()
            try:
                await _read_body(response, received, limit_bytes=BODY_BYTES_LIMIT)
                return completion_of(loads(bytes(received)), request)
            except (MalformedAnswer, aiohttp.ClientError, TimeoutError, OSError) as exc:
                is_open = counted_in(bytes(received)) is None
                usage = usage_of_unusable(bytes(received), request)
                raise self._cut(exc, usage=usage, may_be_billed=is_open) from exc

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        answer, events = StreamedAnswer(request=request), EventReader()
        async with self._response(payload(self.model, request, is_streamed=True)) as response:
            try:
                async for piece in response.content.iter_chunked(PIECE_BYTES):
                    for data in events.feed(piece):
                        for chunk in answer.read(data):
                            yield chunk
            except (MalformedAnswer, EventTooLong, aiohttp.ClientError, TimeoutError, OSError) as exc:
                if not answer.is_complete:
                    raise self._broken(exc, answer) from exc
        if not answer.is_complete:
            raise self._broken(EOFError("the stream ended without an end mark"), answer)
        yield Chunk(completion=answer.completion())

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        body = embedding_body(self.model, request)
        async with self._response(body, "embeddings") as response:
            try:
                received = bytearray()
                await _read_body(response, received, limit_bytes=VECTORS_BYTES_LIMIT)
                return embeddings_of(loads(bytes(received)), request)
            except (MalformedAnswer, aiohttp.ClientError, TimeoutError, OSError) as exc:
                raise self._cut(exc, usage=estimated(request)) from exc

    async def close(self) -> None:
        for loop in tuple(self._loop_to_session):
            await self._close_session(loop)

    @asynccontextmanager
    async def _response(
        self, content: Mapping[str, object], path: str = "chat/completions"
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sending, again where that makes sense → an answer with status 200 whose body was not read yet."""
        body = orjson.dumps(content)
        deadline = time.monotonic() + self._timeout_seconds
        response = await sent(
            lambda: self._send(body, path, seconds_left=deadline - time.monotonic()),
            max_attempts=self._max_attempts,
            timeout_seconds=self._timeout_seconds,
        )
        try:
            yield response
        finally:
            response.close()

    async def _send(self, body: bytes, path: str, *, seconds_left: float) -> aiohttp.ClientResponse:
        """One try → an answer with status 200. Raises ModelUnavailable or ModelRefused."""
        if seconds_left <= 0:
            raise ModelUnavailable(f"{self!r} did not answer within {self._timeout_seconds} s.")
        headers = {"Content-Type": "application/json"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        timeout = aiohttp.ClientTimeout(total=seconds_left, sock_connect=self._connect_timeout_seconds)
        sending = _Sending()
        try:
            session = await self._open_session()
            response = await session.post(
                f"{self.base_url}/{path}",
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                trace_request_ctx=sending,
            )
        except aiohttp.ConnectionTimeoutError as exc:
            raise TransientFailure(f"{self!r} took no connection within {self._connect_timeout_seconds} s.") from exc
        except TimeoutError as exc:
            raise ModelUnavailable(
                f"{self!r} did not answer within {self._timeout_seconds} s.", may_be_billed=sending.has_begun
            ) from exc
        except (aiohttp.NonHttpUrlClientError, ValueError):  # their text holds the URL with its credentials: no chain
            raise ModelRefused(
                f"{masked_url(self.base_url)!r} is no URL of an endpoint; expected http://HOST:PORT/v1, and in it no "
                "credentials where there is a key."
            ) from None
        except (aiohttp.ClientError, OSError) as exc:
            if sending.has_begun:
                raise ModelUnavailable(
                    f"{self!r} took the request and closed without an answer: {self._safe(str(exc))}",
                    may_be_billed=True,
                ) from exc
            raise TransientFailure(f"{self!r} cannot be reached: {self._safe(str(exc))}") from exc
        if response.status == 200:
            return response
        try:
            raise await self._status_error(response)
        finally:
            response.close()

    async def _status_error(self, response: aiohttp.ClientResponse) -> ModelUnavailable | ModelRefused:
        message = f"{self!r} answered {response.status}: {self._safe(await _error_body(response))}"
        wait = retry_after_seconds(response.headers.get("Retry-After"))
        return status_error(response.status, message, retry_after_seconds=wait)

    def _broken(self, exc: Exception, answer: StreamedAnswer) -> AnswerCut:
        """A stream that broke off is charged what came of it; its worst case, where nothing came at all."""
        return self._cut(exc, usage=answer.usage, pieces=len(answer.deltas), may_be_billed=answer.may_cost_more)

    def _cut(self, exc: Exception, *, usage: TokenUsage, pieces: int = 0, may_be_billed: bool = False) -> AnswerCut:
        reason = (
            f"nothing more within {self._timeout_seconds} s" if isinstance(exc, TimeoutError) else self._safe(str(exc))
        )
        return AnswerCut(
            f"The answer of {self!r} broke off after {pieces} pieces: {reason or type(exc).__name__}",
            usage_so_far=usage,
            may_be_billed=may_be_billed,
        )

    def _safe(self, text: str) -> str:
        return without_secrets(text, api_key=self._api_key, url=self.base_url)

    async def _open_session(self) -> aiohttp.ClientSession:
        for loop in [loop for loop in self._loop_to_session if loop.is_closed()]:
            await self._close_session(loop)
        loop = asyncio.get_running_loop()
        if loop not in self._loop_to_session:
            self._loop_to_session[loop] = aiohttp.ClientSession(trace_configs=[_sending_trace()])
        return self._loop_to_session[loop]

    async def _close_session(self, loop: asyncio.AbstractEventLoop) -> None:
        session = self._loop_to_session.pop(loop)
        if loop.is_closed() or loop is asyncio.get_running_loop():
            await session.close()
        else:
            asyncio.run_coroutine_threadsafe(session.close(), loop)


@dataclass
class _Sending:
    """How far one try came."""

    has_begun: bool = False  # the connection stood and the request was being written to it


def _sending_trace() -> aiohttp.TraceConfig:
    """Notes in a request's `_Sending` that writing has begun."""

    async def note(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        context.trace_request_ctx.has_begun = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    return trace


async def _read_body(response: aiohttp.ClientResponse, received: bytearray, *, limit_bytes: int) -> None:
    """Adds the body to `received`, where it stays also if reading fails."""
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        received += piece
        if len(received) > limit_bytes:
            raise MalformedAnswer(f"The body is longer than {limit_bytes} bytes.")


async def _error_body(response: aiohttp.ClientResponse) -> str:
    """What the upstream says about its refusal; its status must do where the body cannot be read."""
    body = bytearray()
    try:
        await _read_body(response, body, limit_bytes=ERROR_BYTES_LIMIT)
    except (MalformedAnswer, aiohttp.ClientError, TimeoutError, OSError) as exc:
        return f"(body unreadable: {type(exc).__name__})"
    try:
        return error_text(loads(bytes(body))) or "(no message)"
    except MalformedAnswer:
        return shortened(body.decode("utf-8", "replace")) or "(no message)"
