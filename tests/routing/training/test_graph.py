"""The graph router's training: no leak, no order, the fold is the network, and it learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch

from routing.dataset import MEASURES, Dataset
from routing.forecasts import Inputs
from routing.predictors.ground_fitting import Fitted, fit_groundwork
from routing.training import graph_episodes, graph_folding, graph_learning, graph_network
from routing.training.graph import fit, fit_correction
from routing.training.graph_episodes import Graphs, Hearing, Relation, graphs_of
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, small_inputs

CPU = torch.device("cpu")


@cache
def small(queries: int = 100) -> tuple[Dataset, Inputs, Fitted]:
    data = small_dataset(queries)
    inputs = small_inputs(data)
    return data, inputs, fit_groundwork(data, inputs, seed=0, on_progress=no_progress)


def graphs(data: Dataset, inputs: Inputs, hearing: Hearing | None = None) -> Graphs:
    fitted = fit_groundwork(data, inputs, seed=0, on_progress=no_progress)
    return graphs_of(fitted, data, inputs, seed=0, hearing=hearing or Hearing())


def contents(value: object) -> Iterator[np.ndarray]:
    """All arrays in a record."""
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from contents(getattr(value, field.name))
    elif hasattr(value, "arrays"):
        yield from value.arrays().values()


def network_like(graph: Graphs, seed: int) -> graph_network.AffinityNetwork:
    """One whose every weight matters, as if it had been trained for long."""
    torch.manual_seed(seed)
    sources = graph.whole
    network = graph_network.AffinityNetwork(
        sources.features.shape[1], sources.tasks.shape[1], sources.profiles.shape[1]
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return network.eval()


@pytest.mark.parametrize("hearing", [Hearing(), Hearing(neighbours=False), Hearing(outcomes=False)])
def test_the_fold_equals_the_network(hearing: Hearing) -> None:
    data, inputs, fitted = small()
    graph = graphs_of(fitted, data, inputs, seed=0, hearing=hearing)
    sources, targets = graph.episodes[2].sources, graph.episodes[2].targets
    networks = [network_like(graph, seed) for seed in range(2)]
    folded = graph_folding.folded(networks, sources, contrast_scale=0.75, level_scale=0.75, cost_scale=0.5)
    source_tensors = graph_network.SourceTensors.of(sources, CPU)
    target_tensors = graph_network.TargetTensors.of(targets, CPU)
    rows = np.flatnonzero(fitted.blocks == 2)
    with torch.no_grad():
        found = [network(source_tensors, target_tensors, target_tensors.unseen) for network in networks]
    steps = np.mean([step.numpy() for step, _ in found], axis=0) * 0.75
    factors = np.mean([factor.numpy() for _, factor in found], axis=0) * 0.5
    ground = fitted.unseen.take(rows)
    shift = folded.shift(ground, inputs.take(rows))
    sure = np.clip(ground.quality, 0.005, 0.995)
    assert np.abs(steps).max() > 0.05
    np.testing.assert_allclose(shift.quality, 1 / (1 + (1 / sure - 1) * np.exp(-steps)) - sure, atol=1e-5)
    np.testing.assert_allclose(shift.cost, np.clip(np.exp(factors), 0.1, 10), rtol=1e-4)


def test_an_untrained_network_changes_nothing() -> None:
    data, inputs, fitted = small()
    graph = graphs_of(fitted, data, inputs, seed=0, hearing=Hearing())
    sources = graph.whole
    network = graph_network.AffinityNetwork(
        sources.features.shape[1], sources.tasks.shape[1], sources.profiles.shape[1]
    )
    shift = graph_folding.folded([network], sources).shift(fitted.unseen, inputs)
    assert np.abs(shift.quality).max() < 1e-6
    assert np.abs(shift.cost - 1).max() < 1e-6


def test_messages_are_sent_by_layers_of_torch_geometric() -> None:
    network = network_like(graphs(*small()[:2]), 0)
    names = [f"{type(module).__module__}.{type(module).__name__}" for module in network.messages.modules()]
    assert names.count("torch_geometric.nn.conv.graph_conv.GraphConv") == 5


def test_a_target_is_shown_nothing_of_its_own_outcomes() -> None:
    data, inputs, fitted = small()
    is_ours = fitted.blocks == 1
    turned = replace(
        data,
        quality=np.where(is_ours[:, None], 1 - data.quality, data.quality),
        cost_usd=np.where(is_ours[:, None], data.cost_usd * 7, data.cost_usd),
    )
    before, after = (graphs(each, inputs).episodes for each in (data, turned))
    blind = [
        replace(episode, targets=replace(episode.targets, quality=None, cost_usd=None))  # what the loss alone sees
        for episode in (before[1], after[1])
    ]
    shown, shown_then = (list(contents(episode)) for episode in blind)
    assert len(shown) > 20
    for array, then in zip(shown, shown_then, strict=True):
        np.testing.assert_array_equal(array, then)
    assert not np.array_equal(before[0].sources.profiles, after[0].sources.profiles)


def test_an_outcome_of_a_neighbour_is_heard() -> None:
    data, inputs, fitted = small()
    other = replace(data, quality=np.where((fitted.blocks == 0)[:, None], 1 - data.quality, data.quality))
    network = network_like(graphs(data, inputs), 0)
    answers = []
    for each in (data, other):
        episode = graphs(each, inputs).episodes[1]
        sources = graph_network.SourceTensors.of(episode.sources, CPU)
        targets = graph_network.TargetTensors.of(episode.targets, CPU)
        with torch.no_grad():
            answers.append(network(sources, targets, targets.unseen)[0].numpy())
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_the_order_of_candidates_is_unknown_to_the_network() -> None:
    data, inputs, _ = small()
    order = np.random.default_rng(1).permutation(len(data.candidates))
    turned = replace(
        data,
        cards=tuple(data.cards[place] for place in order),
        **{name: getattr(data, name)[:, order] for name in MEASURES},
    )
    network = network_like(graphs(data, inputs), 0)
    shifts = []
    for each in (data, turned):
        fitted = fit_groundwork(each, inputs, seed=0, on_progress=no_progress)
        graph = graphs_of(fitted, each, inputs, seed=0, hearing=Hearing())
        folded = graph_folding.folded([network], graph.whole)
        shifts.append(folded.shift(fitted.unseen, inputs))
    np.testing.assert_allclose(shifts[0].quality[:, order], shifts[1].quality, atol=1e-5)
    np.testing.assert_allclose(shifts[0].cost[:, order], shifts[1].cost, rtol=1e-4)


def test_a_seed_gives_the_same_arrays_and_leaves_the_callers_torch_as_it_was() -> None:
    data, inputs, fitted = small()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    first = fit_correction(fitted, data, inputs, seed=0, on_progress=no_progress).arrays()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    second = fit_correction(fitted, data, inputs, seed=0, on_progress=no_progress).arrays()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_it_learns_what_the_table_cannot_say() -> None:
    whole = small_dataset(400, candidates=4, seed=2)
    learned, judged = (whole.rows(whole.places_of(split)) for split in ("train", "dev"))
    router = fit(learned, small_inputs(learned), seed=0, on_progress=no_progress)
    inputs = small_inputs(judged).without_tasks()
    forecast, table = router.predict(inputs), router.groundwork.ground(inputs)
    assert ((forecast.quality - judged.quality) ** 2).mean() < ((table.quality - judged.quality) ** 2).mean() - 0.002
    errors = [np.abs(np.log(cost / judged.cost_usd)).mean() for cost in (forecast.cost_usd, table.cost_usd)]
    assert errors[0] < errors[1]


def test_noise_is_left_alone() -> None:
    data = small_dataset(200, candidates=4)
    chance = np.random.default_rng(0).random(data.quality.shape)
    data = replace(data, quality=(chance < 0.5).astype(float), cost_usd=np.ones_like(data.cost_usd))
    inputs = small_inputs(data)
    fitted = fit_groundwork(data, inputs, seed=0, on_progress=no_progress)
    shift = fit_correction(fitted, data, inputs, seed=0, on_progress=no_progress).shift(fitted.unseen, inputs)
    assert np.abs(shift.quality).mean() < 0.02
    assert np.abs(shift.cost - 1).mean() < 0.02


def test_progress_is_told_epoch_by_epoch() -> None:
    data, inputs, fitted = small()
    told: list[tuple[int, int]] = []
    fit_correction(fitted, data, inputs, seed=0, on_progress=lambda done, total, what: told.append((done, total)))
    epochs = len(data) // graph_learning.QUERIES_PER_EPOCH
    total = graph_learning.NETWORKS * epochs
    assert told == [(done, total) for done in range(1, total + 1)]


@pytest.mark.parametrize(("queries", "candidates"), [(19, 6), (1, 3), (60, 1)])
def test_where_there_is_nothing_to_part_or_to_choose_the_correction_is_idle(queries: int, candidates: int) -> None:
    data = small_dataset(80, candidates=candidates).rows(range(queries))
    inputs = small_inputs(data)
    fitted = fit_groundwork(data, inputs, seed=0, on_progress=no_progress)
    shift = fit_correction(fitted, data, inputs, seed=0, on_progress=no_progress).shift(fitted.unseen, inputs)
    assert not shift.quality.any()
    assert (shift.cost == 1).all()


def test_relations_list_receivers_in_rising_order() -> None:
    weights = np.array([[0.0, 2.0], [3.0, 4.0]])
    relation = Relation.of(weights, weights > 0)
    assert relation.receivers.tolist() == [0, 1, 1]
    assert relation.senders.tolist() == [1, 0, 1]
    assert relation.weights.tolist() == [2.0, 3.0, 4.0]


def test_a_large_set_is_cut_to_what_can_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    data, inputs, fitted = small()
    monkeypatch.setattr(graph_episodes, "MOST_SOURCES", 60)
    graph = graphs_of(fitted, data, inputs, seed=0, hearing=Hearing())
    assert len(graph.whole.features) == 60
    assert sum(len(episode.targets.features) for episode in graph.episodes) == len(data)
