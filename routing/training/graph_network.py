"""The affinity graph's network: messages between tasks, queries and candidates, and two heads on (target, candidate).

Weighted GraphConv layers (Morris et al., arXiv:1810.02244), x' = W₁ x + W₂ Σ_j e_j x_j, one a relation, as in
GraphRouter (arXiv:2410.03834); but a query's own outcomes are never in its graph, and heads start at zero, so that an
untrained network changes nothing of the table.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from routing.predictors.graph import SURELY
from routing.training.graph_episodes import Relation, Sources, Targets, View

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # torch's of its own script(), which torch_geometric calls
    from torch_geometric.nn import GraphConv, HeteroConv

WIDTH, RANK = 32, 4  # wider networks overfitted
DROPOUT, INPUT_DROPOUT = 0.5, 0.3
NEAR_GAIN = 10.0  # of the neighbours' own outcomes, for a parameter that starts at zero and learns slowly

TASK_TO_QUERY = ("task", "has", "query")
QUERY_TO_CANDIDATE = ("query", "measured", "candidate")
CANDIDATE_TO_CANDIDATE = ("candidate", "agrees", "candidate")
CANDIDATE_TO_QUERY = ("candidate", "measured", "query")
QUERY_TO_TARGET = ("query", "near", "target")


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceTensors:
    """See `Sources`; a relation is a matrix in CSR, receivers × senders."""

    features: Tensor
    tasks: Tensor
    profiles: Tensor
    task_to_query: Tensor
    query_to_candidate: Tensor
    candidate_to_candidate: Tensor
    candidate_to_query: Tensor

    @classmethod
    def of(cls, sources: Sources, device: torch.device) -> SourceTensors:
        dense = {name: _dense(getattr(sources, name), device) for name in ("features", "tasks", "profiles")}
        relations = [
            "task_to_query", "query_to_candidate", "candidate_to_candidate", "candidate_to_query",
        ]  # fmt: skip
        return cls(**dense, **{name: _sparse(getattr(sources, name), device) for name in relations})


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewTensors:
    """See `View`; quality on the logistic scale."""

    tasks: Tensor
    logits: Tensor
    cost_usd: Tensor

    @classmethod
    def of(cls, view: View, device: torch.device) -> ViewTensors:
        return cls(
            tasks=_dense(view.tasks, device),
            logits=torch.logit(_dense(view.quality, device), eps=SURELY),
            cost_usd=_dense(view.cost_usd, device),
        )

    def mixed(self, other: ViewTensors, is_other: Tensor) -> ViewTensors:
        """`is_other`: targets × 1."""
        return ViewTensors(
            tasks=torch.where(is_other, other.tasks, self.tasks),
            logits=torch.where(is_other, other.logits, self.logits),
            cost_usd=torch.where(is_other, other.cost_usd, self.cost_usd),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetTensors:
    """See `Targets`."""

    features: Tensor
    told: ViewTensors
    unseen: ViewTensors
    query_to_target: Tensor
    near_contrasts: Tensor
    near_dearness: Tensor
    quality: Tensor
    cost_usd: Tensor

    @classmethod
    def of(cls, targets: Targets, device: torch.device) -> TargetTensors:
        dense = ["features", "near_contrasts", "near_dearness", "quality", "cost_usd"]
        return cls(
            told=ViewTensors.of(targets.told, device),
            unseen=ViewTensors.of(targets.unseen, device),
            query_to_target=_sparse(targets.query_to_target, device),
            **{name: _dense(getattr(targets, name), device) for name in dense},
        )


class AffinityNetwork(nn.Module):
    """Predicts steps away from the table: of quality on the logistic scale, of cost in its logarithm."""

    def __init__(self, features: int, tasks: int, profile: int) -> None:
        """Widths of a query's features, a task mixture, and a candidate's profile."""
        super().__init__()
        self.drop, self.drop_inputs = nn.Dropout(DROPOUT), nn.Dropout(INPUT_DROPOUT)
        self.query_in, self.query_deeper = nn.Linear(features + tasks, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.candidate_in = nn.Linear(profile, WIDTH)
        self.task_in = nn.Parameter(torch.randn(tasks, WIDTH) * 0.1)
        self.messages = _layers()
        self.norm_candidates, self.norm_queries = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.norm_targets = nn.LayerNorm(WIDTH)
        self.target_quality, self.target_cost = nn.Linear(WIDTH, RANK), nn.Linear(WIDTH, RANK)
        self.candidate_quality, self.candidate_cost = _zero(RANK), _zero(RANK)
        self.quality_level, self.cost_level = _zero(1), _zero(1)  # of a candidate
        self.ease, self.dearness = _zero(1), _zero(1)  # of a target, shared by all candidates
        self.near_gains = nn.Parameter(torch.zeros(2))

    def states(self, sources: SourceTensors) -> tuple[Tensor, Tensor]:
        """Of candidates and of queries: all that does not depend on a target."""
        candidates = functional.relu(self.candidate_in(self.drop_inputs(sources.profiles)))
        queries = self.drop(self._encoded(sources.features, sources.tasks))
        told = self.sent(TASK_TO_QUERY, self.task_in, queries, sources.task_to_query)
        queries = queries + told
        heard = self.sent(QUERY_TO_CANDIDATE, queries, candidates, sources.query_to_candidate)
        candidates = candidates + functional.relu(heard)
        candidates = candidates + self.sent(
            CANDIDATE_TO_CANDIDATE, candidates, candidates, sources.candidate_to_candidate
        )
        candidates = self.norm_candidates(candidates)
        answers = self.sent(CANDIDATE_TO_QUERY, candidates, queries, sources.candidate_to_query)
        return candidates, self.norm_queries(queries + functional.relu(answers))

    def forward(self, sources: SourceTensors, targets: TargetTensors, view: ViewTensors) -> tuple[Tensor, Tensor]:
        """Steps of quality and of cost, targets × candidates."""
        candidates, queries = self.states(sources)
        states = self._encoded(targets.features, view.tasks)
        states = states + functional.relu(self.query_deeper(self.drop(states))) + view.tasks @ self.task_in
        heard = self.sent(QUERY_TO_TARGET, queries, states, targets.query_to_target)
        states = self.drop(self.norm_targets(states + functional.relu(heard)))
        candidates = self.drop(candidates)
        quality = self.target_quality(states) @ self.candidate_quality(candidates).T / RANK**0.5
        cost = self.target_cost(states) @ self.candidate_cost(candidates).T / RANK**0.5
        quality = quality + self.quality_level(candidates).T + self.ease(states)
        cost = cost + self.cost_level(candidates).T + self.dearness(states)
        gains = NEAR_GAIN * self.near_gains
        return quality + gains[0] * targets.near_contrasts, cost + gains[1] * targets.near_dearness

    def layer(self, relation: tuple[str, str, str]) -> GraphConv:
        return self.messages.convs[relation]

    def sent(self, relation: tuple[str, str, str], senders: Tensor, receivers: Tensor, edges: Tensor) -> Tensor:
        """What the receivers make of themselves and of what they hear."""
        sender, _, receiver = relation
        heard: dict[str, Tensor] = self.messages({sender: senders, receiver: receivers}, {relation: edges})
        return heard[receiver]

    def _encoded(self, features: Tensor, tasks: Tensor) -> Tensor:
        joined = torch.cat([self.drop_inputs(features), tasks], dim=1)
        return functional.relu(self.query_in(joined))


def _layers() -> HeteroConv:
    """One weighted layer a relation, walked one after the other."""
    relations = [
        TASK_TO_QUERY, QUERY_TO_CANDIDATE, CANDIDATE_TO_CANDIDATE, CANDIDATE_TO_QUERY, QUERY_TO_TARGET,
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There exist node types")  # tasks speak only, which is meant
        return HeteroConv({relation: GraphConv(WIDTH, WIDTH, aggr="add") for relation in relations})


def _zero(width: int) -> nn.Linear:
    linear = nn.Linear(WIDTH, width)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _dense(array: NDArray[np.float32], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _sparse(relation: Relation, device: torch.device) -> Tensor:
    counts = np.bincount(relation.receivers, minlength=relation.shape[0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])),
            torch.from_numpy(relation.senders.copy()),
            torch.from_numpy(relation.weights),
            size=relation.shape,
            device=device,
            check_invariants=True,
        )
