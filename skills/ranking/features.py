"""What a text ranker sees of each candidate: numbers of its own words and vectors, and how it stands in its list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from skills.ranking import dense_features, lexical_features, list_features
from skills.ranking.base import Floats, Retrieved
from skills.ranking.list_features import (
    LEAD,
    NEIGHBOURS,
    PLACE,
    STANDARD,
    STANDARDISED,
    neighbour_features,
    standardised,
)

FEATURES_VERSION = 2  # another one: the same names no longer mean the same numbers
# Name to group, in the order of the columns: what is left out together when a ranker is taken apart.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        **lexical_features.NAMES,
        **dense_features.NAMES,
        **NEIGHBOURS,
        **{name + how: "place in the list" for name in STANDARDISED for how in (LEAD, STANDARD, PLACE)},
    }
)


def text_features(found: Retrieved) -> Floats:
    """(candidates, len(FEATURES)), finite; nothing of who asked, of where a skill comes from or how long it is."""
    if not len(found.rows):
        return np.zeros((0, len(FEATURES)), dtype=np.float32)
    columns = {
        **lexical_features.lexical_features(found),
        **dense_features.dense_features(found),
        **neighbour_features(found),
    }
    for name in list_features.STANDARDISED:
        columns.update(standardised(name, columns[name]))
    return np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float32)
