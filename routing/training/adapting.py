"""Teaches a trained router new candidates from their cards and a few outcomes, in seconds and without training again.

A newcomer's outcomes are set beside what the known candidates did on the same queries, where these were trained on: so
an easy or a hard sample does not pass for a good or a bad candidate. Their relation is a Gaussian process (Rasmussen
and Williams, 2006, 2.2) over the known candidates' outcomes, whose mean is that of the candidates with like cards.
Being linear in those outcomes, it carries over from outcomes to forecasts as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.artifacts import Artifact, Manifest, code_version
from routing.cards import CandidateCard
from routing.dataset import mean_of_known
from routing.errors import ArtifactRefused
from routing.forecasts import Forecast, Inputs, Matrix
from routing.memory import Memory
from routing.predictors.adapted import AMOUNTS, Adapted, usual_amount
from routing.training.listings import cards_of, read_queries
from routing.training.outcomes import read_outcomes
from routing.training.problems import Findings
from storage.errors import InvalidInput

LIKENESS = 2.0  # how sharply like cards are preferred; chosen, as the two below, by holding candidates out of training
LEVEL_DEVIATION = 0.1  # how far a newcomer's mean quality is expected to be from that of its like
NOISE = 60.0  # of one outcome, in units of the kernel: sums of squared deviations of outcomes
OUTCOME_VARIANCE = 0.12  # of an outcome around what the others' outcomes say
NAME_GROUP = 3  # letters
LEAST_TRUSTED = 32  # outcomes of a newcomer; with fewer the adapted router does not pass its parent's gate
PRICE_FLOOR_USD = 0.02  # per million tokens: below it prices are alike

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Probes:
    """A few outcomes of new candidates (columns, as `cards`); NaN where nothing was measured."""

    cards: tuple[CandidateCard, ...]
    texts: tuple[str, ...]
    tasks: tuple[str | None, ...]
    measures: Mapping[str, Matrix]  # names of `dataset.MEASURES`
    known_quality: Mapping[str, Vector] = field(default_factory=dict)  # of known candidates on the same queries


def read_probes(known: Sequence[str], candidates: Path, outcomes: Path, queries: Path) -> Probes:
    """The newcomers among the candidates, in alphabetical order, and all outcomes on their queries.

    Raises InvalidInput, which names file and line.
    """
    cards = sorted((card for card in cards_of(candidates) if card.id not in known), key=lambda card: card.id)
    if not cards:
        raise InvalidInput(f"{str(candidates)!r} names no candidate that the router does not know.", field="candidates")
    findings = Findings()
    rows = read_queries(queries, findings)
    findings.refuse_errors(str(queries))
    if rows is None:
        raise InvalidInput(f"No queries could be read from {str(queries)!r}.", field="queries")
    ids = [card.id for card in cards]
    measures = read_outcomes(outcomes, findings, query_ids=rows.ids, candidates=[*ids, *known])
    findings.refuse_errors(str(outcomes))
    if measures is None:
        raise InvalidInput(f"No outcomes could be read from {str(outcomes)!r}.", field="outcomes")
    told = {name: matrix[:, : len(ids)] for name, matrix in measures.items()}
    is_probed = (~np.isnan(told["quality"])).any(axis=1)
    places = sorted(np.flatnonzero(is_probed).tolist(), key=rows.ids.__getitem__)  # the files' order changes nothing
    return Probes(
        cards=tuple(cards),
        texts=tuple(rows.texts[place] for place in places),
        tasks=tuple(rows.tasks[place] for place in places),
        measures={name: matrix[places] for name, matrix in told.items()},
        known_quality={id: measures["quality"][places, len(ids) + place] for place, id in enumerate(known)},
    )


def adapt(artifact: Artifact, probes: Probes, inputs: Inputs) -> tuple[Adapted, Manifest]:
    """`inputs` are the probes' queries. Raises InvalidInput for a newcomer without an outcome or already known."""
    newcomers = [card.id for card in probes.cards]
    counts = dict(zip(newcomers, (~np.isnan(probes.measures["quality"])).sum(axis=0).tolist(), strict=True))
    _check(newcomers, counts, artifact.predictor.candidates)
    before = artifact.predictor if isinstance(artifact.predictor, Adapted) else None
    base = artifact.predictor if before is None else before.base
    known = [card for card in artifact.manifest.cards if card.id in base.candidates]
    _check_memory(artifact.memory, len(base.candidates))
    forecast = base.predict(inputs)
    outcomes = _outcomes(artifact.memory, probes, base.candidates, forecast)
    means = _means(artifact.memory, outcomes)
    heads = [
        _head(card, known, probes.measures["quality"][:, place], outcomes, means)
        for place, card in enumerate(probes.cards)
    ]
    weights = {
        "mixing": np.stack([head.mixing for head in heads], axis=1),
        "offsets": np.array([head.offset for head in heads]),
        **{f"{name}_scales": _scales(name, forecast, probes) for name in AMOUNTS},
    }
    if before is not None:  # one layer, however often newcomers came
        weights = {name: np.concatenate([before.weights[name], array], axis=-1) for name, array in weights.items()}
        newcomers = [*before.newcomers, *newcomers]
    predictor = Adapted(base, newcomers, weights)
    return predictor, _manifest(artifact, predictor, probes, counts)


@dataclass(frozen=True, kw_only=True)
class _Head:
    """q_new = offset + Σ_c mixing_c q_c."""

    offset: float
    mixing: Vector


