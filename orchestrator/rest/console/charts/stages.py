"""What two stages of a search thought of the same things, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.rest.console.charts.bars import NO_LENGTH
from orchestrator.rest.console.charts.scale import Scale
from orchestrator.rest.console.charts.svg import chart, percent, tag, text, title

HEAD, ROW, TRACK = 22, 37, 10  # pixels
HALF = 48.0  # per cent of the width for a stage
BAR = 32.0  # of which its bar has
NAME_LETTERS = 42


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """`second`: None where the second stage did not score it."""

    name: str
    first: float
    second: float | None
    is_marked: bool = False


def stages(rows: Sequence[Ranked], *, first: str, second: str, label: str) -> Markup:
    """One row a thing, in the order of the last stage; each stage has a scale of its own."""
    parts = [text(first, x="0", y=12, kind="dim"), text(second, x=percent(100 - HALF), y=12, kind="dim")]
    first_scale = _scale([row.first for row in rows])
    second_scale = _scale([row.second for row in rows if row.second is not None])
    for number, row in enumerate(rows):
        top = HEAD + number * ROW
        lead = "● " if row.is_marked else ""
        kind = "strong" if row.is_marked else ""
        parts.append(text(f"{lead}{number + 1}. {row.name}", x="0", y=top + 12, kind=kind, most=NAME_LETTERS))
        parts += _half(row.first, first_scale, left=0.0, top=top + 18, kind="s1", stage=first)
        parts += _half(row.second, second_scale, left=100 - HALF, top=top + 18, kind="s0", stage=second)
    return chart(parts, height=HEAD + len(rows) * ROW, label=label)


def _half(value: float | None, scale: Scale, *, left: float, top: float, kind: str, stage: str) -> list[Markup]:
    if value is None or not math.isfinite(value):
        return [text("not scored", x=percent(left), y=top + TRACK - 1, kind="dim")]
    ends = sorted((scale.at(0), scale.at(value)))
    start, width = (end * BAR / 100 for end in (ends[0], max(ends[1] - ends[0], NO_LENGTH)))
    return [
        tag("rect", class_="track", x=percent(left), y=f"{top}", width=percent(BAR), height=f"{TRACK}", rx="3"),
        tag(
            "rect", title(f"{stage}: {value:.4f}"), class_=kind, x=percent(left + start), y=f"{top}",
            width=percent(width), height=f"{TRACK}", rx="2",
        ),
        text(f"{value:.3f}", x=percent(left + HALF), y=top + TRACK - 1, kind="end"),
    ]  # fmt: skip


def _scale(values: Sequence[float]) -> Scale:
    found = [value for value in values if math.isfinite(value)] + [0.0]
    low, high = min(found), max(found)
    return Scale(low=low, high=high if high > low else low + 1.0)
