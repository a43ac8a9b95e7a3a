"""Folders as `antroute train` leaves them: a real small router, with the gate that a test wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from routing.artifacts import save
from routing.encoders.hashing import HashingEncoder
from routing.features import excerpt
from routing.forecasts import Inputs
from routing.training.registry import trainer
from skills.progress import no_progress
from tests.routing.trained import data_of, manifest_of

SERVED = ("large", "small")  # candidates of `tests.conftest`
PASSED = {"is_passed": True, "reason": "Passed: utility area +0.0210 against knn."}
FAILED = {"is_passed": False, "reason": "Not passed: utility area -0.0042 against knn (90% interval -0.01 to 0.002)."}


def a_trained_folder(
    folder: Path,
    ids: Sequence[str] = SERVED,
    *,
    gate: Mapping[str, Any] | None = PASSED,
    seed: int = 0,
    **manifest: Any,
) -> Path:
    """`gate`: None leaves the record out. `manifest`: fields that shall say something else."""
    data, encoder = data_of(ids, seed=seed), HashingEncoder()
    embeddings = encoder.encode([excerpt(text) for text in data.texts])
    inputs = Inputs(texts=data.texts, embeddings=embeddings, tasks=data.tasks)
    predictor = trainer("best_single")(data, inputs, seed=seed, on_progress=no_progress)
    metrics = {"text_only": {"utility_area": 0.61, "calibration_error": None}}
    metrics |= {} if gate is None else {"gate": dict(gate)}
    fields = {"metrics": metrics, "seed": seed, **manifest}
    save(folder, predictor, replace(manifest_of(predictor, data.cards, data.reference, encoder), **fields))
    return folder
