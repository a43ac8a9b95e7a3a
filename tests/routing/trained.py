"""Trained routers for tests: real ones fitted on the small data, and doubles that fail where a real one must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.artifacts import Artifact, Manifest, load, save
from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.encoders.hashing import HashingEncoder
from routing.features import excerpt
from routing.forecasts import Arrays, Forecast, Inputs, Matrix, Predictor, Reference
from routing.training.registry import trainer
from skills.progress import no_progress
from tests.routing.small_data import small_dataset

ARMS = ("model-a", "model-b", "model-c")
REFERENCE = Reference(candidate="model-a", quality=0.5, cost_usd=0.01, latency_seconds=2.0)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A loaded version, as the service's watch would hand it over."""

    version_id: str
    artifact: Artifact


def data_of(ids: Sequence[str], *, seed: int = 0) -> Dataset:
    """The small data with these candidates, alphabetically: the later, the dearer and mostly the better."""
    data = small_dataset(queries=120, candidates=len(ids), seed=seed)
    return replace(data, cards=tuple(replace(card, id=id) for card, id in zip(data.cards, sorted(ids), strict=True)))


def trained_files(folder: Path, ids: Sequence[str] = ARMS, *, kind: str = "ridge", seed: int = 0) -> Artifact:
    """A router of this kind fitted on the small data by the service's hashing encoder, saved and read back."""
    data, encoder = data_of(ids, seed=seed), HashingEncoder()
    inputs = Inputs(
        texts=data.texts, embeddings=encoder.encode([excerpt(text) for text in data.texts]), tasks=data.tasks
    )
    predictor = trainer(kind)(data, inputs, seed=seed, on_progress=no_progress)
    save(folder, predictor, manifest_of(predictor, data.cards, data.reference, encoder))
    return load(folder, encoder=encoder.name)


def manifest_of(
    predictor: Predictor, cards: Sequence[CandidateCard], reference: Reference, encoder: HashingEncoder
) -> Manifest:
    return Manifest(
        kind=predictor.kind,
        cards=tuple(cards),
        encoder=encoder.name,
        dimension=encoder.dimension,
        reference=reference,
        seed=0,
        data_digest="0" * 64,
        query_counts={"train": 1},
        settings=predictor.settings(),
    )


class FixedPredictor(Predictor):
    """Forecasts the same for every text, but for the texts it is told of; remembers what it was asked."""

    kind = "fixed"

    def __init__(
        self,
        quality: Sequence[float],
        cost_usd: Sequence[float],
        *,
        ids: Sequence[str] = ARMS,
        text_to_quality: Mapping[str, Sequence[float]] | None = None,
        error: Exception | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.quality = quality
        self.cost_usd = cost_usd
        self.text_to_quality = dict(text_to_quality or {})
        self.error = error
        self.asked: list[tuple[str, ...]] = []

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.ids

    def predict(self, inputs: Inputs) -> Forecast:
        self.asked.append(inputs.texts)
        if self.error is not None:
            raise self.error
        quality: Matrix = np.array([self.text_to_quality.get(text, self.quality) for text in inputs.texts])
        return Forecast(quality=quality, cost_usd=np.tile(self.cost_usd, (len(inputs), 1)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def settings(self) -> dict[str, object]:
        return {}

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        raise AssertionError("doubles are not restored")


def a_version(predictor: Predictor, *, name: str = "version_a", reference: Reference = REFERENCE) -> Version:
    """The predictor as if it had been loaded."""
    cards = [CandidateCard(id=id) for id in predictor.candidates]
    manifest = manifest_of(predictor, cards, reference, HashingEncoder())
    return Version(version_id=name, artifact=Artifact(predictor=predictor, manifest=manifest, sha256=name * 4))
