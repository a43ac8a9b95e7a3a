"""Where the query's words stand in the candidates: counted by place, and one by one in the order of the texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skills.ranking.base import FIRST_IN_FIELD, FIRST_IN_LINE, PLACE_BITS, Floats, Places, Retrieved

PLACES = len(Places)
Numbers = NDArray[np.int64]
TINY = np.float32(1e-6)


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Of one query; arrays of `tokens` run over all of the candidates' terms, those of `found` over the query's."""

    candidates: int
    weight: Floats  # (terms,): idf times the count in the query, damped
    idf: Floats  # (terms,)
    total: float  # of the weights
    order: Numbers  # the query's terms in its own order
    token_idf: Floats  # (tokens,)
    token_mark: NDArray[np.uint8]
    token_candidate: Numbers
    token_line: Numbers  # numbered over all candidates
    token_place: Numbers  # of the candidate, from 0
    found: Numbers  # (found,): numbers of the tokens that are terms of the query
    term: Numbers  # (found,): which term

    @cached_property
    def counts(self) -> Floats:
        """(candidates, places, terms): how often each term stands in each place."""
        terms = max(len(self.idf), 1)
        key = (self.candidate * PLACES + self.place_of) * terms + self.term
        every = np.bincount(key, minlength=self.candidates * PLACES * terms)
        return every.reshape(self.candidates, PLACES, terms)[:, :, : len(self.idf)].astype(np.float32)

    @cached_property
    def candidate(self) -> Numbers:
        """(found,)."""
        return self.token_candidate[self.found]

    @cached_property
    def place_of(self) -> Numbers:
        """(found,): a number of `Places`."""
        return (self.token_mark[self.found] & PLACE_BITS).astype(np.int64)

    @cached_property
    def is_first_in_line(self) -> NDArray[np.bool_]:
        """(found,)."""
        return (self.token_mark[self.found] & FIRST_IN_LINE) > 0

    @cached_property
    def masses(self) -> Floats:
        """(candidates, places): what the different terms of each place say together, the query's or not."""
        first = np.flatnonzero(self.token_mark & FIRST_IN_FIELD)
        key = self.token_candidate[first] * PLACES + (self.token_mark[first] & PLACE_BITS)
        every = np.bincount(key, self.token_idf[first], minlength=self.candidates * PLACES)
        return every.reshape(self.candidates, PLACES).astype(np.float32)

    def best(self, values: Floats, owners: Numbers) -> Floats:
        """(candidates,): the largest of each candidate's values, none of which is below zero; 0 where it has none."""
        found = np.zeros(self.candidates, dtype=np.float32)
        np.maximum.at(found, owners, values)
        return found

    def summed(self, values: Floats, owners: Numbers) -> Floats:
        return np.bincount(owners, values, minlength=self.candidates).astype(np.float32)


def matches(found: Retrieved) -> Matches:
    sequences = found.index.sequences.of(found.rows)
    idf = found.index.terms.every_idf
    sizes = np.diff(sequences.offsets)
    candidate = np.repeat(np.arange(len(found.rows)), sizes)
    term_to_place = np.full(len(idf) + 1, -1, dtype=np.int64)
    term_to_place[found.query.terms] = np.arange(len(found.query.terms))
    term = term_to_place[sequences.terms]
    here = np.flatnonzero(term >= 0)
    is_new_line = np.ones(len(candidate), dtype=bool)
    is_new_line[1:] = (np.diff(candidate) != 0) | (sequences.lines[1:] != sequences.lines[:-1])
    weight = found.query.idf * (1 + np.log(np.maximum(found.query.counts, 1)))
    return Matches(
        candidates=len(found.rows),
        weight=weight,
        idf=found.query.idf,
        total=float(weight.sum()) + float(TINY),
        order=found.query.order,
        token_idf=idf[sequences.terms],
        token_mark=sequences.marks,
        token_candidate=candidate,
        token_line=np.cumsum(is_new_line) - 1,
        token_place=np.arange(len(candidate)) - np.repeat(sequences.offsets[:-1], sizes),
        found=here,
        term=term[here],
    )
