"""What a text ranker sees of each candidate: numbers of its own words and vectors, and how it stands in its list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from skills.ranking import dense_features, lexical_features, list_features, proximity_features
from skills.ranking.base import Floats, Retrieved
from skills.ranking.feature_matches import matches

FEATURES_VERSION = 5  # another one: the same names no longer mean the same numbers
# Name to group, in the order of the columns: what is left out together when a ranker is taken apart.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        **lexical_features.NAMES,
        **proximity_features.NAMES,
        **dense_features.NAMES,
        **{name + how: "list" for name, hows in list_features.STANDARDISED.items() for how in hows},
    }
)


def text_features(found: Retrieved) -> Floats:
    """(candidates, len(FEATURES)), finite; nothing of who asked, of where a skill comes from or how long it is."""
    if not len(found.rows):
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    here, order = matches(found), list_features.best_first(found)
    columns = {
        "fused": found.fused,
        "lexical": found.lexical,
        **lexical_features.lexical_features(found, here),
        **proximity_features.proximity_features(here),
        **dense_features.dense_features(found, order),
    }
    for name in list_features.STANDARDISED:
        columns.update(list_features.standardised(name, columns[name]))
    return np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float32)
