"""A run in the shapes of OpenAI's chat completions: whole, and chunk by chunk."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.run import Run
from orchestrator.views import plain
from storage.call_records import ModelReply, ReplyPiece, ToolCall


def choices_of(run: Run) -> list[dict[str, Any]]:
    """One choice a reply; one with the answer's words where there was nothing but a text."""
    if not run.replies:
        message = {"role": "assistant", "content": run.answer}
        return [{"index": 0, "message": message, "finish_reason": run.finish_reason}]
    return [_choice(reply) for reply in run.replies]


def _choice(reply: ModelReply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal or None}
    if reply.tool_calls or reply.refusal:
        message["content"] = reply.text or None
    if reply.tool_calls:
        message["tool_calls"] = [tool_call_body(call) for call in reply.tool_calls]
    choice: dict[str, Any] = {"index": reply.index, "message": message, "finish_reason": reply.finish_reason}
    if reply.logprobs:
        choice["logprobs"] = orjson.loads(reply.logprobs)
    return choice


def tool_call_body(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def chunk_choice(piece: ReplyPiece) -> dict[str, Any]:
    """The choice of a chunk that adds this piece."""
    delta: dict[str, Any] = {}
    if piece.text:
        delta["content"] = piece.text
    if piece.refusal:
        delta["refusal"] = piece.refusal
    if piece.tool_calls:
        delta["tool_calls"] = [_call_piece(call.index, call.id, call.name, call.arguments) for call in piece.tool_calls]
    choice: dict[str, Any] = {"index": piece.index, "delta": delta, "finish_reason": None}
    if piece.logprobs:
        choice["logprobs"] = orjson.loads(piece.logprobs)
    return choice


def _call_piece(index: int, id: str, name: str, arguments: str) -> dict[str, Any]:
    head = {"id": id, "type": "function"} if id else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"index": index, **head, "function": function}


def ends_of(run: Run) -> list[dict[str, Any]]:
    """The choices of the chunks that say how each reply ended."""
    ends = [(reply.index, reply.finish_reason) for reply in run.replies] or [(0, run.finish_reason)]
    return [{"index": index, "delta": {}, "finish_reason": reason} for index, reason in ends]


def usage_of(run: Run) -> dict[str, Any]:
    usage = run.usage
    prompt = usage.input + usage.cache_read + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    }


def ours_of(run: Run) -> dict[str, Any]:
    """Our fields, under `antroute`."""
    return {
        "run_id": run.run_id,
        "decision_id": run.decision_id,
        "candidate": run.candidate_id,
        "cost_usd": f"{run.cost_usd:f}",
        "attempts": run.attempts,
        "latency_seconds": round(run.latency_seconds, 6),
        "overhead_seconds": round(run.overhead_seconds, 6),
        "is_degraded": run.is_degraded,
        "plan": run.plan,
        "decision_ids": list(run.decision_ids),
        "verdict": plain(run.verdict),
        "spent": plain(run.spent),
    }


def headers_of(run: Run) -> dict[str, str]:
    return {
        "x-antroute-decision-id": run.decision_id,
        "x-antroute-candidate": run.candidate_id,
        "x-antroute-run-id": run.run_id,
        "x-antroute-cost-usd": f"{run.cost_usd:f}",
    }
