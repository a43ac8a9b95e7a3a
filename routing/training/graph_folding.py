"""Folds trained networks into the arrays that serve: the graph is walked once, here, and never on the request path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from routing.predictors.graph import GraphCorrection
from routing.training.graph_episodes import Sources
from routing.training.graph_network import NEAR_GAIN, QUERY_TO_TARGET, RANK, AffinityNetwork, SourceTensors

Doubles = NDArray[np.float64]


def folded(
    networks: Sequence[AffinityNetwork],
    sources: Sources,
    *,
    contrast_scale: float = 1.0,
    level_scale: float = 1.0,
    cost_scale: float = 1.0,
) -> GraphCorrection:
    """The networks' mean step, scaled: that of quality apart in what differs between candidates and what they share."""
    parts = [_parts(network, SourceTensors.of(sources, torch.device("cpu"))) for network in networks]
    candidates = sources.contrasts.shape[1]
    shared = np.full((candidates, candidates), 1 / candidates)
    scaling = np.zeros((2 * candidates, 2 * candidates))
    scaling[:candidates, :candidates] = level_scale * shared + contrast_scale * (np.eye(candidates) - shared)
    scaling[candidates:, candidates:] = cost_scale * np.eye(candidates)
    gains = NEAR_GAIN * np.mean([part["gains"] for part in parts], axis=0)
    own = np.concatenate([sources.contrasts * gains[0], sources.dearness * gains[1]], axis=1) @ scaling
    heard = len(sources.neighbourhood)
    messages = np.concatenate([*(part["messages"] for part in parts), own], axis=1)
    weights = {
        **{name: np.concatenate([part[name] for part in parts], axis=-1) for name in SIDE_BY_SIDE},
        **{name: np.stack([part[name] for part in parts]) for name in ("hidden", "root")},
        "head": np.concatenate([part["head"] for part in parts]) @ scaling / len(networks),
        "head_bias": np.sum([part["head_bias"] for part in parts], axis=0) @ scaling / len(networks),
        "messages": messages[:heard],
    }
    return GraphCorrection(weights, sources.neighbourhood)


SIDE_BY_SIDE = ("first", "first_bias", "hidden_bias", "tasks", "root_bias")


def _parts(network: AffinityNetwork, sources: SourceTensors) -> dict[str, Doubles]:
    """Of one network; the norm's gain and offset become part of the head."""
    network = network.cpu().eval()
    near = network.layer(QUERY_TO_TARGET)
    with torch.no_grad():
        candidates, queries = network.states(sources)
        quality = _array(network.candidate_quality(candidates)) / RANK**0.5
        cost = _array(network.candidate_cost(candidates)) / RANK**0.5
        levels = [_array(network.quality_level(candidates))[:, 0], _array(network.cost_level(candidates))[:, 0]]
    target_quality, target_cost = network.target_quality, network.target_cost
    ease, dearness = network.ease, network.dearness
    head = np.concatenate(
        [
            _array(target_quality.weight).T @ quality.T + _array(ease.weight).T,
            _array(target_cost.weight).T @ cost.T + _array(dearness.weight).T,
        ],
        axis=1,
    )
    bias = np.concatenate(
        [
            quality @ _array(target_quality.bias) + levels[0] + _array(ease.bias),
            cost @ _array(target_cost.bias) + levels[1] + _array(dearness.bias),
        ]
    )
    norm = network.norm_targets
    return {
        "first": _array(network.query_in.weight).T,
        "first_bias": _array(network.query_in.bias),
        "hidden": _array(network.query_deeper.weight).T,
        "hidden_bias": _array(network.query_deeper.bias),
        "tasks": _array(network.task_in),
        "root": _array(near.lin_root.weight).T,
        "root_bias": _array(near.lin_rel.bias),
        "messages": _array(queries) @ _array(near.lin_rel.weight).T,
        "head": _array(norm.weight)[:, None] * head,
        "head_bias": _array(norm.bias) @ head + bias,
        "gains": _array(network.near_gains),
    }


def _array(tensor: Tensor) -> Doubles:
    return tensor.detach().cpu().numpy().astype(np.float64)
