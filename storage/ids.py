"""Random ids from the system's generator, fetched many at once: each call of it is a system call."""

from __future__ import annotations

import os
from collections import deque
from functools import cache
from secrets import token_hex

HEX_DIGITS = 16  # of one id: 64 bits
AT_ONCE = 256

_ready: deque[str] = deque()  # popped by any thread; each is given out once


def random_hex() -> str:
    """64 random bits in hex."""
    while True:
        try:
            return _ready.pop()
        except IndexError:
            _forget_in_children()
            digits = token_hex(AT_ONCE * HEX_DIGITS // 2)
            _ready.extend(digits[place : place + HEX_DIGITS] for place in range(0, len(digits), HEX_DIGITS))


@cache
def _forget_in_children() -> None:
    """Once: a forked process must not give out what its parent will."""
    os.register_at_fork(after_in_child=_ready.clear)
