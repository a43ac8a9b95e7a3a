"""Trains the last layers of a sentence encoder to bring queries near the skills that answer them.

Contrastive: each text must be nearer to its own skill than to those of the other texts of its batch and to one hard
negative each (in-batch softmax, van den Oord et al., 2018, arXiv:1807.03748; Karpukhin et al., 2020,
arXiv:2004.04906). The lower layers stay, so what they give is computed once. The result may be a mean of
the old and the new weights, which keeps more of what the encoder knew of other wording (Wortsman et al., 2022,
arXiv:2109.01903).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skills.base import Skill
from skills.embedding import embed
from skills.encoder import Encoder
from skills.progress import Progress, no_progress
from skills.ranking.base import Floats
from skills.training.encoder_tuning_network import Encoding, States, is_bfloat16_fast
from skills.training.encoder_tuning_pairs import (
    HEAD_TOKENS,
    LONG_TOKENS,
    QUERY_TOKENS,
    WINDOW_TOKENS,
    Pair,
    Shares,
    Similarities,
    hard_negatives,
    head_text,
    queries_digest,
    sampled_pairs,
    window_text,
)
from skills.training.queries import LabelledQuery
from skills.tuned_layers import BertNetwork, TunableEncoder, TunedLayers
from storage.errors import InvalidInput

if TYPE_CHECKING:
    import torch

LEAST_PAIRS = 64
INT8 = 127
MASKED = -1e9


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """How the layers are trained. The same settings on the same machine give the same layers without `seconds`."""

    trained_layers: int = 2
    pairs: int = 8_000  # memory: some 70 kB each
    shares: Shares = Shares()
    epochs: int = 1
    batch: int = 32
    rate: float = 5e-5
    warm_up: float = 0.1  # share of the steps until the rate is full; then it falls to a tenth
    weight_decay: float = 0.01
    temperature: float = 0.05
    blend: float = 1.0  # 0: the old weights, 1: the new ones; below 1 where other wording suffers
    seconds: float | None = None  # of wall-clock time for the steps; the rate falls with it, too
    seed: int = 0
    is_bfloat16: bool | None = None  # None: where the processor is fast with it


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What training found: the new float32 arrays beside the old ones, and how it went."""

    network: BertNetwork
    new: dict[str, Floats]
    losses: tuple[float, ...]  # by step
    seconds: float

    def blended(self, blend: float) -> dict[str, Floats]:
        """(1 - blend) times the old arrays and blend times the new ones."""
        old = self.network.arrays
        return {name: np.asarray((1 - blend) * old[name] + blend * array) for name, array in self.new.items()}


def tune_for(
    pool: Sequence[Skill],
    queries: Sequence[LabelledQuery],
    *,
    encoder: Encoder,
    settings: TuningSettings | None = None,
    cache_dir: Path | None = None,
    on_progress: Progress = no_progress,
) -> TunedLayers:
    """The last layers of `encoder`, tuned with these queries; `encoder` itself is left as it is.

    `cache_dir`: of vectors, as `embed` has it. Raises InvalidInput for an encoder that cannot be tuned and for too few
    queries, EncoderUnavailable where its weights cannot be read.
    """
    settings = settings or TuningSettings()
    if not isinstance(encoder, TunableEncoder):
        raise InvalidInput(f"Encoder {encoder.name!r} cannot be tuned; 'minilm' can.", field="encoder")
    pairs = sampled_pairs(pool, queries, count=settings.pairs, shares=settings.shares, seed=settings.seed)
    if len(pairs) < LEAST_PAIRS:
        raise InvalidInput(f"{len(pairs)} pairs are too few to tune an encoder; give {LEAST_PAIRS}.", field="queries")
    similarities = Similarities(
        heads=embed([head_text(skill) for skill in pool], encoder, cache_dir=cache_dir, on_progress=on_progress),
        texts=embed([pair.text for pair in pairs], encoder, cache_dir=cache_dir, on_progress=on_progress),
    )
    tuning = tune(pool, pairs, similarities, encoder=encoder, settings=settings, on_progress=on_progress)
    trained_with = {
        **asdict(settings),
        "base": encoder.name,
        "queries": len(queries),
        "queries_sha256": queries_digest(queries),
        "pairs": len(pairs),
        "steps": len(tuning.losses),
        "first_loss": round(float(np.mean(tuning.losses[:10])), 4),
        "last_loss": round(float(np.mean(tuning.losses[-10:])), 4),
    }
    return packed(tuning.network, tuning.blended(settings.blend), trained_with)


