"""Pictures of an evaluation as PNG: frontier, calibration, shares of the candidates, quality by task.

The home of matplotlib. Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; lines
differ in style and marker, too.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from routing.evaluation.measures import Point
from routing.evaluation.references import BEST_SINGLE, CHEAPEST, ORACLE, RANDOM, REFERENCES, TABLE
from routing.evaluation.results import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GREY, PALE = "#222222", "#777777", "#DDDDDD"
DOTS_PER_INCH = 130
HATCHES = ("", "///")  # of bars, once the colours are used up
MOST_CANDIDATES = len(COLOURS) * len(HATCHES)  # told apart in the shares; the rest is one colour
MOST_TASKS = 30
FINE_RATIO = 1e4  # ratio of the axis' ends up to which it tells 1, 2 and 5 of each decade
TASK_MARK_SIZES = {BEST_SINGLE: 15.0, TABLE: 10.0, ORACLE: 9.0}  # points; hollow, so that equal ones stay visible
LONGEST_NAME = 34  # characters


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one router is drawn. Sizes and widths in points."""

    colour: str
    marker: str
    style: str = "none"  # of the line
    size: float = 4.0
    width: float = 1.6
    is_hollow: bool = False


def pictures(view: View, chosen: str) -> dict[str, bytes]:
    """File name to PNG; `chosen`: the router whose shares and tasks are shown. One without data is left out."""
    drawn = {
        "frontier.png": _frontier(view),
        "calibration.png": _calibration(view),
        "shares.png": _shares(view, chosen),
        "tasks.png": _tasks(view, chosen),
    }
    return {name: _png(figure) for name, figure in drawn.items() if figure is not None}


def label(name: str) -> str:
    """A name as matplotlib may show it: short, on one line, no formulas, not hidden from a legend."""
    flat = " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())
    short = flat if len(flat) <= LONGEST_NAME else flat[: LONGEST_NAME - 1] + "…"
    return (f" {short}" if short.startswith("_") else short).replace("$", r"\$")


def _frontier(view: View) -> Figure | None:
    costs = [point.cost_usd for standing in view.standings.values() for point in standing.frontier]
    if not any(costs):
        return None
    least = min(cost for cost in costs if cost > 0)
    figure, (axes,) = _canvas(10.5, 5.6)
    looks = _looks(list(view.standings))
    for name, standing in view.standings.items():
        points = _outline(standing.frontier)
        xs = [1000 * max(point.cost_usd, least / 2) for point in points]  # no cost at all has no place on the axis
        _draw(axes, xs, [point.quality for point in points], name, looks[name], marks=8)
    best = view.standings[BEST_SINGLE].scores
    axes.axhline(best.quality, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0)
    _dollars(axes)
    axes.set_xlabel("Mean cost, USD for 1,000 queries (log scale)")
    axes.set_ylabel("Mean quality (0 to 1)")
    axes.set_title("Quality and cost: each line is one router under all weights of cost")
    _legend(axes)
    return figure


def _outline(points: Sequence[Point]) -> list[Point]:
    """By cost, each cost once: neighbouring weights often choose alike."""
    return [point for _, point in sorted({(point.cost_usd, point.quality): point for point in points}.items())]


def _calibration(view: View) -> Figure | None:
    shown = {
        name: standing.calibration_of_all
        for name, standing in view.standings.items()
        if standing.calibration_of_all is not None
    }
    figure, (axes,) = _canvas(9.0, 5.6)
    looks = _looks(list(view.standings))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (1, 3)), label="as forecast")
    for name, found in shown.items():
        xs, ys = [point.forecast for point in found.points], [point.outcome for point in found.points]
        _draw(axes, xs, ys, name, looks[name], told=f": error {found.ece:.3f}")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("Forecast quality (mean of a bin)")
    axes.set_ylabel("Measured quality (mean of a bin)")
    axes.set_title("Calibration over all known query–candidate cells")
    _legend(axes)
    return figure if shown else None


def _shares(view: View, chosen: str) -> Figure:
    names = list(dict.fromkeys([chosen, TABLE]))
    rows = {name: view.standings[name].scores.shares for name in names}
    peaks = {id: max(row[id] for name in names for row in rows[name]) for id in rows[chosen][0]}
    told = [id for id in sorted(peaks, key=lambda id: -peaks[id])[:MOST_CANDIDATES] if peaks[id] > 0]
    looks = [(colour, hatch) for hatch in HATCHES for colour in COLOURS]
    figure, panels = _canvas(12.0, 5.2, panels=len(names))
    for axes, name in zip(panels, names, strict=True):
        places, floor = np.arange(len(rows[name])), np.zeros(len(rows[name]))
        for id, (colour, hatch) in zip(told, looks, strict=False):
            heights = np.array([row[id] for row in rows[name]])
            axes.bar(
                places,
                heights,
                bottom=floor,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=label(id),
            )
            floor = floor + heights
        if len(told) < sum(peak > 0 for peak in peaks.values()):
            axes.bar(places, 1 - floor, bottom=floor, color=PALE, label="all others")
        axes.set_xticks(places, [f"{point.weight:g}" for point in view.standings[name].scores.points])
        axes.set_xlabel("Weight of cost, λ")
        axes.set_title(label(name))
    panels[0].set_ylim(0, 1)
    panels[0].set_ylabel("Share of the queries")
    figure.suptitle("Who is chosen, by the weight of cost")
    _legend(panels[-1])
    return figure


