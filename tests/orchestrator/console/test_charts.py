"""Pictures are well-formed, take any name, any figure, and show what they were given."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from orchestrator.rest.console.charts.bars import Bar, Part, Stack, bars, stacks
from orchestrator.rest.console.charts.graph import MOST_NODES, Edge, Node, graph
from orchestrator.rest.console.charts.lines import Line, Point, lines, sparkline
from orchestrator.rest.console.charts.scale import scale_of
from orchestrator.rest.console.charts.scatter import Axis, Dot, frontier_of, scatter
from orchestrator.rest.console.charts.stages import Ranked, stages
from orchestrator.rest.console.charts.waterfall import Step, waterfall
from orchestrator.rest.console.filters import dollars, share

HOSTILE = (
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "javascript:alert(1)",
    "a\u202eb\u2066c",
    "nul\x00 bell\x07",
    "x" * 1_000_000,
    "&amp;</svg><img src=x>",
    "\ud800",
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def drawings(name: str, figure: float = 1.0) -> dict[str, Markup]:
    """Each kind of picture with this name and this figure."""
    axis = Axis(name=name, figure=share)
    points = (Point(at=START, value=figure), Point(at=START + timedelta(hours=1), value=2.0))
    return {
        "bars": bars([Bar(name=name, value=figure, text=name, about=name)], label=name),
        "stacks": stacks([Stack(name=name, parts=(Part(name=name, value=figure),), text=name)], label=name),
        "lines": lines([Line(name=name, points=points), Line(name="b", points=points)], label=name, figure=dollars),
        "sparkline": sparkline([1.0, figure, 2.0], label=name),
        "scatter": scatter(
            [Dot(name=name, x=figure, y=0.5), Dot(name="b", x=2.0, y=1.0)], label=name, across=axis, up=axis
        ),
        "waterfall": waterfall([Step(name=name, depth=99, begins=0.0, seconds=1.0, note=name)], label=name),
        "graph": graph([Node(id=name, name=name, column=0)], [Edge(start=name, end=name)], columns=[name], label=name),
        "stages": stages([Ranked(name=name, first=figure, second=figure)], first=name, second=name, label=name),
    }


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_no_name_becomes_markup(number: int) -> None:
    for kind, drawn in drawings(HOSTILE[number]).items():
        root = ElementTree.fromstring(f"<div>{drawn}</div>")
        names = {element.tag for element in root.iter()}
        assert names <= {"div", "svg", "g", "rect", "line", "circle", "polyline", "text", "title", "ul", "li"}, kind
        attributes = {name for element in root.iter() for name in element.attrib}
        assert not any(name.startswith("on") or name in ("style", "href") for name in attributes), kind
        assert len(drawn) < 20_000 and "\u202e" not in drawn and "\x00" not in drawn, kind


@pytest.mark.parametrize("figure", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, 1e-300])
def test_no_figure_breaks_a_picture(figure: float) -> None:
    for kind, drawn in drawings("name", figure).items():
        ElementTree.fromstring(f"<div>{drawn}</div>")
        assert 'width="nan' not in drawn and "inf%" not in drawn, kind


def test_every_picture_says_in_words_what_it_shows() -> None:
    for kind, drawn in drawings("what it shows").items():
        assert 'role="img" aria-label="what it shows"' in drawn, kind


def test_parts_below_zero_lie_left_of_the_line() -> None:
    drawn = stacks(
        [Stack(name="a", parts=(Part(name="quality", value=0.75), Part(name="cost", value=-0.25)), text="+0.5")],
        label="l",
    )
    pieces = [
        element for element in ElementTree.fromstring(f"<div>{drawn}</div>").iter("rect") if "rx" in element.attrib
    ]
    quality, cost = (piece for piece in pieces if piece.get("class") in ("s0", "s1") and piece.get("width") != "11")
    assert (quality.get("x"), quality.get("width")) == ("25.00%", "75.00%")
    assert (cost.get("x"), cost.get("width")) == ("0.00%", "25.00%")


def test_more_parts_than_hues_share_the_last_one() -> None:
    drawn = stacks(
        [Stack(name="a", parts=tuple(Part(name=f"part {n}", value=1.0) for n in range(12)), text="12")], label="l"
    )
    assert ">others</li>" in drawn and ">part 6</li>" in drawn and ">part 7</li>" not in drawn


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    values = (1.0, 2.0, None, 3.0, 4.0)
    points = tuple(Point(at=START + timedelta(hours=n), value=value) for n, value in enumerate(values))
    assert lines([Line(name="a", points=points)], label="l", figure=dollars).count("<polyline") == 2


def test_the_frontier_holds_whom_no_other_beats_in_both() -> None:
    dots = [Dot(name=str(n), x=x, y=y) for n, (x, y) in enumerate([(1, 0.2), (2, 0.6), (3, 0.5), (4, 0.9), (1, 0.1)])]
    assert frontier_of(dots) == [0, 1, 3]


def test_who_has_no_room_for_a_name_stands_in_the_list() -> None:
    dots = [Dot(name=f"candidate {n}", x=1.0, y=0.5) for n in range(6)]
    axis = Axis(name="cost", figure=dollars)
    drawn = scatter(dots, label="l", across=axis, up=axis)
    for dot in dots:
        assert f">{dot.name}</text>" in drawn or f"{dot.name}</text>" in drawn or f"{dot.name}</li>" in drawn


def test_a_graph_is_the_same_each_time_and_of_few_nodes() -> None:
    def draw() -> Markup:
        nodes = [Node(id=f"n{n}", name=f"n{n}", column=n % 3) for n in range(40)]
        return graph(
            nodes, [Edge(start="n0", end="n39"), Edge(start="n0", end="n1")], columns=["a", "b", "c"], label="l"
        )

    assert draw() == draw()
    assert draw().count("<circle") == MOST_NODES and draw().count('class="edge"') == 1


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [-3.0, 7.0], [1e-9, 2e-9], [math.nan]])
def test_a_scale_holds_its_values_and_has_few_ticks(values: list[float]) -> None:
    scale = scale_of(values)
    assert scale.low < scale.high and 1 <= len(scale.ticks()) <= 7
    assert all(scale.low <= value <= scale.high for value in values if math.isfinite(value))


@pytest.mark.parametrize("is_failed", [True, False])
def test_a_failed_step_is_told_apart(is_failed: bool) -> None:
    drawn = waterfall([Step(name="call", depth=0, begins=0, seconds=1, is_failed=is_failed)], label="l")
    assert ('class="bad"' in drawn) == is_failed
