"""Which of the query's words stand in each candidate, in which of its places, and how much they say."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from skills.ranking.base import FieldName, Floats, Places, Retrieved
from skills.ranking.feature_matches import TINY, Matches

NAMES = {
    "lexical share": "first stage",
    "stuffing": "first stage",
    **{f"coverage of {place.name.lower().replace('_', ' ')}": "coverage" for place in Places},
    "frequency in heading": "coverage",
    "frequency in body": "coverage",
    "frequency in late body": "coverage",
    "coverage of name and description": "coverage",
    "rarest word missed": "rare words",
    "frequency of the second rarest": "rare words",
    "coverage among candidates": "telling words",
    "coverage of name and description among candidates": "telling words",
    "share of frequency among candidates": "telling words",
    "name covered": "covered",
    "description covered": "covered",
    "name in the query": "covered",
}
FIELD_OF: dict[Places, FieldName] = {
    Places.NAME: "name",
    Places.DESCRIPTION: "description",
    Places.HEADING: "body",
    Places.BODY: "body",
    Places.LATE_BODY: "body",
}
PLACE_WEIGHTS = {
    Places.NAME: 2.0,
    Places.DESCRIPTION: 2.0,
    Places.HEADING: 1.5,
    Places.BODY: 1.0,
    Places.LATE_BODY: 0.7,
}
COUNT_LIMIT = 20  # of one term in one place; what is repeated more often counts no more
K1 = 1.5
K1_OF_FIELDS = 2.5
B = 0.6
SHORTEST_NAME = 4  # letters and digits, to be looked for in the query as it is written
_NEITHER = re.compile(r"[^a-z0-9]+")


def lexical_features(found: Retrieved, matches: Matches) -> Mapping[str, Floats]:
    counts = np.minimum(matches.counts, COUNT_LIMIT)
    return {
        "lexical share": found.lexical / np.float32(matches.total),
        "stuffing": found.index.stuffing(found.rows),
        **_by_place(found, matches, counts),
        **_rare(matches, counts),
        **_telling(matches, counts),
        **_covered(found, matches, counts),
    }


def _by_place(found: Retrieved, matches: Matches, counts: Floats) -> Mapping[str, Floats]:
    """Shares of the query's weight that stand in each place, and BM25 of each place and of all together."""
    columns: dict[str, Floats] = {}
    together = np.zeros((matches.candidates, counts.shape[2]), dtype=np.float32)
    terms = found.index.terms
    length = {name: terms.field(name).lengths(found.rows) for name in set(FIELD_OF.values())}
    for place in Places:
        own, field = counts[:, place], FIELD_OF[place]
        discount = np.float32(1 - B) + np.float32(B) * length[field][:, None] / np.float32(
            max(terms.field(field).average_length, 1.0)
        )
        name = place.name.lower().replace("_", " ")
        columns[f"coverage of {name}"] = (own > 0) @ matches.weight / matches.total
        if field == "body":
            saturated = np.asarray(own * (K1 + 1) / (own + K1 * discount), dtype=np.float32)
            columns[f"frequency in {name}"] = saturated @ matches.weight
        together += np.float32(PLACE_WEIGHTS[place]) * own / discount
    weighted = together * (K1_OF_FIELDS + 1) / (together + K1_OF_FIELDS)
    return {**columns, "lexical by fields": weighted @ matches.weight}


def _rare(matches: Matches, counts: Floats) -> Mapping[str, Floats]:
    every, head = counts.sum(axis=1), counts[:, : Places.HEADING].sum(axis=1)
    rarest = np.argsort(-matches.idf, kind="stable")
    second = every[:, rarest[1]] if len(rarest) > 1 else np.zeros(matches.candidates, dtype=np.float32)
    return {
        "coverage": (every > 0) @ matches.weight / matches.total,
        "coverage of name and description": (head > 0) @ matches.weight / matches.total,
        "rarest word missed": np.where(every > 0, 0, matches.idf).max(axis=1, initial=0),
        "frequency of the second rarest": np.log1p(second),
    }


def _telling(matches: Matches, counts: Floats) -> Mapping[str, Floats]:
    """Weighed by how few of the candidates have the word: what all of them have tells none apart."""
    every, head = counts.sum(axis=1), counts[:, : Places.HEADING].sum(axis=1)
    damped = np.where(matches.idf > 0, matches.weight / np.maximum(matches.idf, TINY), 0)
    telling = damped * np.log((matches.candidates + 1) / ((every > 0).sum(axis=0) + 0.5))
    of_head = damped * np.log((matches.candidates + 1) / ((head > 0).sum(axis=0) + 0.5))
    share = every / (every.sum(axis=0) + TINY)
    return {
        "coverage among candidates": (every > 0) @ telling / (telling.sum() + TINY),
        "coverage of name and description among candidates": (head > 0) @ of_head / (of_head.sum() + TINY),
        "share of frequency among candidates": share @ matches.weight / matches.total,
    }


def _covered(found: Retrieved, matches: Matches, counts: Floats) -> Mapping[str, Floats]:
    """How much of the candidate's own words the query says."""
    said = (counts > 0) @ matches.idf / (matches.masses + TINY)
    query = _NEITHER.sub("", found.text.lower())
    names = [_NEITHER.sub("", found.index.cards[row].name.lower()) for row in found.rows.tolist()]
    named = [len(name) >= SHORTEST_NAME and name in query for name in names]
    return {
        "name covered": said[:, Places.NAME],
        "description covered": said[:, Places.DESCRIPTION],
        "name in the query": np.array(named, dtype=np.float32),
    }
