"""Asks a trained step policy about one running job: what it sees, what it may do, what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from routing.steps.artifact import StepArtifact
from routing.steps.episodes import Step
from routing.steps.features import SIGNALS, Watch
from routing.steps.journey import CONTINUE, FIRST_RESTART, STOP, Floats, View
from storage.errors import InvalidInput

Action = Literal["continue", "stop", "restart"]
DEFAULT_WEIGHT = 0.3


@dataclass(frozen=True, kw_only=True)
class StepDecision:
    """`candidate`: who takes the next step, or None. `probabilities`: of `continue`, `stop` and each candidate."""

    action: Action
    candidate: str | None
    probabilities: Mapping[str, float]
    is_forced: bool  # only one action could be paid for
    masked: tuple[str, ...] = ()  # what cannot be paid for with what remains, or may not be begun any more


@dataclass(kw_only=True)
class JobState:
    """One job as the policy sees it. Made by `StepPolicy.begin`, told of every step by `saw`."""

    text: Floats  # 1 × T
    signals: Floats  # 1 × C × F
    seen: NDArray[np.int64]  # 1 × C
    candidates: tuple[str, ...]
    most_steps: int
    current: str | None = None
    _watches: dict[str, Watch] = field(default_factory=dict)

    def saw(self, candidate: str, step: Step) -> None:
        """A step is over. Raises InvalidInput for a candidate that the policy does not know."""
        if candidate not in self.candidates:
            known = ", ".join(map(repr, self.candidates))
            raise InvalidInput(f"No candidate {candidate!r} in this step policy; known: {known}.", field="candidate")
        place = self.candidates.index(candidate)
        watch = self._watches.setdefault(candidate, Watch(self.most_steps))
        self.signals[0, place] = watch.saw(step)
        self.seen[0, place] = min(watch.count, self.most_steps - 1)
        self.current = candidate


class StepPolicy:
    """A loaded artefact that decides. Holds no job: their states are the callers'."""

    def __init__(self, artifact: StepArtifact, *, weight: float = DEFAULT_WEIGHT, exploration: float = 0.0) -> None:
        """`weight`: of cost, in successes for one mean episode of large. `exploration`: share of random choices among
        what may be done, stopping left out. Raises InvalidInput."""
        if not 0 <= exploration <= 1:
            raise InvalidInput(f"`exploration` is {exploration!r}; it must lie in [0, 1].", field="exploration")
        if not 0 <= weight < float("inf"):
            raise InvalidInput(f"`weight` is {weight!r}; it must be a number, 0 or more.", field="weight")
        self.artifact, self.weight, self.exploration = artifact, weight, exploration
        self.candidates = artifact.manifest.candidates
        self._names = ("continue", "stop", *self.candidates)
        self._place = {id: place for place, id in enumerate(self.candidates)}

    @property
    def unit_usd(self) -> float:
        return self.artifact.manifest.unit_usd

    @property
    def least_usd(self) -> float:
        """With less than this nothing is begun."""
        return self.artifact.mask.cheapest_completion * self.unit_usd

    def begin(self, text: str, vector: NDArray[Any] | None = None) -> JobState:
        """`vector`: the text's, by the manifest's encoder, where it names one. Raises InvalidInput."""
        reader, count = self.artifact.reader, len(self.candidates)
        try:
            read = reader.read([text], None if vector is None else np.asarray(vector)[None])
        except ValueError as exc:
            encoder = self.artifact.manifest.encoder
            raise InvalidInput(
                f"The step policy needs the text's vector by {encoder!r}: {exc}.", field="vector"
            ) from exc
        return JobState(
            text=read,
            signals=np.zeros((1, count, len(SIGNALS))),
            seen=np.zeros((1, count), dtype=np.int64),
            candidates=self.candidates,
            most_steps=self.artifact.manifest.most_steps,
        )

    def decide(self, state: JobState, remaining_usd: float | None = None) -> StepDecision:
        """`remaining_usd`: what the job may still spend; None: no limit. Asking twice gives the same answer."""
        limit = np.inf if remaining_usd is None else remaining_usd / self.unit_usd
        view = View(
            texts=state.text,
            signals=state.signals,
            current=np.array([-1 if state.current is None else self._place[state.current]]),
            seen=state.seen,
            weight=np.array([self.weight]),
            remaining=np.array([limit]),
        )
        allowed = self.artifact.mask.allowed(view)
        action = int(self.artifact.scorer.scores(view, allowed).argmax())
        row = allowed[0]
        chances = self._chances(row, action)
        return StepDecision(
            action="continue" if action == CONTINUE else "stop" if action == STOP else "restart",
            candidate=self._candidate(action, state),
            probabilities=dict(zip(self._names, chances.tolist(), strict=True)),
            is_forced=int(row.sum()) == 1,
            masked=tuple(name for name, is_allowed in zip(self._names, row.tolist(), strict=True) if not is_allowed),
        )

    def _candidate(self, action: int, state: JobState) -> str | None:
        if action == CONTINUE:
            return state.current
        return None if action == STOP else self.candidates[action - FIRST_RESTART]

    def _chances(self, allowed: NDArray[np.bool_], action: int) -> Floats:
        """The best action, and a share of the others that may be taken."""
        chances = np.zeros(len(allowed))
        others = allowed.copy()
        others[STOP] = False
        if self.exploration and others.any():
            chances[others] = self.exploration / others.sum()
        chances[action] += 1.0 - chances.sum()
        return chances
