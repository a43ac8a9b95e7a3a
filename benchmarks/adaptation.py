"""How much of full retraining's gain a router gets from 64 outcomes of new candidates, by holding candidates out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Row, area_of, measured_outcomes
from benchmarks.sets import LoadedSet
from routing.artifacts import Artifact, Manifest, code_version
from routing.dataset import MEASURES
from routing.evaluation.outcomes import Outcomes
from routing.evaluation.play import LAMBDAS, choices
from routing.forecasts import Inputs, Predictor
from routing.memory import Memory
from routing.training.adapting import Probes, adapt
from routing.training.registry import trainer
from skills.progress import no_progress

PROBES = 64  # queries on which each newcomer's outcome is known
SHARE = 0.25  # of the candidates that are held out at once
ALONE = 5  # candidates held out one by one: those that the router trained on all chooses most


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    name: str
    candidates: tuple[str, ...]
    seed: int


def adapt_rows(found: LoadedSet, router: str, seeds: Sequence[int]) -> Iterator[Row]:
    """A row a hold-out: utility areas on dev, without labels, of the router

    * trained without the held-out candidates, and not choosing them (`without`),
    * the same, adapted to them with `PROBES` outcomes (`adapted`),
    * trained on everything (`retrained`).
    """
    outcomes, kept = measured_outcomes(found.dev.data, found.dev.inputs.without_tasks(), found.train.data.reference)
    full = _fitted(found, router, found.train.data.candidates)
    retrained = area_of(full.predict(kept), outcomes)
    for hold_out in _hold_outs(found, full, kept, outcomes, seeds):
        rest = tuple(id for id in found.train.data.candidates if id not in hold_out.candidates)
        base = _fitted(found, router, rest)
        fewer, their_inputs = measured_outcomes(
            found.dev.data.of_candidates(rest), found.dev.inputs.without_tasks(), found.train.data.reference
        )
        began = time.perf_counter()
        adapted = _adapted(found, base, hold_out)
        seconds = time.perf_counter() - began
        yield {
            "seed": hold_out.seed,
            "hold_out": hold_out.name,
            "candidates": list(hold_out.candidates),
            "without": area_of(base.predict(their_inputs), fewer),
            "adapted": area_of(adapted.predict(kept), outcomes),
            "retrained": retrained,
            "adapt_seconds": seconds,
        }


def recovered(rows: Sequence[Row]) -> float | None:
    """Of the gain of retraining, over all rows together (single gains are too near zero to divide by)."""
    gain = sum(row["retrained"] - row["without"] for row in rows)
    return sum(row["adapted"] - row["without"] for row in rows) / gain if gain > 0 else None


def _hold_outs(
    found: LoadedSet, full: Predictor, kept: Inputs, outcomes: Outcomes, seeds: Sequence[int]
) -> list[HoldOut]:
    known = found.train.data.candidates
    count = max(1, round(SHARE * len(known)))
    drawn = [
        HoldOut(
            name=f"{count} at random",
            candidates=tuple(
                known[place] for place in sorted(np.random.default_rng(seed).choice(len(known), count, replace=False))
            ),
            seed=seed,
        )
        for seed in seeds
    ]
    picked = np.bincount(choices(full.predict(kept), outcomes, LAMBDAS).ravel(), minlength=len(known))
    most = np.argsort(-picked, kind="stable")[:ALONE]
    return [*drawn, *(HoldOut(name="much chosen", candidates=(known[place],), seed=seeds[0]) for place in most)]


def _fitted(found: LoadedSet, router: str, candidates: Sequence[str]) -> Predictor:
    data = found.train.data.of_candidates(candidates)
    places = np.flatnonzero((~np.isnan(data.quality)).any(axis=1))
    return trainer(router)(data.rows(places), found.train.inputs.take(places), seed=0, on_progress=no_progress)


def _adapted(found: LoadedSet, base: Predictor, hold_out: HoldOut) -> Predictor:
    """By the product's own path, with the first `PROBES` of a seeded shuffle that have all newcomers' outcomes."""
    train = found.train.data.of_candidates(base.candidates)
    new = found.train.data.of_candidates(hold_out.candidates)
    order = np.random.default_rng(hold_out.seed).permutation(len(new))
    places = [int(place) for place in order if not np.isnan(new.quality[place]).any()][:PROBES]
    manifest = Manifest(
        kind=base.kind,
        cards=train.cards,
        encoder=found.encoder,
        dimension=found.train.inputs.embeddings.shape[1],
        reference=train.reference,
        seed=0,
        data_digest=train.digest,
        query_counts={"train": len(train)},
        settings=base.settings(),
        code_version=code_version(),
    )
    artifact = Artifact(predictor=base, manifest=manifest, sha256="", memory=Memory.of(train))
    probes = Probes(
        cards=new.cards,
        texts=tuple(new.texts[place] for place in places),
        tasks=tuple(new.tasks[place] for place in places),
        measures={name: getattr(new, name)[places] for name in MEASURES},
    )
    return adapt(artifact, probes, found.train.inputs.take(places))[0]
