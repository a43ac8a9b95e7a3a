"""How often the search says that nothing fits where something does, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.skills_bench import Workbench, fit_probabilities, told
from benchmarks.skills_parts import Row
from benchmarks.skills_sets import SkillSet
from skills.base import Skill
from skills.near_duplicates import near_duplicates
from skills.training.queries import LabelledQuery

THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
ALLOWED = 0.05  # of false abstentions, at which the other error is told
BINS = 10


def abstention(bench: Workbench, one: SkillSet, *, seed: int) -> Iterator[Row]:
    """Dev queries in the whole pool, and in one without what half of them need: who needs several, needs none left."""
    ranker = bench.ranker(one, seed=seed)
    gone = _half(one.dev, seed)
    absent = [query for query in one.dev if query.gold_ids <= gone]
    if not absent:
        yield {"part": "abstention", "set": one.name, "seed": seed, "problem": "no query loses all that it needs"}
        return
    rest = _without(one.pool, gone)
    bench.encoder(ranker).learn([query.text for query in one.dev], on_progress=told("queries"))
    whole = bench.opened(bench.index_folder(one.pool, ranker=ranker, what=one.name), ranker=ranker)
    best, present = fit_probabilities(whole, [query.text for query in one.dev], what=one.name)
    smaller = bench.opened(bench.index_folder(rest, ranker=ranker, what=one.name), ranker=ranker)
    _, without = fit_probabilities(smaller, [query.text for query in absent], what=f"{one.name}, removed")
    is_right = np.array([bool(query.gold_ids & set(found)) for query, found in zip(one.dev, best, strict=True)])
    said = {"part": "abstention", "set": one.name, "seed": seed, "removed_skills": len(one.pool) - len(rest)}
    if np.isnan(present).any():
        yield {**said, "problem": "the ranker tells no probability"}
        return
    yield {**said, **error_rates(np.array(present), is_right, np.array(without))}


def error_rates(
    present: NDArray[np.float64], is_right: NDArray[np.bool_], without: NDArray[np.float64]
) -> dict[str, Any]:
    """`present`: probabilities in the whole pool; `is_right`: whether the first hit was; `without`: what was needed
    was not in the pool. An abstention is false where the first hit was right."""
    allowed = float(np.quantile(present[is_right], ALLOWED)) if is_right.any() else float("nan")
    return {
        "queries": len(present),
        "removed_queries": len(without),
        "at": [_at(threshold, present, is_right, without) for threshold in (*THRESHOLDS, allowed)],
        "auc_removed": _auc(present, without),
        "auc_right": _auc(present[is_right], np.concatenate([present[~is_right], without])),
        "calibration_error": _calibration_error(
            np.concatenate([present, without]), np.concatenate([is_right, np.zeros(len(without), dtype=bool)])
        ),
    }


def _at(
    threshold: float, present: NDArray[np.float64], is_right: NDArray[np.bool_], without: NDArray[np.float64]
) -> dict[str, float]:
    answered = present >= threshold
    return {
        "threshold": round(threshold, 4),
        "false_abstentions": _mean(~answered[is_right]),
        "answers_where_removed": _mean(without >= threshold),
        "answered": _mean(answered),
        "hit@1_of_answered": _mean(is_right[answered]),
    }


def _mean(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else float("nan")


def _auc(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """Chance that one of `above` is larger than one of `below`; half where they are level."""
    if not len(above) or not len(below):
        return float("nan")
    ordered = np.sort(below)
    smaller, level = np.searchsorted(ordered, above), np.searchsorted(ordered, above, side="right")
    return round(float((smaller + level).mean() / (2 * len(below))), 4)


def _calibration_error(probabilities: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> float:
    """Expected calibration error over bins of equal width (Naeini et al., 2015)."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(places, probabilities - outcomes, minlength=BINS)
    return round(float(np.abs(gaps).sum() / len(probabilities)), 4)


def _half(dev: Sequence[LabelledQuery], seed: int) -> set[str]:
    """Ids that half of what dev asks for is known by, drawn by what is asked, not by queries."""
    firsts = sorted({query.gold for query in dev})
    drawn = np.random.default_rng(seed).permutation(len(firsts))[: (len(firsts) + 1) // 2].tolist()
    return {skill_id for place in drawn for need in firsts[place] for skill_id in need}


def _without(pool: Sequence[Skill], gone: set[str]) -> list[Skill]:
    """The near-duplicates of what is gone go too: they would fit as well."""
    groups = near_duplicates(pool, on_progress=told("near-duplicates"))
    copies = {skill_id for group in groups if not gone.isdisjoint(group.skill_ids) for skill_id in group.skill_ids}
    return [skill for skill in pool if skill.skill_id not in gone | copies]
