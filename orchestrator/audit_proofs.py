"""Proofs from a store: that a decision stands in the signed log, and that a later checkpoint holds an earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from storage.checkpoint_forms import endorsed_text, signed_text
from storage.checkpoint_proof import HOW_TO_CHECK, KIND, VERSION
from storage.checkpoint_records import AuditCheckpoint, SigningKey
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.merkle import TILE, Tree, is_consistent, root_from_inclusion, tiles_for_consistency, tiles_for_inclusion
from storage.stores import Stores


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Whether the later checkpoint's tree begins with the earlier one's."""

    first: int  # number of the checkpoint
    second: int
    first_size: int
    second_size: int
    first_root: str
    second_root: str
    path: tuple[str, ...]  # hex, RFC 6962, 2.1.2
    is_consistent: bool


async def proof_of(stores: Stores, decision_id: str) -> dict[str, Any]:
    """The proof file's content. Raises RecordNotFound, also while no checkpoint holds the decision yet; LogCorrupt."""
    event = await stores.audit.event("decision", decision_id)
    checkpoint = await stores.checkpoints.covering(event.position)
    if checkpoint is None:
        raise RecordNotFound(
            f"Decision {decision_id!r} is in the log, but in no signed checkpoint yet.",
            hint="A service that is open signs every few seconds: ask again.",
        )
    size, index = checkpoint.tree_size, event.position - 1
    tree = await _tree(stores, tiles_for_inclusion(index, size))
    path = await asyncio.to_thread(tree.inclusion, index, size)
    [leaf] = _hashes([event.leaf_hash])
    root = root_from_inclusion(leaf, index, size, path)
    if root is None or root.hex() != checkpoint.root_hash:
        raise LogCorrupt(
            f"The log does not lead to the root of checkpoint {checkpoint.number}.", hint="antroute audit verify"
        )
    keys = _keys_up_to(await stores.checkpoints.keys(), checkpoint.key_id)
    return {
        "kind": KIND,
        "version": VERSION,
        "decision_id": decision_id,
        "event": {"position": event.position, "canonical": event.canonical},
        "leaf_hash": event.leaf_hash,
        "leaf_index": index,
        "path": [each.hex() for each in path],
        "checkpoint": {"signed": signed_text(checkpoint), "signature": checkpoint.signature},
        "keys": [{"signed": endorsed_text(key), "endorsement": key.endorsement} for key in keys],
        "how_to_check": list(HOW_TO_CHECK),
    }


async def consistency_of(stores: Stores, first: int, second: int) -> Consistency:
    """Of two checkpoints by number. Raises RecordNotFound, InvalidInput."""
    if first > second:
        raise InvalidInput(f"Checkpoint {first} is not before checkpoint {second}; name the earlier one first.")
    earlier, later = await stores.checkpoints.get(first), await stores.checkpoints.get(second)
    path = await _consistency_path(stores, earlier, later)
    return Consistency(
        first=first,
        second=second,
        first_size=earlier.tree_size,
        second_size=later.tree_size,
        first_root=earlier.root_hash,
        second_root=later.root_hash,
        path=tuple(each.hex() for each in path),
        is_consistent=is_consistent(
            earlier.tree_size,
            later.tree_size,
            path,
            first_root=bytes.fromhex(earlier.root_hash),
            second_root=bytes.fromhex(later.root_hash),
        ),
    )


async def _consistency_path(stores: Stores, earlier: AuditCheckpoint, later: AuditCheckpoint) -> list[bytes]:
    """Raises LogCorrupt."""
    tree = await _tree(stores, tiles_for_consistency(earlier.tree_size, later.tree_size))
    return await asyncio.to_thread(tree.consistency, earlier.tree_size, later.tree_size)


async def _tree(stores: Stores, tiles: Iterable[int]) -> Tree:
    """Raises LogCorrupt where the log has no such leaves, or what is kept of it is no hash."""
    roots = _hashes(await stores.checkpoints.tiles())
    tile_to_leaves = {}
    for tile in tiles:
        links = await stores.audit.links(after_position=tile * TILE, limit=TILE)
        if [link.position for link in links] != list(range(tile * TILE + 1, tile * TILE + 1 + len(links))):
            raise LogCorrupt(f"Events after {tile * TILE} are missing.", hint="antroute audit verify")
        tile_to_leaves[tile] = _hashes([link.leaf_hash for link in links])
    return Tree(roots, tile_to_leaves)


def _hashes(texts: Iterable[str]) -> list[bytes]:
    """Raises LogCorrupt."""
    try:
        return [bytes.fromhex(text) for text in texts]
    except (TypeError, ValueError) as exc:
        raise LogCorrupt(f"A stored hash of the log is none: {exc}.", hint="antroute audit verify") from exc


def _keys_up_to(keys: list[SigningKey], key_id: str) -> list[SigningKey]:
    """From the last one that no other endorsed to the one that signed. Raises LogCorrupt."""
    ids = [key.key_id for key in keys]
    if key_id not in ids:
        raise LogCorrupt(f"The signing key {key_id!r} is missing.", hint="antroute audit verify")
    last = ids.index(key_id)
    first = next((place for place in range(last, 0, -1) if not keys[place].endorsement), 0)
    return keys[first : last + 1]
