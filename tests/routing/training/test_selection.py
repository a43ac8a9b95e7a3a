"""Choosing and gating routers by queries that they did not learn from."""

from __future__ import annotations

import numpy as np
import pytest

from routing.dataset import Dataset
from routing.encoders.hashing import HashingEncoder
from routing.errors import UnknownRouter
from routing.evaluation.references import BEST_SINGLE
from routing.training.fits import fit_in_turn
from routing.training.fitting import TrainingOptions, train
from routing.training.selection import Evidence, Sample, areas_of, evidence
from skills.progress import no_progress
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, small_inputs

ENCODER = HashingEncoder(dimension=128)
DATA = small_dataset(queries=240)
INPUTS = small_inputs(DATA)
TRAIN, DEV = (Sample(DATA, INPUTS).take(DATA.places_of(split)) for split in ("train", "dev"))
NAMES = ("table", "knn")


def found(folds: int) -> Evidence:
    fitted = fit_in_turn(NAMES, TRAIN.data, TRAIN.inputs, seed=0, on_progress=no_progress)
    predictors = {name: each.predictor for name, each in fitted.items()}
    return evidence(predictors, TRAIN, DEV, fit_all=fit_in_turn, folds=folds, seed=0, on_progress=no_progress)


def test_every_train_and_dev_query_is_a_witness_once() -> None:
    judged = found(folds=3)
    for name in (*NAMES, BEST_SINGLE):
        assert len(judged.cross_validated[name]) == len(TRAIN)
        assert len(judged.dev[name]) == len(DEV)
    summary = judged.summary(seed=0)
    assert summary["cross_validated_queries"] == len(TRAIN)
    pooled = summary["utility_area"]["table"]
    count = len(TRAIN) + len(DEV)
    assert pooled["pooled"] == pytest.approx(
        (pooled["cross_validated"] * len(TRAIN) + pooled["dev"] * len(DEV)) / count
    )


def test_fold_is_judged_by_a_router_that_did_not_see_it() -> None:
    """Noise as quality: whoever saw it would do better than chance on it."""
    rng = np.random.default_rng(0)
    noise = Sample(
        Dataset.canonical(
            cards=DATA.cards, query_ids=DATA.query_ids, texts=[f"word{n}" for n in range(len(DATA))],
            tasks=(None,) * len(DATA), splits=DATA.splits,
            measures={"quality": rng.integers(0, 2, DATA.quality.shape).astype(float)},
        ),
        INPUTS,
    )  # fmt: skip
    fitted = fit_in_turn(["knn"], noise.data, noise.inputs, seed=0, on_progress=no_progress)
    predictors = {"knn": fitted["knn"].predictor}
    judged = evidence(
        predictors, noise, noise.take(np.arange(0)), fit_all=fit_in_turn, folds=3, seed=0, on_progress=no_progress
    )
    seen = areas_of(predictors, noise, noise)["knn"].mean()
    assert abs(judged.cross_validated["knn"].mean() - 0.5) < 0.12  # 240 fair coins: a deviation of .032
    assert seen >= judged.cross_validated["knn"].mean()


def test_best_is_picked_on_all_held_out_queries_together() -> None:
    lucky = Evidence(
        cross_validated={"lucky": np.full(300, 0.5), "sound": np.full(300, 0.6), BEST_SINGLE: np.full(300, 0.4)},
        dev={"lucky": np.full(30, 0.7), "sound": np.full(30, 0.6), BEST_SINGLE: np.full(30, 0.4)},
    )
    assert lucky.best(["lucky", "sound"]) == "sound"


def test_auto_keeps_the_best_and_says_why() -> None:
    trained = train("auto", DATA, INPUTS, ENCODER, TrainingOptions(folds=0))
    selection = trained.manifest.metrics["selection"]
    means = {name: area["pooled"] for name, area in selection["utility_area"].items() if name != BEST_SINGLE}
    assert trained.name == max(means, key=lambda name: means[name])
    assert trained.manifest.metrics["gate"] == selection["gates"][trained.name]


def test_same_data_and_seed_give_the_same_manifest() -> None:
    first, second = (train("kernel", DATA, INPUTS, ENCODER, TrainingOptions(seed=3)) for _ in range(2))
    assert first.manifest == second.manifest


def test_unknown_router_is_told_before_the_work() -> None:
    with pytest.raises(UnknownRouter, match="did you mean 'kernel'"):
        train("kernle", DATA, INPUTS, ENCODER)


def test_auto_without_anything_to_choose_by_is_refused() -> None:
    few = Sample(DATA, INPUTS).take(DATA.places_of("train")[:30])
    with pytest.raises(InvalidInput, match="nothing to choose by"):
        train("auto", few.data, few.inputs, ENCODER)


def test_dev_alone_is_nothing_to_learn_from() -> None:
    with pytest.raises(InvalidInput, match="nothing to learn from"):
        train("table", DEV.data, DEV.inputs, ENCODER)


def test_without_dev_queries_cross_validation_judges() -> None:
    trained = train("table", TRAIN.data, TRAIN.inputs, ENCODER)
    assert trained.report is None
    assert trained.evidence is not None and len(trained.evidence.cross_validated["table"]) == len(TRAIN)
    assert "gate" in trained.manifest.metrics
