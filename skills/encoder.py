"""What turns texts into vectors, whoever needs them: routing, and the search for skills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """Texts to unit vectors."""

    name: str  # with version; stands in every decision and index
    dimension: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dimension), rows of length one. Blocking: callers use a thread."""
        ...
