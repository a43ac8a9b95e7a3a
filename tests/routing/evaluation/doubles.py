"""A predictor whose forecasts are written down beforehand, and outcomes made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.evaluation.outcomes import Outcomes
from routing.forecasts import Arrays, Forecast, Inputs, Matrix, Predictor, Reference


class Written(Predictor):
    """Looks each text up; `noise` blurs the truth, and is drawn by the text alone."""

    def __init__(self, data: Dataset, *, noise: float = 0.0, kind: str = "written") -> None:
        self.kind = kind
        self._data = data
        self._noise = noise
        self._places = {text: place for place, text in enumerate(data.texts)}

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._data.candidates

    def predict(self, inputs: Inputs) -> Forecast:
        rows = [self._places[text] for text in inputs.texts]
        blur = np.random.default_rng(0).normal(0, self._noise, self._data.quality.shape)
        truth = np.nan_to_num(self._data.quality, nan=0.5)
        cost = np.nan_to_num(self._data.cost_usd)
        return Forecast(quality=np.clip(truth + blur, 0, 1)[rows], cost_usd=cost[rows])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def settings(self) -> dict[str, object]:
        return {}

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        raise ValueError("a double is not saved")


def handmade(quality: Sequence[Sequence[float]], cost: Sequence[Sequence[float]] | None = None) -> Outcomes:
    """NaN in `quality` stands for an unknown cell; the reference costs 1 USD."""
    matrix = np.array(quality, dtype=float)
    costs = np.zeros(matrix.shape) if cost is None else np.array(cost, dtype=float)
    return Outcomes(
        candidates=tuple("abcdef"[: matrix.shape[1]]),
        tasks=(None,) * len(matrix),
        quality=np.nan_to_num(matrix),
        cost_usd=np.where(np.isnan(matrix), 0.0, costs),
        latency_seconds=None,
        is_known=~np.isnan(matrix),
        reference=Reference(candidate="a", quality=0.5, cost_usd=1.0),
        rows=np.arange(len(matrix)),
        excluded_queries=0,
    )


def dataset(
    quality: Matrix,
    *,
    cost: Matrix | None = None,
    propensity: Matrix | None = None,
    tasks: Sequence[str | None] | None = None,
    candidates: Sequence[str] | None = None,
    split: str = "dev",
) -> Dataset:
    """One query a row; its text is its id."""
    measures = {"quality": quality, "cost_usd": cost, "propensity": propensity}
    ids = [f"{split}-{row:05}" for row in range(len(quality))]
    return Dataset.canonical(
        cards=[CandidateCard(id=id) for id in candidates or "abcdef"[: quality.shape[1]]],
        query_ids=ids,
        texts=ids,
        tasks=tasks or [None] * len(ids),
        splits=["train" if split == "train" else "dev"] * len(ids),
        measures={name: matrix for name, matrix in measures.items() if matrix is not None},
    )


def inputs_of(data: Dataset) -> Inputs:
    vectors = np.ones((len(data), 1), dtype=np.float32)
    return Inputs(texts=data.texts, embeddings=vectors, tasks=data.tasks)
