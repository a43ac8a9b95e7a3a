"""Hands the words of an answer on while the model still writes it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import replace

from agents.errors import AnswerCut
from agents.llm import LLM, Chunk, Completion, CompletionRequest
from orchestrator.texts import storable
from storage.call_records import ReplyPiece
from storage.records import Decision


class AnswerSink:
    """Where the words of one run go. Once words are out, another candidate can no longer take over."""

    def __init__(self, write: Callable[[str | ReplyPiece], None]) -> None:
        self.write = write
        self.has_written = False
        self.decision: Decision | None = None  # the one that is being carried out
        self.decided_at = 0.0  # perf_counter seconds

    def begin(self, decision: Decision) -> None:
        self.decision, self.decided_at = decision, time.perf_counter()

    def put(self, delta: str) -> None:
        if delta:
            self.has_written = True
            self.write(storable(delta))

    def put_piece(self, piece: ReplyPiece) -> None:
        self.has_written = True
        calls = tuple(replace(call, arguments=storable(call.arguments)) for call in piece.tool_calls)
        self.write(replace(piece, text=storable(piece.text), tool_calls=calls))


answer_sink: ContextVar[AnswerSink | None] = ContextVar("answer_sink", default=None)


class StreamedLLM:
    """Answers the call whose text the caller will see by streaming it to the sink; other calls pass through."""

    def __init__(self, wrapped: LLM, sink: AnswerSink) -> None:
        self.wrapped = wrapped
        self.sink = sink

    async def complete(self, request: CompletionRequest) -> Completion:
        if not request.is_answer:
            return await self.wrapped.complete(request)
        async with aclosing(self.wrapped.stream(request)) as chunks:
            async for chunk in chunks:
                self.sink.put(chunk.delta)
                if chunk.piece is not None:
                    self.sink.put_piece(chunk.piece)
                if chunk.completion is not None:
                    return chunk.completion
        raise AnswerCut("The stream ended without its last chunk.")

    def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        return self.wrapped.stream(request)

    async def close(self) -> None:
        await self.wrapped.close()
