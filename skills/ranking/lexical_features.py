"""Which of the query's words stand in each candidate, where, and how much they say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skills.ranking.base import Floats, Retrieved
from skills.ranking.list_features import TINY

NAMES = {
    "lexical": "first stage",
    "lexical share": "first stage",
    "fused": "first stage",
    "coverage": "coverage",
    "coverage of name": "coverage",
    "coverage of description": "coverage",
    "coverage of body": "coverage",
    "coverage of name and description": "coverage",
    "rarest word missed": "rare words",
    "coverage among candidates": "rare words",
}


def lexical_features(found: Retrieved) -> Mapping[str, Floats]:
    """Shares of the query's weight (idf times count) whose words stand in the field."""
    query = found.query
    weight = query.idf * (1 + np.log(np.maximum(query.counts, 1)))
    total = weight.sum() + TINY
    name, description, body = (found.field_counts[field] > 0 for field in ("name", "description", "body"))
    head, everywhere = name | description, name | description | body
    telling = np.log((len(found.rows) + 1) / (everywhere.sum(axis=0) + 0.5)) * query.counts
    return {
        "lexical": found.lexical,
        "lexical share": found.lexical / total,
        "fused": found.fused,
        "coverage": everywhere @ weight / total,
        "coverage of name": name @ weight / total,
        "coverage of description": description @ weight / total,
        "coverage of body": body @ weight / total,
        "coverage of name and description": head @ weight / total,
        "rarest word missed": np.where(everywhere, 0, query.idf).max(axis=1, initial=0),
        "coverage among candidates": everywhere @ telling / (telling.sum() + TINY),
    }
