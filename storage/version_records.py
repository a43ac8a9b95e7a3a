"""Trained routers as the registry knows them, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from storage.records import new_id, utc_now

VersionState = Literal["candidate", "shadow", "active", "retired"]


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """A trained router as the registry knows it; its files are kept beside it and quoted by digest."""

    id: str
    name: str
    predictor: str  # its kind (`kind` in the log is that of the event)
    artifact_sha256: str  # names the artefact for good: one version an artefact
    encoder: str  # name of the one it was trained with
    candidates: tuple[str, ...]  # ids it can choose among
    metrics: Mapping[str, Any] = field(default_factory=dict)  # JSON values: on dev, and the gate it had to pass
    parent_id: str | None = None  # the version that it was adapted from
    file_to_sha256: Mapping[str, str] = field(default_factory=dict)  # filled in by the store
    state: VersionState = "candidate"
    reason: str = ""  # of the last change of state
    registered_at: datetime = field(default_factory=utc_now)
    changed_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class VersionMove:
    """One change of a version's state, and who serves after it."""

    version_id: str
    from_state: VersionState
    to_state: VersionState
    reason: str
    active_id: str | None
    shadow_id: str | None
    is_forced: bool = False  # past a gate that it did not pass
    is_rollback: bool = False
    id: str = field(default_factory=lambda: new_id("move"))
    moved_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class ServingVersions:
    """Which versions serve; two of them are equal when nothing was moved in between."""

    active_id: str | None = None
    shadow_id: str | None = None
    last_move_id: str | None = None
