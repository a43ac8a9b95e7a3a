"""Horizontal bars: a name, a figure and a length each; and bars stacked of parts, negative ones left of zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.rest.console.charts.scale import Scale, scale_of
from orchestrator.rest.console.charts.svg import HUES, chart, hue, legend, percent, tag, text, title

ROW, TRACK = 36, 11  # pixels: a row, and the bar in it
NAME_LETTERS = 34
OTHERS = "others"
NO_LENGTH = 0.4  # per cent: what is there shows


@dataclass(frozen=True, kw_only=True)
class Bar:
    """`text`: the figure with its unit; `kind`: a class of the stylesheet (s0 to s7, good, bad, warn, plain)."""

    name: str
    value: float
    text: str
    kind: str = "s0"
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A summand."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A bar of parts; `text`: their sum as a figure."""

    name: str
    parts: tuple[Part, ...]
    text: str
    is_marked: bool = False


def bars(rows: Sequence[Bar], *, label: str, most: float | None = None) -> Markup:
    """One row a bar, from zero. `most`: what a full length stands for, else the greatest value."""
    values = [row.value for row in rows] + ([] if most is None else [most])
    scale = _tight(values)
    zero = scale.at(0)
    parts = []
    for number, row in enumerate(rows):
        top = number * ROW
        parts += _named(row.name, row.text, top=top, is_marked=False)
        parts.append(_piece(zero, scale.at(_finite(row.value)), top=top, kind=row.kind, about=row.about))
    return chart(parts, height=len(rows) * ROW, label=label)


def stacks(rows: Sequence[Stack], *, label: str, most: float = 0.0) -> Markup:
    """One row a stack, all on one scale with a line at zero, and what the colours mean.

    `most`: a value that the scale shall reach.
    """
    names = _names(rows)
    scale = _tight([most, *(end for row in rows for end in _ends(row))])
    zero = scale.at(0)
    parts = []
    for number, row in enumerate(rows):
        top = number * ROW
        parts += _named(row.name, row.text, top=top, is_marked=row.is_marked)
        parts += _stacked(row, names, scale, top)
        line = {"y1": f"{top + 16}", "y2": f"{top + 33}"}
        parts.append(tag("line", class_="rule", x1=percent(zero), x2=percent(zero), **line))
    drawn = chart(parts, height=len(rows) * ROW, label=label)
    return drawn + legend((kind, name) for name, kind in names.items())


def _named(name: str, figure: str, *, top: float, is_marked: bool) -> list[Markup]:
    room = max(10, NAME_LETTERS + 10 - len(figure))
    lead = "● " if is_marked else ""
    return [
        text(lead + name, x="0", y=top + 13, kind="strong" if is_marked else "", most=room, about=name),
        text(figure, x="100%", y=top + 13, kind="end strong" if is_marked else "end", most=NAME_LETTERS),
        tag("rect", class_="track", x="0", y=f"{top + 19}", width="100%", height=f"{TRACK}", rx="3"),
    ]


def _piece(start: float, end: float, *, top: float, kind: str, about: str) -> Markup:
    left, width = min(start, end), max(abs(end - start), NO_LENGTH)
    return tag(
        "rect", title(about), class_=kind, x=percent(min(left, 100 - NO_LENGTH)), y=f"{top + 19}",
        width=percent(width), height=f"{TRACK}", rx="2",
    )  # fmt: skip


def _stacked(row: Stack, names: dict[str, str], scale: Scale, top: float) -> list[Markup]:
    drawn, right, left = [], 0.0, 0.0
    for part in row.parts:
        value = _finite(part.value)
        if not value:
            continue
        start = right if value > 0 else left
        end = start + value
        right, left = (end, left) if value > 0 else (right, end)
        kind = names.get(part.name) or names[OTHERS]
        about = f"{part.name}: {part.value:+.4f}"
        drawn.append(_piece(scale.at(start), scale.at(end), top=top, kind=kind, about=about))
    return drawn


def _names(rows: Sequence[Stack]) -> dict[str, str]:
    """Name to class, the weightiest first; beyond the hues there are, the rest share one."""
    name_to_weight: dict[str, float] = {}
    for row in rows:
        for part in row.parts:
            name_to_weight[part.name] = name_to_weight.get(part.name, 0.0) + abs(_finite(part.value))
    ordered = sorted((name for name, weight in name_to_weight.items() if weight), key=lambda n: -name_to_weight[n])
    named = ordered if len(ordered) <= HUES else [*ordered[: HUES - 1], OTHERS]
    return {name: hue(number) for number, name in enumerate(named)}


def _ends(row: Stack) -> tuple[float, float]:
    values = [_finite(part.value) for part in row.parts]
    return sum(value for value in values if value < 0), sum(value for value in values if value > 0)


def _tight(values: Sequence[float]) -> Scale:
    """From the least to the greatest and zero, without room: bars have no ticks."""
    found = [_finite(value) for value in values] + [0.0]
    low, high = min(found), max(found)
    return Scale(low=low, high=high) if high > low else scale_of([])


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
