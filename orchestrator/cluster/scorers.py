"""Forecasts of a trained router by an actor for all workers, and what stands in for its predictor elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.cluster.batches import Batches
from orchestrator.cluster.errors import ActorGone
from orchestrator.cluster.links import ActorLink
from routing.artifacts import loads
from routing.forecasts import PREDICTOR_ERRORS, Arrays, Forecast, Inputs, Predictor
from storage.errors import ArtifactRefused

DOES = "scores candidates"
KEPT = 4  # versions


class ScorerActor:
    """Runs on the cluster; knows the versions that it was given last."""

    def __init__(self, *, most: int) -> None:
        self._predictors: dict[str, Predictor] = {}
        self._batches: Batches[Inputs, Forecast] = Batches(self._forecasts, most=most)

    async def receive(self, version_id: str, files: Mapping[str, bytes]) -> None:
        """Raises ArtifactRefused."""
        self._predictors[version_id] = loads(files, where=version_id).predictor
        while len(self._predictors) > KEPT:
            del self._predictors[next(iter(self._predictors))]

    async def versions(self) -> tuple[str, ...]:
        """Those that it knows."""
        return tuple(self._predictors)

    async def predict(self, version_id: str, inputs: Inputs) -> Forecast:
        """Queries of callers at the same moment are one batch. Raises ArtifactRefused for an unknown version."""
        places = range(len(inputs))
        return joined_rows(await self._batches.results(version_id, [inputs.take([place]) for place in places]))

    def _forecasts(self, version_id: str, queries: Sequence[Inputs]) -> Sequence[Forecast]:
        predictor = self._predictors.get(version_id)
        if predictor is None:
            raise ArtifactRefused(f"The scorer has no router {version_id!r}.")
        inputs = Inputs(
            texts=tuple(query.texts[0] for query in queries),
            embeddings=np.concatenate([query.embeddings for query in queries]),
            tasks=tuple(query.tasks[0] for query in queries),
        )
        forecast = predictor.predict(inputs)
        return [rows_of(forecast, place) for place in range(len(queries))]


class RemotePredictor(Predictor):
    """Asks the actor; when that cannot answer, the predictor that stands behind it here does."""

    def __init__(self, link: ActorLink, version_id: str, own: Predictor) -> None:
        self.kind = own.kind
        self._link = link
        self._version_id = version_id
        self._own = own

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._own.candidates

    def predict(self, inputs: Inputs) -> Forecast:
        try:
            forecast: Forecast = self._link.call("predict", self._version_id, inputs)
        except (ActorGone, ArtifactRefused, *PREDICTOR_ERRORS):
            return self._own.predict(inputs)
        return forecast

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self._own.arrays()

    def settings(self) -> dict[str, object]:
        return self._own.settings()

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        """Raises TypeError: it is made of another predictor."""
        raise TypeError("A remote predictor is not saved; save the one that stands behind it.")


def rows_of(forecast: Forecast, place: int) -> Forecast:
    """The forecast of one query."""
    row = slice(place, place + 1)
    return Forecast(
        quality=forecast.quality[row],
        cost_usd=forecast.cost_usd[row],
        latency_seconds=None if forecast.latency_seconds is None else forecast.latency_seconds[row],
        energy_joules=None if forecast.energy_joules is None else forecast.energy_joules[row],
    )


def joined_rows(forecasts: Sequence[Forecast]) -> Forecast:
    """Undo of `rows_of`."""
    latencies = [each.latency_seconds for each in forecasts if each.latency_seconds is not None]
    energies = [each.energy_joules for each in forecasts if each.energy_joules is not None]
    return Forecast(
        quality=np.concatenate([each.quality for each in forecasts]),
        cost_usd=np.concatenate([each.cost_usd for each in forecasts]),
        latency_seconds=np.concatenate(latencies) if latencies else None,
        energy_joules=np.concatenate(energies) if energies else None,
    )
