"""The SDK's remote side: the verbs of the embedded orchestrator, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Unpack
from urllib.parse import quote, urlencode

import httpx
from httpx_sse import aconnect_sse

from agents.errors import AnswerCut
from orchestrator.audit_client import AuditVerbs
from orchestrator.budget_options import limits_of
from orchestrator.checkers import check
from orchestrator.client_jobs import JobVerbs
from orchestrator.client_replay import ReplayVerbs
from orchestrator.client_wire import CONNECT_SECONDS, READ_SECONDS, amount_of, error_of_body, error_of_response
from orchestrator.plans.base import PlanSpec
from orchestrator.run_options import RunOptions, check_names
from orchestrator.service import Run, Started
from orchestrator.verifiers.base import Verdict
from orchestrator.weights import weights_of
from storage.budget_records import RESOURCES, BudgetLimits
from storage.errors import InvalidInput
from storage.records import Generation, TokenUsage
from storage.skill_records import SkillState

# Options that only the process that owns the store can honour.
EMBEDDED_ONLY = ("account", "run_id", "step", "more_budget", "ask_person", "asked", "later", "call")
GRACE_SECONDS = 30.0  # beyond the time limit that a caller names


class Client(JobVerbs, ReplayVerbs, AuditVerbs):
    """Speaks to `antroute serve`; `async with` opens and closes the connection.

    `run`, `route`, `feedback` and `trace` take what the embedded ones take, less the options of `EMBEDDED_ONLY`.
    Errors are the same classes; ServerUnreachable when nobody answers.

    >>> async with Client("http://127.0.0.1:8765") as antroute:
    ...     run = await antroute.run("What is 17% of 2340?", budget_usd=0.01)
    """

    async def run(self, text: str, **options: Unpack[RunOptions]) -> Run:
        """Routes, executes and records one query on the server; a `checker` judges here and sends its verdict."""
        body = _body(text, options)
        answer = await self._send("POST", "/v1/chat/completions", body, patience=_timeout(options))
        run = _run(answer["antroute"], answer["choices"][0], answer["usage"])
        checker = options.get("checker")
        if checker is None:
            return run
        quality = check(checker, run.answer)
        await self._send(
            "POST", f"/v1/decisions/{run.decision_id}/outcomes", {"quality": quality, "judged_by": "verifier"}
        )
        return replace(run, quality=quality)

    async def stream(self, text: str, **options: Unpack[RunOptions]) -> AsyncGenerator[Started | str | Run, None]:
        """Who answers, the answer's pieces as they come, then the Run."""
        body = {**_body(text, options), "stream": True, "stream_options": {"include_usage": True}}
        pieces: list[str] = []
        last: dict[str, Any] = {}
        try:
            async with aconnect_sse(
                self._http, "POST", "/v1/chat/completions", json=body, timeout=_timeout(options)
            ) as source:
                if source.response.is_error:
                    await source.response.aread()
                    raise error_of_response(source.response)
                yield _started(source.response.headers)
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        break
                    chunk = json.loads(event.data)
                    if "error" in chunk:
                        raise error_of_body(chunk["error"])
                    last.update({key: chunk[key] for key in ("antroute", "usage") if key in chunk})
                    for choice in chunk["choices"]:
                        if choice["finish_reason"]:
                            last["finish_reason"] = choice["finish_reason"]
                        if delta := choice["delta"].get("content"):
                            pieces.append(delta)
                            yield delta
        except httpx.TransportError as exc:
            raise self._unreachable(exc) from exc
        if not last.keys() >= {"antroute", "usage", "finish_reason"}:
            raise AnswerCut("The server's stream ended before the answer did.")
        choice = {"message": {"content": "".join(pieces)}, "finish_reason": last["finish_reason"]}
        yield _run(last["antroute"], choice, last["usage"])

    async def route(self, text: str, **options: Unpack[RunOptions]) -> dict[str, Any]:
        """What would be decided now, and why, as the server's JSON; nothing runs."""
        body = _body(text, options)
        wish = {"text": text, "model": body["model"], "max_tokens": body["max_tokens"], "antroute": body["antroute"]}
        return await self._send("POST", "/v1/route", wish)

    async def feedback(self, decision_id: str, *, quality: float, idempotency_key: str | None = None) -> dict[str, Any]:
        """A verdict in [0, 1] on a decision's answer, from which the policies learn."""
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        return await self._send("POST", f"/v1/decisions/{decision_id}/outcomes", {"quality": quality}, headers=headers)

    async def trace(self, run_id: str) -> dict[str, Any]:
        """Everything that is known of a run, as the server's JSON."""
        return await self._send("GET", f"/v1/traces/{run_id}")

    async def memory(self, name: str | None = None, *, at: datetime | None = None) -> dict[str, Any]:
        """What the memories of trails hold, now or at a past moment, as the server's JSON."""
        wanted = {"memory": name, "at": at.isoformat() if at is not None else None}
        return await self._send("GET", f"/v1/memory?{urlencode({k: v for k, v in wanted.items() if v is not None})}")

    async def skills(
        self,
        *,
        library: str | None = None,
        state: SkillState | None = None,
        q: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """A page of the catalogue, by id, as the server's JSON; `q` is part of a name."""
        wanted = {"library": library, "state": state, "q": q, "cursor": cursor, "limit": limit}
        return await self._send("GET", f"/v1/skills?{urlencode({k: v for k, v in wanted.items() if v is not None})}")

    async def skill(self, skill_id: str) -> dict[str, Any]:
        """The latest version with its body, all versions and moves, as the server's JSON."""
        return await self._send("GET", f"/v1/skills/{quote(skill_id)}")

    async def search_skills(self, text: str, *, top: int = 10) -> dict[str, Any]:
        """The skills that a decision on this text would consider, as the server's JSON."""
        return await self._send("POST", "/v1/skills/search", {"query": text, "top": top})

    async def allow_skill(self, skill_id: str, *, reason: str) -> dict[str, Any]:
        """An operator's word for a quarantined text."""
        return await self._send("POST", f"/v1/skills/{quote(skill_id)}/allow", {"reason": reason})

    async def remove_skill(self, skill_id: str, *, reason: str) -> dict[str, Any]:
        """Takes the skill out of the catalogue and the index."""
        return await self._send("POST", f"/v1/skills/{quote(skill_id)}/remove", {"reason": reason})


def _timeout(options: RunOptions) -> httpx.Timeout:
    """How long to wait for the server's next byte: longer than the server itself will."""
    wished = options.get("timeout_seconds") or 0.0
    return httpx.Timeout(max(READ_SECONDS, wished + GRACE_SECONDS), connect=CONNECT_SECONDS)


def _body(text: str, options: RunOptions) -> dict[str, Any]:
    check_names(options)
    wrong = [name for name in EMBEDDED_ONLY if options.get(name) is not None]
    if wrong:
        raise InvalidInput(f"Only the embedded orchestrator takes {', '.join(wrong)}.", field=wrong[0])
    generation = options.get("generation", Generation())
    policy, candidate = options.get("policy"), options.get("candidate")
    messages = [{"role": m.role, "content": m.content} for m in options.get("messages", ())]
    weights = weights_of(options.get("weights"))
    limits = limits_of(options.get("budget"), options.get("budget_usd"), BudgetLimits())
    return {
        "model": candidate or (f"auto:{policy}" if policy else "auto"),
        "messages": [*messages, {"role": "user", "content": text}],
        "max_tokens": generation.max_output_tokens,
        "temperature": generation.temperature,
        "seed": generation.seed,
        "stop": list(generation.stop) or None,
        "metadata": dict(options.get("metadata", {})),
        "antroute": {
            "budget": {name: float(value) for name in RESOURCES if (value := getattr(limits, name)) is not None},
            "on_exhausted": options.get("on_exhausted"),
            "timeout_seconds": options.get("timeout_seconds"),
            "requires": list(options.get("requires", ())),
            "weights": None if weights is None else asdict(weights),
            **_plan(options),
            "verifier": _verifier(options),
            "session": options.get("session"),
            "is_tool_turn": options.get("is_tool_turn", False),
        },
    }


def _plan(options: RunOptions) -> dict[str, Any]:
    wish = options.get("plan")
    spec = wish if isinstance(wish, PlanSpec) else None
    return {"plan": spec.name if spec else wish, "plan_options": dict(spec.options) if spec else {}}


def _verifier(options: RunOptions) -> str | dict[str, Any] | None:
    """Raises InvalidInput for one that lives here: the server cannot ask it."""
    given = options.get("verifier")
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        return dict(given)
    raise InvalidInput("A server takes a verifier's name, or {'kind': …}, not an object of yours.", field="verifier")


def _run(ours: Mapping[str, Any], choice: Mapping[str, Any], usage: Mapping[str, Any]) -> Run:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return Run(
        run_id=ours["run_id"],
        answer=choice["message"]["content"],
        candidate_id=ours["candidate"],
        decision_id=ours["decision_id"],
        cost_usd=Decimal(ours["cost_usd"]),
        quality=ours["verdict"]["quality"] if ours["verdict"] else None,
        attempts=ours["attempts"],
        latency_seconds=ours["latency_seconds"],
        overhead_seconds=ours["overhead_seconds"],
        usage=TokenUsage(input=usage["prompt_tokens"] - cached, cache_read=cached, output=usage["completion_tokens"]),
        finish_reason=choice["finish_reason"],
        is_degraded=ours["is_degraded"],
        plan=ours["plan"],
        decision_ids=tuple(ours["decision_ids"]),
        verdict=_verdict(ours["verdict"]),
        spent=amount_of(ours["spent"]),
    )


def _verdict(sent: Mapping[str, Any] | None) -> Verdict | None:
    return None if sent is None else Verdict(**{**sent, "cost_usd": Decimal(sent["cost_usd"])})


def _started(headers: Mapping[str, str]) -> Started:
    return Started(
        run_id=headers["x-antroute-run-id"],
        decision_id=headers["x-antroute-decision-id"],
        candidate_id=headers["x-antroute-candidate"],
        reserved_usd=Decimal(headers["x-antroute-reserved-usd"]),
        overhead_seconds=float(headers["x-antroute-overhead-ms"]) / 1000,
    )
