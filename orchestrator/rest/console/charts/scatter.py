"""Points by two figures, such as cost and quality, with the frontier of those that no other beats in both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from orchestrator.rest.console.charts.scale import Scale, scale_of
from orchestrator.rest.console.charts.svg import NARROW, PIXELS_A_LETTER, chart, hue, legend, percent, tag, text, title

TOP, PLOT, FOOT = 30, 230, 38  # pixels
INSET = 4.0  # per cent left free at both sides
LINE, BESIDE = 14, 9  # pixels: the height of a label, and how far from the dot's middle it begins
LABEL_LETTERS = 18


@dataclass(frozen=True, kw_only=True)
class Dot:
    """`x`: less is better; `y`: more is better."""

    name: str
    x: float
    y: float
    about: str = ""
    is_marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is told, and how a value of it is written with its unit."""

    name: str
    figure: Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        is_beside = self.right <= other.left or other.right <= self.left
        return not (is_beside or self.bottom <= other.top or other.bottom <= self.top)


@dataclass(frozen=True, kw_only=True)
class _Spot:
    """Where a name could be written."""

    kind: str
    shift: float  # pixels from the middle of the dot
    y: float
    box: _Box

    def is_free(self, others: Sequence[_Box]) -> bool:
        is_inside = self.box.left >= 0 and self.box.right <= NARROW and self.box.top >= TOP - LINE
        return is_inside and not any(self.box.meets(other) for other in others)


def scatter(dots: Sequence[Dot], *, label: str, across: Axis, up: Axis) -> Markup:
    """Each dot with its name where there is room, else with its colour in the list below."""
    dots = [dot for dot in dots if math.isfinite(dot.x) and math.isfinite(dot.y)]
    if not dots:
        return Markup("")
    x_scale, y_scale = scale_of([dot.x for dot in dots]), scale_of([dot.y for dot in dots], has_zero=False)
    places = [(_x(x_scale, dot.x), _y(y_scale, dot.y)) for dot in dots]
    parts = [*_axes(x_scale, y_scale, across, up), *_frontier(dots, places)]
    for number, (dot, (x, y)) in enumerate(zip(dots, places, strict=True)):
        about = dot.about or f"{dot.name}: {across.name} {across.figure(dot.x)}, {up.name} {up.figure(dot.y)}"
        size = "7" if dot.is_marked else "5"
        parts.append(tag("circle", title(about), class_=hue(number), cx=percent(x), cy=f"{y:.1f}", r=size))
    labels, unplaced = _labels(dots, places)
    drawn = chart([*parts, *labels], height=TOP + PLOT + FOOT, label=label)
    return drawn + legend((hue(number), dots[number].name) for number in unplaced)


def frontier_of(dots: Sequence[Dot]) -> list[int]:
    """Places of those that no other beats in both, by `x`."""
    found: list[int] = []
    for number in sorted(range(len(dots)), key=lambda n: (dots[n].x, -dots[n].y)):
        if not found or dots[number].y > dots[found[-1]].y:
            found.append(number)
    return found


def _axes(x_scale: Scale, y_scale: Scale, across: Axis, up: Axis) -> list[Markup]:
    parts = [text(f"↑ {up.name}", x="0", y=11, kind="dim")]
    for tick in y_scale.ticks():
        y = _y(y_scale, tick)
        parts.append(tag("line", class_="axis", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}"))
        parts.append(text(up.figure(tick), x="0", y=y - 3, kind="dim halo", most=16))
    ticks = x_scale.ticks(3)
    for tick in ticks:
        x = _x(x_scale, tick)
        kind = "dim" if tick == ticks[0] else "dim end" if tick == ticks[-1] else "dim middle"
        parts.append(text(across.figure(tick), x=percent(x), y=TOP + PLOT + 16, kind=kind, most=16))
    parts.append(text(f"{across.name} →", x="100%", y=TOP + PLOT + 33, kind="dim end"))
    return parts


def _frontier(dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> list[Markup]:
    ordered = [places[number] for number in frontier_of(dots)]
    return [
        tag("line", class_="frontier", x1=percent(x1), y1=f"{y1:.1f}", x2=percent(x2), y2=f"{y2:.1f}")
        for (x1, y1), (x2, y2) in pairwise(ordered)
    ]


def _labels(dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> tuple[list[Markup], list[int]]:
    """What could be written beside its dot without meeting another, and who could not."""
    pixels = [(x / 100 * NARROW, y) for x, y in places]
    taken = [_Box(left=x - 6, right=x + 6, top=y - 6, bottom=y + 6) for x, y in pixels]
    written, unplaced = [], []
    for number, dot in enumerate(dots):
        others = [box for k, box in enumerate(taken) if k != number]
        found = next((spot for spot in _spots(dot, *pixels[number]) if spot.is_free(others)), None)
        if found is None:
            unplaced.append(number)
            continue
        taken.append(found.box)
        name = text(dot.name, x=percent(places[number][0]), y=found.y, kind=found.kind, most=LABEL_LETTERS)
        written.append(tag("g", name, transform=f"translate({found.shift:.0f} 0)"))
    return written, unplaced


def _spots(dot: Dot, x: float, y: float) -> list[_Spot]:
    """Right of the dot, left, above, below."""
    width = min(len(dot.name), LABEL_LETTERS) * PIXELS_A_LETTER
    return [
        _spot("halo", x + BESIDE, width, y + 4, BESIDE),
        _spot("halo end", x - BESIDE - width, width, y + 4, -BESIDE),
        _spot("halo middle", x - width / 2, width, y - 10, 0.0),
        _spot("halo middle", x - width / 2, width, y + 20, 0.0),
    ]


def _spot(kind: str, left: float, width: float, y: float, shift: float) -> _Spot:
    return _Spot(kind=kind, shift=shift, y=y, box=_Box(left=left, right=left + width, top=y - LINE + 3, bottom=y + 3))


def _x(scale: Scale, value: float) -> float:
    return INSET + scale.at(value) * (100 - 2 * INSET) / 100


def _y(scale: Scale, value: float) -> float:
    return TOP + PLOT * (1 - scale.at(value) / 100)
