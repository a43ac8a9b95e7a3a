"""Our spans in OpenTelemetry's words: names, kinds and attributes; plain values, which know no exporter.

Names by OpenTelemetry's semantic conventions for generative AI (as of 1.45); what has no name there is `router.*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import orjson

from orchestrator.run import Run
from orchestrator.run_trace import RunTrace
from orchestrator.tracing import DECISION_ID
from storage.records import Candidate, Decision, Outcome, Span, TokenUsage

Value = str | bool | int | float | Sequence[str]
Kind = Literal["internal", "client"]
INTEGERS = frozenset({"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"})
LISTS = frozenset({"gen_ai.response.finish_reasons"})


@dataclass(frozen=True, kw_only=True)
class OutSpan:
    """One span as it leaves us. `key` and `parent_key` name it within its trace; no parent: the caller's own span."""

    key: str
    parent_key: str | None
    name: str
    kind: Kind = "internal"
    started_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Value]
    error: str | None = None  # its code; None: it did not fail


@dataclass(frozen=True, kw_only=True)
class Names:
    """What spans do not say themselves."""

    candidates: Mapping[str, Candidate]  # by id
    model_to_provider: Mapping[str, str] = field(default_factory=dict)
    has_content: bool = False  # the question and the answer go along


def out_spans(trace: RunTrace, names: Names, *, ended_at: datetime, run: Run | None, code: str | None) -> list[OutSpan]:
    """The run itself first, then its steps. `run`: how it was answered; `code`: of its error, where it was not."""
    decisions = {decision.id: decision for decision, _ in trace.attempts}
    outcomes = {decision.id: outcome for decision, outcome in trace.attempts}
    root = _root(trace, names, ended_at=ended_at, run=run, code=code)
    steps = [_step(span, root.key, decisions, outcomes, names) for span in trace.spans]
    return [root, *steps]


def trace_id_of(run_id: str) -> int:
    """128 bits, not all of them zero; the same for every part of the run, in whichever process it was done."""
    return int.from_bytes(sha256(run_id.encode()).digest()[:16]) or 1


def span_id_of(key: str) -> int:
    """64 bits, not all of them zero."""
    return int.from_bytes(sha256(key.encode()).digest()[:8]) or 1


def _root(trace: RunTrace, names: Names, *, ended_at: datetime, run: Run | None, code: str | None) -> OutSpan:
    plan = run.plan if run else next((decision.plan for decision, _ in trace.attempts), "single")
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": plan,
        "router.run.id": trace.run_id,
        "router.attempts": len(trace.attempts),
        "router.cost_usd": float(sum(outcome.cost_usd for _, outcome in trace.attempts)),
    }
    if run is not None:
        attributes |= {"router.selected": run.candidate_id, "router.decision.id": run.decision_id}
    if names.has_content:
        attributes["gen_ai.input.messages"] = _messages("user", trace.text)
        if run is not None:
            attributes["gen_ai.output.messages"] = _messages("assistant", run.answer, finish_reason=run.finish_reason)
    return OutSpan(
        key=f"{trace.run_id} {trace.started_at.isoformat()}",
        parent_key=None,
        name=f"invoke_workflow {plan}",
        started_at=trace.started_at,
        ended_at=ended_at,
        attributes=attributes if code is None else {**attributes, "error.type": code},
        error=code,
    )


def _step(
    span: Span, root: str, decisions: Mapping[str, Decision], outcomes: Mapping[str, Outcome], names: Names
) -> OutSpan:
    given = span.attributes
    decision = decisions.get(given.get(DECISION_ID) or given.get("router.decision.id", ""))
    outcome = None if decision is None else outcomes[decision.id]
    name, kind, attributes = _told(span, decision, outcome, names)
    error = None
    if span.is_failed:
        error = (outcome.error_code if outcome else None) or "_OTHER"
        attributes = {**attributes, "error.type": error}
    return OutSpan(
        key=span.id,
        parent_key=span.parent_id or root,
        name=name,
        kind=kind,
        started_at=span.started_at,
        ended_at=span.started_at + timedelta(seconds=span.seconds),
        attributes=attributes,
        error=error,
    )


def _told(
    span: Span, decision: Decision | None, outcome: Outcome | None, names: Names
) -> tuple[str, Kind, dict[str, Value]]:
    given = {name: _typed(name, value) for name, value in span.attributes.items()}
    if span.name == "chat":
        model = span.attributes.get("gen_ai.request.model", "")
        provider = names.model_to_provider.get(model, "unknown")
        return f"chat {model}", "client", {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, **given}
    if span.name == "execute_tool":
        tool = span.attributes.get("gen_ai.tool.name", "")
        return f"execute_tool {tool}", "internal", {"gen_ai.operation.name": "execute_tool", **given}
    if span.name == "execute":
        return _agent(decision, outcome, names, given)
    if span.name == "route" and decision is not None:
        return "router.decide", "internal", {**given, **_routed(decision)}
    return f"router.{span.name}", "internal", given


def _agent(
    decision: Decision | None, outcome: Outcome | None, names: Names, given: Mapping[str, Value]
) -> tuple[str, Kind, dict[str, Value]]:
    attributes: dict[str, Value] = {"gen_ai.operation.name": "invoke_agent", **given}
    candidate = names.candidates.get(decision.candidate_id or "") if decision else None
    if candidate is None:
        return "invoke_agent", "internal", attributes
    attributes |= {
        "gen_ai.agent.id": candidate.id,
        "gen_ai.agent.name": candidate.agent,
        "gen_ai.request.model": candidate.model,
        "gen_ai.provider.name": names.model_to_provider.get(candidate.model, "unknown"),
    }
    if decision is not None:
        attributes["router.decision.id"] = decision.id
    if outcome is not None:
        attributes |= _used(outcome.usage)
    return f"invoke_agent {candidate.agent}", "internal", attributes


def _used(usage: TokenUsage) -> dict[str, Value]:
    return {
        "gen_ai.usage.input_tokens": usage.input + usage.cache_read + usage.cache_write,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
    }


def _routed(decision: Decision) -> dict[str, Value]:
    return {
        "router.decision.id": decision.id,
        "router.policy.id": decision.policy,
        "router.policy.version": decision.policy_version,
        "router.candidates": [each.candidate_id for each in decision.assessments],
        "router.selected": decision.candidate_id or "",
        "router.propensity": decision.propensity,
        "router.reason": reason_of(decision),
        "router.budget.remaining": float(decision.budget_before_usd),
    }


def reason_of(decision: Decision) -> str:
    """In a few words, why it is this one."""
    allowed = [each.probability for each in decision.assessments if each.probability > 0]
    if decision.candidate_id is None:
        return "nobody may be picked"
    if len(allowed) == 1:
        return "the only one that may be picked"
    return "the likeliest" if decision.propensity >= max(allowed) else "explored"


def _typed(name: str, value: str) -> Value:
    if name in INTEGERS:
        return int(value)
    return [value] if name in LISTS else value


def _messages(role: str, text: str, **more: str) -> str:
    return orjson.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}]).decode()
