"""What a pheromone memory learned, as facts that are appended, and the states saved between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from storage.records import Judge, new_id, utc_now

TrailEventKind = Literal["deposit", "restart", "reset", "tasks", "erased"]


@dataclass(frozen=True, kw_only=True)
class TrailEvent:
    """One change of a memory. Events applied in order of position to a snapshot give the next state.

    * deposit   a lesson of one decision; applied once, however often it is written
    * restart   a row (task × stage) was set back, because its choices had become all the same
    * reset     cells were forgotten by an operator: those of `stage` and `candidate_id`, where given
    * tasks     the task types were found anew; `body` holds them
    * erased    the text `payload_id` is gone for good, and so is every embedding of it; written by the store
    """

    memory: str  # name of the memory, as the policies name it
    kind: TrailEventKind = "deposit"
    mixture: Mapping[str, float] = field(default_factory=dict)  # task type to weight, sums to one
    stage: str = ""
    candidate_id: str | None = None
    utility: float = 0.0  # in [0, 1]; 0 for a failure
    quality: float | None = None
    cost_usd: float = 0.0
    latency_seconds: float = 0.0
    weight: float = 1.0  # after the cap of its principal
    tenant: str = "default"
    principal: str = "local"
    judged_by: Judge | None = None
    decision_id: str | None = None
    payload_id: str | None = None  # erasing this text erases `embedding`, too
    embedding: bytes | None = None  # float16 of the query's vector, for look-up among neighbours
    body: Mapping[str, Any] = field(default_factory=dict)  # JSON values
    id: str = field(default_factory=lambda: new_id("trail"))
    at: datetime = field(default_factory=utc_now)
    position: int = 0  # filled in by the store: 1, 2, 3, …


@dataclass(frozen=True, kw_only=True)
class TrailSnapshot:
    """A memory's whole state after all events up to `position`."""

    memory: str
    position: int
    state: Mapping[str, Any]  # JSON values
    sha256: str  # of the state's canonical JSON
    id: str = field(default_factory=lambda: new_id("snapshot"))
    at: datetime = field(default_factory=utc_now)
