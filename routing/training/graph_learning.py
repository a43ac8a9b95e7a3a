"""Trains the affinity networks: one a seed, each with one block held out, by which epochs and scales are chosen."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from routing.dataset import Progress
from routing.training.graph_episodes import Graphs
from routing.training.graph_network import AffinityNetwork, SourceTensors, TargetTensors, ViewTensors

NETWORKS = 3
MOST_EPOCHS = 30
QUERIES_PER_EPOCH = 20  # a set with fewer than 30 times as many is gone over less often: it would be learned by heart
LEARNING_RATE, WEIGHT_DECAY, WARM_UP_STEPS, LARGEST_GRADIENT = 1e-3, 1.0, 10, 1.0
CHOICE_WEIGHT, CHOICE_TEMPERATURE = 0.3, 0.3  # of the soft target over candidates
COST_WEIGHT, MOST_DEVIANCE = 0.3, 50.0
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Networks after the same number of epochs; how much of their steps pays on queries they did not learn from."""

    networks: tuple[AffinityNetwork, ...]
    epochs: int
    quality_scale: float
    cost_scale: float


@dataclass(frozen=True, kw_only=True)
class _Losses:
    quality: Tensor
    cost: Tensor

    @property
    def total(self) -> Tensor:
        return self.quality + COST_WEIGHT * self.cost


def learned(graphs: Graphs, *, seed: int, on_progress: Progress) -> Learned:
    """The same on one CPU thread for a seed, bit by bit."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    episodes = [
        (SourceTensors.of(episode.sources, device), TargetTensors.of(episode.targets, device))
        for episode in graphs.episodes
    ]
    queries = sum(len(targets.features) for _, targets in episodes)
    epochs = max(1, min(MOST_EPOCHS, queries // QUERIES_PER_EPOCH))
    runs = []
    with _alone(device):
        for place in range(NETWORKS):
            torch.manual_seed(NETWORKS * seed + place)
            run = _Run(episodes, held_out=place % len(episodes), epochs=epochs, device=device)
            for epoch in range(epochs):
                run.step(epoch)
                on_progress(place * epochs + epoch + 1, NETWORKS * epochs, "epochs of the graph network")
            runs.append(run)
        return _chosen(runs)


class _Run:
    """One network: its training, its state after each epoch, and what that is worth on the block held out."""

    def __init__(
        self,
        episodes: Sequence[tuple[SourceTensors, TargetTensors]],
        *,
        held_out: int,
        epochs: int,
        device: torch.device,
    ) -> None:
        self._episodes = [episode for place, episode in enumerate(episodes) if place != held_out]
        self._judge = episodes[held_out]
        sources, _ = self._judge
        shapes = (sources.features.shape[1], sources.tasks.shape[1], sources.profiles.shape[1])
        self.network = AffinityNetwork(*shapes).to(device)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        steps = epochs * len(self._episodes)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: min(1.0, (step + 1) / WARM_UP_STEPS) * (0.5 + 0.5 * np.cos(np.pi * step / steps)),
        )
        self._states = [copy.deepcopy(self.network.state_dict())]
        self.judgements = [self.judged(1.0, 1.0)]

    def step(self, epoch: int) -> None:
        """One epoch: each episode once."""
        self.network.train()
        for place in torch.randperm(len(self._episodes)).tolist():
            sources, targets = self._episodes[place]
            is_told = torch.rand(len(targets.features), 1).to(targets.features.device) < 0.5
            view = targets.unseen.mixed(targets.told, is_told)
            self._optimizer.zero_grad()
            losses = _losses(self.network(sources, targets, view), view, targets)
            losses.total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
            self._optimizer.step()
            self._schedule.step()
        self._states.append(copy.deepcopy(self.network.state_dict()))
        self.judgements.append(self.judged(1.0, 1.0))

    def go_back(self, epoch: int) -> None:
        self.network.load_state_dict(self._states[epoch])

    def judged(self, quality_scale: float, cost_scale: float) -> tuple[float, float]:
        """Losses of quality and cost on the block held out, shown with tasks and without."""
        self.network.eval()
        sources, targets = self._judge
        with torch.no_grad():
            quality = cost = 0.0
            for view in (targets.told, targets.unseen):
                steps, factors = self.network(sources, targets, view)
                losses = _losses((steps * quality_scale, factors * cost_scale), view, targets)
                quality, cost = quality + float(losses.quality) / 2, cost + float(losses.cost) / 2
        return quality, cost


def _chosen(runs: Sequence[_Run]) -> Learned:
    judgements = np.array([run.judgements for run in runs]).mean(axis=0)  # epochs × (quality, cost)
    epochs = int((judgements @ [1.0, COST_WEIGHT]).argmin())
    for run in runs:
        run.go_back(epochs)
    by_scale = np.array([[run.judged(scale, scale) for run in runs] for scale in SCALES]).mean(axis=1)
    quality, cost = by_scale.argmin(axis=0)
    return Learned(
        networks=tuple(run.network for run in runs),
        epochs=epochs,
        quality_scale=SCALES[quality],
        cost_scale=SCALES[cost],
    )


def _losses(steps: tuple[Tensor, Tensor], view: ViewTensors, targets: TargetTensors) -> _Losses:
    """Cross-entropy of graded quality; soft choice among the known (AgentRouter, arXiv:2510.05445); gamma deviance of
    cost, whose minimum is the mean rather than the median.
    """
    logits, is_known = view.logits + steps[0], ~torch.isnan(targets.quality)
    known = torch.where(is_known, targets.quality, 0.0)
    entropy = functional.binary_cross_entropy_with_logits(logits, known, reduction="none") * is_known
    quality = entropy.sum() / is_known.sum().clamp(min=1)
    absent = torch.where(is_known, 0.0, -1e9)
    wanted = functional.softmax(known / CHOICE_TEMPERATURE + absent, dim=1)
    said = functional.log_softmax(torch.sigmoid(logits) / CHOICE_TEMPERATURE + absent, dim=1)
    is_choice = is_known.sum(dim=1) > 1
    choice = -((wanted * said).sum(dim=1) * is_choice).sum() / is_choice.sum().clamp(min=1)
    is_priced = ~torch.isnan(targets.cost_usd) & (view.cost_usd > 0)
    ratios = torch.where(is_priced, targets.cost_usd, 1.0) / torch.where(is_priced, view.cost_usd, 1.0)
    deviance = (ratios * torch.exp(-steps[1]) + steps[1]).clamp(max=MOST_DEVIANCE) * is_priced
    return _Losses(quality=quality + CHOICE_WEIGHT * choice, cost=deviance.sum() / is_priced.sum().clamp(min=1))


@contextmanager
def _alone(device: torch.device) -> Iterator[None]:
    """One thread, so that sums have one order; the caller's threads and random numbers are as before afterwards."""
    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(threads)