def _tasks(view: View, chosen: str) -> Figure | None:
    tasks = view.standings[chosen].scores.tasks
    if not any(tasks):
        return None
    told = sorted(tasks, key=lambda task: (-tasks[task].queries, task))[:MOST_TASKS][::-1]
    figure, (axes,) = _canvas(10.5, 1.8 + 0.3 * len(told))
    places = np.arange(len(told))
    names = list(dict.fromkeys([ORACLE, BEST_SINGLE, TABLE, chosen]))
    looks = _looks(list(view.standings))
    for name in names:
        scores = view.standings[name].scores.tasks
        look = replace(looks[name], style="none", size=TASK_MARK_SIZES.get(name, 6.0), is_hollow=name != chosen)
        _draw(axes, [scores[task].quality for task in told], places.tolist(), name, look)
    axes.set_yticks(places, [f"{label(task or 'no label')} ({tasks[task].queries})" for task in told])
    axes.set_ylim(-0.7, len(told) - 0.3)
    axes.set_xlabel("Mean quality (0 to 1), weight of cost 0; in brackets the number of queries")
    left_out = len(tasks) - len(told)
    axes.set_title("Quality by task" + (f" (the {len(told)} largest of {len(tasks)})" if left_out else ""))
    _legend(axes)
    return figure


def _looks(names: Sequence[str]) -> dict[str, Look]:
    """References look the same in every report; routers take colours in turn, then the next line style."""
    routers = [name for name in names if name not in REFERENCES]
    return {
        RANDOM: Look(colour=GREY, marker="X", size=9),
        CHEAPEST: Look(colour=GREY, marker="v", size=9),
        BEST_SINGLE: Look(colour=INK, marker="*", size=14),
        TABLE: Look(colour=INK, marker="s", style="--"),
        ORACLE: Look(colour=GREY, marker="|", style="-", size=6, width=1),
    } | {
        name: Look(
            colour=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            style=STYLES[place // len(COLOURS) % len(STYLES)],
        )
        for place, name in enumerate(routers)
    }


def _draw(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], name: str, look: Look, *, told: str = "", marks: int = 0
) -> None:
    """`told` stands behind the name in the legend; `marks`: about so many of the points get a marker, 0: all."""
    axes.plot(
        xs,
        ys,
        label=label(name) + told,
        color=look.colour,
        marker=look.marker,
        linestyle=look.style,
        linewidth=look.width,
        markersize=look.size,
        markerfacecolor="none" if look.is_hollow else look.colour,
        markevery=max(1, len(xs) // marks) if marks else 1,
    )


def _dollars(axes: Axes) -> None:
    """A log axis that reads 0.05, 0.1, 0.2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < FINE_RATIO else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _canvas(width: float, height: float, *, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Inches; panels stand side by side and share their y axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    for each in axes:
        each.grid(True, color=PALE, linewidth=0.6)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9)


def _png(figure: Figure) -> bytes:
    """The same bytes for the same picture. A script that the font lacks shows as boxes; that is no reason to warn."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return file.getvalue()


def share_frontier(lines: Mapping[str, Sequence[tuple[float, float]]], *, bold: Sequence[str] = ()) -> bytes:
    """Success against share of cost as PNG; one point is a mark, more a line. `bold`: drawn thick."""
    figure, (axes,) = _canvas(10.5, 5.6)
    for place, (name, points) in enumerate(lines.items()):
        is_bold = name in bold
        look = Look(
            colour=COLOURS[place % len(COLOURS)],
            marker=MARKERS[(place + place // len(MARKERS)) % len(MARKERS)],
            style="none" if len(points) == 1 else "-" if is_bold else STYLES[1 + place % (len(STYLES) - 1)],
            size=5.0 if is_bold else 4.0,
            width=2.4 if is_bold else 1.2,
            is_hollow=not is_bold,
        )
        ordered = sorted(points)
        _draw(axes, [x for x, _ in ordered], [y for _, y in ordered], name, look, marks=8)
    axes.set_xlabel("Cost, in shares of what always-large costs")
    axes.set_ylabel("Share of the tasks that succeed")
    axes.set_title("Step policies: success against cost")
    _legend(axes)
    return _png(figure)
