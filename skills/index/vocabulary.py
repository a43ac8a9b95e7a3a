"""Which number each term has: kept as 64-bit digests, so that opening reads a few megabytes and no words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from skills.term_digest import term_digest

Digests = NDArray[np.uint64]
NO_TERM = -1


class Vocabulary:
    """Terms by number, from the segments' own in their order."""

    def __init__(self, parts: Sequence[Digests] = ()) -> None:
        self.digests: Digests = np.concatenate([np.zeros(0, dtype=np.uint64), *parts])
        self._order = np.argsort(self.digests, kind="stable")
        self._sorted = self.digests[self._order]

    def __len__(self) -> int:
        return len(self.digests)

    def numbers(self, digests: Digests) -> NDArray[np.int64]:
        """The number of each, NO_TERM for an unknown one."""
        if not len(self.digests):
            return np.full(len(digests), NO_TERM, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._sorted, digests), len(self._sorted) - 1)
        return np.where(self._sorted[places] == digests, self._order[places], NO_TERM)

    def numbers_of(self, terms: Iterable[str]) -> NDArray[np.int64]:
        return self.numbers(np.array([term_digest(term) for term in terms], dtype=np.uint64))


class GrowingVocabulary:
    """Gives new terms the next numbers while documents are read."""

    def __init__(self, known: Vocabulary) -> None:
        self._known = known
        self._term_to_number: dict[str, int] = {}
        self._digest_to_number: dict[int, int] = {}

    def number(self, term: str) -> int:
        found = self._term_to_number.get(term)
        if found is None:
            found = self._term_to_number[term] = self._number_of_digest(term_digest(term))
        return found

    def _number_of_digest(self, digest: int) -> int:
        known = int(self._known.numbers(np.array([digest], dtype=np.uint64))[0])
        if known != NO_TERM:
            return known
        return self._digest_to_number.setdefault(digest, len(self._known) + len(self._digest_to_number))

    def new(self) -> Digests:
        """The terms that were not known, in the order of their numbers."""
        return np.array(list(self._digest_to_number), dtype=np.uint64)
