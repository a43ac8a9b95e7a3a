"""How utility area grows with the training queries, for a router and the per-task table: what more data could bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.figures import Row, area_of, measured_outcomes
from benchmarks.sets import LoadedSet
from routing.evaluation.references import oracle_forecast, table_forecast
from routing.training.registry import trainer
from skills.progress import no_progress

SHARES = (0.125, 0.25, 0.5, 1.0)  # each part holds the smaller ones
FEWEST_QUERIES = 20


def curve_rows(found: LoadedSet, router: str, seeds: Sequence[int]) -> Iterator[Row]:
    """A row a seed and share: areas on dev without and with labels, the table's from the same queries, the oracle's.

    Costs are measured in those of the whole training set's best single throughout. The seed picks the queries, too.
    """
    reference = found.train.data.reference
    outcomes, kept = measured_outcomes(found.dev.data, found.dev.inputs, reference)
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(found.train.data))
        for share in SHARES:
            count = round(share * len(order))
            if count < FEWEST_QUERIES:
                continue
            part = found.train.rows(np.sort(order[:count]))
            predictor = trainer(router)(part.data, part.inputs, seed=seed, on_progress=no_progress)
            yield {
                "seed": seed,
                "share": share,
                "queries": count,
                "text_only": area_of(predictor.predict(kept.without_tasks()), outcomes),
                "with_labels": area_of(predictor.predict(kept), outcomes) if kept.has_tasks else None,
                "table": area_of(table_forecast(part.data, outcomes.tasks), outcomes),
                "oracle": area_of(oracle_forecast(outcomes), outcomes),
            }


def limit_of(areas: Sequence[float]) -> float | None:
    """Where the curve leads if each doubling brings the same fraction of the one before; None: it does not level off.

    `areas`: at a quarter, half and all of the queries, at least.
    """
    before, last = areas[-2] - areas[-3], areas[-1] - areas[-2]
    if before <= 0 or not 0 < last < before:
        return None
    fraction = last / before
    return areas[-1] + last * fraction / (1 - fraction)
