"""What was asked last, under the digest of its text: no text is held."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by text; beyond the capacity, the one that was not asked for the longest goes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._digest_to_value: OrderedDict[bytes, T] = OrderedDict()
        self._lock = Lock()  # two threads may reorder and evict at once

    def __contains__(self, text: str) -> bool:
        with self._lock:
            return _digest(text) in self._digest_to_value

    def recall(self, text: str) -> T | None:
        """The value, which thereby stays; None where it is not known."""
        with self._lock:
            value = self._digest_to_value.get(digest := _digest(text))
            if value is not None:
                self._digest_to_value.move_to_end(digest)
            return value

    def remember(self, text: str, value: T) -> T:
        with self._lock:
            self._digest_to_value[_digest(text)] = value
            while len(self._digest_to_value) > self._capacity:
                self._digest_to_value.popitem(last=False)
        return value


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
