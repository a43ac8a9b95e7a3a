"""What every predictor of the registries owes, whatever it computes; a new one is tested without a change here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from routing.artifacts import Artifact, Manifest, load, save
from routing.dataset import MEASURES, Dataset
from routing.forecasts import Forecast, Predictor, Weights, choose, utility
from routing.predictors.registry import PREDICTORS, predictor_class
from routing.training.registry import TRAINERS, trainer
from skills.progress import no_progress
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, small_inputs

ROOT = Path(__file__).resolve().parents[3]
CONSTANT = {"best_single", "cheapest", "elo"}  # the same for every query, by their nature
FOR_FITTING = ["lightgbm", "scipy", "sklearn", "torch", "torch_geometric"]
COST_WEIGHTS = (0.0, 0.1, 0.5)
SEED = 3


def named(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names)


every_predictor = named(sorted(TRAINERS))
every_learned_one = named(sorted(set(TRAINERS) - CONSTANT))


def fit(name: str, data: Dataset, seed: int = SEED) -> Predictor:
    return trainer(name)(data, small_inputs(data), seed=seed, on_progress=no_progress)


@cache
def small(split: str) -> Dataset:
    whole = small_dataset(400)
    return whole.rows(whole.places_of("train" if split == "train" else "dev"))


@cache
def fitted(name: str) -> Predictor:
    return fit(name, small("train"))


def saved(folder: Path, name: str, predictor: Predictor) -> Artifact:
    data = small("train")
    manifest = Manifest(
        kind=name,
        cards=data.cards,
        encoder="hashing-test",
        dimension=128,
        reference=data.reference,
        seed=SEED,
        data_digest=data.digest,
        query_counts={"train": len(data)},
        settings=predictor.settings(),
    )
    return save(folder, predictor, manifest)


def amounts(forecast: Forecast) -> dict[str, np.ndarray]:
    return {name: matrix for name, matrix in vars(forecast).items() if matrix is not None}


def assert_same(one: Forecast, other: Forecast, *, within: float = 0.0) -> None:
    assert amounts(one).keys() == amounts(other).keys()
    for name, matrix in amounts(one).items():
        scale = max(float(np.abs(matrix).max(initial=0.0)), 1e-30) if name != "quality" else 1.0
        np.testing.assert_allclose(amounts(other)[name], matrix, rtol=0, atol=within * scale, err_msg=name)


def assert_sensible(forecast: Forecast, data: Dataset) -> None:
    for name, matrix in amounts(forecast).items():
        assert matrix.shape == data.quality.shape, name
        assert np.isfinite(matrix).all(), name
        assert matrix.min(initial=0.0) >= 0, name
    assert forecast.quality.max(initial=0.0) <= 1


def with_measures(data: Dataset, change: Callable[[np.ndarray], np.ndarray]) -> Dataset:
    return replace(data, **{name: change(getattr(data, name).copy()) for name in MEASURES})


def utility_area(forecast: Forecast, data: Dataset) -> float:
    reference = small("train").reference
    rows = np.arange(len(data))
    areas = []
    for weight in COST_WEIGHTS:
        chosen = choose(utility(forecast, Weights(cost=weight), reference), forecast.cost_usd)
        cost = data.cost_usd[rows, chosen].mean() / reference.cost_usd
        areas.append(data.quality[rows, chosen].mean() - weight * cost)
    return float(np.mean(areas))


def test_whatever_is_trained_can_be_restored() -> None:
    assert TRAINERS.keys() <= PREDICTORS.keys()


@every_predictor
def test_its_class_bears_the_name_of_the_registry(name: str) -> None:
    assert predictor_class(name).kind == name
    assert type(fitted(name)) is predictor_class(name)
    assert fitted(name).candidates == small("train").candidates


@every_predictor
def test_an_artefact_forecasts_bit_by_bit_what_was_saved(name: str, tmp_path: Path) -> None:
    artifact = saved(tmp_path / "router", name, fitted(name))
    back = load(tmp_path / "router")
    inputs = small_inputs(small("dev"))
    assert back.sha256 == artifact.sha256
    assert_same(fitted(name).predict(inputs), back.predictor.predict(inputs))
    assert_same(fitted(name).predict(inputs.without_tasks()), back.predictor.predict(inputs.without_tasks()))


@every_predictor
def test_the_same_seed_gives_the_same_artefact_and_settings_are_json(name: str, tmp_path: Path) -> None:
    first = saved(tmp_path / "first", name, fitted(name))
    again = saved(tmp_path / "again", name, fit(name, small("train")))
    assert again.sha256 == first.sha256
    assert json.loads(json.dumps(again.predictor.settings())) == again.predictor.settings()


@every_predictor
def test_the_order_in_which_things_are_listed_changes_nothing(name: str) -> None:
    data = small("train")
    turned = Dataset.canonical(
        cards=data.cards[::-1],
        query_ids=data.query_ids[::-1],
        texts=data.texts[::-1],
        tasks=data.tasks[::-1],
        splits=data.splits[::-1],
        measures={measure: getattr(data, measure)[::-1, ::-1] for measure in MEASURES},
    )
    inputs = small_inputs(small("dev"))
    assert_same(fitted(name).predict(inputs), fit(name, turned).predict(inputs))


@every_predictor
@pytest.mark.parametrize("with_tasks", [True, False])
def test_a_query_is_forecast_alike_alone_and_in_a_batch(name: str, with_tasks: bool) -> None:
    inputs = small_inputs(small("dev"))
    inputs = inputs if with_tasks else inputs.without_tasks()
    whole = fitted(name).predict(inputs)
    for row in (0, 7, len(inputs) - 1):
        alone = fitted(name).predict(inputs.take([row]))
        part = Forecast(**{name: matrix[[row]] for name, matrix in amounts(whole).items()})
        assert_same(part, alone, within=1e-6)


@every_predictor
def test_no_queries_are_no_forecasts(name: str) -> None:
    nothing = fitted(name).predict(small_inputs(small("dev")).take([]))
    assert nothing.quality.shape == nothing.cost_usd.shape == (0, 6)


@every_learned_one
def test_it_learns_what_can_be_learned(name: str) -> None:
    dev = small("dev")
    inputs = small_inputs(dev).without_tasks()
    constant = max(utility_area(fitted(name).predict(inputs), dev) for name in sorted(CONSTANT))
    assert utility_area(fitted(name).predict(inputs), dev) > constant


@every_predictor
def test_mean_cost_is_forecast_about_right(name: str) -> None:
    dev = small("dev")
    if name == "best_single":  # its costs tell nobody apart
        return
    forecast = fitted(name).predict(small_inputs(dev).without_tasks()).cost_usd.mean(axis=0)
    np.testing.assert_allclose(forecast, dev.cost_usd.mean(axis=0), rtol=0.25)


def no_second_column(matrix: np.ndarray) -> np.ndarray:
    matrix[:, 1] = np.nan
    return matrix


def no_first_rows(matrix: np.ndarray) -> np.ndarray:
    matrix[:5] = np.nan
    return matrix


def one_cell(matrix: np.ndarray) -> np.ndarray:
    matrix[1:] = np.nan
    matrix[:, 1:] = np.nan
    return matrix


HARD_CASES: dict[str, Callable[[], Dataset]] = {
    "half the cells missing": lambda: small_dataset(80, missing=0.5),
    "most of the cells missing": lambda: small_dataset(80, missing=0.95),
    "a candidate without outcomes": lambda: with_measures(small_dataset(60), no_second_column),
    "queries without outcomes": lambda: with_measures(small_dataset(60), no_first_rows),
    "one known cell": lambda: with_measures(small_dataset(60), one_cell),
    "one candidate": lambda: small_dataset(60, candidates=1),
    "two candidates": lambda: small_dataset(60, candidates=2),
    "one query": lambda: small_dataset(8).rows([0]),
    "two queries": lambda: small_dataset(8).rows([0, 1]),
    "one query and one candidate": lambda: small_dataset(8, candidates=1).rows([0]),
    "all right": lambda: replace(small_dataset(60), quality=np.ones((60, 6))),
    "all wrong": lambda: replace(small_dataset(60), quality=np.zeros((60, 6))),
    "the same text everywhere": lambda: replace(small_dataset(60), texts=("What now?",) * 60),
    "an empty text": lambda: replace(small_dataset(30), texts=("", *small_dataset(30).texts[1:])),
    "no tasks": lambda: small_dataset(60, with_tasks=False),
    "some tasks": lambda: replace(small_dataset(60), tasks=(None,) * 30 + small_dataset(60).tasks[30:]),
    "no costs": lambda: small_dataset(60, with_costs=False, with_tokens=False),
    "costs of zero": lambda: replace(small_dataset(60), cost_usd=np.zeros((60, 6))),
}


@every_predictor
@pytest.mark.parametrize("case", sorted(HARD_CASES))
def test_hard_data_gives_a_sensible_router_that_can_be_saved(name: str, case: str) -> None:
    data = HARD_CASES[case]()
    predictor = fit(name, data)
    assert predictor.candidates == data.candidates
    assert all(np.isfinite(array).all() for array in predictor.arrays().values() if array.dtype.kind == "f")
    inputs = small_inputs(data)
    assert_sensible(predictor.predict(inputs), data)
    assert_sensible(predictor.predict(inputs.without_tasks()), data)
    assert_sensible(predictor.predict(replace(inputs, tasks=("never seen",) * len(inputs))), data)
    if case == "no costs":
        assert not predictor.predict(inputs).cost_usd.any()


@every_predictor
def test_a_label_that_training_did_not_see_counts_as_none(name: str) -> None:
    inputs = small_inputs(small("dev"))
    strange = replace(inputs, tasks=("never seen",) * len(inputs))
    assert_same(fitted(name).predict(inputs.without_tasks()), fitted(name).predict(strange), within=1e-12)


@every_predictor
def test_data_without_a_known_quality_is_refused(name: str) -> None:
    data = small_dataset(20)
    with pytest.raises(InvalidInput, match="at least one outcome"):
        fit(name, replace(data, quality=np.full_like(data.quality, np.nan)))


@every_predictor
def test_arrays_that_lack_one_are_refused(name: str) -> None:
    arrays, settings = fitted(name).arrays(), fitted(name).settings()
    for missing in arrays:
        rest = {key: array for key, array in arrays.items() if key != missing}
        with pytest.raises((KeyError, ValueError, TypeError)):
            predictor_class(name).restore(rest, settings)


def test_serving_loads_nothing_that_is_for_fitting(tmp_path: Path) -> None:
    names = sorted(TRAINERS)
    for name in names:
        saved(tmp_path / name, name, fitted(name))
    code = f"""
import sys
from pathlib import Path
import numpy as np
from routing.artifacts import load
from routing.forecasts import Inputs
inputs = Inputs(texts=("What?",), embeddings=np.eye(1, 128, dtype=np.float32), tasks=(None,))
for name in {names!r}:
    load(Path({str(tmp_path)!r}) / name).predictor.predict(inputs)
    print(name, [module for module in {FOR_FITTING!r} if module in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} []" for name in names]
