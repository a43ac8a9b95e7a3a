"""Several indexes of the same skills, each with an encoder of its own; for each query one of them is asked.

RouterRetriever (Lee et al., 2024, arXiv:2409.02685): queries with known answers, the pilots, are grouped by their sort
and by the encoder that served them best; of each group the mean vector is kept. A query goes to the encoder whose
pilots are nearest. Off unless somebody makes one: in measurements (`benchmarks/skills.py --parts experts`) choosing
an encoder was no better than fusing what all of them find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill, SkillSearch, SkillSearcher
from skills.encoder import Encoder
from storage.errors import InvalidInput

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PilotCentroids:
    """Which expert a query's vector is nearest to."""

    vectors: Floats  # (centroids, dimension), length one
    experts: Places  # (centroids,): whose each is

    def choose(self, vectors: Floats) -> Places:
        """(queries,): the expert with the highest mean similarity of its centroids; of equal ones the first."""
        similarities = vectors @ self.vectors.T
        names = np.unique(self.experts)
        means = np.stack([similarities[:, self.experts == name].mean(axis=1) for name in names], axis=1)
        chosen: Places = names[np.argmax(means, axis=1)]
        return chosen


def pilot_centroids(vectors: Floats, scores: Floats, sorts: Sequence[str]) -> PilotCentroids:
    """`vectors` (pilots, dimension) of one encoder for all; `scores` (pilots, experts): how well each served, higher
    is better, of equal ones the first; `sorts`: of each pilot, any names. Raises InvalidInput where they do not fit."""
    if not len(vectors) or len(vectors) != len(scores) or len(vectors) != len(sorts):
        raise InvalidInput(
            f"{len(vectors)} vectors, {len(scores)} rows of scores and {len(sorts)} sorts of pilots; as many of each,"
            " and one at least, would be right.",
            field="pilots",
        )
    best = np.argmax(scores, axis=1)
    groups = sorted(set(zip(best.tolist(), sorts, strict=True)))
    sort_of = np.array(sorts)
    means = np.stack([vectors[(best == expert) & (sort_of == sort)].mean(axis=0) for expert, sort in groups])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return PilotCentroids(
        vectors=np.asarray(means / np.where(lengths > 0, lengths, 1), dtype=np.float32),
        experts=np.array([expert for expert, _ in groups], dtype=np.int64),
    )


class ExpertSearcher:
    """A `SkillSearcher` over several, of which one answers each query. `encoder`: that of the pilots' vectors."""

    def __init__(self, searchers: Sequence[SkillSearcher], encoder: Encoder, pilots: PilotCentroids) -> None:
        """Raises InvalidInput where a pilot's expert is none of the searchers."""
        if not 0 <= int(pilots.experts.min()) <= int(pilots.experts.max()) < len(searchers):
            raise InvalidInput(f"Pilots are of experts up to {pilots.experts.max()}; there are {len(searchers)}.")
        self._searchers = tuple(searchers)
        self._encoder = encoder
        self._pilots = pilots
        self.sha256 = _joined(searcher.sha256 for searcher in searchers)
        self.ranker_sha256 = _joined(searcher.ranker_sha256 for searcher in searchers)
        self.encoder_name = " | ".join(searcher.encoder_name for searcher in searchers)

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        """See `SkillSearcher`. A blank text finds nothing."""
        asked = [place for place, text in enumerate(texts) if text.strip()]
        found: dict[int, SkillSearch] = {}
        if asked:
            chosen = self._pilots.choose(self._encoder.encode([texts[place] for place in asked]))
            for expert in np.unique(chosen).tolist():
                own = [place for place, choice in zip(asked, chosen.tolist(), strict=True) if choice == expert]
                answers = self._searchers[expert].search([texts[place] for place in own], top=top)
                found.update(zip(own, answers, strict=True))
        return [found.get(place, SkillSearch(hits=())) for place in range(len(texts))]

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        """See `SkillSearcher`; all experts hold the same skills."""
        return self._searchers[0].skills(skill_ids)


def _joined(digests: Iterable[str]) -> str:
    """One digest for all; empty where all are."""
    every = tuple(digests)
    return sha256(" ".join(every).encode()).hexdigest() if any(every) else ""
