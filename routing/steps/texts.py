"""What a step policy sees of the task's text: cheap signals, and the main directions of its vector if it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.steps.features import TEXT_SIGNALS, text_signals
from routing.steps.journey import Floats

DIRECTIONS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class TextReader:
    """Standardises on the training tasks. `components`: P × D of the encoder's vectors; 0 × 0: no vectors are read."""

    mean: Floats  # 5 + P
    scale: Floats  # 5 + P
    center: Floats  # D
    components: Floats  # P × D

    @property
    def dimension(self) -> int:
        """Of the vectors; 0: none are read."""
        return int(self.components.shape[1])

    @classmethod
    def fit(cls, texts: Sequence[str], vectors: NDArray[Any] | None) -> TextReader:
        """`vectors`: N × D of the texts. Principal directions by singular values, each with a fixed sign."""
        signals = np.array([text_signals(text) for text in texts])
        if vectors is None:
            center, components = np.zeros(0), np.zeros((0, 0))
            rows = signals
        else:
            center = vectors.mean(axis=0).astype(np.float64)
            _, _, directions = np.linalg.svd(vectors - center, full_matrices=False)
            components = directions[:DIRECTIONS].astype(np.float64)
            peaks = np.abs(components).argmax(axis=1)
            components *= np.sign(components[np.arange(len(components)), peaks])[:, None]
            rows = np.concatenate([signals, (vectors - center) @ components.T], axis=1)
        return cls(mean=rows.mean(axis=0), scale=rows.std(axis=0) + 1e-6, center=center, components=components)

    def read(self, texts: Sequence[str], vectors: NDArray[Any] | None) -> Floats:
        """N × (5 + P). Raises ValueError where vectors are missing or of another dimension."""
        rows = np.array([text_signals(text) for text in texts])
        if self.dimension:
            if vectors is None or vectors.shape != (len(texts), self.dimension):
                found = None if vectors is None else vectors.shape
                raise ValueError(f"vectors of shape {found}; {(len(texts), self.dimension)} is needed")
            rows = np.concatenate([rows, (vectors - self.center) @ self.components.T], axis=1)
        found_rows: Floats = (rows - self.mean) / self.scale
        return found_rows

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f"text.{name}": getattr(self, name) for name in ("mean", "scale", "center", "components")}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> TextReader:
        """Raises KeyError, ValueError."""
        reader = cls(**{name: arrays[f"text.{name}"] for name in ("mean", "scale", "center", "components")})
        wanted = (len(TEXT_SIGNALS) + len(reader.components),)
        if reader.mean.shape != wanted or reader.scale.shape != wanted or reader.center.shape != (reader.dimension,):
            raise ValueError(f"a text reader of shapes {reader.mean.shape}, {reader.center.shape}; wanted {wanted}")
        return reader
