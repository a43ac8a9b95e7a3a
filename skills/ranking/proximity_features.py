"""How near to one another the query's words stand in each candidate: in a window, in a line, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import FIRST_IN_LINE, Floats, Places
from skills.ranking.feature_matches import TINY, Matches

NAMES = {
    "best window": "proximity",
    "best line": "proximity",
    "best line's cosine": "proximity",
    "best sentence's cosine": "proximity",
    "best heading's cosine": "proximity",
    "best body line": "proximity",
    "lines together": "proximity",
    "first in the body": "proximity",
    "pairs counted": "pairs",
    "near pairs": "pairs",
    "longest run": "pairs",
}
WINDOW = 32  # terms
NEAR_IN_QUERY = 3  # terms from one of a pair to the other
NEAR_IN_TEXT = 6
FAR = 5_000  # terms from the beginning
Bools = NDArray[np.bool_]


def proximity_features(matches: Matches) -> Mapping[str, Floats]:
    return {
        "best window": _best_window(matches),
        **_lines(matches),
        **_pairs(matches),
        **_near_pairs(matches),
        "longest run": _longest_run(matches),
    }


def _best_window(matches: Matches) -> Floats:
    """The most of the query's weight that one window of terms holds; windows overlap by half."""
    best = np.zeros(matches.candidates, dtype=np.float32)
    place, terms = matches.token_place[matches.found], max(len(matches.weight), 1)
    for shift in (0, WINDOW // 2):
        window = (place + shift) // WINDOW
        most = int(window.max(initial=0)) + 1
        used, key = np.unique(matches.candidate * most + window, return_inverse=True)
        held = np.zeros((len(used), terms), dtype=np.float32)
        held[key, matches.term] = matches.weight[matches.term]
        best = np.maximum(best, matches.best(held.sum(axis=1), used // most))
    return best / np.float32(matches.total)


def _lines(matches: Matches) -> Mapping[str, Floats]:
    """Shares of the query's weight in one line, and cosines of line and query as vectors of idf."""
    lines = int(matches.token_line[-1]) + 1 if len(matches.token_line) else 0
    first_tokens = np.flatnonzero(matches.token_mark & FIRST_IN_LINE)
    norm = np.bincount(matches.token_line[first_tokens], matches.token_idf[first_tokens] ** 2, minlength=lines)
    once = np.flatnonzero(matches.is_first_in_line)
    line, term = matches.token_line[matches.found[once]], matches.term[once]
    used, key = np.unique(line, return_inverse=True)
    held = np.bincount(key, matches.weight[term], minlength=len(used)).astype(np.float32)
    inner = np.bincount(key, matches.weight[term] * matches.idf[term], minlength=len(used))
    length = float(np.sqrt((matches.weight**2).sum())) + float(TINY)
    cosine = np.asarray(inner / (np.sqrt(norm[used]) * length + TINY), dtype=np.float32)
    owner, place = np.zeros(len(used), dtype=np.int64), np.zeros(len(used), dtype=np.int64)
    owner[key], place[key] = matches.candidate[once], matches.place_of[once]
    share = held / matches.total

    def best(values: Floats, kept: Bools) -> Floats:
        return matches.best(values[kept], owner[kept])

    return {
        "best line": matches.best(share, owner),
        "best line's cosine": matches.best(cosine, owner),
        "best sentence's cosine": best(cosine, place == Places.DESCRIPTION),
        "best heading's cosine": best(cosine, place == Places.HEADING),
        "best body line": best(share, place >= Places.HEADING),
        "lines together": np.sqrt(matches.summed(share**2, owner)),
        "first in the body": _first_in_body(matches),
    }


def _first_in_body(matches: Matches) -> Floats:
    """Logarithm of the terms before the first one of the query; as of FAR ones where there is none."""
    first = np.full(matches.candidates, FAR, dtype=np.int64)
    here = matches.found[matches.place_of >= Places.HEADING]
    np.minimum.at(first, matches.token_candidate[here], matches.token_place[here])
    return np.log1p(first).astype(np.float32)


def _pairs(matches: Matches) -> Mapping[str, Floats]:
    """Terms that follow each other in the query and in the candidate, weighed by the commoner one's idf."""
    terms = max(len(matches.idf), 1)
    worth = np.zeros((terms, terms), dtype=np.float32)
    first, second = matches.order[:-1], matches.order[1:]
    worth[first, second] = np.minimum(matches.idf[first], matches.idf[second])
    total = worth.sum() + TINY
    before, after = matches.found[:-1], matches.found[1:]
    beside = (after - before == 1) & (matches.candidate[1:] == matches.candidate[:-1])
    beside &= worth[matches.term[:-1], matches.term[1:]] > 0
    at = np.flatnonzero(beside)
    key = (matches.candidate[at] * terms + matches.term[at]) * terms + matches.term[at + 1]
    once = np.unique(key)

    def value(keys: NDArray[np.int64]) -> Floats:
        return worth.ravel()[keys % (terms * terms)]

    return {
        "pairs side by side": matches.summed(value(once), once // (terms * terms)) / total,
        "pairs counted": np.log1p(matches.summed(value(key), matches.candidate[at])),
    }


def _near_pairs(matches: Matches) -> Mapping[str, Floats]:
    """Pairs near in the query and near in the candidate, in either order; the farther apart, the less they count."""
    terms = max(len(matches.idf), 1)
    worth = np.zeros((terms, terms), dtype=np.float32)
    for gap in range(1, NEAR_IN_QUERY + 1):
        one, other = matches.order[:-gap], matches.order[gap:]
        value = np.sqrt(matches.idf[one] * matches.idf[other]) / gap * (one != other)
        np.maximum.at(worth, (np.minimum(one, other), np.maximum(one, other)), value)
    total = worth.sum() + TINY
    keys, distances = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for step in range(1, NEAR_IN_QUERY + 1):
        distance = matches.found[step:] - matches.found[:-step]
        one, other = matches.term[:-step], matches.term[step:]
        low, high = np.minimum(one, other), np.maximum(one, other)
        beside = (distance <= NEAR_IN_TEXT) & (matches.candidate[step:] == matches.candidate[:-step])
        at = np.flatnonzero(beside & (worth[low, high] > 0))
        keys.append((matches.candidate[at] * terms + low[at]) * terms + high[at])
        distances.append(distance[at])
    key, distance = np.concatenate(keys), np.concatenate(distances)
    order = np.lexsort((distance, key))
    once, first = np.unique(key[order], return_index=True)
    nearest = distance[order][first]
    value, owner = worth.ravel()[once % (terms * terms)], once // (terms * terms)
    return {
        "near pairs": matches.summed(value, owner) / total,
        "near pairs by distance": matches.summed(value / np.sqrt(nearest), owner) / total,
    }


def _longest_run(matches: Matches) -> Floats:
    """Weight of the longest run of terms that follow each other in the query and in the candidate alike."""
    terms = max(len(matches.idf), 1)
    follows = np.zeros((terms, terms), dtype=bool)
    follows[matches.order[:-1], matches.order[1:]] = True
    goes_on = np.zeros(len(matches.found), dtype=bool)
    goes_on[1:] = (np.diff(matches.found) == 1) & (np.diff(matches.candidate) == 0)
    goes_on[1:] &= follows[matches.term[:-1], matches.term[1:]]
    run = np.cumsum(~goes_on) - 1
    starts = np.flatnonzero(~goes_on)
    held = np.bincount(run, matches.idf[matches.term], minlength=len(starts)).astype(np.float32)
    return matches.best(held, matches.candidate[starts]) / np.float32(matches.total)
