"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]  # done, of, what


def no_progress(done: int, of: int, what: str) -> None:
    """For those who do not ask."""
