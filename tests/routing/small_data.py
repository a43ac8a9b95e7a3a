"""A small, seeded set of training data that can be learned: four tasks with telling texts, candidates good at some."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.encoders.hashing import HashingEncoder
from routing.features import excerpt
from routing.forecasts import Inputs
from routing.training.files import write_dataset

__all__ = ["TASKS", "small_dataset", "small_inputs", "write_dataset"]

TASKS = ("arithmetic", "code", "history", "translation")
TEMPLATES = {
    "arithmetic": "What is the sum of {noun} prices, {number} plus {other} times two?",
    "code": "Write a python function `def {noun}_{number}(items):` that returns the {adjective} {noun}.",
    "history": "Which king ruled the {adjective} {noun} empire in the year {number}, before the war of {other}?",
    "translation": "Translate into French: 'The {adjective} {noun} sleeps beside house {number}.'",
}
NOUNS = ("river", "garden", "window", "basket", "engine", "letter", "horse", "market", "island", "candle")
ADJECTIVES = ("quiet", "golden", "broken", "little", "northern", "ancient", "bright", "hidden")
HARD = " Explain every single step in great detail, prove that it is right, and name two other ways to do it."
DEV_SHARE = 0.25
HARD_SHARE = 0.4
HARD_LOSS = 0.25  # of the chance to be right


def small_dataset(
    queries: int = 240,
    candidates: int = 6,
    seed: int = 0,
    missing: float = 0.0,
    *,
    with_tasks: bool = True,
    with_tokens: bool = True,
    with_costs: bool = True,
) -> Dataset:
    """Candidate k is strong at task k mod 4; the dearer, the better at the rest. Quality is 0 or 1.

    `missing`: the share of cells without any measurement; every query and every candidate keeps at least one.
    Costs follow the candidate's prices and the text's length; a hard query (it says so) is failed more often.
    """
    rng = np.random.default_rng(seed)
    tasks = [TASKS[place % len(TASKS)] for place in range(queries)]
    is_hard = rng.random(queries) < HARD_SHARE
    texts = [_text(rng, task, hard=bool(hard)) for task, hard in zip(tasks, is_hard, strict=True)]
    prices = 0.2 * 2.0 ** np.arange(candidates)  # USD for a million tokens; output costs three times as much
    strength = np.stack([_strengths(place, candidates) for place in range(candidates)], axis=1)  # task × candidate
    chance = strength[[TASKS.index(task) for task in tasks]] - HARD_LOSS * is_hard[:, None]
    quality = (rng.random(chance.shape) < np.clip(chance, 0.03, 0.97)).astype(np.float64)
    input_tokens = np.repeat([[len(text) // 4] for text in texts], candidates, axis=1).astype(np.float64)
    output_tokens = np.round(40 + 120 * is_hard[:, None] + 20 * rng.random(chance.shape))
    measures = {"quality": quality}
    if with_costs:
        measures["cost_usd"] = (input_tokens + 3 * output_tokens) * prices / 1e6
    if with_tokens:
        seconds = 0.2 + output_tokens * (0.005 + 0.002 * np.arange(candidates))
        measures |= {"input_tokens": input_tokens, "output_tokens": output_tokens, "latency_seconds": seconds}
    is_missing = _missing(rng, chance.shape, missing)
    is_dev = np.isin(np.arange(queries), rng.permutation(queries)[: round(DEV_SHARE * queries)])
    return Dataset.canonical(
        cards=[_card(place, float(price)) for place, price in enumerate(prices)],
        query_ids=[f"query-{place:05}" for place in range(queries)],
        texts=texts,
        tasks=[task if with_tasks else None for task in tasks],
        splits=["dev" if dev else "train" for dev in is_dev],
        measures={name: np.where(is_missing, np.nan, matrix) for name, matrix in measures.items()},
    )


def small_inputs(data: Dataset, *, dimension: int = 128) -> Inputs:
    """What a predictor sees of these queries, by the hashing encoder."""
    vectors = HashingEncoder(dimension=dimension).encode([excerpt(text) for text in data.texts])
    return Inputs(texts=data.texts, embeddings=vectors, tasks=data.tasks)


def _text(rng: np.random.Generator, task: str, *, hard: bool) -> str:
    number, other = (int(value) for value in rng.integers(100, 10_000, size=2))
    noun, adjective = str(rng.choice(NOUNS)), str(rng.choice(ADJECTIVES))
    text = TEMPLATES[task].format(noun=noun, adjective=adjective, number=number, other=other)
    return text + HARD if hard else text


def _strengths(place: int, candidates: int) -> NDArray[np.float64]:
    """Of one candidate, the chance to be right at each task's easy queries."""
    chances = np.full(len(TASKS), 0.15 + 0.35 * place / max(candidates - 1, 1))
    chances[place % len(TASKS)] = 0.95
    return chances


def _card(place: int, price: float) -> CandidateCard:
    return CandidateCard(
        id=f"model-{chr(ord('a') + place)}" if place < 26 else f"model-z{place:03}",
        name=f"Model {place}",
        description=f"Strong at {TASKS[place % len(TASKS)]}.",
        price_input_usd_per_mtok=price,
        price_output_usd_per_mtok=3 * price,
        context_window=8192,
        family="even" if place % 2 == 0 else "odd",
        size_b=1.5 * (place + 1),
        released=f"2025-{1 + place % 12:02}",
    )


def _missing(rng: np.random.Generator, shape: tuple[int, ...], share: float) -> NDArray[np.bool_]:
    queries, candidates = shape
    is_missing = rng.random(shape) < share
    is_missing[np.arange(queries), np.arange(queries) % candidates] = False
    return is_missing
