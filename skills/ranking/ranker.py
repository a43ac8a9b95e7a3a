"""The trained ranker: features of texts, and of past queries where the pool's skills have some, to scores by trees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skills.errors import RankerRefused
from skills.ranking.artifact import Memory, RankerParts, read_parts
from skills.ranking.base import Floats, QueryTerms, Reranked, Retrieved, Rows, SkillArrays
from skills.ranking.features import FEATURES, text_features
from skills.ranking.fit import SIGNALS, Fit, signals
from skills.ranking.learned_words import LearnedWords
from skills.ranking.query_memory import FEATURES as MEMORY_FEATURES

STUFFED_FROM = 0.5  # of a stuffing penalty: below it, real texts repeat themselves too
STUFFED_LOSS = 60.0  # of score, for each point above: no fit makes up for it


class LearnedRanker:
    """See `Ranker` and `Proposer`. Safe to share among threads."""

    def __init__(self, parts: RankerParts, *, sha256: str, encoder: str) -> None:
        """`encoder`: that of the vectors it was trained on."""
        self.parts = parts
        self.sha256 = sha256
        self.encoder = encoder

    @property
    def words(self) -> LearnedWords:
        """For the first stage too."""
        return self.parts.words

    @property
    def query_mean(self) -> Floats:
        """For the first stage too: (dimension,)."""
        return self.parts.query_mean

    def propose(self, queries: Sequence[QueryTerms], vectors: Floats, index: SkillArrays) -> list[Rows]:
        """See `Proposer`."""
        memory = self._active(index)
        if memory is None:
            return [np.zeros(0, dtype=np.int64)] * len(queries)
        bound = memory.queries.bound(index)
        return [memory.queries.proposed(*said, bound) for said in memory.queries.read(queries, vectors)]

    def rerank(self, found: Sequence[Retrieved]) -> list[Reranked]:
        """See `Ranker`."""
        asked = [one for one in found if len(one.rows)]
        memory = self._active(asked[0].index) if asked else None
        scores = iter(self._by_text(asked) if memory is None else self._by_memory(asked, memory))
        fit = self.parts.fit if memory is None else memory.fit
        return [_reranked(one, next(scores) - _lost(one), fit) if len(one.rows) else _NOTHING for one in found]

    def _active(self, index: SkillArrays) -> Memory | None:
        memory = self.parts.memory
        return memory if memory is not None and memory.queries.is_active(index) else None

    def _by_text(self, found: Sequence[Retrieved]) -> list[Floats]:
        return [self.parts.trees.sums(text_features(one)) for one in found]

    def _by_memory(self, found: Sequence[Retrieved], memory: Memory) -> list[Floats]:
        queries = memory.queries
        bound = queries.bound(found[0].index)
        said = queries.read([one.query for one in found], np.stack([one.vector for one in found]))
        return [
            memory.trees.sums(np.hstack([text_features(one), queries.features(*own, one.rows, bound)]))
            for one, own in zip(found, said, strict=True)
        ]


_NOTHING = Reranked(scores=np.zeros(0, dtype=np.float32))


def _lost(found: Retrieved) -> Floats:
    """What texts lose that are written to be found: trees learned from honest ones, and take stuffing for fitting."""
    return np.asarray(STUFFED_LOSS * np.maximum(found.index.stuffing(found.rows) - STUFFED_FROM, 0), dtype=np.float32)


def _reranked(found: Retrieved, scores: Floats, fit: Fit | None) -> Reranked:
    return Reranked(scores=scores, fit_probability=None if fit is None else fit.probability(signals(found, scores)))


def load_ranker(folder: Path, *, encoder: str | None = None) -> LearnedRanker:
    """The ranker in a folder, checked and asked once. Raises RankerRefused.

    `encoder`: the name of the one that vectors come from; None: not checked.
    """
    parts, body = read_parts(folder)
    trained_with = str(body.get("encoder"))
    if encoder is not None and encoder != trained_with:
        raise RankerRefused(
            f"The ranker in {str(folder)!r} was trained with encoder {trained_with!r}; here is {encoder!r}.",
            hint="Use that encoder, or train the ranker again with this one.",
        )
    try:
        _ask(parts)
    except (ValueError, IndexError, TypeError) as exc:
        raise RankerRefused(f"The ranker in {str(folder)!r} gives no answer: {exc!r}.") from exc
    return LearnedRanker(parts, sha256=str(body["sha256"]), encoder=trained_with)


def read_learned_words(folder: Path) -> LearnedWords:
    """Those of the ranker in a folder. Raises RankerRefused."""
    return read_parts(folder)[0].words


def _ask(parts: RankerParts) -> None:
    """Ill-fitting arrays break here, not under a query."""
    answers = [parts.trees.sums(np.zeros((1, len(FEATURES)), dtype=np.float32))]
    fits = [parts.fit, None if parts.memory is None else parts.memory.fit]
    for fit in (one for one in fits if one is not None):
        answers.append(np.array([fit.probability(np.zeros(len(SIGNALS), dtype=np.float32))], dtype=np.float32))
    if parts.memory is not None:
        queries = parts.memory.queries
        vector = np.zeros((1, queries.past.arrays["vectors"].shape[1]), dtype=np.float32)
        nothing = QueryTerms(
            terms=np.zeros(0, dtype=np.uint32),
            counts=np.zeros(0, dtype=np.float32),
            idf=np.zeros(0, dtype=np.float32),
            words=(),
        )
        (votes, probabilities) = queries.read([nothing], vector)[0]
        width = len(FEATURES) + len(MEMORY_FEATURES)
        answers += [votes.votes, probabilities, parts.memory.trees.sums(np.zeros((1, width), dtype=np.float32))]
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ValueError("its answer is not a finite number")
