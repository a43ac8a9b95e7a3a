"""The figures that a trained router was registered with, read from its free JSON; what is not there is None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from orchestrator.rest.console.charts.scatter import Axis, Dot, scatter
from orchestrator.rest.console.filters import decimals, share, shown
from orchestrator.routers import gate_problem
from storage.version_records import PolicyVersion

BEST_SINGLE = "best_single"
COST, QUALITY = "cost (of best single's)", "quality"
MOST_DOTS = 12


@dataclass(frozen=True, kw_only=True)
class Against:
    """This version's mean less a rival's, with the interval that it was measured with."""

    rival: str
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class RouterFigures:
    """On held-out queries, the router not seeing their labels."""

    queries: int | None
    digest: str  # of what it was judged on: only versions with the same one can be compared
    quality: float | None  # mean, where cost weighs nothing
    cost_usd: float | None  # a query
    cost_share: float | None  # of what the best single candidate spends
    utility_area: float | None  # mean over seven weights of cost of quality less weighed cost
    calibration_error: float | None
    best_quality: float | None  # the best single candidate's
    thrift_quality: float | None  # of the cheapest point that holds best single's quality
    thrift_cost_share: float | None
    utility: tuple[Against, ...]
    better: tuple[Against, ...]  # in quality
    gate: tuple[Against, ...]  # in utility area, over all held-out queries
    gate_problem: str | None
    gate_reason: str


def figures_of(version: PolicyVersion) -> RouterFigures:
    metrics = version.metrics
    figures = _mapping(metrics.get("text_only")) or metrics
    rivals = _mapping(figures.get("comparisons"))
    quality = _number(figures.get("quality"))
    against_best = _against(BEST_SINGLE, _mapping(rivals.get(BEST_SINGLE)).get("quality"))
    thrift, gate = _mapping(_mapping(figures.get("thrift")).get("point")), _mapping(metrics.get("gate"))
    queries = _number(metrics.get("queries"))
    return RouterFigures(
        queries=None if queries is None else int(queries),
        digest=str(metrics.get("digest", "")),
        quality=quality,
        cost_usd=_number(figures.get("cost_usd")),
        cost_share=_number(figures.get("cost_share")),
        utility_area=_number(figures.get("utility_area")),
        calibration_error=_number(figures.get("calibration_error")),
        best_quality=None if quality is None or against_best is None else quality - against_best.mean,
        thrift_quality=_number(thrift.get("quality")),
        thrift_cost_share=_number(thrift.get("cost_share")),
        utility=_all_against({name: _mapping(each).get("utility_area") for name, each in rivals.items()}),
        better=_all_against({name: _mapping(each).get("quality") for name, each in rivals.items()}),
        gate=_all_against(_mapping(gate.get("rivals"))),
        gate_problem=gate_problem(version),
        gate_reason=str(gate.get("reason", "")),
    )


def frontier(versions: Sequence[PolicyVersion]) -> Markup:
    """Cost and quality of the versions that were judged on the same queries as the first one that tells any."""
    pairs = [(version, figures_of(version)) for version in versions]
    told = [(v, f) for v, f in pairs if f.quality is not None and f.cost_share is not None]
    if not told:
        return Markup("")
    same = [(v, f) for v, f in told if f.digest == told[0][1].digest][:MOST_DOTS]
    dots = [
        Dot(
            name=shown(version.name, 24),
            x=found.cost_share or 0.0,
            y=found.quality or 0.0,
            about=f"{shown(version.name)} ({version.state}): {_told(found.quality, found.cost_share)}",
            is_marked=version.state == "active",
        )
        for version, found in same
    ]
    return _drawn([*dots, *_best_single(same[0][1])])


def own_frontier(version: PolicyVersion) -> Markup:
    """One version where cost weighs nothing, its cheapest point that holds the quality, and the best single one."""
    found = figures_of(version)
    if found.quality is None or found.cost_share is None:
        return Markup("")
    dots = [Dot(name="quality alone", x=found.cost_share, y=found.quality, is_marked=True)]
    if found.thrift_quality is not None and found.thrift_cost_share is not None:
        dots.append(Dot(name="thrifty", x=found.thrift_cost_share, y=found.thrift_quality))
    return _drawn([*dots, *_best_single(found)])


def _best_single(found: RouterFigures) -> list[Dot]:
    return [] if found.best_quality is None else [Dot(name="best single", x=1.0, y=found.best_quality)]


def _drawn(dots: Sequence[Dot]) -> Markup:
    label = "Quality against cost: " + "; ".join(f"{dot.name} {_told(dot.y, dot.x)}" for dot in dots)
    across, up = Axis(name=COST, figure=share), Axis(name=QUALITY, figure=_quality)
    return scatter(dots, label=label, across=across, up=up)


def _told(quality: float | None, cost_share: float | None) -> str:
    return f"quality {decimals(quality)}, cost {share(cost_share)}"


def _quality(value: float) -> str:
    return decimals(value, 2)


def _all_against(rivals: Mapping[str, Any]) -> tuple[Against, ...]:
    found = (_against(name, value) for name, value in sorted(rivals.items()))
    return tuple(each for each in found if each is not None)


def _against(rival: str, value: object) -> Against | None:
    told = _mapping(value)
    mean = _number(told.get("mean"))
    if mean is None:
        return None
    return Against(rival=rival, mean=mean, low=_number(told.get("low")), high=_number(told.get("high")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
