"""What every learned correction stands on: which task a query is like, and what is expected of candidates on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Inputs, Matrix
from routing.predictors.query_features import QueryFeatures
from routing.predictors.task_posterior import TaskPosterior


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """Some queries as corrections see them."""

    features: Matrix  # queries × features
    tasks: Matrix  # queries × tasks: the posterior, or one and zeros where the caller named a known task
    is_told: NDArray[np.bool_]  # whether the caller named a known task
    quality: Matrix  # queries × candidates: expected of the task mixture
    cost_usd: Matrix

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64]) -> Ground:
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


class Groundwork:
    """`tasks`: names, or nothing where training knew none: then the hidden tasks are clusters and nobody can name them.

    `tables`: `quality` and `cost_usd`, tasks × candidates; `latency_seconds` and `energy_joules` where data held them.
    """

    def __init__(
        self,
        features: QueryFeatures,
        posterior: TaskPosterior,
        *,
        tasks: Sequence[str],
        tables: Mapping[str, Matrix],
    ) -> None:
        self.features, self.posterior = features, posterior
        self.tasks = tuple(tasks)
        self.tables = dict(tables)
        self._task_to_place = {task: place for place, task in enumerate(self.tasks)}

    def ground(self, inputs: Inputs) -> Ground:
        """Of any queries, those of training included: nothing is left out here."""
        features = self.features(inputs)
        mixture = self.posterior(features)
        is_told = np.array([task in self._task_to_place for task in inputs.tasks], dtype=bool)
        for row in np.flatnonzero(is_told):
            mixture[row] = 0.0
            mixture[row, self._task_to_place[inputs.tasks[row] or ""]] = 1.0
        return Ground(
            features=features,
            tasks=mixture,
            is_told=is_told,
            quality=mixture @ self.tables["quality"],
            cost_usd=mixture @ self.tables["cost_usd"],
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            **prefixed("features.", self.features.arrays()),
            **prefixed("posterior.", self.posterior.arrays()),
            **prefixed("table.", self.tables),
        }

    def settings(self) -> dict[str, object]:
        return {"tasks": list(self.tasks), "tables": sorted(self.tables)}

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        """Undo of `arrays` and `settings`. Raises KeyError, ValueError."""
        tables = {name: array.astype(np.float64) for name, array in part(arrays, "table.").items()}
        if sorted(tables) != settings["tables"]:
            raise ValueError(f"There are tables of {sorted(tables)}, not of {settings['tables']}.")
        if len({table.shape for table in tables.values()}) != 1:
            raise ValueError("The tables of quality and amounts differ in shape.")
        return cls(
            QueryFeatures.restore(part(arrays, "features.")),
            TaskPosterior.restore(part(arrays, "posterior.")),
            tasks=settings["tasks"],
            tables=tables,
        )


def part(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def prefixed(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Undo of `part`."""
    return {prefix + name: array for name, array in arrays.items()}
