"""How well policies learn online: streams of real queries, each policy hearing only of what it chose, as JSON."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine_facts
from benchmarks.sets import SETS
from routing.base import Context, Lesson, Policy, Vector
from routing.chances import share_of_best
from routing.dataset import Dataset
from routing.encoders.cached import CachedEncoder
from routing.features import TaskCatalog, TaskFeaturizer, excerpt
from routing.policies.exploration import DEFAULT_EXPLORATION, with_floor
from routing.registry import make_encoder, make_policy
from routing.router import sample
from routing.training.files import read_dataset
from skills.embedding import embed

GREENSERV = "alpha=0.1,ridge=0.05"
POLICIES = (
    "best_single", "table", "ucb1", "thompson", "linucb", f"linucb:{GREENSERV}", "lints", f"lints:{GREENSERV}",
)  # fmt: skip
EXAMPLES = 6  # train queries of each task that the catalogue is made of; they are not in the stream
WEIGHED = {"cost": "cost_usd", "latency": "latency_seconds"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Queries that every candidate has answered."""

    name: str
    arms: tuple[str, ...]
    contexts: Sequence[Context]
    rewards: NDArray[np.float64]  # queries × arms


class UCB1(Policy):
    """m_a + √(2 ln t / n_a), blind to the query (Auer, Cesa-Bianchi, Fischer, 2002); arms not tried come first."""

    def __init__(self, *, exploration: float = DEFAULT_EXPLORATION) -> None:
        self.exploration = exploration
        self.arm_to_total: dict[str, tuple[int, float]] = {}

    def scores(self, arms: Sequence[str], context: Context) -> Sequence[Mapping[str, float]]:
        rounds = max(sum(count for count, _ in self.arm_to_total.values()), 1)
        parts = []
        for arm in arms:
            count, total = self.arm_to_total.get(arm, (0, 0.0))
            bonus = math.sqrt(2 * math.log(rounds) / count) if count else 1e3
            parts.append({"mean": total / count if count else 0.0, "exploration_bonus": bonus})
        return parts

    def probabilities(self, arms: Sequence[str], context: Context) -> Vector:
        totals = [sum(part.values()) for part in self.scores(arms, context)]
        return with_floor(share_of_best(totals), self.exploration)

    def update(self, arm: str, context: Context, reward: float) -> None:
        count, total = self.arm_to_total.get(arm, (0, 0.0))
        self.arm_to_total[arm] = (count + 1, total + reward)


class LookedUpEncoder:
    """Vectors of texts that were encoded before."""

    def __init__(self, name: str, text_to_vector: Mapping[str, NDArray[np.float32]]) -> None:
        self.name = name
        self.text_to_vector = text_to_vector
        self.dimension = len(next(iter(text_to_vector.values())))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.text_to_vector[text] for text in texts])


def main() -> None:
    given = arguments()
    body: dict[str, Any] = {
        "about": machine_facts(),
        "options": {k: str(v) for k, v in vars(given).items()},
        "rows": [],
    }
    for name in given.sets:
        stream = load_stream(given.data / name, given)
        body["rows"] += rows_of(stream, given)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder of data sets")
    options.add_argument("--sets", nargs="+", default=list(SETS))
    options.add_argument("--policies", nargs="+", default=list(POLICIES), help="NAME or NAME:OPTION=NUMBER,…")
    options.add_argument("--seeds", type=int, default=5, help="orders of the stream, each with draws of its own")
    options.add_argument("--rounds", type=int, default=2000, help="queries of a stream, at most")
    options.add_argument("--candidates", type=int, default=8, help="from the worst to the best; 2 or more")
    options.add_argument("--weigh", choices=sorted(WEIGHED), default="cost", help="what is taken off the quality")
    options.add_argument("--weight", type=float, default=0.3, help="of it, in units of the best single's mean")
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--cache", type=Path, required=True, help="folder for vectors of texts")
    options.add_argument("--out", type=Path, required=True)
    return options.parse_args()


