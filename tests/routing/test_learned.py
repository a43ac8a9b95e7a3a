"""Forecasts come with the contexts: one call a batch, nothing encoded twice, and a bad one is left out and told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from routing.base import ACTIVE, SHADOW
from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.features import TaskCatalog, TaskFeaturizer, excerpt
from routing.forecasts import Inputs
from routing.learned import ForecastingFeaturizer
from tests.routing.trained import ARMS, FixedPredictor, Version, a_version, trained_files

CATALOG = TaskCatalog(task_to_examples={"sums": ["add 3 and 4"], "poems": ["write a poem"]})
TEXTS = ["add 5 and 6", "write a sad poem", "what is 17 times 3?"]


class CountingEncoder(HashingEncoder):
    """Remembers how many texts it encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += len(texts)
        return super().encode(texts)


def featurizer_over(encoder: HashingEncoder | None = None) -> ForecastingFeaturizer:
    cached = CachedEncoder(encoder or HashingEncoder())
    return ForecastingFeaturizer(TaskFeaturizer(cached, CATALOG), cached)


def test_without_a_router_contexts_are_the_inner_ones() -> None:
    featurizer = featurizer_over()
    (context,) = featurizer.contexts(TEXTS[:1])
    assert (dict(context.forecasts), context.forecast_gap) == ({}, "no_active_router")
    assert context.task == "sums"
    assert featurizer.contexts([]) == []


def test_forecasts_are_the_artefact_s_and_nothing_is_encoded_twice(tmp_path: Path) -> None:
    artifact, encoder = trained_files(tmp_path / "router"), CountingEncoder()
    featurizer = featurizer_over(encoder)
    featurizer.use(Version(version_id="version_a", artifact=artifact))
    contexts = featurizer.contexts(TEXTS)
    examples = 2
    assert encoder.encoded == len(TEXTS) + examples
    vectors = HashingEncoder().encode([excerpt(text) for text in TEXTS])
    expected = artifact.predictor.predict(Inputs(texts=tuple(TEXTS), embeddings=vectors, tasks=(None,) * 3))
    for place, context in enumerate(contexts):
        forecast = context.forecasts[ACTIVE]
        assert (forecast.version_id, forecast.sha256) == ("version_a", artifact.sha256)
        assert forecast.reference == artifact.manifest.reference
        assert tuple(forecast.arm_to_place) == ARMS
        np.testing.assert_allclose(forecast.quality, expected.quality[place])
        np.testing.assert_allclose(forecast.cost_usd, expected.cost_usd[place])


def test_one_call_serves_a_batch_and_tasks_are_never_told() -> None:
    active, shadow = FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1]), FixedPredictor([0.3, 0.2, 0.1], [1, 1, 1])
    featurizer = featurizer_over()
    featurizer.use(a_version(active), a_version(shadow, name="version_b"))
    contexts = featurizer.contexts(TEXTS)
    assert active.asked == shadow.asked == [tuple(TEXTS)]
    assert [context.forecasts[SHADOW].quality[0] for context in contexts] == [0.3, 0.3, 0.3]


def test_a_text_is_as_instant_as_its_vector_is() -> None:
    featurizer = featurizer_over()
    featurizer.use(a_version(FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1])))
    assert not featurizer.is_instant(TEXTS[0])
    featurizer.contexts(TEXTS[:1])
    assert featurizer.is_instant(TEXTS[0])


def test_a_row_with_a_nan_is_left_out_and_the_others_stay() -> None:
    bad = FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1], text_to_quality={TEXTS[1]: [0.1, float("nan"), 0.3]})
    featurizer = featurizer_over()
    featurizer.use(a_version(bad))
    contexts = featurizer.contexts(TEXTS)
    assert [ACTIVE in context.forecasts for context in contexts] == [True, False, True]
    assert contexts[1].forecast_gap == "bad_forecast"
    assert featurizer.failures[ACTIVE].count == 1
    assert "NaN" in featurizer.failures[ACTIVE].latest


@pytest.mark.parametrize(
    ("predictor", "said"),
    [
        (FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1], error=ValueError("shapes do not fit")), "shapes do not fit"),
        (FixedPredictor([0.1, 0.2], [1, 1]), r"shape \(3, 2\); it must be \(3, 3\)"),
        (FixedPredictor([0.1, 0.2, 0.3], [1, float("inf"), 1]), "a number beyond"),
        (FixedPredictor([0.1, 0.2, 0.3], [1, 2e9, 1]), "a number beyond 1e\\+09"),
    ],
)
def test_a_router_that_fails_is_told_and_the_other_goes_on(predictor: FixedPredictor, said: str) -> None:
    good = FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1])
    featurizer = featurizer_over()
    for active, shadow, failing, working in (
        (good, predictor, SHADOW, ACTIVE),
        (predictor, good, ACTIVE, SHADOW),
    ):
        featurizer.use(a_version(active), a_version(shadow, name="version_b"))
        before = featurizer.failures[failing].count
        for context in featurizer.contexts(TEXTS):
            assert set(context.forecasts) == {working}
            assert failing == SHADOW or context.forecast_gap == "bad_forecast"
        assert featurizer.failures[failing].count == before + len(TEXTS)
        assert re.search(said, featurizer.failures[failing].latest)


def test_a_refused_artefact_is_told_apart_from_none() -> None:
    featurizer = featurizer_over()
    featurizer.use(None, is_refused=True)
    assert featurizer.contexts(TEXTS)[0].forecast_gap == "artifact_refused"
    featurizer.use(None)
    assert featurizer.contexts(TEXTS)[0].forecast_gap == "no_active_router"


def test_another_router_takes_over_and_old_failures_are_no_news() -> None:
    featurizer = featurizer_over()
    featurizer.use(a_version(FixedPredictor([0.1, 0.2, 0.3], [1, 1, 1], error=TypeError("broken"))))
    featurizer.contexts(TEXTS)
    featurizer.use(a_version(FixedPredictor([0.9, 0.2, 0.3], [1, 1, 1]), name="version_b"))
    assert featurizer.contexts(TEXTS)[0].forecasts[ACTIVE].version_id == "version_b"
    assert (featurizer.failures[ACTIVE].count, featurizer.failures[ACTIVE].latest) == (3, "")