def tune(
    pool: Sequence[Skill],
    pairs: Sequence[Pair],
    similarities: Similarities,
    *,
    encoder: TunableEncoder,
    settings: TuningSettings,
    on_progress: Progress = no_progress,
) -> Tuning:
    """Trains; on one thread, so that the same input gives the same layers."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        is_bfloat16 = is_bfloat16_fast() if settings.is_bfloat16 is None else settings.is_bfloat16
        encoding = Encoding(encoder.network(), trained=settings.trained_layers, is_bfloat16=is_bfloat16)
        return _Run(pool, pairs, similarities, encoder, settings, encoding).trained(on_progress)
    finally:
        torch.set_num_threads(threads)


def packed(network: BertNetwork, arrays: dict[str, Floats], trained_with: dict[str, object]) -> TunedLayers:
    """As the base's network file stores them: matrices as int8 with a scale a column."""
    stored: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        names = network.stored[name]
        if len(names) == 1:
            stored[names[0]] = np.asarray(array, dtype=np.float32)
            continue
        scale = np.maximum(np.abs(array).max(axis=0, keepdims=True) / INT8, np.finfo(np.float32).tiny)
        stored[names[0]] = np.rint(array / scale).astype(np.int8)
        stored[names[1]] = scale.astype(np.float32)
    return TunedLayers(base_sha256=network.file_sha256, arrays=stored, trained_with=trained_with)


class _Run:
    """One training: texts and documents as the fixed layers give them, and the steps."""

    def __init__(
        self,
        pool: Sequence[Skill],
        pairs: Sequence[Pair],
        similarities: Similarities,
        encoder: TunableEncoder,
        settings: TuningSettings,
        encoding: Encoding,
    ) -> None:
        self._pool = pool
        self._pairs = pairs
        self._similarities = similarities
        self._encoder = encoder
        self._settings = settings
        self._encoding = encoding

    def trained(self, on_progress: Progress) -> Tuning:
        import torch

        negatives = hard_negatives(self._pairs, self._similarities, seed=self._settings.seed)
        self._documents = sorted(
            {
                (row, pair.is_body)
                for pair, wrong in zip(self._pairs, negatives, strict=True)
                for row in (pair.right, wrong)
            }
        )
        self._places = {document: place for place, document in enumerate(self._documents)}
        self._negatives = negatives
        self._queries, self._document_states = self._states(on_progress)
        order = np.random.default_rng(self._settings.seed)
        settings = self._settings
        optimizer = torch.optim.AdamW(
            self._encoding.parameters.values(), lr=settings.rate, weight_decay=settings.weight_decay
        )
        batches = [
            batch
            for _ in range(settings.epochs)
            for batch in _batches(order.permutation(len(self._pairs)), settings.batch)
        ]
        started = time.monotonic()
        losses: list[float] = []
        for step, batch in enumerate(batches):
            passed = self._passed(step / len(batches), time.monotonic() - started)
            if passed >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * _rate_share(passed, settings.warm_up)
            loss = self._loss(batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(float(loss.detach()))
            on_progress(step + 1, len(batches), "tuning the encoder")
        new = {name: _as_stored(name, tensor) for name, tensor in self._encoding.parameters.items()}
        return Tuning(network=self._encoding.network, new=new, losses=tuple(losses), seconds=time.monotonic() - started)

    def _states(self, on_progress: Progress) -> tuple[States, States]:
        """Of the pairs' texts and of the documents."""
        ids = self._encoder.token_ids
        texts = [ids([pair.text], limit=LONG_TOKENS if pair.is_long else QUERY_TOKENS)[0] for pair in self._pairs]
        documents = [
            ids([window_text(self._pool[row])], limit=WINDOW_TOKENS)[0]
            if is_body
            else ids([head_text(self._pool[row])], limit=HEAD_TOKENS)[0]
            for row, is_body in self._documents
        ]
        return self._encoding.states(texts, on_progress), self._encoding.states(documents, on_progress)

    def _loss(self, batch: Sequence[int]) -> torch.Tensor:
        """Softmax over the batch's documents, less those that may not be held against a text."""
        import torch
        from torch.nn import functional

        chosen = [(self._pairs[pair].right, self._pairs[pair].is_body) for pair in batch]
        chosen += [(self._negatives[pair], self._pairs[pair].is_body) for pair in batch]
        rows = np.array([row for row, _ in chosen])
        counted = np.stack([self._similarities.allowed(pair, self._pairs[pair], rows) for pair in batch])
        counted[np.arange(len(batch)), np.arange(len(batch))] = True
        texts = self._encoding.vectors(self._queries, batch)
        documents = self._encoding.vectors(self._document_states, [self._places[one] for one in chosen])
        logits = (texts @ documents.T / self._settings.temperature).masked_fill(~torch.from_numpy(counted), MASKED)
        return functional.cross_entropy(logits, torch.arange(len(batch)))

    def _passed(self, steps: float, seconds: float) -> float:
        """Share of the training that is behind: of its steps, or of its time where that is further."""
        limit = self._settings.seconds
        return steps if limit is None else max(steps, seconds / limit)


def _batches(order: np.ndarray, size: int) -> list[list[int]]:
    """Whole ones; who is left over waits for the next epoch."""
    return [order[first : first + size].tolist() for first in range(0, len(order) - size + 1, size)]


def _rate_share(passed: float, warm_up: float) -> float:
    """Rises in a line, then falls along a cosine to a tenth."""
    if passed < warm_up:
        return max(passed / warm_up, 0.02)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (passed - warm_up) / (1 - warm_up)))


def _as_stored(name: str, tensor: torch.Tensor) -> Floats:
    array = tensor.detach().numpy()
    return np.array(array.T if array.ndim == 2 else array)
