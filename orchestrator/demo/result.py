"""What the demo was asked to do, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.demo.contest import Answered, Standing


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What the demo shall do."""

    question_count: int = 60
    seed: int = 0
    limit_seconds: float = 540.0  # for exploring and comparing together
    store_path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo saw."""

    plan: DemoPlan
    store_url: str
    candidates: tuple[str, ...]
    notices: tuple[str, ...]
    explored: tuple[Answered, ...]
    standings: tuple[Standing, ...]
    seconds: float
    cost_weight: float
