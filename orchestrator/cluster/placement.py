"""On which nodes workers are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster, alive."""

    id: str
    address: str
    cpus: float
    gpus: float = 0.0


def missing(nodes: Sequence[Node], taken: Sequence[str], *, workers: int | None, cpus_per_worker: float) -> list[str]:
    """The node of each worker that is to be started, given the nodes of those there are.

    `workers`: of all nodes together, spread evenly by their CPUs; None: each node has its own share. A node without
    CPUs gets none.
    """
    able = [node for node in sorted(nodes, key=lambda node: node.id) if node.cpus > 0]
    counts = Counter(taken)
    if not able:
        return []
    if workers is None:
        return [node.id for node in able for _ in range(share(node, cpus_per_worker) - counts[node.id])]
    chosen: list[str] = []
    for _ in range(workers - sum(counts[node.id] for node in able)):
        emptiest = min(able, key=lambda node: (counts[node.id] / node.cpus, node.id))
        counts[emptiest.id] += 1
        chosen.append(emptiest.id)
    return chosen


def share(node: Node, cpus_per_worker: float) -> int:
    """How many workers a node has by its CPUs: at least one."""
    return max(1, int(node.cpus // cpus_per_worker))
