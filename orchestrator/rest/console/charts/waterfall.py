"""When each step of a run began and how long it took, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.rest.console.charts.svg import chart, percent, tag, text, title
from orchestrator.rest.console.filters import duration

ROW, TRACK = 35, 8  # pixels: a row, and the bar in it
INDENT = 12  # pixels a level
DEEPEST = 6  # levels that are indented
LETTERS, FIGURE_LETTERS = 49, 24
BARS = 62.0  # per cent of the width that stands for the whole run's time
NO_LENGTH = 0.006  # of the whole: what took no time shows
FAILED = "✗ "


@dataclass(frozen=True, kw_only=True)
class Step:
    """In the order they are drawn; seconds since the first one began."""

    name: str
    depth: int
    begins: float
    seconds: float
    note: str = ""  # a figure with its unit, such as its cost
    is_failed: bool = False
    about: str = ""


def waterfall(steps: Sequence[Step], *, label: str) -> Markup:
    """One row a step: its name, below it its bar on the whole run's time, and how long it took."""
    if not steps:
        return Markup("")
    first = min(step.begins for step in steps)
    whole = max(step.begins + max(step.seconds, 0.0) for step in steps) - first or 1.0
    parts = []
    for number, step in enumerate(steps):
        parts += _row(step, top=number * ROW, first=first, whole=whole)
    return chart(parts, height=len(steps) * ROW, label=label)


def _row(step: Step, *, top: float, first: float, whole: float) -> list[Markup]:
    depth = min(step.depth, DEEPEST)
    figure = duration(max(step.seconds, 0.0)) + (f" · {step.note}" if step.note else "")
    name = FAILED + step.name if step.is_failed else step.name
    start = min((step.begins - first) / whole, 1 - NO_LENGTH)
    width = max(NO_LENGTH, min(max(step.seconds, 0.0) / whole, 1 - start))
    kind = "bad" if step.is_failed else "s1" if step.depth else "accent"
    return [
        text(name, x=f"{depth * INDENT}", y=top + 13, kind="bad" if step.is_failed else "", most=LETTERS - 2 * depth),
        tag("rect", class_="track", x="0", y=f"{top + 19}", width=percent(BARS), height=f"{TRACK}", rx="3"),
        tag(
            "rect", title(step.about or f"{step.name}: {figure}"), class_=kind, x=percent(start * BARS),
            y=f"{top + 19}", width=percent(width * BARS), height=f"{TRACK}", rx="2",
        ),
        text(figure, x="100%", y=top + 27, kind="dim end", most=FIGURE_LETTERS),
    ]  # fmt: skip
