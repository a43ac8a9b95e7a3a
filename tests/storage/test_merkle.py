"""Roots and proofs are those of RFC 6962: by its vectors of certificate transparency, and as pymerkle makes them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pymerkle import BaseMerkleTree, verify_consistency, verify_inclusion

from storage.merkle import (
    EMPTY_ROOT,
    TILE,
    Frontier,
    Tree,
    is_consistent,
    root_from_inclusion,
    root_of,
    tiles_for_consistency,
    tiles_for_inclusion,
)

# The eight inputs and roots that the certificate transparency project tests its trees with.
CT_LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# (leaf from 1, size) to the path, of the same project
CT_PATHS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def leaves(count: int) -> list[bytes]:
    return [leaf(str(number).encode()) for number in range(count)]


def tree_of(hashes: list[bytes], tiles: set[int]) -> Tree:
    """A tree that knows the roots of its whole tiles, and no other leaves than those of these tiles."""
    whole = [root_of(hashes[start : start + TILE]) for start in range(0, len(hashes) // TILE * TILE, TILE)]
    return Tree(whole, {tile: hashes[tile * TILE : (tile + 1) * TILE] for tile in tiles})


class LeafTree(BaseMerkleTree):  # type: ignore[misc]  # it has no types
    """pymerkle over hashes that are given to it."""

    def __init__(self, hashes: list[bytes]) -> None:
        super().__init__("sha256")
        self.hashes = hashes

    def _encode_entry(self, data: bytes) -> bytes:
        return data

    def _store_leaf(self, data: bytes, digest: bytes) -> int:
        raise NotImplementedError

    def _get_leaf(self, index: int) -> bytes:
        return self.hashes[index - 1]

    def _get_leaves(self, offset: int, width: int) -> Any:
        return iter(self.hashes[offset : offset + width])

    def _get_size(self) -> int:
        return len(self.hashes)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    hashes = [leaf(each) for each in CT_LEAVES[:size]]
    assert root_of(hashes).hex() == CT_ROOTS[size - 1]
    frontier = Frontier()
    for each in hashes:
        frontier.extend([each])
    assert frontier.root().hex() == CT_ROOTS[size - 1]
    assert Frontier().root() == root_of([]) == EMPTY_ROOT


@pytest.mark.parametrize(("number", "size"), CT_PATHS)
def test_the_paths_are_those_of_certificate_transparency(number: int, size: int) -> None:
    hashes = [leaf(each) for each in CT_LEAVES[:size]]
    path = tree_of(hashes, {0}).inclusion(number - 1, size)
    assert [each.hex() for each in path] == CT_PATHS[number, size]
    assert root_from_inclusion(hashes[number - 1], number - 1, size, path) == root_of(hashes)


@settings(deadline=None, max_examples=60)
@given(some.integers(1, 1400), some.data())
def test_proofs_are_right_and_made_of_the_same_hashes_as_pymerkle_s(size: int, data: Any) -> None:
    hashes = leaves(size)
    other = LeafTree(hashes)
    index, first = data.draw(some.integers(0, size - 1)), data.draw(some.integers(1, size))
    root = other.get_root()
    assert Frontier(leaves=hashes).root() == root_of(hashes) == root
    path = tree_of(hashes, tiles_for_inclusion(index, size)).inclusion(index, size)
    theirs = other.prove_inclusion(index + 1, size)
    verify_inclusion(hashes[index], root, theirs)
    assert path == theirs.path[1:]
    assert root_from_inclusion(hashes[index], index, size, path) == root
    shown = tree_of(hashes, tiles_for_consistency(first, size)).consistency(first, size)
    first_root = other.get_root(first)
    verify_consistency(first_root, root, other.prove_consistency(first, size))
    assert is_consistent(first, size, shown, first_root=first_root, second_root=root)


@settings(deadline=None, max_examples=60)
@given(some.integers(2, 900), some.data())
def test_a_proof_that_was_changed_proves_nothing(size: int, data: Any) -> None:
    hashes = leaves(size)
    index, first = data.draw(some.integers(0, size - 1)), data.draw(some.integers(1, size - 1))
    root, first_root = root_of(hashes), root_of(hashes[:first])
    whole = set(range(size // TILE + 1))
    path = tree_of(hashes, whole).inclusion(index, size)
    assert root_from_inclusion(leaf(b"other"), index, size, path) != root
    for bad in changed(path, data):
        assert root_from_inclusion(hashes[index], index, size, bad) != root
    shown = tree_of(hashes, whole).consistency(first, size)
    for bad in changed(shown, data):
        assert not is_consistent(first, size, bad, first_root=first_root, second_root=root)
    assert not is_consistent(first, size, shown, first_root=leaf(b"other"), second_root=root)
    assert not is_consistent(first, size, shown, first_root=first_root, second_root=leaf(b"other"))


def changed(path: list[bytes], data: Any) -> list[list[bytes]]:
    place = data.draw(some.integers(0, len(path) - 1))
    flipped = bytes([path[place][0] ^ 1]) + path[place][1:]
    return [path[:place] + path[place + 1 :], [*path, leaf(b"more")], [*path[:place], flipped, *path[place + 1 :]]]


@pytest.mark.parametrize("steps", [[1, 255, 1, 600], [300, 300], [256, 256, 256], [5] * 120])
def test_a_frontier_that_grew_is_that_of_the_whole(steps: list[int]) -> None:
    hashes = leaves(sum(steps))
    frontier, tiles, done = Frontier(), [], 0
    for step in steps:
        tiles += frontier.extend(hashes[done : done + step])
        done += step
        assert (frontier.size, frontier.root()) == (done, root_of(hashes[:done]))
        again = Frontier(tiles, hashes[done // TILE * TILE : done])
        assert (again.size, again.root()) == (done, frontier.root())
    kept = frontier.copy()
    frontier.extend(leaves(1))
    assert kept.root() == root_of(hashes)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_leaf_that_is_not_there_has_no_path(index: int, size: int) -> None:
    assert root_from_inclusion(leaf(b""), index, size, []) is None
    with pytest.raises(ValueError, match="has no leaf"):
        tree_of(leaves(4), {0}).inclusion(index, size)
    with pytest.raises(ValueError, match="holds no tree"):
        tree_of(leaves(4), {0}).consistency(5, 4)
