"""Corrects the table by a graph network that was folded after training: serving takes a few products of matrices.

Whatever does not depend on the new query (states of candidates and of training queries) is in the arrays already, and
the networks of all seeds stand side by side, so that each step is one product for all of them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from routing.forecasts import Arrays, Inputs, Matrix
from routing.predictors.corrected import Correction, Shift
from routing.predictors.groundwork import Ground, part, prefixed
from routing.predictors.neighbourhood import Neighbourhood

LEAST_FACTOR, MOST_FACTOR = 0.1, 10.0  # of a cost
SURELY = 0.005  # no expected quality counts as surer than this on the logistic scale
NORM_EPSILON = 1e-5  # of torch's LayerNorm
ROWS_AT_ONCE = 256

Floats = NDArray[np.float32]


class GraphCorrection(Correction):
    """With x the query's features beside its task mixture t, m the shares-weighted messages of its neighbours:

    h = relu(x W + w); h += relu(h U + u) + t E; h += relu(h V + m + v); (δ, ε) = norm(h) H + a + m'
    Δquality = σ(logit q + δ) - q; cost factor = e^ε.
    """

    kind = "graph"
    # seeds: networks; width: of one; all: seeds x width; outputs: candidates' qualities, then their costs
    shapes: ClassVar = {
        "first": ("inputs", "all"), "first_bias": ("all",),
        "hidden": ("seeds", "width", "width"), "hidden_bias": ("all",),
        "tasks": ("tasks", "all"),
        "root": ("seeds", "width", "width"), "root_bias": ("all",),
        "head": ("all", "outputs"), "head_bias": ("outputs",),
        "messages": ("sources", "all + outputs"),
    }  # fmt: skip

    def __init__(self, weights: Arrays, neighbourhood: Neighbourhood) -> None:
        """Raises KeyError, ValueError where shapes do not fit."""
        own: dict[str, Floats] = {
            name: np.ascontiguousarray(weights[name], dtype=np.float32) for name in self.shapes
        }  # products differ in their last bits between layouts
        _check(own, neighbourhood)
        self._own, self._neighbourhood = own, neighbourhood
        self._is_idle = not (own["head"].any() or own["head_bias"].any() or own["messages"].any())

    @classmethod
    def idle(cls, candidates: int) -> Self:
        """Changes nothing."""
        sizes = {"seeds": 1, "outputs": 2 * candidates, "all + outputs": 2 * candidates}
        empty = {name: np.zeros([sizes.get(size, 0) for size in shape]) for name, shape in cls.shapes.items()}
        nobody = Neighbourhood(np.zeros((0, 0)), np.zeros((0, 0), dtype=np.int8), np.zeros(0))
        return cls(empty, nobody)

    def shift(self, ground: Ground, inputs: Inputs) -> Shift:
        nothing = Shift(quality=np.zeros(ground.quality.shape), cost=np.ones(ground.quality.shape))
        if self._is_idle:
            return nothing
        for start in range(0, len(ground), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            found = self._outputs(ground.features[rows], ground.tasks[rows], inputs.embeddings[rows])
            steps, factors = np.split(found.astype(np.float64), 2, axis=1)
            sure = np.clip(ground.quality[rows], SURELY, 1 - SURELY)
            nothing.quality[rows] = 1 / (1 + (1 / sure - 1) * np.exp(-steps)) - sure
            nothing.cost[rows] = np.clip(np.exp(factors), LEAST_FACTOR, MOST_FACTOR)
        return nothing

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self._own, **prefixed("near.", self._neighbourhood.arrays())}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        return cls(arrays, Neighbourhood.restore(part(arrays, "near.")))

    def _outputs(self, features: Matrix, tasks: Matrix, embeddings: Floats) -> Floats:
        """Queries × 2 candidates: steps of quality on the logistic scale, then logarithms of cost factors."""
        own = self._own
        mixture = tasks.astype(np.float32)
        states = np.concatenate([features.astype(np.float32), mixture], axis=1) @ own["first"] + own["first_bias"]
        states = np.maximum(states, 0)
        states = states + np.maximum(_each(states, own["hidden"]) + own["hidden_bias"], 0) + mixture @ own["tasks"]
        width = states.shape[1]
        heard = self._heard(embeddings)
        states = states + np.maximum(_each(states, own["root"]) + heard[:, :width] + own["root_bias"], 0)
        outputs = _normed(states, len(own["hidden"])) @ own["head"] + own["head_bias"] + heard[:, width:]
        return np.asarray(outputs, dtype=np.float32)

    def _heard(self, embeddings: Floats) -> Floats:
        messages = self._own["messages"]
        if not len(messages):
            return np.zeros((len(embeddings), messages.shape[1]), dtype=np.float32)
        places, shares = self._neighbourhood(embeddings)
        return np.asarray(np.matmul(shares[:, None].astype(np.float32), messages[places])[:, 0])


def _each(states: Floats, weights: Floats) -> Floats:
    """Each seed's part of the states by its own matrix."""
    seeds, width, _ = weights.shape
    parts = states.reshape(len(states), seeds, width).transpose(1, 0, 2) @ weights
    return np.asarray(parts.transpose(1, 0, 2).reshape(states.shape))


def _normed(states: Floats, seeds: int) -> Floats:
    """Each seed's part with mean zero and variance one."""
    parts = states.reshape(len(states), seeds, -1)
    parts = parts - parts.mean(axis=2, keepdims=True)
    parts = parts / np.sqrt((parts * parts).mean(axis=2, keepdims=True) + np.float32(NORM_EPSILON))
    return np.asarray(parts.reshape(states.shape))


def _check(own: Arrays, neighbourhood: Neighbourhood) -> None:
    seeds, width, _ = own["hidden"].shape
    sizes = {
        "seeds": seeds, "width": width, "all": seeds * width, "tasks": len(own["tasks"]), "inputs": len(own["first"]),
        "outputs": len(own["head_bias"]), "all + outputs": seeds * width + len(own["head_bias"]),
        "sources": len(neighbourhood),
    }  # fmt: skip
    for name, shape in GraphCorrection.shapes.items():
        if own[name].shape != tuple(sizes[size] for size in shape):
            raise ValueError(f"{name!r} has the shape {own[name].shape}, which is not one of {shape} in {sizes}.")
