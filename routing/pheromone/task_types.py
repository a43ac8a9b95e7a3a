"""Finds task types among remembered queries, names them, and keeps their names from one time to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routing.pheromone.mixture import DIGITS, Centres, TaskTypes
from skills.base import Provenance, Skill
from skills.groups.clustering import clusters, means
from skills.groups.naming import TermReader, group_name, telling_terms
from storage.errors import InvalidInput

DEFAULT_TYPES = 8
LEAST_QUERIES = 5  # a type
LEAST_LIKENESS = 0.5  # cosine of two centres, below which a new cluster is not the former one
ROOM = 3.0  # times the even share that a cluster may have
SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundTypes:
    """The types, and under which of them each former one's trails go on."""

    types: TaskTypes
    former_to_task: Mapping[str, str]


def find_task_types(
    vectors: Centres,
    texts: Sequence[str],
    *,
    encoder: str,
    count: int = DEFAULT_TYPES,
    former: TaskTypes | None = None,
) -> FoundTypes:
    """Spherical k-means over the queries' vectors (queries, dimension), unit length; the same input, the same types.

    Names are the words that tell a cluster's texts from the others'. Former clusters are matched to new ones so that
    the sum of cosines of their centres is greatest (Kuhn, 1955); a matched one keeps its name, the rest go on under
    the nearest. Raises InvalidInput where there are too few queries, or a text is missing.
    """
    if len(texts) != len(vectors):
        raise InvalidInput(f"{len(vectors)} vectors came with {len(texts)} texts.", field="texts")
    if count < 1 or len(vectors) < count * LEAST_QUERIES:
        raise InvalidInput(
            f"{len(vectors)} remembered queries do not make {count} task types; "
            f"at least {LEAST_QUERIES} are needed for each.",
            field="count",
        )
    known = former if former is not None and former.encoder == encoder else None
    most = int(np.ceil(ROOM * len(vectors) / count))
    start = known.centres if known is not None and len(known.names) == count else None
    labels = clusters(vectors, count, most=most, seed=SEED, start=start)
    found = int(labels.max()) + 1
    centres = np.round(means(vectors, labels, np.zeros((found, vectors.shape[1]), dtype=np.float32)), DIGITS)
    terms = _terms(texts, labels.tolist(), found)
    matched = {} if known is None else _matched(known.centres, centres)
    place_to_name = {} if known is None else {new: known.names[old] for old, new in matched.items()}
    names: list[str] = []
    taken = set(place_to_name.values())
    for place in range(found):
        name = place_to_name.get(place) or group_name(terms[place], taken)
        taken.add(name)
        names.append(name)
    types = TaskTypes(names=tuple(names), terms=tuple(terms), centres=centres, encoder=encoder)
    return FoundTypes(types=types, former_to_task=_carried(known, types, matched))


def _carried(known: TaskTypes | None, types: TaskTypes, matched: Mapping[int, int]) -> dict[str, str]:
    if known is None:
        return {}
    nearest = (known.centres @ types.centres.T).argmax(axis=1).tolist()
    return {name: types.names[matched.get(old, nearest[old])] for old, name in enumerate(known.names)}


def _matched(former: Centres, centres: Centres) -> dict[int, int]:
    """Places of former clusters to places of new ones; those too far apart are left out."""
    from scipy.optimize import linear_sum_assignment

    likeness = former @ centres.T
    pairs = zip(*linear_sum_assignment(-likeness), strict=True)
    return {int(old): int(new) for old, new in pairs if likeness[old, new] >= LEAST_LIKENESS}


def _terms(texts: Sequence[str], labels: Sequence[int], count: int) -> list[tuple[str, ...]]:
    reader = TermReader()
    origin = Provenance(source="queries", sha256="")
    groups: list[list[Mapping[str, str]]] = [[] for _ in range(count)]
    for text, label in zip(texts, labels, strict=True):
        groups[label].append(reader.terms(Skill(name="", description=text, provenance=origin)))
    return telling_terms(groups)
