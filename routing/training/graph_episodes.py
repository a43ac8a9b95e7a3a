"""Graphs of tasks, queries, candidates and targets, such that no target's outcome is in what it is predicted from.

An episode's sources are the training queries outside one block, with their outcomes; its targets are the block's. The
table, the candidates' profiles, the outcomes along the edges and the neighbours are all of the sources alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.forecasts import Inputs, Matrix
from routing.predictors.graph import SURELY
from routing.predictors.ground_fitting import Fitted
from routing.predictors.neighbourhood import Neighbourhood

MOST_SOURCES = 4_000  # training queries in the graph; more would only make decisions slower
OUTCOME_WEIGHT = 4.0  # of the mean of what a candidate hears
LEAST_SHARE = 0.02  # of a task in a query's mixture, for an edge
AGREEMENT_PRIOR = 0.3  # so much does nobody's agreement count
COST_WEIGHT, CARD_WEIGHT = 0.5, 0.5  # in profiles
MOST_LOGARITHM = 3.0  # of a cost by what the table expects
COST_FLOOR = 1e-4  # of the dearest: below it costs are alike

Places = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Which messages are sent; without some, for measuring what they are worth."""

    outcomes: bool = True  # between candidates and queries
    neighbours: bool = True  # from queries to targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Relation:
    """Weighted edges from nodes to nodes."""

    shape: tuple[int, int]  # receivers, senders
    receivers: Places = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # in rising order
    senders: Places = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(0, dtype=np.float32))

    @classmethod
    def of(cls, weights: Matrix, is_edge: NDArray[np.bool_]) -> Self:
        """From matrices, receivers × senders."""
        receivers, senders = np.nonzero(is_edge)
        return cls(
            shape=(weights.shape[0], weights.shape[1]),
            receivers=receivers,
            senders=senders,
            weights=weights[receivers, senders].astype(np.float32),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """Training queries with their outcomes, and the candidates as these show them."""

    features: Floats  # queries × features
    tasks: Floats  # queries × tasks
    profiles: Floats  # candidates × what is known of each
    contrasts: Floats  # queries × candidates: quality beyond the table's, less the query's mean; 0 where unknown
    dearness: Floats  # queries × candidates: logarithm of cost by the table's; 0 where unknown
    task_to_query: Relation
    query_to_candidate: Relation
    candidate_to_candidate: Relation
    candidate_to_query: Relation
    neighbourhood: Neighbourhood  # of the queries; of nobody where neighbours are not heard


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """How the caller presents targets, and what the sources' table says of them so."""

    tasks: Floats  # targets × tasks
    quality: Floats  # targets × candidates
    cost_usd: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """Queries to predict. Their outcomes are for the loss alone."""

    features: Floats
    told: View  # with their tasks
    unseen: View  # without
    query_to_target: Relation
    near_contrasts: Floats  # targets × candidates: what the neighbours' outcomes say
    near_dearness: Floats
    quality: Floats  # outcomes; NaN where unknown
    cost_usd: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    sources: Sources
    targets: Targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Graphs:
    """One episode a block, and the graph of all that is served."""

    episodes: tuple[Episode, ...]
    whole: Sources


def graphs_of(fitted: Fitted, data: Dataset, inputs: Inputs, *, seed: int, hearing: Hearing) -> Graphs:
    """`fitted` must be parted into blocks."""
    everyone = Neighbourhood.fit(inputs.embeddings)
    is_kept = np.zeros(len(data), dtype=bool)
    is_kept[np.random.default_rng(seed).permutation(len(data))[:MOST_SOURCES]] = True
    maker = _Maker(fitted, data, inputs, everyone, hearing)
    episodes = []
    for block, table in enumerate(fitted.tables):
        sources = maker.sources(np.flatnonzero(is_kept & (fitted.blocks != block)), table["quality"], table["cost_usd"])
        rows = np.flatnonzero(fitted.blocks == block)
        targets = maker.targets(rows, sources, table["quality"], table["cost_usd"])
        episodes.append(Episode(sources=sources, targets=targets))
    tables = fitted.groundwork.tables
    whole = maker.sources(np.flatnonzero(is_kept), tables["quality"], tables["cost_usd"])
    return Graphs(episodes=tuple(episodes), whole=whole)


@dataclass(frozen=True, eq=False)
class _Maker:
    fitted: Fitted
    data: Dataset
    inputs: Inputs
    everyone: Neighbourhood
    hearing: Hearing

    def sources(self, rows: Places, quality: Matrix, cost: Matrix) -> Sources:
        """`quality` and `cost` are tables of these queries' outcomes, tasks × candidates."""
        tasks = self.fitted.told.tasks[rows]
        contrasts, is_known = _contrasts(self.data.quality[rows], tasks @ quality)
        dearness = _dearness(self.data.cost_usd[rows], tasks @ cost)
        counts = np.maximum(is_known.sum(axis=0), 1)
        is_heard = is_known & self.hearing.outcomes
        agreement = _agreement(contrasts) * self.hearing.outcomes
        return Sources(
            features=self.fitted.told.features[rows].astype(np.float32),
            tasks=tasks.astype(np.float32),
            profiles=_profiles(quality, cost, self.data.cards),
            contrasts=(contrasts * self.hearing.outcomes).astype(np.float32),
            dearness=(dearness * self.hearing.outcomes).astype(np.float32),
            task_to_query=Relation.of(tasks, tasks > LEAST_SHARE),
            query_to_candidate=Relation.of((contrasts / counts).T * OUTCOME_WEIGHT, is_heard.T),
            candidate_to_candidate=Relation.of(agreement, agreement > 0),
            candidate_to_query=Relation.of(contrasts, is_heard),
            neighbourhood=self.everyone.take(rows if self.hearing.neighbours else rows[:0]),
        )

    def targets(self, rows: Places, sources: Sources, quality: Matrix, cost: Matrix) -> Targets:
        relation = Relation(shape=(len(rows), len(sources.features)))
        near = np.zeros((2, *self.data.quality[rows].shape))
        if len(sources.neighbourhood):
            places, shares = sources.neighbourhood(self.inputs.embeddings[rows])
            order = np.argsort(places, axis=1)
            places, shares = np.take_along_axis(places, order, axis=1), np.take_along_axis(shares, order, axis=1)
            relation = Relation(
                shape=relation.shape,
                receivers=np.repeat(np.arange(len(rows)), places.shape[1]),
                senders=places.ravel(),
                weights=shares.ravel().astype(np.float32),
            )
            near = np.array([_mixed(shares, sources.contrasts[places]), _mixed(shares, sources.dearness[places])])
        return Targets(
            features=self.fitted.told.features[rows].astype(np.float32),
            told=_view(self.fitted.told.tasks[rows], quality, cost),
            unseen=_view(self.fitted.unseen.tasks[rows], quality, cost),
            query_to_target=relation,
            near_contrasts=near[0].astype(np.float32),
            near_dearness=near[1].astype(np.float32),
            quality=self.data.quality[rows].astype(np.float32),
            cost_usd=np.where(np.isnan(self.data.quality[rows]), np.nan, self.data.cost_usd[rows]).astype(np.float32),
        )


def _view(tasks: Matrix, quality: Matrix, cost: Matrix) -> View:
    return View(
        tasks=tasks.astype(np.float32),
        quality=(tasks @ quality).astype(np.float32),
        cost_usd=(tasks @ cost).astype(np.float32),
    )


def _mixed(shares: Matrix, values: Floats) -> Matrix:
    return np.asarray(np.einsum("nk,nkc->nc", shares, values))


def _contrasts(quality: Matrix, expected: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """What differs between candidates, which is what a choice depends on, and which cells are known."""
    is_known = ~np.isnan(quality)
    residuals = np.where(is_known, quality - expected, 0.0)
    means = residuals.sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    return np.where(is_known, residuals - means[:, None], 0.0), is_known


def _dearness(cost: Matrix, expected: Matrix) -> Matrix:
    is_priced = (np.nan_to_num(cost) > 0) & (expected > 0)
    ratios = np.where(is_priced, cost, 1.0) / np.where(is_priced, expected, 1.0)
    return np.clip(np.log(ratios), -MOST_LOGARITHM, MOST_LOGARITHM)


def _agreement(contrasts: Matrix) -> Matrix:
    """How alike two candidates differ from the others on shared queries: positive correlations, rows at most one."""
    directions = contrasts / (np.sqrt((contrasts**2).sum(axis=0)) + 1e-6)
    agreement = np.maximum(directions.T @ directions, 0.0)
    np.fill_diagonal(agreement, 0.0)
    agreement[agreement < 1e-6] = 0.0
    return np.asarray(agreement / (agreement.sum(axis=1, keepdims=True) + AGREEMENT_PRIOR))


def _profiles(quality: Matrix, cost: Matrix, cards: Sequence[CandidateCard]) -> Floats:
    """By task, quality on the logistic scale and logarithm of cost, each less the candidates' mean; prices.

    The card's text is left out: there is no encoder where routers are fitted.
    """
    sure = np.clip(quality, SURELY, 1 - SURELY)
    logits = np.log(sure / (1 - sure))
    costs = np.log(np.maximum(cost, max(float(cost.max()) * COST_FLOOR, 1e-12)))
    prices = [[card.price_input_usd_per_mtok, card.price_output_usd_per_mtok] for card in cards]
    parts = [_centred(logits.T, 0), _centred(costs.T, 0) * COST_WEIGHT, _logarithms(prices) * CARD_WEIGHT]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _centred(values: Matrix, axis: int) -> Matrix:
    return np.asarray(values - values.mean(axis=axis, keepdims=True))


def _logarithms(prices: Sequence[Sequence[float | None]]) -> Matrix:
    """Of mean zero and variance one over the candidates; 0 where a price is unknown or none."""
    values = np.array([[price or np.nan for price in row] for row in prices], dtype=np.float64)
    is_known = ~np.isnan(values)
    logs = np.log(np.where(is_known, values, 1.0))
    counts = np.maximum(is_known.sum(axis=0), 1)
    deviations = np.where(is_known, logs - logs.sum(axis=0) / counts, 0.0)
    return np.asarray(deviations / (np.sqrt((deviations**2).sum(axis=0) / counts) + 1e-6))
