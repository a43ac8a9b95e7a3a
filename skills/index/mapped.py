"""Arrays on disk, read when touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mapped(path: Path) -> NDArray[Any]:
    """The array of an .npy file as a plain view: numpy's own class for such arrays is slow in small steps.

    Raises OSError, ValueError where it is no array of plain numbers.
    """
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
