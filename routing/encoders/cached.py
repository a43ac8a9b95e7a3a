"""An encoder that remembers: a repeated text costs a digest instead of a network's forward."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from routing.base import Encoder

DEFAULT_CAPACITY = 4096  # texts; 1.5 kB each at 384 dimensions


class CachedEncoder:
    """Keeps the vectors of the texts used last, under their digest: no text is held."""

    def __init__(self, encoder: Encoder, *, capacity: int = DEFAULT_CAPACITY) -> None:
        self.encoder = encoder
        self.name = encoder.name
        self.dimension = encoder.dimension
        self._capacity = capacity
        self._digest_to_vector: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()  # two threads may reorder and evict at once

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`; only unknown texts are encoded, each once."""
        digests = [_digest(text) for text in texts]
        digest_to_vector = {digest: self._recall(digest) for digest in digests}
        unknown = {d: text for d, text in zip(digests, texts, strict=True) if digest_to_vector[d] is None}
        if unknown:
            for digest, vector in zip(unknown, self.encoder.encode(list(unknown.values())), strict=True):
                digest_to_vector[digest] = self._remember(digest, vector)
        rows = [vector for d in digests if (vector := digest_to_vector[d]) is not None]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), dtype=np.float32)

    def has(self, text: str) -> bool:
        """Whether encoding the text would be instant."""
        with self._lock:
            return _digest(text) in self._digest_to_vector

    def _recall(self, digest: bytes) -> NDArray[np.float32] | None:
        with self._lock:
            vector = self._digest_to_vector.get(digest)
            if vector is not None:
                self._digest_to_vector.move_to_end(digest)
            return vector

    def _remember(self, digest: bytes, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        kept = vector.copy()  # a row of a batch would keep the whole batch alive
        with self._lock:
            self._digest_to_vector[digest] = kept
            while len(self._digest_to_vector) > self._capacity:
                self._digest_to_vector.popitem(last=False)
        return kept


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
