"""An encoder that remembers: texts whose vectors are in a cache on disk are looked up, the others are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skills.embedding import embed
from skills.encoder import Encoder
from skills.index.index import LONGEST_EXCERPT
from skills.progress import Progress, no_progress


class KnownVectors:
    """See `Encoder`; under the name of the encoder that it asks, for its vectors are that one's."""

    def __init__(self, encoder: Encoder, *, cache_dir: Path) -> None:
        self.name = encoder.name
        self.dimension = encoder.dimension
        self.encoder = encoder
        self.cache_dir = cache_dir
        self._known: dict[str, NDArray[np.float32]] = {}

    def learn(self, texts: Sequence[str], *, on_progress: Progress = no_progress) -> None:
        """Queries that will be asked, as the index hands them over."""
        excerpts = sorted({text[:LONGEST_EXCERPT] for text in texts} - self._known.keys())
        vectors = embed(excerpts, self.encoder, cache_dir=self.cache_dir, on_progress=on_progress)
        self._known.update(zip(excerpts, vectors, strict=True))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        unknown = [text for text in texts if text not in self._known]
        found = dict(zip(unknown, self.encoder.encode(unknown), strict=True)) if unknown else {}
        vectors = [found[text] if text in found else self._known[text] for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), dtype=np.float32)
