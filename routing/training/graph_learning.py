"""Trains the affinity networks: one a seed, each with one block held out, by which their mean is scaled.

The number of epochs is fixed: a block's loss under one network is least long before the mean of several has learned
enough, since much of what one gets wrong the others do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from routing.training.graph_episodes import Graphs
from routing.training.graph_network import AffinityNetwork, SourceTensors, TargetTensors, ViewTensors
from skills.progress import Progress

NETWORKS = 3
MOST_EPOCHS = 15
QUERIES_PER_EPOCH = 20  # a set with few is gone over less often: it would be learned by heart
LEARNING_RATE, WEIGHT_DECAY, WARM_UP_STEPS, LARGEST_GRADIENT = 1e-3, 1.0, 10, 1.0
CONTRAST_WEIGHT, LEVEL_WEIGHT = 4.0, 1.0  # of quality's squared errors: between candidates, and in their mean
COST_WEIGHT, MOST_DEVIANCE = 0.3, 50.0
COST_SCALES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Networks, and how much of their mean step pays on queries they did not learn from."""

    networks: tuple[AffinityNetwork, ...]
    contrast_scale: float  # of what differs between candidates' qualities
    level_scale: float  # of what they share
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
        return _scaled(runs)


class _Run:
    """One network: its training, and what it says of the block held out."""

    def __init__(
        self,
        episodes: Sequence[tuple[SourceTensors, TargetTensors]],
        *,
        held_out: int,
        epochs: int,
        device: torch.device,
    ) -> None:
        self._episodes = [episode for place, episode in enumerate(episodes) if place != held_out]
        self.held_out = episodes[held_out]
        sources, _ = self.held_out
        shapes = (sources.features.shape[1], sources.tasks.shape[1], sources.profiles.shape[1])
        self.network = AffinityNetwork(*shapes).to(device)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        steps = epochs * len(self._episodes)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda step: min(1.0, (step + 1) / WARM_UP_STEPS) * (0.5 + 0.5 * np.cos(np.pi * step / steps)),
        )

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

    def says(self, episode: tuple[SourceTensors, TargetTensors], view: ViewTensors) -> tuple[Tensor, Tensor]:
        self.network.eval()
        sources, targets = episode
        with torch.no_grad():
            steps: tuple[Tensor, Tensor] = self.network(sources, targets, view)
        return steps


def _scaled(runs: Sequence[_Run]) -> Learned:
    """Quality: Σ Δ·r / Σ Δ̄², with Δ a network's change of the held-out block, r what the table left of it, Δ̄ the
    networks' mean change: least squares, since held-out Δ and Δ̄ go along with r alike. Cost: the least deviance.
    """
    along, power = np.zeros(2), np.zeros(2)  # contrasts, levels
    deviances = np.zeros(len(COST_SCALES))
    for run in runs:
        _, targets = run.held_out
        for view in (targets.told, targets.unseen):
            steps, factors = run.says(run.held_out, view)
            mean = torch.stack([other.says(run.held_out, view)[0] for other in runs]).mean(dim=0)
            left = _parts(targets.quality - torch.sigmoid(view.logits), targets)
            ours, theirs = _parts(_change(steps, view), targets), _parts(_change(mean, view), targets)
            along += [float((our * rest).sum()) for our, rest in zip(ours, left, strict=True)]
            power += [float((their**2).sum()) for their in theirs]
            deviances += [float(_losses((steps, factors * scale), view, targets).cost) for scale in COST_SCALES]
    scales = np.clip(along / np.maximum(power, 1e-12), 0, 1)
    return Learned(
        networks=tuple(run.network for run in runs),
        contrast_scale=float(scales[0]),
        level_scale=float(scales[1]),
        cost_scale=COST_SCALES[int(deviances.argmin())],
    )


def _change(steps: Tensor, view: ViewTensors) -> Tensor:
    return torch.sigmoid(view.logits + steps) - torch.sigmoid(view.logits)


def _parts(values: Tensor, targets: TargetTensors) -> tuple[Tensor, Tensor]:
    """Known cells less their query's mean, 0 where unknown; the means, one a query."""
    is_known = ~torch.isnan(targets.quality)
    known = torch.where(is_known, values, 0.0)
    levels = known.sum(dim=1, keepdim=True) / is_known.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(is_known, known - levels, 0.0), levels[:, 0]


def _losses(steps: tuple[Tensor, Tensor], view: ViewTensors, targets: TargetTensors) -> _Losses:
    """Brier score of graded quality, split into what differs between candidates, which alone decides a choice, and what
    they share; gamma deviance of cost, whose minimum is the mean rather than the median.
    """
    contrasts, levels = _parts(torch.sigmoid(view.logits + steps[0]) - targets.quality, targets)
    contrast = (contrasts**2).sum() / (~torch.isnan(targets.quality)).sum().clamp(min=1)
    quality = CONTRAST_WEIGHT * contrast + LEVEL_WEIGHT * (levels**2).mean()
    is_priced = ~torch.isnan(targets.cost_usd) & (view.cost_usd > 0)
    ratios = torch.where(is_priced, targets.cost_usd, 1.0) / torch.where(is_priced, view.cost_usd, 1.0)
    deviance = (ratios * torch.exp(-steps[1]) + steps[1]).clamp(max=MOST_DEVIANCE) * is_priced
    return _Losses(quality=quality, cost=deviance.sum() / is_priced.sum().clamp(min=1))


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
