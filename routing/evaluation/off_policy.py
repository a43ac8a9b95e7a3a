"""What a policy would have earned, from the log of another that kept its propensities.

Inverse propensity scoring (Horvitz and Thompson, 1952), its self-normalised form (Swaminathan and Joachims, 2015), and
doubly robust (Dudík, Langford and Li, 2011, arXiv:1103.4601). With w = π(a|x) / p, reward r and a model q̂:

    IPS = mean(w r)    SNIPS = Σ w r / Σ w    DR = mean(Σ_b π(b|x) q̂(x, b) + w (r - q̂(x, a)))

Where the log holds too little of what the policy would do, there is no estimate but a refusal with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.evaluation.bootstrap import LEVEL, RESAMPLES, Interval, interval, resampled_means
from routing.forecasts import Matrix
from storage.errors import InvalidInput

CLIP = 50.0  # largest weight; a clipped estimate is pulled towards what the log did
NORMAL_QUANTILE = 1.959964  # of the two-sided 95 % interval
MOST_UNSUPPORTED = 0.01  # share of the policy's probability that may lie where the log never went
LEAST_EFFECTIVE = 30.0  # effective sample size below which intervals mean nothing

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """One entry a decision: the column that was picked, with which probability, and what came of it."""

    actions: NDArray[np.int64]
    propensity: Vector  # in (0, 1]
    rewards: Vector

    def __post_init__(self) -> None:
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise InvalidInput(
                "A logged propensity is not in (0, 1]; what was picked had a chance.", field="propensity"
            )


@dataclass(frozen=True, kw_only=True)
class Support:
    """How much of the policy the log can speak of."""

    decisions: int
    effective_sample_size: float  # (Σ w)² / Σ w²
    unsupported_share: float  # of the policy's probability, on candidates that the log never picked
    mean_weight: float  # near 1 where propensities are right and support is whole
    largest_weight: float  # before clipping
    clip: float
    clipped_share: float  # of the decisions


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Both intervals at 95 %."""

    value: float
    normal: Interval
    bootstrap: Interval


@dataclass(frozen=True, kw_only=True)
class OffPolicy:
    support: Support
    ips: Estimate
    snips: Estimate
    dr: Estimate | None  # None: there is no model


@dataclass(frozen=True, kw_only=True)
class Refusal:
    support: Support
    reason: str


def estimate(
    log: Log,
    target: Matrix,
    model: Matrix | None = None,
    *,
    seed: int,
    clip: float = CLIP,
    resamples: int = RESAMPLES,
) -> OffPolicy | Refusal:
    """`target`: π, decisions × candidates, rows summing to one; `model`: q̂ of the same shape. Of one entry or more."""
    rows = np.arange(len(log.actions))
    raw = target[rows, log.actions] / log.propensity
    weights = np.minimum(raw, clip)
    support = _support(log, target, raw, clip)
    if reason := _lack(support):
        return Refusal(support=support, reason=reason)
    terms = [weights, weights * log.rewards]
    if model is not None:
        terms.append((target * model).sum(axis=1) + weights * (log.rewards - model[rows, log.actions]))
    columns = np.stack(terms, axis=1)
    resampled = resampled_means(columns, seed=seed, resamples=resamples)
    value = float(terms[1].mean() / weights.mean())
    return OffPolicy(
        support=support,
        ips=_estimate(float(terms[1].mean()), terms[1], resampled[:, 1]),
        snips=_estimate(
            value,
            value + weights * (log.rewards - value) / weights.mean(),  # linearised: the ratio's delta method
            resampled[:, 1] / np.maximum(resampled[:, 0], 1e-12),
        ),
        dr=None if model is None else _estimate(float(terms[2].mean()), terms[2], resampled[:, 2]),
    )


def always(chosen: NDArray[np.int64], candidates: int) -> Matrix:
    """The probabilities of a policy that leaves nothing to chance; `chosen`: a column each decision."""
    target = np.zeros((len(chosen), candidates))
    target[np.arange(len(chosen)), chosen] = 1.0
    return target


def _estimate(value: float, terms: Vector, resampled: Vector) -> Estimate:
    half = NORMAL_QUANTILE * float(terms.std(ddof=1 if len(terms) > 1 else 0)) / len(terms) ** 0.5
    return Estimate(
        value=value,
        normal=Interval(low=value - half, high=value + half),
        bootstrap=interval(resampled, level=LEVEL),
    )


def _support(log: Log, target: Matrix, raw: Vector, clip: float) -> Support:
    weights = np.minimum(raw, clip)
    was_picked = np.bincount(log.actions, minlength=target.shape[1]) > 0
    squares = float((weights**2).sum())
    return Support(
        decisions=len(raw),
        effective_sample_size=float(weights.sum()) ** 2 / squares if squares else 0.0,
        unsupported_share=float(target[:, ~was_picked].sum(axis=1).mean()),
        mean_weight=float(raw.mean()),
        largest_weight=float(raw.max()),
        clip=clip,
        clipped_share=float((raw > clip).mean()),
    )


def _lack(support: Support) -> str:
    """Why there can be no estimate; empty where there can."""
    if support.unsupported_share > MOST_UNSUPPORTED:
        return (
            f"{support.unsupported_share:.1%} of what this policy would do are candidates that the log never picked "
            f"(at most {MOST_UNSUPPORTED:.0%} are allowed): the log cannot say what they would have earned."
        )
    if support.effective_sample_size < LEAST_EFFECTIVE:
        return (
            f"The {support.decisions} logged decisions are worth {support.effective_sample_size:.1f} of this policy's "
            f"own (at least {LEAST_EFFECTIVE:.0f} are needed): it would mostly do what the log hardly ever did."
        )
    return ""
