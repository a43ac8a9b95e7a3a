"""Routers that stored traffic is sent through: a trained one, or a policy that learns along the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from orchestrator.replay.again import options_of, seen_by
from orchestrator.replay.lessons import Learner, Lesson
from orchestrator.replay.records import RouterKind, RouterName
from orchestrator.router_watch import LoadedRouter
from routing.base import ACTIVE, ArmForecasts, Context, Policy
from routing.encoders.cached import CachedEncoder
from routing.features import excerpt
from routing.forecasts import PREDICTOR_ERRORS, Inputs, Weights
from routing.learned import RouterForecasts
from routing.router import assessed
from storage.errors import InvalidInput
from storage.records import Decision

ERASED = "the query's text was erased"
NO_NUMBER = "the router's forecast is not a number, or beyond all sense"
UNKNOWN = "the router knows none of the candidates that could be picked"
MISFIT = "made with another encoder or other tasks than most"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a router would have done with one decision; by candidate, of those that it could pick."""

    probabilities: Mapping[str, float]
    quality: Mapping[str, float] | None = None  # what it expects; None: it forecasts nothing
    cost_usd: Mapping[str, float] | None = None
    utility: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A stored decision and its query's text; None: erased."""

    decision: Decision
    text: str | None


Step = Seen | Lesson  # in the order of the log
Answer = Row | str  # or why the decision must be left out


class Target(Protocol):
    """A router; `rows` blocks, and is called once for each part of the log, in its order."""

    @property
    def name(self) -> RouterName: ...

    @property
    def learns(self) -> bool: ...

    @property
    def needs_text(self) -> bool: ...

    def rows(self, steps: Sequence[Step]) -> list[Answer]:
        """One for each decision among the steps."""
        ...


class TrainedTarget:
    """As it would choose in service, with the service's exploration, among the candidates that it knows."""

    learns = False
    needs_text = True

    def __init__(
        self,
        asked: str,
        kind: RouterKind,
        router: LoadedRouter,
        *,
        policy: Policy,
        encoder: CachedEncoder,
        weights: Weights,
        cache_dir: Path | None = None,
    ) -> None:
        """`policy`: weighs the forecasts. `weights`: where a decision stored none. `cache_dir`: keeps vectors there."""
        self.reference = router.artifact.manifest.reference
        self.name = RouterName(
            name=asked,
            kind=kind,
            version=router.version_id,
            sha256=router.artifact.sha256,
            encoder=router.artifact.manifest.encoder,
            note="the weights stored with each decision, else the settings' ones",
        )
        self._known = frozenset(router.artifact.predictor.candidates)
        self._forecasts = RouterForecasts(router)
        self._policy, self._encoder, self._weights, self._cache_dir = policy, encoder, weights, cache_dir

    def rows(self, steps: Sequence[Step]) -> list[Answer]:
        """Raises EncoderUnavailable."""
        seen = [step for step in steps if isinstance(step, Seen)]
        texts = [each.text for each in seen if each.text is not None]
        if not texts:
            return [ERASED] * len(seen)
        from skills.embedding import embed  # its file on disk loads more than a gateway needs

        vectors = embed([excerpt(text) for text in texts], self._encoder.encoder, cache_dir=self._cache_dir)
        inputs = Inputs(texts=tuple(texts), embeddings=vectors, tasks=(None,) * len(texts))
        try:
            forecasts = iter(self._forecasts.forecasts(inputs))
        except PREDICTOR_ERRORS as error:
            raise InvalidInput(
                f"Router {self.name.name!r} cannot forecast for this traffic: {error!r}.",
                field="router",
                hint="Train it again, or replay another one.",
            ) from error
        return [ERASED if each.text is None else self._row(each.decision, next(forecasts)) for each in seen]

    def _row(self, decision: Decision, forecast: ArmForecasts | None) -> Answer:
        if forecast is None:
            return NO_NUMBER
        known = [
            a.candidate_id for a in decision.assessments if a.mask_reason is None and a.candidate_id in self._known
        ]
        if not known:
            return UNKNOWN
        weights = Weights(**decision.weights) if decision.weights else self._weights
        context = replace(seen_by(decision), forecasts={ACTIVE: forecast}, weights=weights)
        probabilities = self._policy.probabilities(known, context).tolist()
        utilities = [sum(parts.values()) for parts in self._policy.scores(known, context)]
        places = [forecast.arm_to_place[id] for id in known]
        return Row(
            probabilities=dict(zip(known, probabilities, strict=True)),
            quality=dict(zip(known, forecast.quality[places].tolist(), strict=True)),
            cost_usd=dict(zip(known, forecast.cost_usd[places].tolist(), strict=True)) if self._has_costs else None,
            utility=dict(zip(known, utilities, strict=True)),
        )

    @property
    def _has_costs(self) -> bool:
        return bool(self.reference.cost_usd)


class PolicyTarget:
    """A policy that knows at each decision what the log had taught by then, and nothing of later."""

    needs_text = False

    def __init__(self, name: str, learner: Learner, *, learns: bool) -> None:
        self.learns = learns
        self._learner = learner
        note = "learns from the log's rewards in their order; at each decision it knows those before" if learns else ""
        self._policy_name = name
        policy = learner.policy(name)
        self.name = RouterName(name=name, kind="policy", version=policy.version, sha256=learner.sha256(name), note=note)

    def rows(self, steps: Sequence[Step]) -> list[Answer]:
        found: list[Answer] = []
        for step in steps:
            if isinstance(step, Lesson):
                self._learner.teach(step)
            else:
                found.append(self._row(step.decision))
        return found

    def _row(self, decision: Decision) -> Answer:
        if not self._learner.fits(decision):
            return MISFIT
        context: Context = seen_by(decision)
        again = assessed(self._learner.policy(self._policy_name), options_of(decision), context)
        return Row(probabilities={a.candidate_id: a.probability for a in again if a.probability > 0})