def _check(newcomers: Sequence[str], counts: Mapping[str, int], known: Sequence[str]) -> None:
    if again := sorted(set(newcomers) & set(known)):
        raise InvalidInput(f"The router knows {', '.join(map(repr, again))} already.", field="candidates")
    if silent := sorted(id for id, count in counts.items() if count == 0):
        raise InvalidInput(
            f"There is no outcome of {', '.join(map(repr, silent))}; each newcomer needs some.",
            field="outcomes",
            hint="64 outcomes on queries that the router was trained on are plenty.",
        )


def _check_memory(memory: Memory | None, candidates: int) -> None:
    if memory is not None and memory.quality.shape[1:] != (candidates,):
        raise ArtifactRefused(
            f"The router remembers outcomes in the shape {memory.quality.shape}; it learned {candidates} candidates."
        )


def _outcomes(memory: Memory | None, probes: Probes, known: Sequence[str], forecast: Forecast) -> Matrix:
    """What the known candidates did on these queries: as told, as remembered, or else as expected."""
    outcomes = forecast.quality
    if memory is not None:
        remembered = memory.outcomes_of(probes.texts)
        outcomes = np.where(np.isnan(remembered), outcomes, remembered)
    told = np.full(outcomes.shape, np.nan)
    for place, id in enumerate(known):
        told[:, place] = probes.known_quality.get(id, np.nan)
    return np.where(np.isnan(told), outcomes, told)


def _means(memory: Memory | None, outcomes: Matrix) -> Vector:
    """Each known candidate's mean quality over the training queries."""
    here: Vector = outcomes.mean(axis=0)
    if memory is None:
        return here
    means = mean_of_known(memory.outcomes())
    return np.where(np.isnan(means), here, means)


def _head(
    card: CandidateCard, known: Sequence[CandidateCard], quality: Vector, outcomes: Matrix, means: Vector
) -> _Head:
    """With R the others' outcomes, w the likeness, R̄ the means: y ≈ R w + b + (R - R̄) v, v from the dual ridge."""
    is_probed = ~np.isnan(quality)
    y, others = quality[is_probed], outcomes[is_probed]
    likeness = _likeness(card, known)
    excess = y - others @ likeness
    variance = OUTCOME_VARIANCE / len(y)
    level = float(excess.mean() * LEVEL_DEVIATION**2 / (LEVEL_DEVIATION**2 + variance))
    deviations = others - means
    kernel = deviations @ deviations.T + NOISE * np.eye(len(y))
    tilt = deviations.T @ np.linalg.solve(kernel, excess - level)
    return _Head(offset=level - float(means @ tilt), mixing=likeness + tilt)


def _likeness(card: CandidateCard, known: Sequence[CandidateCard]) -> Vector:
    """One weight a known candidate, summing to one: by shared groups of letters in the names, and by price."""
    nearness = [LIKENESS * (2 * _shared(card, other) - 0.5 * _price_distance(card, other)) for other in known]
    powers = np.exp(np.array(nearness) - max(nearness))
    likeness: Vector = powers / powers.sum()
    return likeness


def _shared(one: CandidateCard, other: CandidateCard) -> float:
    ours, theirs = _groups(one), _groups(other)
    return len(ours & theirs) / max(1, len(ours | theirs))


def _groups(card: CandidateCard) -> set[str]:
    name = card.id.lower()
    return {name[place : place + NAME_GROUP] for place in range(max(1, len(name) - NAME_GROUP + 1))}


def _price_distance(one: CandidateCard, other: CandidateCard) -> float:
    """In factors of e; 0 where a price is unknown."""
    prices = (one.price_input_usd_per_mtok, other.price_input_usd_per_mtok)
    if prices[0] is None or prices[1] is None:
        return 0.0
    return float(abs(np.log(prices[0] + PRICE_FLOOR_USD) - np.log(prices[1] + PRICE_FLOOR_USD)))


def _scales(name: str, forecast: Forecast, probes: Probes) -> Vector:
    """A newcomer's amount in units of the usual one; 1 where none of it was measured."""
    known, measured = getattr(forecast, name), probes.measures.get(name)
    newcomers = len(probes.cards)
    if known is None or measured is None:
        return np.ones(newcomers)
    is_known = ~np.isnan(measured)
    usual = np.where(is_known, usual_amount(known)[:, None], 0.0).sum(axis=0)
    total = np.where(is_known, measured, 0.0).sum(axis=0)
    scales: Vector = np.divide(total, usual, out=np.ones(newcomers), where=usual > 0)
    return scales


def _manifest(artifact: Artifact, predictor: Adapted, probes: Probes, counts: Mapping[str, int]) -> Manifest:
    parent = artifact.manifest
    cards = sorted((*parent.cards, *probes.cards), key=lambda card: card.id)
    metrics: dict[str, object] = {"parent": parent.metrics, "probes": dict(counts)}
    gate = parent.metrics.get("gate")
    if isinstance(gate, Mapping):
        metrics["gate"] = _gate(gate, counts)
    return replace(
        parent,
        kind=predictor.kind,
        cards=tuple(cards),
        settings=predictor.settings(),
        metrics=metrics,
        code_version=code_version(),
        parent_sha256=artifact.sha256,
    )


def _gate(gate: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """The parent's, if there are enough outcomes of every newcomer to trust what was learned of it."""
    unsure = sorted(id for id, count in counts.items() if count < LEAST_TRUSTED)
    reason = f"Before {', '.join(counts)} joined: {gate.get('reason', '')}"
    if unsure:
        reason = f"Not passed: fewer than {LEAST_TRUSTED} outcomes of {', '.join(unsure)}. {reason}"
    return {**gate, "is_passed": bool(gate.get("is_passed")) and not unsure, "reason": reason}
