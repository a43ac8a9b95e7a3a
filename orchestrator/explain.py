"""A decision in words and bars: who was masked and why, what counted, how close it was, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from orchestrator.explain_router import router_lines
from orchestrator.explain_skills import skill_lines
from orchestrator.reading import Attempt, Trace
from orchestrator.texts import printable
from storage.budget_records import RESOURCES
from storage.money import dollars, quantity
from storage.records import Assessment, Decision, Outcome

BAR_WIDTH = 20
CLOSE_MARGIN = 0.05  # of score


def explain(attempt: Attempt) -> list[str]:
    """The lines that answer: why this one?"""
    decision = attempt.decision
    return [
        f"{decision.id}  (run {decision.run_id}, step {decision.step!r}, attempt {decision.attempt})",
        _verdict(decision),
        "",
        *_task(decision),
        *router_lines(decision),
        *_allowed(decision),
        *_masked(decision),
        *skill_lines(decision),
        *_money(decision, attempt.outcomes),
        *(line for outcome in attempt.outcomes for line in _outcome(outcome)),
        *(f"Reward    {reward.value:.3f}, learned by every policy" for reward in attempt.rewards),
    ]


def allowed(decision: Decision) -> list[Assessment]:
    """The candidates that could be picked, best score first."""
    return sorted((a for a in decision.assessments if a.mask_reason is None), key=lambda a: -a.score)


def margin(decision: Decision) -> float | None:
    """How far the chosen one's score was above the best other's; negative where exploration picked a lesser one."""
    chosen = [a.score for a in allowed(decision) if a.candidate_id == decision.candidate_id]
    others = [a.score for a in allowed(decision) if a.candidate_id != decision.candidate_id]
    return chosen[0] - max(others) if chosen and others else None


def trace_lines(trace: Trace) -> list[str]:
    """The run as a tree of spans, with its decisions' outcomes under it."""
    lines = [f"{trace.run_id}  cost {dollars(trace.cost_usd)}"]
    lines.append(f"  query   {_short(trace.query_text)}")
    lines.append(f"  answer  {_short(trace.answer_text)}")
    for attempt in trace.attempts:
        decision = attempt.decision
        lines.append(f"  decision {decision.id}: {decision.candidate_id or 'nobody'} (p = {decision.propensity:.3f})")
        lines += [f"    {line}" for line in skill_lines(decision)]
        lines += [f"    {line}" for outcome in attempt.outcomes for line in _outcome(outcome)]
    return lines + list(_span_lines(trace))


def _verdict(decision: Decision) -> str:
    if decision.candidate_id is None:
        return "Nobody was picked: every candidate is masked."
    gap = margin(decision)
    words = f"Picked {decision.candidate_id} with probability {decision.propensity:.3f}, by policy {decision.policy!r}"
    if gap is None:
        return f"{words}; it was the only one allowed."
    if gap < 0:
        return f"{words}; its score is {-gap:.3f} below the best: this was exploration."
    if gap == 0:
        return f"{words}; level with another, so chance decided."
    flip = "a close call" if gap < CLOSE_MARGIN else f"a rival would need {gap:.3f} more to win"
    return f"{words}; ahead by {gap:.3f}: {flip}."


def _task(decision: Decision) -> Iterator[str]:
    likeliest = sorted(decision.task_mixture.items(), key=lambda item: -item[1])[:3]
    mixture = ", ".join(f"{task} {share:.2f}" for task, share in likeliest)
    yield f"Task      {mixture}   (encoder {decision.encoder})"


def _allowed(decision: Decision) -> Iterator[str]:
    yield "Allowed"
    for a in allowed(decision):
        bar = "█" * round(a.probability * BAR_WIDTH)
        mark = "→" if a.candidate_id == decision.candidate_id else " "
        parts = ", ".join(f"{name} {value:+.3f}" for name, value in a.contributions.items())
        yield f"  {mark} {a.candidate_id:<36} p {a.probability:.3f} {bar:<{BAR_WIDTH}} score {a.score:+.3f} = {parts}"


def _masked(decision: Decision) -> Iterator[str]:
    masked = [a for a in decision.assessments if a.mask_reason is not None]
    if masked:
        yield "Masked"
    for a in masked:
        yield f"    {a.candidate_id:<36} {a.mask_reason}"


def _money(decision: Decision, outcomes: Sequence[Outcome]) -> Iterator[str]:
    spent = sum((outcome.cost_usd for outcome in outcomes), Decimal(0))
    yield (
        f"Budget    {dollars(decision.budget_before_usd)} before, {dollars(decision.budget_reserved_usd)} held, "
        f"{dollars(spent)} spent, {dollars(decision.budget_before_usd - spent)} after"
    )
    if decision.resources_reserved:
        yield f"          {_resources(decision)}"
    state = decision.policy_sha256[:12]
    yield f"Random    Philox seed {decision.rng_seed}, counter {decision.rng_counter}; policy state {state}"


def _resources(decision: Decision) -> str:
    """What was held of tokens, seconds and joules, and of how much, where they are limited."""
    texts = []
    for name in RESOURCES:
        if held := decision.resources_reserved.get(name):
            before = decision.resources_before.get(name)
            of = "" if before is None else f" of {quantity(name, before)}"
            texts.append(f"{quantity(name, held)}{of}")
    return f"and {', '.join(texts)} held" if texts else "and nothing else held"


def _outcome(outcome: Outcome) -> Iterator[str]:
    quality = "not judged yet" if outcome.quality is None else f"quality {outcome.quality:.2f} by {outcome.judged_by}"
    if outcome.status == "judged":
        yield f"Verdict   {quality}"
        return
    tokens = f"{outcome.usage.input + outcome.usage.cache_read} tokens in, {outcome.usage.output} out"
    yield (
        f"Outcome   {outcome.status} in {outcome.latency_seconds:.2f} s, {tokens}, "
        f"{dollars(outcome.cost_usd)}; {quality}"
    )
    if outcome.error_code:
        yield f"          {outcome.error_code}: {outcome.error_message}"


def _span_lines(trace: Trace) -> Iterator[str]:
    known = {span.id for span in trace.spans}
    ordered = sorted(trace.spans, key=lambda span: span.started_at)

    def below(parent_id: str | None, depth: int) -> Iterator[str]:
        for span in ordered:
            if (span.parent_id if span.parent_id in known else None) != parent_id:
                continue
            details = printable(", ".join(f"{key} {value}" for key, value in span.attributes.items()))
            failed = " FAILED" if span.is_failed else ""
            yield f"  {'  ' * depth}{span.name:<14} {span.seconds * 1000:9.1f} ms{failed}  {details}"
            yield from below(span.id, depth + 1)

    yield from below(None, 0)


def _short(text: str | None, *, most: int = 100) -> str:
    if text is None:
        return "(erased, or none)"
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
