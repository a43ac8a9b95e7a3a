"""Trained routers beside the featurizer: a batch of contexts gets the forecasts of its texts, by one call a router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol

import numpy as np

from routing.artifacts import Artifact
from routing.base import ACTIVE, BAD_FORECAST, NO_ACTIVE_ROUTER, SHADOW, ArmForecasts, Context, Vector
from routing.encoders.cached import CachedEncoder
from routing.errors import ArtifactRefused
from routing.features import Featurizer, excerpt
from routing.forecasts import PREDICTOR_ERRORS, Forecast, Inputs, Matrix
from routing.recent import Recent

REMEMBERED = 4096  # texts' forecasts; about 1 kB each with 40 candidates
LARGEST = 1e9  # USD, seconds or joules that a forecast may hold: more is no forecast, and would overflow when weighed


class ServedRouter(Protocol):
    """A version of a trained router that has been loaded."""

    @property
    def version_id(self) -> str: ...

    @property
    def artifact(self) -> Artifact: ...


@dataclass(frozen=True, kw_only=True)
class ForecastFailures:
    """How many queries went without a forecast that should have had one."""

    count: int = 0  # since the start
    latest: str = ""  # why the latest did; empty: none since the routers were last changed


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """What serves at one moment; replaced whole, so that no batch sees half of a change."""

    role_to_router: Mapping[str, RouterForecasts]
    gap: str  # why nothing is active, as a code


class ForecastingFeaturizer(Featurizer):
    """The inner featurizer's contexts, with what the active and the shadow router forecast for each text.

    `encoder`: the one that the inner featurizer encodes with, so that its vectors are remembered and not made twice.
    A forecast that fails or holds a NaN is left out: the context's `forecast_gap` says why the active one is missing.
    """

    def __init__(self, featurizer: Featurizer, encoder: CachedEncoder) -> None:
        self._featurizer = featurizer
        self._encoder = encoder
        self._loaded = _Loaded(role_to_router={}, gap=NO_ACTIVE_ROUTER)
        self._failures = {ACTIVE: ForecastFailures(), SHADOW: ForecastFailures()}
        self._lock = Lock()  # batches of two event loops may fail at once

    @property
    def context_names(self) -> tuple[str, ...]:
        return self._featurizer.context_names

    @property
    def encoder_name(self) -> str:
        return self._featurizer.encoder_name

    @property
    def failures(self) -> Mapping[str, ForecastFailures]:
        """By role, ACTIVE and SHADOW."""
        with self._lock:
            return dict(self._failures)

    def use(self, active: ServedRouter | None, shadow: ServedRouter | None = None, *, is_refused: bool = False) -> None:
        """From the next batch on; a batch under way ends with what it began with.

        `is_refused`: there is an active version, but its artefact could not be loaded.
        """
        routers = {ACTIVE: active, SHADOW: shadow}
        loaded = _Loaded(
            role_to_router={role: RouterForecasts(router) for role, router in routers.items() if router is not None},
            gap=ArtifactRefused.code if is_refused else NO_ACTIVE_ROUTER,
        )
        with self._lock:
            self._loaded = loaded
            self._failures = {role: replace(each, latest="") for role, each in self._failures.items()}

    def is_instant(self, text: str) -> bool:
        routers = self._loaded.role_to_router.values()
        return self._featurizer.is_instant(text) and all(router.has(text) for router in routers)

    def contexts(self, texts: Sequence[str]) -> list[Context]:
        """See `Featurizer.contexts`. Raises EncoderUnavailable."""
        loaded = self._loaded
        contexts = self._featurizer.contexts(texts)
        if not contexts or (not loaded.role_to_router and loaded.gap == NO_ACTIVE_ROUTER):
            return contexts
        inputs = Inputs(
            texts=tuple(texts),
            embeddings=self._encoder.encode([excerpt(text) for text in texts]),
            tasks=(None,) * len(texts),
        )
        role_to_rows = {role: self._rows(role, router, inputs) for role, router in loaded.role_to_router.items()}
        gap = BAD_FORECAST if ACTIVE in role_to_rows else loaded.gap
        return [
            replace(
                context,
                forecasts={role: row for role, rows in role_to_rows.items() if (row := rows[place]) is not None},
                forecast_gap=gap,
            )
            for place, context in enumerate(contexts)
        ]

    def _rows(self, role: str, router: RouterForecasts, inputs: Inputs) -> list[ArmForecasts | None]:
        try:
            rows = router.forecasts(inputs)
        except PREDICTOR_ERRORS as exc:  # the decision goes on without the forecast
            self._failed(role, len(inputs), f"{router.version_id}: {exc!r}")
            return [None] * len(inputs)
        if missing := sum(row is None for row in rows):
            self._failed(role, missing, f"{router.version_id}: a forecast held a NaN or a number beyond {LARGEST:g}")
        return rows

    def _failed(self, role: str, count: int, why: str) -> None:
        with self._lock:
            self._failures[role] = ForecastFailures(count=self._failures[role].count + count, latest=why)


class RouterForecasts:
    """One loaded router, what all its forecasts share, and those it made last."""

    def __init__(self, served: ServedRouter) -> None:
        artifact = served.artifact
        self.version_id = served.version_id
        self._sha256 = artifact.sha256
        self._reference = artifact.manifest.reference
        self._predictor = artifact.predictor
        self._arm_to_place = {arm: place for place, arm in enumerate(artifact.predictor.candidates)}
        self._recent: Recent[ArmForecasts] = Recent(REMEMBERED)

    def has(self, text: str) -> bool:
        """Whether the text's forecast is remembered."""
        return text in self._recent

    def forecasts(self, inputs: Inputs) -> list[ArmForecasts | None]:
        """One a query, None where a number is a NaN or too large. Raises what the predictor raises."""
        rows = [self._recent.recall(text) for text in inputs.texts]
        if unknown := [place for place, row in enumerate(rows) if row is None]:
            for place, row in zip(unknown, self._fresh(inputs.take(unknown)), strict=True):
                rows[place] = None if row is None else self._recent.remember(inputs.texts[place], row)
        return rows

    def _fresh(self, inputs: Inputs) -> list[ArmForecasts | None]:
        with np.errstate(all="ignore"):  # what overflows is seen below
            forecast = self._predictor.predict(inputs)
        self._check_shapes(forecast, len(inputs))
        is_sound = np.logical_and.reduce([(np.abs(each) <= LARGEST).all(axis=1) for each in _matrices(forecast)])
        return [self._row(forecast, place) if is_sound[place] else None for place in range(len(inputs))]

    def _check_shapes(self, forecast: Forecast, queries: int) -> None:
        wanted = (queries, len(self._arm_to_place))
        for matrix in _matrices(forecast):
            if matrix.shape != wanted:
                raise ValueError(f"a forecast has the shape {matrix.shape}; it must be {wanted}")

    def _row(self, forecast: Forecast, place: int) -> ArmForecasts:
        return ArmForecasts(
            version_id=self.version_id,
            sha256=self._sha256,
            reference=self._reference,
            arm_to_place=self._arm_to_place,
            quality=forecast.quality[place].copy(),  # a row of a batch would keep the whole batch alive
            cost_usd=forecast.cost_usd[place].copy(),
            latency_seconds=_at(forecast.latency_seconds, place),
            energy_joules=_at(forecast.energy_joules, place),
        )


def _matrices(forecast: Forecast) -> list[Matrix]:
    every = (forecast.quality, forecast.cost_usd, forecast.latency_seconds, forecast.energy_joules)
    return [matrix for matrix in every if matrix is not None]


def _at(matrix: Matrix | None, place: int) -> Vector | None:
    return None if matrix is None else matrix[place].copy()
