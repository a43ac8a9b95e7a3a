"""Learns how likely the best candidate fits, from queries as they are and with their answers taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress, no_progress
from skills.ranking.base import Floats
from skills.ranking.fit import SIGNALS, Fit, signals
from skills.training.folds import Numbers
from skills.training.lists import Miner, Pool, without

FALSE_ABSTAINS = 0.05  # that the threshold told is chosen for
FOLDS = 5
LEAST_CASES = 20  # of each sort; with fewer nothing is learned
PENALTY = 1.0

Scores = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Lists with what became of them."""

    signals: Floats  # (cases, signals)
    fits: NDArray[np.bool_]  # the best one answers the query
    is_absent: NDArray[np.bool_]  # the pool held no answer
    queries: Numbers  # of the pool's, for folds


def cases_of(
    pool: Pool, miner: Miner, places: Numbers, scores: Scores, *, on_progress: Progress = no_progress
) -> Cases:
    """Two a query: with its answers and those that may be as good, and without them."""
    rows: list[tuple[Floats, bool, bool, int]] = []
    for done, (place, found, described) in enumerate(miner.found(places), start=1):
        answers: frozenset[int] = frozenset().union(*pool.needed[place])
        scored = scores(described)
        fits = int(found.rows[int(np.argmax(scored))]) in answers
        rows.append((signals(found, scored), fits, False, place))
        rest = without(found, np.isin(pool.groups[found.rows], pool.groups[sorted(answers)]))
        if len(rest.rows):
            rows.append((signals(rest, scores(miner.described(rest))), False, True, place))
        on_progress(done, len(places), "taking answers away")
    on_progress(len(places), len(places), "taking answers away")
    return Cases(
        signals=np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, len(SIGNALS)),
        fits=np.array([row[1] for row in rows], dtype=bool),
        is_absent=np.array([row[2] for row in rows], dtype=bool),
        queries=np.array([row[3] for row in rows], dtype=np.int64),
    )


def joined_cases(parts: Sequence[Cases]) -> Cases:
    return Cases(
        signals=np.concatenate([part.signals for part in parts]),
        fits=np.concatenate([part.fits for part in parts]),
        is_absent=np.concatenate([part.is_absent for part in parts]),
        queries=np.concatenate([part.queries for part in parts]),
    )


def fit_fit(cases: Cases) -> Fit | None:
    """None where there are too few cases of a sort."""
    if min(int(cases.fits.sum()), int((~cases.fits).sum())) < LEAST_CASES:
        return None
    from sklearn.linear_model import LogisticRegression

    centre = cases.signals.mean(axis=0)
    scale = np.maximum(cases.signals.std(axis=0), 1e-6)
    learned = LogisticRegression(C=PENALTY, max_iter=1_000).fit((cases.signals - centre) / scale, cases.fits)
    return Fit(
        {
            "weights": learned.coef_[0].astype(np.float32),
            "centre": centre.astype(np.float32),
            "scale": scale.astype(np.float32),
            "bias": learned.intercept_.astype(np.float32),
        }
    )


def error_rates(cases: Cases) -> Mapping[str, object] | None:
    """On cases that were not learned from, fold by fold; None where there are too few.

    A false abstain: the best one fits and is held back. A false accept: the pool has no answer, and yet one is given.
    """
    probability = np.full(len(cases.fits), np.nan)
    fold = cases.queries % FOLDS
    for number in range(FOLDS):
        rest, own = fold != number, np.flatnonzero(fold == number)
        learned = fit_fit(
            Cases(
                signals=cases.signals[rest],
                fits=cases.fits[rest],
                is_absent=cases.is_absent[rest],
                queries=cases.queries[rest],
            )
        )
        if learned is None:
            return None
        probability[own] = [learned.probability(cases.signals[place]) for place in own.tolist()]
    threshold = float(np.quantile(probability[cases.fits], FALSE_ABSTAINS))
    return {
        "cases": len(cases.fits),
        "cases_without_answer": int(cases.is_absent.sum()),
        "best_fits": round(float(cases.fits.mean()), 4),
        "brier": round(float(np.mean((probability - cases.fits) ** 2)), 4),
        "at_half": _rates(cases, probability, 0.5),
        "at_few_false_abstains": _rates(cases, probability, threshold),
    }


def _rates(cases: Cases, probability: NDArray[np.float64], threshold: float) -> Mapping[str, float]:
    held_back = probability < threshold
    wrong = ~cases.fits & ~cases.is_absent
    return {
        "threshold": round(threshold, 4),
        "false_abstain": _share(held_back[cases.fits]),
        "false_accept": _share(~held_back[cases.is_absent]),
        "accept_of_wrong": _share(~held_back[wrong]),  # an answer was there, and another one is best
    }


def _share(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
