"""An encoder that remembers: a repeated text costs a digest instead of a network's forward."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from routing.recent import Recent
from skills.encoder import Encoder

DEFAULT_CAPACITY = 4096  # texts; 1.5 kB each at 384 dimensions


class CachedEncoder:
    """Keeps the vectors of the texts used last, under their digest: no text is held."""

    def __init__(self, encoder: Encoder, *, capacity: int = DEFAULT_CAPACITY) -> None:
        self.encoder = encoder
        self.name = encoder.name
        self.dimension = encoder.dimension
        self._recent: Recent[NDArray[np.float32]] = Recent(capacity)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`; only unknown texts are encoded, each once."""
        text_to_vector = {text: self._recent.recall(text) for text in texts}
        unknown = [text for text, vector in text_to_vector.items() if vector is None]
        if unknown:
            for text, vector in zip(unknown, self.encoder.encode(unknown), strict=True):
                kept = vector.copy()  # a row of a batch would keep the whole batch alive
                text_to_vector[text] = self._recent.remember(text, kept)
        rows = [vector for text in texts if (vector := text_to_vector[text]) is not None]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), dtype=np.float32)

    def has(self, text: str) -> bool:
        """Whether encoding the text would be instant."""
        return text in self._recent
