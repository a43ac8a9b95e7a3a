"""A trained ranker on disk: its arrays, and a manifest that says what it learned from and how well it ranks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills import bit_trees
from skills.errors import RankerRefused
from skills.ranking import fit, learned_words, past_queries, skill_head
from skills.ranking.base import Floats
from skills.ranking.features import FEATURES, FEATURES_VERSION
from skills.ranking.fit import Fit
from skills.ranking.learned_words import LearnedWords
from skills.ranking.past_queries import PastQueries
from skills.ranking.query_memory import FEATURES as MEMORY_FEATURES
from skills.ranking.query_memory import QueryMemory, SkillKey
from skills.ranking.skill_head import SkillHead
from skills.ranking.trees import Trees
from skills.tuned_layers import TunedLayers
from storage.artifact_files import ArtifactKind, Body, read_files
from storage.errors import ArtifactRefused

KIND = ArtifactKind(noun="ranker", formats={"skill_ranker_format": 1})
START = "fused, behind the best"  # feature that scores by texts begin with
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Past queries, and the trees that heed them."""

    queries: QueryMemory
    trees: Trees
    fit: Fit | None = None


@dataclass(frozen=True, kw_only=True)
class RankerParts:
    """What a ranker computes with."""

    words: LearnedWords
    query_mean: Floats  # (dimension,): what queries' vectors have in common
    trees: Trees  # over the features of texts
    fit: Fit | None = None
    memory: Memory | None = None


def text_trees(arrays: Arrays) -> Trees:
    """Over the features of texts; without trees the order is the first stage's. Raises ValueError."""
    return Trees(arrays, features=len(FEATURES), start=list(FEATURES).index(START))


def features_digest() -> str:
    """Another one: the numbers that a ranker was trained on are no longer those that it would be given."""
    named: list[object] = [FEATURES_VERSION, START, list(FEATURES), list(MEMORY_FEATURES), list(fit.SIGNALS)]
    return sha256(json.dumps(named).encode()).hexdigest()


def written(
    parts: RankerParts,
    trees: Arrays,
    memory_trees: Arrays | None,
    said: Mapping[str, Any],
    *,
    layers: TunedLayers | None = None,
) -> dict[str, bytes]:
    """Both files. `said`: what the manifest says beside what the parts do. Raises ArtifactRefused."""
    arrays = {**_prefixed("words", parts.words.arrays), **_prefixed("trees", trees), "query_mean": parts.query_mean}
    keys: list[dict[str, Any]] | None = None
    if parts.fit is not None:
        arrays |= _prefixed("fit", parts.fit.arrays)
    if parts.memory is not None and memory_trees is not None:
        queries = parts.memory.queries
        arrays |= _prefixed("past", queries.past.arrays) | _prefixed("head", queries.head.arrays)
        arrays |= _prefixed("memory_trees", memory_trees)
        if parts.memory.fit is not None:
            arrays |= _prefixed("memory_fit", parts.memory.fit.arrays)
        keys = [asdict(key) for key in queries.skills]
    tuned, entry = ({}, {}) if layers is None else layers.inlaid()
    body = {**said, **entry, "features_sha256": features_digest(), "memory_skills": keys}
    return KIND.written({**arrays, **tuned}, body)


def read_manifest(folder: Path) -> Body:
    """Raises RankerRefused."""
    try:
        return KIND.manifest(read_files(folder), where=str(folder))
    except ArtifactRefused as exc:
        raise RankerRefused(str(exc)) from exc


def read_parts(folder: Path) -> tuple[RankerParts, Body]:
    """What is in the folder, checked; and its manifest. Raises RankerRefused."""
    where = str(folder)
    try:
        files = read_files(folder)
        body = KIND.manifest(files, where=where)
        if body.get("features_sha256") != features_digest():
            raise RankerRefused(f"The ranker in {where!r} was trained on other features than this code computes.")
        arrays = KIND.arrays(files, body, where=where)
        parts = _parts(arrays, body)
    except ArtifactRefused as exc:
        raise RankerRefused(str(exc)) from exc
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as exc:
        raise RankerRefused(f"The ranker in {where!r} holds something wrong: {exc!r}.") from exc
    return parts, body


def _parts(arrays: Arrays, body: Body) -> RankerParts:
    keys, dimension = body["memory_skills"], int(body["dimension"])
    if arrays["query_mean"].shape != (dimension,):
        raise ValueError(f"'query_mean' has the shape {arrays['query_mean'].shape}; {(dimension,)} would be right.")
    return RankerParts(
        query_mean=arrays["query_mean"].astype(np.float32),
        words=LearnedWords(_own(arrays, "words", learned_words.SHAPES)),
        trees=text_trees(_own(arrays, "trees", bit_trees.SHAPES)),
        fit=Fit(_own(arrays, "fit", fit.SHAPES)) if "fit.bias" in arrays else None,
        memory=None if keys is None else _memory(arrays, [SkillKey(**key) for key in keys], dimension),
    )


def _memory(arrays: Arrays, keys: list[SkillKey], dimension: int) -> Memory:
    past = PastQueries(_own(arrays, "past", past_queries.SHAPES), skills=len(keys))
    if past.arrays["vectors"].shape[1] != dimension:
        raise ValueError(f"Past queries have {past.arrays['vectors'].shape[1]} numbers; {dimension} would be right.")
    words = len(past.arrays["word_digests"])
    head = SkillHead(_own(arrays, "head", skill_head.SHAPES), dimension=dimension, words=words, skills=len(keys))
    trees = Trees(_own(arrays, "memory_trees", bit_trees.SHAPES), features=len(FEATURES) + len(MEMORY_FEATURES))
    own_fit = Fit(_own(arrays, "memory_fit", fit.SHAPES)) if "memory_fit.bias" in arrays else None
    return Memory(queries=QueryMemory(keys, past, head), trees=trees, fit=own_fit)


def _prefixed(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {f"{prefix}.{name}": np.asarray(array) for name, array in arrays.items()}


def _own(arrays: Arrays, prefix: str, names: Mapping[str, object]) -> dict[str, NDArray[Any]]:
    return {name: arrays[f"{prefix}.{name}"] for name in names}