def load_stream(folder: Path, given: argparse.Namespace) -> Stream:
    """Reward = quality - weight · amount / mean amount of the best single, within [0, 1]. Raises InvalidInput."""
    data = read_dataset(folder)
    arms, rewards = rewards_of(data, getattr(data, WEIGHED[given.weigh]), given.weight, given.candidates)
    is_whole = ~np.isnan(rewards).any(axis=1)
    task_to_examples: dict[str, list[str]] = {}
    places: list[int] = []
    for place in np.random.default_rng(0).permutation(np.flatnonzero(is_whole)).tolist():
        group = task_to_examples.setdefault(data.tasks[place] or "any", [])
        if len(group) < EXAMPLES and data.splits[place] == "train":
            group.append(data.texts[place])
        elif len(places) < given.rounds:
            places.append(place)
    catalogue = TaskCatalog(task_to_examples={task: texts for task, texts in task_to_examples.items() if texts})
    texts = [data.texts[place] for place in places]
    examples = [text for group in catalogue.task_to_examples.values() for text in group]
    excerpts = sorted({excerpt(text) for text in [*texts, *examples]})
    encoder = make_encoder(given.encoder)
    vectors = embed(excerpts, encoder, cache_dir=given.cache)
    looked_up = LookedUpEncoder(encoder.name, dict(zip(excerpts, vectors, strict=True)))
    contexts = TaskFeaturizer(CachedEncoder(looked_up), catalogue).contexts(texts)
    return Stream(name=folder.name, arms=arms, contexts=contexts, rewards=rewards[places])


def rewards_of(
    data: Dataset, amounts: NDArray[np.float64], weight: float, count: int
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Of candidates whose outcomes are nearly all known, some from the worst to the best. Raises SystemExit."""
    known = (~np.isnan(data.quality)).mean(axis=0)
    if np.isnan(amounts).all():
        raise SystemExit("This set has no figures of what is to be weighed; try --weigh cost.")
    quality = np.nanmean(data.quality, axis=0)
    usable = [int(place) for place in np.argsort(quality) if known[place] >= 0.9 * known.max()]
    picked = [usable[int(place)] for place in np.linspace(0, len(usable) - 1, min(count, len(usable)))]
    unit = float(np.nanmean(amounts[:, picked[-1]]))
    rewards = np.clip(data.quality[:, picked] - weight * amounts[:, picked] / unit, 0.0, 1.0)
    return tuple(data.candidates[place] for place in picked), rewards


def rows_of(stream: Stream, given: argparse.Namespace) -> list[dict[str, Any]]:
    rewards = stream.rewards
    static = rewards.mean(axis=0)
    lines = {"[random]": rewards.mean(), "[best static]": static.max(), "[oracle]": rewards.max(axis=1).mean()}
    rows: list[dict[str, Any]] = [
        {"set": stream.name, "policy": name, "utility": float(x)} for name, x in lines.items()
    ]
    for name in given.policies:
        make = maker_of(name)
        played = np.array([play(make(), stream, seed=seed) for seed in range(given.seeds)])
        rows.append(
            {
                "set": stream.name,
                "policy": name,
                "rounds": len(rewards),
                "arms": len(stream.arms),
                "utility": float(played[:, 0].mean()),
                "deviation": float(played[:, 0].std(ddof=1)) if given.seeds > 1 else 0.0,
                "last_quarter": float(played[:, 1].mean()),
                "less_best_static": float(played[:, 0].mean() - static.max()),
                "share_of_gain": float((played[:, 0].mean() - rewards.mean()) / (static.max() - rewards.mean())),
            }
        )
    for row in rows:
        print(json.dumps({key: round(x, 4) if isinstance(x, float) else x for key, x in row.items()}), flush=True)
    return rows


def maker_of(name: str) -> Callable[[], Policy]:
    """`lints:ridge=1` is the registry's policy with an option; `ucb1` is our own."""
    policy, _, options = name.partition(":")
    pairs = (option.partition("=") for option in options.split(",") if option)
    values = {key: float(value) for key, _, value in pairs}
    return UCB1 if policy == "ucb1" else partial(make_policy, policy, **values)


def play(policy: Policy, stream: Stream, *, seed: int) -> tuple[float, float]:
    """Mean reward of all rounds and of the last quarter, in an order of the seed's own."""
    order = np.random.default_rng(seed).permutation(len(stream.rewards))
    earned = []
    for counter, place in enumerate(order.tolist()):
        context = stream.contexts[place]
        probabilities = policy.probabilities(stream.arms, context).tolist()
        chosen = sample(probabilities, stream.arms, seed=seed, counter=counter)
        reward = float(stream.rewards[place, stream.arms.index(chosen)])
        policy.observe(chosen, context, Lesson(reward=reward))
        earned.append(reward)
    return float(np.mean(earned)), float(np.mean(earned[-len(earned) // 4 :]))


if __name__ == "__main__":
    main()
