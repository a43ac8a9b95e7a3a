"""Keeps a long-lived process small; only glibc has the call, elsewhere it does nothing."""

from __future__ import annotations

import ctypes
import gc

M_ARENA_MAX = -8  # glibc's number for it
THRESHOLDS = (5_000, 5, 5)  # objects until the young are looked through; how often until the older ones are, too


def share_one_heap() -> None:
    """All threads allocate from one heap instead of one each, whose free ends nobody else could use."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def leave_what_is_there() -> None:
    """What the start made stays for good: no collection looks at it again, and the others come less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
