"""How often each verifier errs, counted from answers whose truth somebody more trusted told later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.verifiers.base import ErrorRates
from storage.records import Judge, Outcome
from storage.stores import Stores

REMEMBERED = 10_000  # decisions whose truth may still come, or change
RIGHT_FROM = 0.5  # quality from which an answer counts as right
TRUST: dict[Judge, int] = {"environment": 4, "user": 3, "verifier": 2, "judge": 1, "self": 0}


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is assumed before anything is known: two Beta distributions of `strength` answers each."""

    false_accept: float
    false_reject: float
    strength: float = 10.0


# Assumed, not measured: what compares with the truth seldom errs; a form may be kept by a wrong answer; tests leave
# gaps; a model is lenient.
KIND_TO_PRIOR = {
    "checker": Prior(false_accept=0.02, false_reject=0.05),
    "exit_code": Prior(false_accept=0.1, false_reject=0.05),
    "json_schema": Prior(false_accept=0.5, false_reject=0.02),
    "model": Prior(false_accept=0.3, false_reject=0.15),
    "numeric": Prior(false_accept=0.02, false_reject=0.05),
    "person": Prior(false_accept=0.05, false_reject=0.05),
    "regex": Prior(false_accept=0.3, false_reject=0.05),
    "tests": Prior(false_accept=0.1, false_reject=0.02),
}
UNKNOWN_KIND = Prior(false_accept=0.2, false_reject=0.2)


@dataclass(kw_only=True)
class Counts:
    """Answers with known truth, by what the verifier said of them."""

    accepted_right: int = 0
    rejected_right: int = 0
    accepted_wrong: int = 0
    rejected_wrong: int = 0

    @property
    def judged(self) -> int:
        return self.accepted_right + self.rejected_right + self.accepted_wrong + self.rejected_wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class _Word:
    """What one judge said of an answer."""

    outcome_id: str
    judged_by: Judge
    is_right: bool
    verifier: str | None
    has_passed: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """One verdict whose truth is known."""

    verifier: str
    has_passed: bool
    is_right: bool


@dataclass(kw_only=True, slots=True)
class _Answer:
    """What all judges said of one decision's answer, and what was counted of it."""

    words: list[_Word] = field(default_factory=list)
    counted: list[_Case] = field(default_factory=list)


class VerifierRates:
    """Beta-binomial means: (errors + prior · strength) / (answers + strength), for each verifier and sort of error.

    The truth of a verdict is what the most trusted other judge said: environment, then user, verifier, judge. It must
    be more trusted than the verdict's own judge; a verifier never judges itself, and `self` judges nobody. An outcome
    counts once, however often it is told; a later, more trusted one takes the place of the former.
    Rates are of the newest decisions that were told of, and truths are known of some answers only: those that somebody
    looked into.
    """

    def __init__(self, name_to_kind: Mapping[str, str] | None = None, *, remembered: int = REMEMBERED) -> None:
        self.name_to_kind = dict(name_to_kind or {})
        self.name_to_counts: dict[str, Counts] = {}
        self._remembered = remembered
        self._id_to_answer: OrderedDict[str, _Answer] = OrderedDict()  # by decision, the one told of last at the end

    async def restore(self, stores: Stores, *, limit: int) -> None:
        """Counts the newest outcomes of the log."""
        self.learn(await stores.decisions.outcomes(limit=limit))

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes of any decisions, in the order in which they happened."""
        for outcome in outcomes:
            if outcome.quality is None or outcome.judged_by is None:
                continue
            word = _Word(
                outcome_id=outcome.id,
                judged_by=outcome.judged_by,
                is_right=outcome.quality >= RIGHT_FROM,
                verifier=outcome.verifier,
                has_passed=outcome.has_passed,
            )
            self._hear(outcome.decision_id, word)

    def of(self, verifier: str) -> ErrorRates:
        """The prior's, for one that nothing is known of."""
        counts, prior = self.name_to_counts.get(verifier, Counts()), self.prior_of(verifier)
        wrong, right = counts.accepted_wrong + counts.rejected_wrong, counts.accepted_right + counts.rejected_right
        return ErrorRates(
            false_accept=_mean(counts.accepted_wrong, wrong, prior.false_accept, prior.strength),
            false_reject=_mean(counts.rejected_right, right, prior.false_reject, prior.strength),
            judged=counts.judged,
        )

    def chance_right(self, verifier: str, *, passed: bool, prior: float) -> float:
        """P(right | what this verifier said), `prior` being P(right) before it."""
        return self.of(verifier).chance_right(passed, prior)

    def prior_of(self, verifier: str) -> Prior:
        return KIND_TO_PRIOR.get(self.name_to_kind.get(verifier, verifier), UNKNOWN_KIND)

    def _hear(self, decision_id: str, word: _Word) -> None:
        answer = self._id_to_answer.setdefault(decision_id, _Answer())
        self._id_to_answer.move_to_end(decision_id)
        if all(known.outcome_id != word.outcome_id for known in answer.words):
            answer.words.append(word)
            self._count(answer.counted, by=-1)
            answer.counted = _cases(answer.words)
            self._count(answer.counted, by=1)
        while len(self._id_to_answer) > self._remembered:
            self._count(self._id_to_answer.popitem(last=False)[1].counted, by=-1)

    def _count(self, cases: Sequence[_Case], *, by: int) -> None:
        for case in cases:
            counts = self.name_to_counts.setdefault(case.verifier, Counts())
            if case.is_right:
                counts.accepted_right += by if case.has_passed else 0
                counts.rejected_right += 0 if case.has_passed else by
            else:
                counts.accepted_wrong += by if case.has_passed else 0
                counts.rejected_wrong += 0 if case.has_passed else by


def _cases(words: Sequence[_Word]) -> list[_Case]:
    latest = {word.verifier: word for word in words if word.verifier is not None}
    cases = []
    for name, word in latest.items():
        others = [other for other in words if other.verifier != name and TRUST[other.judged_by] > TRUST[word.judged_by]]
        if others and word.has_passed is not None and word.judged_by != "self":
            strongest = max(TRUST[other.judged_by] for other in others)
            truth = [other for other in others if TRUST[other.judged_by] == strongest][-1]
            cases.append(_Case(verifier=name, has_passed=word.has_passed, is_right=truth.is_right))
    return cases


def _mean(errors: int, answers: int, prior: float, strength: float) -> float:
    return (errors + prior * strength) / (answers + strength)
