"""Policies that are taught again what the log holds, and the digests of their states on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Self

from routing.base import Policy
from routing.router import context_of, lesson_of
from routing.snapshots import state_sha256
from storage.records import Decision, Reward

SELF_JUDGED = "self"  # teaches nothing


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A reward of the log, and the decision that earned it."""

    position: int  # of the reward
    decision: Decision
    reward: Reward
    writer: str = ""  # whose process wrote the reward

    @property
    def teaches(self) -> bool:
        """Whether policies take any notice of it: nobody learns from what a candidate says of itself."""
        return self.decision.candidate_id is not None and self.reward.judged_by != SELF_JUDGED


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What contexts a process made: it learns from no others."""

    encoder: str
    tasks: frozenset[str]
    length: int

    @classmethod
    def of(cls, decision: Decision) -> Self:
        return cls(encoder=decision.encoder, tasks=frozenset(decision.task_mixture), length=len(decision.context))


class Learner:
    """Policies by name, taught as `PolicyRouter.learn` teaches them."""

    def __init__(self, policies: Mapping[str, Policy], shape: Shape | None = None) -> None:
        """`shape`: of the contexts that fit; None: that of the first lesson."""
        self._policies = dict(policies)
        self._shape = shape
        self._name_to_sha256: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the policies."""
        return tuple(self._policies)

    def teach(self, lesson: Lesson) -> None:
        decision = lesson.decision
        if self._shape is None:
            self._shape = Shape.of(decision)
        if decision.candidate_id is None or not lesson.teaches or not self.fits(decision):
            return
        context, told = context_of(decision), lesson_of(decision, lesson.reward)
        for policy in self._policies.values():
            policy.observe(decision.candidate_id, context, told)
        self._name_to_sha256.clear()

    def teach_all(self, lessons: Iterable[Lesson]) -> None:
        for lesson in lessons:
            self.teach(lesson)

    def fits(self, decision: Decision) -> bool:
        """Whether the policies can read this decision's context."""
        return self._shape is None or Shape.of(decision) == self._shape

    def policy(self, name: str) -> Policy:
        return self._policies[name]

    def sha256(self, name: str) -> str:
        """Of the policy's state as it is now."""
        if name not in self._name_to_sha256:
            self._name_to_sha256[name] = state_sha256(self._policies[name].state())
        return self._name_to_sha256[name]

    def copy(self) -> Learner:
        made = Learner(deepcopy(self._policies), self._shape)
        made._name_to_sha256 = dict(self._name_to_sha256)
        return made
