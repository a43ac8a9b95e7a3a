"""Half-open endpoints in a run: who may try one, when it is left to others, and what a failure says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from agents.errors import ModelUnavailable
from orchestrator.errors import DeadlineExceeded
from orchestrator.health import ModelHealth
from orchestrator.run_state import RunState
from routing.base import Choice
from storage.errors import ServiceError
from storage.records import Candidate, Query


class Asked(Protocol):
    """What of the run's steps is needed here."""

    @property
    def candidates(self) -> Mapping[str, Candidate]: ...

    @property
    def health(self) -> ModelHealth: ...


def admitted(nodes: Asked, query: Query, choice: Choice) -> bool:
    """Whether who was picked may be asked; not, if another query took the trial since the options were made."""
    picked = nodes.candidates[choice.candidate_id] if choice.candidate_id else None
    return picked is None or nodes.health.admits(picked.model, query.id)


def is_trial(nodes: Asked, query: Query, candidate_id: str | None) -> bool:
    return candidate_id is not None and nodes.health.is_trial(nodes.candidates[candidate_id].model, query.id)


def resting(nodes: Asked, state: RunState) -> dict[str, str]:
    """Model to why it is left alone.

    After a failure so are half-open ones, as long as somebody is there who is not failing: a query that was kind enough
    to try one must not be lost to a second.
    """
    if state["attempt"] == 0:
        return nodes.health.reasons()
    careful, among = nodes.health.reasons(has_trials=False), state.get("among") or nodes.candidates.keys()
    left = [each for id, each in nodes.candidates.items() if id in among and id not in state["tried"]]
    return careful if any(each.model not in careful for each in left) else nodes.health.reasons()


def tell(nodes: Asked, state: RunState, candidate: Candidate, error: ServiceError) -> None:
    """Tells the breaker of a failure; one of the request itself, or for want of the caller's time, says nothing.

    A trial that ran out of its time does: it is what a hung endpoint looks like.
    """
    is_late = state.get("is_trial", False) and isinstance(error, DeadlineExceeded)
    if isinstance(error, ModelUnavailable) or is_late:
        nodes.health.failed(candidate.model, str(error), retry_after_seconds=error.retry_after_seconds)
    else:
        nodes.health.released(state["query"].id)
