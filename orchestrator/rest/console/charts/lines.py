"""Values over time: lines with an axis and its unit, and the small one without."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from orchestrator.rest.console.charts.scale import Scale, scale_of
from orchestrator.rest.console.charts.svg import chart, hue, legend, percent, tag, text, title

TOP, PLOT, FOOT = 14, 150, 22  # pixels: above the plot, its height, below it
SMALL_HEIGHT = 28
GUTTER = 14.0  # per cent at the left, for the axis' figures
MOST_DOTS = 62  # points of a line that are dots too, each with its figure
LONG = timedelta(days=2)  # beyond it the axis names days alone


@dataclass(frozen=True, kw_only=True)
class Point:
    """None: nothing is known of this moment, and the line has a gap."""

    at: datetime
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """In the order of its moments."""

    name: str
    points: tuple[Point, ...]


def lines(
    series: Sequence[Line],
    *,
    label: str,
    figure: Callable[[float], str],
    has_zero: bool = True,
    most: float | None = None,
) -> Markup:
    """All lines on one scale. `figure` writes a value with its unit; `most`: a value that the scale shall reach."""
    known = [point for line in series for point in line.points if _is_known(point)]
    if not known:
        return Markup("")
    scale = scale_of([*(point.value or 0.0 for point in known), *([] if most is None else [most])], has_zero=has_zero)
    moments = [point.at for line in series for point in line.points]
    across = _across(min(moments), max(moments))
    parts = [*_rules(scale), *_moments(min(moments), max(moments))]
    for number, line in enumerate(series):
        parts += _drawn(line, number, scale, across, figure)
    drawn = chart([*parts, *_figures(scale, figure)], height=TOP + PLOT + FOOT, label=label)
    return drawn + (legend((hue(n), line.name) for n, line in enumerate(series)) if len(series) > 1 else Markup(""))


def sparkline(values: Sequence[float], *, label: str) -> Markup:
    """A line as high as two of text, for beside a figure that says the same."""
    found = [value for value in values if math.isfinite(value)]
    if len(found) < 2:
        return Markup("")
    scale = scale_of(found)
    places = [(number / (len(found) - 1) * 100, scale.at(value)) for number, value in enumerate(found)]
    return chart([_path(places, "line s0", top=2, height=SMALL_HEIGHT - 4)], height=SMALL_HEIGHT, label=label)


def _rules(scale: Scale) -> list[Markup]:
    places = [f"{_down(scale, tick):.1f}" for tick in scale.ticks()]
    return [tag("line", class_="axis", x1="0", x2="100%", y1=y, y2=y) for y in places]


def _figures(scale: Scale, figure: Callable[[float], str]) -> list[Markup]:
    return [text(figure(tick), x="0", y=_down(scale, tick) - 3, kind="dim halo", most=16) for tick in scale.ticks()]


def _moments(first: datetime, last: datetime) -> list[Markup]:
    y = TOP + PLOT + 16
    is_long = last - first > LONG
    if first == last:
        return [text(_moment(first, is_long=False), x=percent(50 + GUTTER / 2), y=y, kind="dim middle")]
    return [
        text(_moment(first, is_long=is_long), x=percent(GUTTER), y=y, kind="dim"),
        text(_moment(last, is_long=is_long), x="100%", y=y, kind="dim end"),
    ]


def _moment(at: datetime, *, is_long: bool) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d" if is_long else "%m-%d %H:%M UTC")


def _across(first: datetime, last: datetime) -> Callable[[datetime], float]:
    whole = (last - first).total_seconds()
    return lambda at: GUTTER + (100 - GUTTER) * ((at - first).total_seconds() / whole if whole else 0.5)


def _drawn(
    line: Line, number: int, scale: Scale, across: Callable[[datetime], float], figure: Callable[[float], str]
) -> list[Markup]:
    kind = hue(number)
    parts = [
        _path([(across(p.at), scale.at(p.value or 0.0)) for p in piece], f"line {kind}", top=TOP, height=PLOT)
        for piece in _pieces(line.points)
        if len(piece) > 1
    ]
    known = [point for point in line.points if _is_known(point)]
    if len(known) > MOST_DOTS:
        return parts
    for point in known:
        value = point.value or 0.0
        about = title(f"{line.name}, {_moment(point.at, is_long=False)}: {figure(value)}")
        x, y = percent(across(point.at)), f"{_down(scale, value):.1f}"
        parts.append(tag("circle", about, class_=kind, cx=x, cy=y, r="3"))
    return parts


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    """What can be drawn in one stroke."""
    pieces: list[list[Point]] = [[]]
    for point in points:
        if _is_known(point):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return pieces


def _path(places: Sequence[tuple[float, float]], kind: str, *, top: float, height: float) -> Markup:
    """A stroke through places in per cent (across, up), in a box of its own that is stretched to the width."""
    stroke = tag(
        "polyline",
        class_=kind,
        points=" ".join(f"{x:.2f},{100 - y:.2f}" for x, y in places),
        vector_effect="non-scaling-stroke",
    )
    return tag(
        "svg", stroke, x="0", y=f"{top}", width="100%", height=f"{height}", viewBox="0 0 100 100",
        preserveAspectRatio="none", overflow="visible",
    )  # fmt: skip


def _down(scale: Scale, value: float) -> float:
    return TOP + PLOT * (1 - scale.at(value) / 100)


def _is_known(point: Point) -> bool:
    return point.value is not None and math.isfinite(point.value)
