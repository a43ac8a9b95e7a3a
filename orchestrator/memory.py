"""Keeps a long-lived process small; only glibc has the call, elsewhere it does nothing."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # glibc's number for it


def share_one_heap() -> None:
    """All threads allocate from one heap instead of one each, whose free ends nobody else could use."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
