"""Parts vectors into clusters of bounded size.

Spherical k-means (Dhillon and Modha, 2001: means of length one, cosine similarity) with a bound on each cluster's
size: while a cluster has more takers than room, the nearest ones get in and the others go to their next best. Started
by k-means++ (Arthur and Vassilvitskii, 2007) with distance 1 - cosine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skills.groups.base import Floats
from storage.errors import InvalidInput

MOST_ROUNDS = 30
Labels = NDArray[np.int64]


def clusters(vectors: Floats, count: int, *, most: int, seed: int, start: Floats | None = None) -> Labels:
    """(rows,): the cluster of each, from 0; at most `count` clusters of at most `most` rows each, none of them empty.

    `vectors` (rows, dimension), of length one or zero. `start` (count, dimension): centres to begin with. The same
    arguments give the same labels. Raises InvalidInput where so many rows have no room.
    """
    if count < 1 or count * most < len(vectors):
        raise InvalidInput(f"{len(vectors)} rows do not fit into {count} clusters of {most}.", field="count")
    centres = _spread(vectors, count, np.random.default_rng(seed)) if start is None else start
    labels = np.full(len(vectors), -1, dtype=np.int64)
    for _ in range(MOST_ROUNDS):
        found = _with_room(vectors @ centres.T, most)
        if np.array_equal(found, labels):
            break
        labels = found
        centres = means(vectors, labels, centres)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def means(vectors: Floats, labels: Labels, fallback: Floats) -> Floats:
    """(clusters, dimension): means of length one; that of `fallback` for a cluster without a direction."""
    sums = np.zeros(fallback.shape, dtype=np.float32)
    np.add.at(sums, labels, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), fallback).astype(np.float32)


def _spread(vectors: Floats, count: int, rng: np.random.Generator) -> Floats:
    chosen = [int(rng.integers(len(vectors)))]
    distance = np.maximum(1 - vectors @ vectors[chosen[0]], 0).astype(np.float64)
    while len(chosen) < count:
        weight = distance.sum()
        share = distance / weight if weight > 0 else np.full(len(vectors), 1 / len(vectors))
        chosen.append(int(rng.choice(len(vectors), p=share)))
        distance = np.minimum(distance, np.maximum(1 - vectors @ vectors[chosen[-1]], 0))
    return vectors[chosen]


def _with_room(similarities: Floats, most: int) -> Labels:
    """The nearest cluster of each row that has room for it; the nearest rows have it first, ties by row."""
    labels = np.full(len(similarities), -1, dtype=np.int64)
    room = np.full(similarities.shape[1], most)
    offers = similarities.copy()
    while len(waiting := np.flatnonzero(labels < 0)):
        wanted = offers[waiting].argmax(axis=1)
        for cluster in np.unique(wanted).tolist():
            takers = waiting[wanted == cluster]
            taken = takers[np.argsort(-similarities[takers, cluster], kind="stable")[: room[cluster]]]
            labels[taken] = cluster
            room[cluster] -= len(taken)
            if not room[cluster]:
                offers[:, cluster] = -np.inf
    return labels
