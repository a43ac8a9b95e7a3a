"""A few things and how they hang together: nodes in columns, laid out here, the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.rest.console.charts.svg import NARROW, PIXELS_A_LETTER, chart, percent, tag, text, title

MOST_NODES = 20
ROW, TOP, BELOW = 52, 30, 28  # pixels: between nodes, above the first, below the last
THINNEST, THICKEST = 1.0, 6.0  # pixels of a line


@dataclass(frozen=True, kw_only=True)
class Node:
    """`column`: from the left, 0 first; `kind`: a class of the stylesheet."""

    id: str
    name: str
    column: int
    kind: str = "s6"
    is_marked: bool = False
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """`weight` in [0, 1]: how thick."""

    start: str
    end: str
    weight: float = 0.0
    is_marked: bool = False
    about: str = ""


def graph(nodes: Sequence[Node], edges: Sequence[Edge], *, columns: Sequence[str], label: str) -> Markup:
    """Of at most MOST_NODES nodes, the first ones; `columns`: what stands above each. Edges to others are left out."""
    nodes = nodes[:MOST_NODES]
    if not nodes:
        return Markup("")
    deepest = max(sum(node.column == column for node in nodes) for column in range(len(columns)))
    id_to_place = _places(nodes, len(columns), deepest)
    headings = [
        text(name, x=percent(_across(number, len(columns))), y=12, kind="dim middle", most=16)
        for number, name in enumerate(columns)
    ]
    lines = [_line(edge, id_to_place) for edge in edges if edge.start in id_to_place and edge.end in id_to_place]
    drawn = [_node(node, id_to_place[node.id], len(columns)) for node in nodes]
    height = max(y for _, y in id_to_place.values()) + BELOW
    return chart([*headings, *lines, *drawn], height=height, label=label)


def _places(nodes: Sequence[Node], columns: int, deepest: int) -> dict[str, tuple[float, float]]:
    """Per cent across and pixels down; each second column stands half a row lower, so that names have room."""
    id_to_place = {}
    for column in range(columns):
        own = [node for node in nodes if node.column == column]
        start = TOP + (deepest - len(own)) // 2 * ROW + (column % 2) * ROW / 2 + ROW / 4
        for number, node in enumerate(own):
            id_to_place[node.id] = (_across(column, columns), start + number * ROW)
    return id_to_place


def _across(column: int, columns: int) -> float:
    return (column + 0.5) / columns * 100


def _line(edge: Edge, id_to_place: dict[str, tuple[float, float]]) -> Markup:
    (x1, y1), (x2, y2) = id_to_place[edge.start], id_to_place[edge.end]
    thickness = THINNEST + min(1.0, max(0.0, edge.weight)) * (THICKEST - THINNEST)
    return tag(
        "line", title(edge.about), class_="edge marked" if edge.is_marked else "edge", x1=percent(x1), y1=f"{y1:.1f}",
        x2=percent(x2), y2=f"{y2:.1f}", stroke_width=f"{thickness:.1f}",
    )  # fmt: skip


def _node(node: Node, place: tuple[float, float], columns: int) -> Markup:
    x, y = place
    letters = int(NARROW / columns * 1.5 / PIXELS_A_LETTER)
    circle = tag(
        "circle", title(node.about or node.name), class_=node.kind, cx=percent(x), cy=f"{y:.1f}",
        r="8" if node.is_marked else "6",
    )  # fmt: skip
    at, anchor = x, "halo middle"
    if min(len(node.name), letters) * PIXELS_A_LETTER > NARROW / columns:  # it would stand out at an edge
        at, anchor = {0: (0.0, "halo"), columns - 1: (100.0, "halo end")}.get(node.column, (at, anchor))
    kind = f"{anchor} strong" if node.is_marked else anchor
    return circle + text(node.name, x=percent(at), y=y + 21, kind=kind, most=letters)
