"""A run for a terminal: what was asked and answered, its decisions, and its steps as a tree with a waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.explain import WIDTH
from orchestrator.explain_layout import BAD, BOLD, FAINT, GOOD, NOTED, cell, cells_of, cut, labelled, line, stretch
from orchestrator.reading import Attempt, Trace
from orchestrator.run_tree import Step, tree_of, whole
from storage.money import dollars
from storage.records import Span

if TYPE_CHECKING:
    from rich.text import Text

MOST_WATERFALL, LEAST_WATERFALL = 48, 10  # cells of the bars
LEAST_TREE = 6  # on a terminal that is too narrow for all of it
TIME_WIDTH, COST_WIDTH = 9, 11
TREE_SHARE = 0.45  # of the width, for the names of the steps, at the least
TEXT_LINES = 2  # of question and answer each


def trace_lines(trace: Trace, *, width: int = WIDTH) -> list[str]:
    """The run in words and bars."""
    return [each.plain.rstrip() for each in trace_texts(trace, width=width)]


def trace_texts(trace: Trace, *, width: int = WIDTH) -> list[Text]:
    """The same with styles, for a terminal of so many columns."""
    steps = tree_of(trace)
    return [
        _head(trace, steps, width),
        *_shortened("query", trace.query_text, width),
        *_shortened("answer", trace.answer_text, width),
        line(),
        *_decisions(trace.attempts, width),
        *_waterfall(steps, width),
    ]


def _head(trace: Trace, steps: Sequence[Step], width: int) -> Text:
    span = whole(steps)
    plan = trace.attempts[0].decision.plan if trace.attempts else "single"
    count = len(trace.attempts)
    facts = [plan, f"{count} decision{'' if count == 1 else 's'}", dollars(trace.cost_usd)]
    if span is not None:
        facts += [_duration(span[1]), f"{span[0].astimezone():%Y-%m-%d %H:%M:%S}"]
    return line((trace.run_id, BOLD), cut(f"  {', '.join(facts)}", width - len(trace.run_id)))


def _shortened(label: str, text: str | None, width: int) -> list[Text]:
    if text is None:
        return labelled(f"  {label}", "(erased, or none)", width=width, style=FAINT)
    return labelled(f"  {label}", cut(" ".join(text.split()), TEXT_LINES * (width - 20)), width=width)


def _decisions(attempts: Sequence[Attempt], width: int) -> Iterator[Text]:
    """A line each, with the id that `explain` takes; what failed is told below it."""
    names = [attempt.decision.candidate_id or "nobody" for attempt in attempts]
    name_width = cells_of(names, most=max(width - 62, 12))
    for attempt, name in zip(attempts, names, strict=True):
        decision = attempt.decision
        done = [outcome for outcome in attempt.outcomes if outcome.status != "judged"]
        status = done[-1].status if done else "running"
        judged = [outcome.quality for outcome in attempt.outcomes if outcome.quality is not None]
        quality = f"quality {judged[-1]:.2f}" if judged else "not judged"
        yield line(
            f"{decision.id}  ",
            cell(name, name_width),
            f"  p {decision.propensity:.3f}  ",
            (status, GOOD if status == "succeeded" else NOTED if status == "running" else BAD),
            (f"  {quality}", FAINT),
        )
        for outcome in done:
            if outcome.error_code:
                said = cut(f"{outcome.error_code}: {outcome.error_message}", TEXT_LINES * (width - 20))
                yield from labelled("", said, width=width, style=BAD)
        if decision.skills is not None and decision.skills.shown:
            shown = ", ".join(skill.name for skill in decision.skills.shown)
            yield from labelled("  skills", shown, width=width, style=FAINT)


def _waterfall(steps: Sequence[Step], width: int) -> Iterator[Text]:
    span = whole(steps)
    if span is None:
        return
    rows = list(_rows(steps))
    fixed = TIME_WIDTH + COST_WIDTH + 6
    tree_width = cells_of([row[0] for row in rows], most=max(int(width * TREE_SHARE), width - fixed - MOST_WATERFALL))
    bar_width = max(min(width - fixed - tree_width, MOST_WATERFALL), LEAST_WATERFALL)
    tree_width = max(min(tree_width, width - fixed - bar_width), LEAST_TREE)
    yield line()
    head = f"{'Steps':<{tree_width}}{'time':>{TIME_WIDTH + 1}}  {'':{bar_width + 2}}{'cost':>{COST_WIDTH}}"
    yield line((head, BOLD))
    for label, step in rows:
        cost = step.cost_usd
        style = BAD if step.is_failed else BOLD if step.attempt is not None else ""
        yield line(
            (cell(label, tree_width), style),
            f" {_duration(step.seconds):>{TIME_WIDTH}}  ▕",
            (_bar(step, *span, bar_width), BAD if step.is_failed else "cyan"),
            f"▏{'' if cost is None or (step.span and not step.children) else dollars(cost):>{COST_WIDTH}}",
        )


def _bar(step: Step, started_at: datetime, seconds: float, width: int) -> str:
    if seconds <= 0:
        return stretch(0.0, 1.0, width)
    start = (step.started_at - started_at).total_seconds() / seconds
    return stretch(start, start + step.seconds / seconds, width)


def _rows(steps: Sequence[Step], above: str = "", *, is_top: bool = True) -> Iterator[tuple[str, Step]]:
    """Each step with its name behind the branches of the tree."""
    for place, step in enumerate(steps, 1):
        is_last = place == len(steps)
        branch, below = ("", "") if is_top else ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield f"{above}{branch}{_name(step)}", step
        yield from _rows(step.children, f"{above}{below}", is_top=False)


def _name(step: Step) -> str:
    mark = "✗ " if step.is_failed else ""
    if step.attempt is not None:
        decision = step.attempt.decision
        again = f" (attempt {decision.attempt})" if decision.attempt > 1 else ""
        return f"{mark}{decision.step}{again} → {decision.candidate_id or 'nobody'}"
    return f"{mark}{_span_name(step.span)}" if step.span is not None else mark


def _span_name(span: Span) -> str:
    given = span.attributes
    if span.name == "chat":
        tokens = (
            f"{given.get('gen_ai.usage.input_tokens', '?')} → {given.get('gen_ai.usage.output_tokens', '?')} tokens"
        )
        return f"chat {given.get('gen_ai.request.model', '')}, {tokens}"
    if span.name == "execute_tool":
        return f"tool {given.get('gen_ai.tool.name', '')}"
    if span.name == "plan":
        return f"plan {given.get('plan.name', '')}"
    if span.name in ("execute", "route"):
        return span.name
    return ", ".join([span.name, *(f"{key} {value}" for key, value in given.items())])


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 600 else f"{seconds / 60:.1f} min"
