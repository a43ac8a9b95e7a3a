"""What a trained router keeps of its training outcomes, so that a newcomer's few outcomes can be set beside them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.dataset import Dataset, mean_of_known
from routing.forecasts import Arrays, Matrix

STEPS = 254  # of quality between 0 and 1
MISSING = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """One row a training query: its text's digest and the outcomes; no text, one byte an outcome."""

    digests: NDArray[np.uint64]
    quality: NDArray[np.uint8]  # rows × candidates of the trained router, alphabetically

    @classmethod
    def of(cls, data: Dataset) -> Self:
        quality = np.where(np.isnan(data.quality), MISSING, np.rint(np.nan_to_num(data.quality) * STEPS))
        digests = np.array([text_digest(text) for text in data.texts], dtype=np.uint64)
        return cls(digests=digests, quality=quality.astype(np.uint8))

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Undo of `arrays`. Raises KeyError or ValueError where they do not fit."""
        digests, quality = arrays["digests"], arrays["quality"]
        if digests.ndim != 1 or quality.ndim != 2 or len(quality) != len(digests):
            raise ValueError(f"Memory holds {digests.shape} digests and {quality.shape} outcomes.")
        return cls(digests=digests.astype(np.uint64), quality=quality.astype(np.uint8))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"digests": self.digests, "quality": self.quality}

    def outcomes(self) -> Matrix:
        """Quality in [0, 1], NaN where nothing was known."""
        return np.where(self.quality == MISSING, np.nan, self.quality / STEPS)

    def outcomes_of(self, texts: tuple[str, ...]) -> Matrix:
        """The rows of these texts; NaN throughout for a text that was not trained on, means for one that was twice."""
        digest_to_rows: dict[int, list[int]] = {}
        for row, digest in enumerate(self.digests.tolist()):
            digest_to_rows.setdefault(digest, []).append(row)
        known = self.outcomes()
        found = [mean_of_known(known[digest_to_rows.get(text_digest(text), [])]) for text in texts]
        return np.array(found).reshape(len(texts), known.shape[1])


def text_digest(text: str) -> int:
    """64 bits of the text's SHA-256."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
