"""New candidates learned from a few outcomes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from routing.artifacts import Artifact, load, save
from routing.dataset import MEASURES, Dataset
from routing.encoders.hashing import HashingEncoder
from routing.features import excerpt
from routing.forecasts import Inputs
from routing.predictors.adapted import Adapted
from routing.training.adapting import Probes, adapt, read_probes
from routing.training.files import write_dataset
from routing.training.fitting import TrainingOptions, train
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, small_inputs

ENCODER = HashingEncoder(dimension=128)
WHOLE = small_dataset(queries=400, candidates=8)
INPUTS = small_inputs(WHOLE)
NEWCOMERS = WHOLE.candidates[2:4]
KNOWN = tuple(id for id in WHOLE.candidates if id not in NEWCOMERS)


def trained_without_newcomers(name: str = "table") -> Artifact:
    trained = train(name, WHOLE.of_candidates(KNOWN), INPUTS, ENCODER, TrainingOptions(folds=0))
    return Artifact(predictor=trained.predictor, manifest=trained.manifest, sha256="0" * 64, memory=trained.memory)


def probes_of(data: Dataset, newcomers: tuple[str, ...], places: np.ndarray) -> tuple[Probes, Inputs]:
    told = data.of_candidates(newcomers).rows(places)
    probes = Probes(
        cards=told.cards, texts=told.texts, tasks=told.tasks, measures={name: getattr(told, name) for name in MEASURES}
    )
    return probes, INPUTS.take(places)


def some(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(WHOLE.places_of("train"), count, replace=False)


def error_of(quality: np.ndarray, data: Dataset) -> float:
    return float(np.abs(np.nanmean(quality, axis=0) - np.nanmean(data.quality, axis=0)).mean())


def test_newcomers_forecasts_come_near_their_outcomes() -> None:
    artifact = trained_without_newcomers()
    predictor, manifest = adapt(artifact, *probes_of(WHOLE, NEWCOMERS, some(64)))
    dev = WHOLE.places_of("dev")
    forecast = predictor.predict(INPUTS.take(dev))
    assert predictor.candidates == WHOLE.candidates == tuple(card.id for card in manifest.cards)
    columns = [predictor.candidates.index(id) for id in NEWCOMERS]
    assert error_of(forecast.quality[:, columns], WHOLE.of_candidates(NEWCOMERS).rows(dev)) < 0.12
    truth = np.nanmean(WHOLE.cost_usd[dev][:, columns], axis=0)
    assert np.abs(np.log(forecast.cost_usd[:, columns].mean(axis=0) / truth)).max() < 0.35


def test_known_candidates_forecasts_stay_as_they_were() -> None:
    artifact = trained_without_newcomers()
    predictor, _ = adapt(artifact, *probes_of(WHOLE, NEWCOMERS, some(64)))
    columns = [predictor.candidates.index(id) for id in KNOWN]
    before, after = artifact.predictor.predict(INPUTS), predictor.predict(INPUTS)
    assert np.array_equal(after.quality[:, columns], before.quality)
    assert np.array_equal(after.cost_usd[:, columns], before.cost_usd)


def test_outcomes_on_easy_queries_do_not_pass_for_a_good_candidate() -> None:
    """A newcomer equal to a known candidate is probed only where all others do well: its plain mean is too high."""
    rng = np.random.default_rng(0)
    difficulty = rng.uniform(size=len(WHOLE))
    quality = (rng.uniform(size=WHOLE.quality.shape) > difficulty[:, None]).astype(float)
    data = replace(WHOLE, quality=quality)
    trained = train("table", data.of_candidates(KNOWN), INPUTS, ENCODER, TrainingOptions(folds=0))
    artifact = Artifact(predictor=trained.predictor, manifest=trained.manifest, sha256="0" * 64, memory=trained.memory)
    places = data.places_of("train")
    easy = places[np.argsort(difficulty[places], kind="stable")[:64]]
    predictor, _ = adapt(artifact, *probes_of(data, NEWCOMERS, easy))
    columns = [predictor.candidates.index(id) for id in NEWCOMERS]
    told = data.of_candidates(NEWCOMERS)
    naive = np.tile(np.nanmean(told.rows(easy).quality, axis=0), (len(data), 1))
    assert error_of(predictor.predict(INPUTS).quality[:, columns], told) < 0.5 * error_of(naive, told)


def test_newcomers_may_come_one_after_the_other(tmp_path: Path) -> None:
    artifact = trained_without_newcomers()
    first, manifest = adapt(artifact, *probes_of(WHOLE, NEWCOMERS[:1], some(64)))
    saved = save(tmp_path / "first", first, manifest, memory=artifact.memory)
    second, manifest = adapt(load(tmp_path / "first"), *probes_of(WHOLE, NEWCOMERS[1:], some(64)))
    together, _ = adapt(artifact, *probes_of(WHOLE, NEWCOMERS, some(64)))
    assert isinstance(second.base, type(artifact.predictor))
    assert np.allclose(second.predict(INPUTS).quality, together.predict(INPUTS).quality)
    assert manifest.parent_sha256 == saved.sha256


def test_adapted_router_survives_saving(tmp_path: Path) -> None:
    artifact = trained_without_newcomers("knn")
    predictor, manifest = adapt(artifact, *probes_of(WHOLE, NEWCOMERS, some(64)))
    save(tmp_path / "router", predictor, manifest, memory=artifact.memory)
    again = load(tmp_path / "router")
    assert isinstance(again.predictor, Adapted)
    assert np.array_equal(again.predictor.predict(INPUTS).quality, predictor.predict(INPUTS).quality)


def test_without_memory_forecasts_stand_in_for_outcomes() -> None:
    artifact = trained_without_newcomers()
    bare = Artifact(predictor=artifact.predictor, manifest=artifact.manifest, sha256=artifact.sha256)
    predictor, _ = adapt(bare, *probes_of(WHOLE, NEWCOMERS, some(64)))
    columns = [predictor.candidates.index(id) for id in NEWCOMERS]
    assert error_of(predictor.predict(INPUTS).quality[:, columns], WHOLE.of_candidates(NEWCOMERS)) < 0.2


def probe_files(folder: Path, data: Dataset, ids: list[str]) -> tuple[Path, Path, Path]:
    """The files of `routers adapt`, rows in the order of the data, with outcomes of known candidates among them."""
    cards = {card.id: card for card in WHOLE.cards}
    folder.mkdir()
    (folder / "new.json").write_text(json.dumps([cards[id].to_json() for id in ids]))
    queries = [{"query_id": id, "text": text} for id, text in zip(data.query_ids, data.texts, strict=True)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    rows = [
        f"{id},{candidate},{data.quality[row, column]},{data.cost_usd[row, column]}\n"
        for row, id in enumerate(data.query_ids)
        for column, candidate in enumerate(data.candidates)
    ]
    (folder / "probes.csv").write_text("query_id,candidate,quality,cost_usd\n" + "".join(rows))
    return folder / "new.json", folder / "probes.csv", folder / "queries.jsonl"


def test_order_in_the_files_changes_no_byte(tmp_path: Path) -> None:
    artifact, places = trained_without_newcomers("knn"), some(40)
    digests = []
    for name, rows, ids in (("one", places, NEWCOMERS), ("two", places[::-1], NEWCOMERS[::-1])):
        probes = read_probes(KNOWN, *probe_files(tmp_path / name, WHOLE.rows(rows), list(ids)))
        embeddings = ENCODER.encode([excerpt(text) for text in probes.texts])
        inputs = Inputs(texts=probes.texts, embeddings=embeddings, tasks=probes.tasks)
        digests.append(save(tmp_path / f"router-{name}", *adapt(artifact, probes, inputs)).sha256)
    assert digests[0] == digests[1]


def test_outcomes_of_known_candidates_on_new_queries_are_heeded(tmp_path: Path) -> None:
    artifact, dev = trained_without_newcomers(), WHOLE.places_of("dev")[:64]
    told = read_probes(KNOWN, *probe_files(tmp_path / "told", WHOLE.rows(dev), list(NEWCOMERS)))
    silent = replace(told, known_quality={})
    inputs = Inputs(
        texts=told.texts, embeddings=ENCODER.encode([excerpt(text) for text in told.texts]), tasks=told.tasks
    )
    mixing = [adapt(artifact, probes, inputs)[0].weights["mixing"] for probes in (told, silent)]
    assert np.abs(mixing[0] - mixing[1]).max() > 1e-3
    known = WHOLE.of_candidates(KNOWN).rows(sorted(dev, key=lambda place: WHOLE.query_ids[place])).quality
    assert np.array_equal(np.stack([told.known_quality[id] for id in KNOWN], axis=1), known)


def test_newcomer_without_an_outcome_or_already_known_is_refused() -> None:
    artifact = trained_without_newcomers()
    probes, inputs = probes_of(WHOLE, NEWCOMERS, some(8))
    silent = Probes(
        cards=probes.cards, texts=probes.texts, tasks=probes.tasks,
        measures={name: np.where([[True, False]], matrix, np.nan) for name, matrix in probes.measures.items()},
    )  # fmt: skip
    with pytest.raises(InvalidInput, match=f"no outcome of {NEWCOMERS[1]!r}"):
        adapt(artifact, silent, inputs)
    with pytest.raises(InvalidInput, match=r"knows .* already"):
        adapt(artifact, *probes_of(WHOLE, KNOWN[:1], some(8)))


def test_probes_are_read_from_files(tmp_path: Path) -> None:
    places = some(20)
    write_dataset(WHOLE.of_candidates(NEWCOMERS).rows(places), tmp_path / "new")
    files = [tmp_path / "new" / name for name in ("candidates.json", "outcomes.csv.gz", "queries.jsonl.gz")]
    probes = read_probes(KNOWN, *files)
    assert [card.id for card in probes.cards] == list(NEWCOMERS)
    assert sorted(probes.texts) == sorted(WHOLE.texts[place] for place in places)
    with pytest.raises(InvalidInput, match="names no candidate that the router does not know"):
        read_probes(NEWCOMERS, *files)


@pytest.mark.parametrize(("count", "is_passed"), [(64, True), (8, False)])
def test_parents_gate_is_passed_on_only_with_enough_outcomes_of_each_newcomer(count: int, is_passed: bool) -> None:
    artifact = trained_without_newcomers()
    passed = {"gate": {"is_passed": True, "reason": "Passed: far ahead."}}
    parent = replace(artifact, manifest=replace(artifact.manifest, metrics=passed))
    _, manifest = adapt(parent, *probes_of(WHOLE, NEWCOMERS, some(count)))
    assert manifest.metrics["gate"]["is_passed"] is is_passed
    assert "far ahead" in manifest.metrics["gate"]["reason"]
