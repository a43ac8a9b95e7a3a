"""Replays as plain JSON values, with what their properties say, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from orchestrator.replay.records import Comparison, DecisionReplay, Replays, TrafficReplay
from orchestrator.views import record_view

T = TypeVar("T")


def replays_view(replays: Replays) -> dict[str, Any]:
    return {
        "kind": "decisions",
        "is_same": replays.is_same,
        "counts": dict(replays.counts),
        "decisions": [decision_view(each) for each in replays.decisions],
    }


def decision_view(found: DecisionReplay) -> dict[str, Any]:
    return {**record_view(found), "is_same": found.is_same, "is_same_action": found.is_same_action}


def traffic_view(found: TrafficReplay) -> dict[str, Any]:
    return {"kind": "traffic", **record_view(found)}


def comparison_view(found: Comparison) -> dict[str, Any]:
    return {"kind": "comparison", **record_view(found)}


def replays_of(view: Mapping[str, Any]) -> Replays:
    """Undo of `replays_view`."""
    return _read(Replays, view)


def traffic_of(view: Mapping[str, Any]) -> TrafficReplay:
    """Undo of `traffic_view`."""
    return _read(TrafficReplay, view)


def comparison_of(view: Mapping[str, Any]) -> Comparison:
    """Undo of `comparison_view`."""
    return _read(Comparison, view)


def _read(kind: type[T], view: Mapping[str, Any]) -> T:
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(view)
