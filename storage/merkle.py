"""Merkle trees of RFC 6962 over SHA-256: roots, proofs of inclusion and of consistency; over leaf hashes, without I/O.

Of our own, for the library pymerkle (with which tests compare it) reads every leaf for a first root and keeps no
frontier, and its proofs hold rules of its own, which only it can check; RFC 6962's are a list of hashes.
Leaves stand in tiles of 256. The root of a whole tile never changes, so a tree is known by its tiles' roots and the
leaves of its last tile; a proof takes the leaves of one tile more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

TILE = 256  # leaves
NODE_PREFIX = b"\x01"
EMPTY_ROOT = sha256(b"").digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(NODE_PREFIX + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
        ] + odd
    return level[0]


class Frontier:
    """A tree that grows at its end; it keeps a few roots of whole subtrees and the leaves of the last tile."""

    def __init__(self, tiles: Iterable[bytes] = (), leaves: Sequence[bytes] = ()) -> None:
        self._subtrees: list[bytes] = []
        self._tiles = 0
        self._tail: list[bytes] = []
        for tile in tiles:
            self._push(tile)
        self.extend(leaves)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._tiles * TILE + len(self._tail)

    def extend(self, leaves: Sequence[bytes]) -> list[bytes]:
        """Adds the leaves; the roots of the tiles that became whole."""
        whole, start = [], 0
        while start < len(leaves):
            taken = leaves[start : start + TILE - len(self._tail)]
            self._tail += taken
            start += len(taken)
            if len(self._tail) == TILE:
                whole.append(root_of(self._tail))
                self._tail.clear()
                self._push(whole[-1])
        return whole

    def root(self) -> bytes:
        parts = [*self._subtrees, root_of(self._tail)] if self._tail else self._subtrees
        if not parts:
            return EMPTY_ROOT
        found = parts[-1]
        for left in reversed(parts[:-1]):
            found = node(left, found)
        return found

    def copy(self) -> Frontier:
        other = Frontier()
        other._subtrees, other._tiles, other._tail = list(self._subtrees), self._tiles, list(self._tail)
        return other

    def _push(self, tile: bytes) -> None:
        count = self._tiles
        while count & 1:
            tile = node(self._subtrees.pop(), tile)
            count >>= 1
        self._subtrees.append(tile)
        self._tiles += 1


class Tree:
    """A tree of which the roots of tiles are known, and the leaves of those tiles that a proof touches."""

    def __init__(self, tiles: Sequence[bytes], tile_to_leaves: Mapping[int, Sequence[bytes]]) -> None:
        self._tiles = tiles
        self._leaves = tile_to_leaves

    def root(self, start: int, end: int) -> bytes:
        """Of the leaves from `start` (from 0) to before `end`, a subtree. Raises KeyError for an unknown leaf."""
        if end - start == 1:
            return self._leaves[start // TILE][start % TILE]
        if end - start == TILE and start % TILE == 0 and start // TILE < len(self._tiles):
            return self._tiles[start // TILE]
        middle = start + split(end - start)
        return node(self.root(start, middle), self.root(middle, end))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The path of the leaf `index` (from 0) to the root of the first `size` leaves, from the leaf upwards."""
        if not 0 <= index < size:
            raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
        path, start, end = [], 0, size
        while end - start > 1:
            middle = start + split(end - start)
            if index < middle:
                path.append(self.root(middle, end))
                end = middle
            else:
                path.append(self.root(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """What shows that the tree of the first `second` leaves begins with that of the first `first` ones."""
        if not 0 < first <= second:
            raise ValueError(f"A tree of {second} leaves holds no tree of {first}.")
        path, start, end, is_whole = [], 0, second, True
        while first - start != end - start:
            middle = start + split(end - start)
            if first <= middle:
                path.append(self.root(middle, end))
                end = middle
            else:
                path.append(self.root(start, middle))
                start, is_whole = middle, False
        return ([] if is_whole else [self.root(start, end)]) + path[::-1]


def tiles_for_inclusion(index: int, size: int) -> set[int]:
    """The tiles whose leaves a proof of this leaf needs."""
    return {index // TILE} | _last_tile(size)


def tiles_for_consistency(first: int, second: int) -> set[int]:
    return _last_tile(first) | _last_tile(second)


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that the path leads to; None: the path has not the length of one (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    found, here, last = leaf, index, size - 1
    for each in path:
        if last == 0:
            return None
        if here & 1 or here == last:
            found = node(each, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = node(found, each)
        here, last = here >> 1, last >> 1
    return found if last == 0 else None


def is_consistent(first: int, second: int, path: Sequence[bytes], *, first_root: bytes, second_root: bytes) -> bool:
    """Whether the path shows that the second tree begins with the first (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second or not path:
        return False
    rest = list(path) if first & (first - 1) else [first_root, *path]
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = rest[0]
    for each in rest[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = node(each, old), node(each, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node(new, each)
        here, last = here >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def split(width: int) -> int:
    """The largest power of two that is less than the width: where a tree parts."""
    return 1 << ((width - 1).bit_length() - 1)


def _last_tile(size: int) -> set[int]:
    return {size // TILE} if size % TILE else set()
