"""Data and routers to a report: references, comparisons, thrift, failures, labels, logs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from routing.dataset import Dataset
from routing.errors import ArtifactRefused
from routing.evaluation.evaluate import evaluate
from routing.evaluation.off_policy import OffPolicy, Refusal
from routing.evaluation.references import BEST_SINGLE, CHEAPEST, ORACLE, RANDOM, REFERENCES, TABLE
from routing.evaluation.results import Report, metrics, plain
from routing.forecasts import Forecast, Inputs
from storage.errors import InvalidInput
from tests.routing.evaluation.doubles import Written, dataset, inputs_of
from tests.routing.small_data import small_dataset, small_inputs


def split(data: Dataset) -> tuple[Dataset, Dataset, Inputs]:
    dev = data.split("dev")
    return data.split("train"), dev, small_inputs(dev)


TRAIN, DEV, INPUTS = split(small_dataset(queries=400, missing=0.1))


def judged(noise: float = 0.6, seed: int = 0) -> Report:
    routers = {"good": Written(DEV, noise=noise), "knn": Written(DEV, noise=3.0)}
    return evaluate(routers, TRAIN, DEV, INPUTS, seed=seed)


REPORT = judged()


class Broken(Written):
    """Forecasts no numbers."""

    def predict(self, inputs: Inputs) -> Forecast:
        return replace(super().predict(inputs), quality=np.full((len(inputs), len(self.candidates)), np.nan))


class TaskSeer(Written):
    """Needs the label: without it, every forecast is alike."""

    def predict(self, inputs: Inputs) -> Forecast:
        found = super().predict(inputs)
        return found if inputs.has_tasks else replace(found, quality=np.full_like(found.quality, 0.5))


def test_every_reference_is_reported_behind_the_routers() -> None:
    assert REPORT.text_only is not None
    assert tuple(REPORT.text_only.standings) == ("good", "knn", *REFERENCES)


def test_no_router_beats_the_oracle_and_regret_is_the_gap() -> None:
    assert REPORT.text_only is not None
    standings = REPORT.text_only.standings
    top = standings[ORACLE].scores.utility_area
    for standing in standings.values():
        assert standing.scores.utility_area <= top
        assert standing.scores.regret == pytest.approx(top - standing.scores.utility_area)


def test_router_is_compared_with_each_reference_and_knn() -> None:
    assert REPORT.text_only is not None
    good = REPORT.text_only.standings["good"]
    assert set(good.comparisons) == {"knn", *REFERENCES}
    found = good.comparisons[RANDOM].utility_area
    assert found.low < found.mean < found.high
    assert found.low > 0 > good.comparisons[ORACLE].utility_area.high
    best = REPORT.text_only.standings[BEST_SINGLE].scores
    assert good.comparisons[BEST_SINGLE].quality.mean == pytest.approx(good.scores.quality - best.quality)


def test_good_router_passes_the_gate_and_a_bad_one_does_not() -> None:
    assert metrics(REPORT, "good")["gate"]["is_passed"] is True
    assert metrics(REPORT, "knn")["gate"]["is_passed"] is False


def test_thrift_holds_best_singles_quality_at_less_cost() -> None:
    assert REPORT.text_only is not None
    standings = REPORT.text_only.standings
    thrift, best = standings["good"].thrift, standings[BEST_SINGLE]
    assert thrift is not None and thrift.cost_share is not None and thrift.point.cost_share is not None
    assert thrift.point.quality >= best.scores.quality - 0.005
    assert thrift.cost_share.low <= thrift.point.cost_share <= thrift.cost_share.high
    assert best.thrift is not None and best.thrift.point.cost_share == 1.0


def test_facts_count_missing_cells_and_name_digests() -> None:
    facts = REPORT.data
    assert facts.missing_cells == int(np.isnan(DEV.quality).sum()) > 0
    assert (facts.digest, facts.train_digest) == (DEV.digest, TRAIN.digest)
    assert facts.queries == len(DEV)
    assert len(REPORT.code_sha256) == 64


def test_same_seed_gives_the_same_report_and_another_moves_only_intervals() -> None:
    again, other = judged(), judged(seed=1)
    assert plain(again) == plain(REPORT)
    assert other.text_only is not None and REPORT.text_only is not None
    assert other.text_only.standings["good"].scores == REPORT.text_only.standings["good"].scores
    assert other.text_only.standings["good"].comparisons != REPORT.text_only.standings["good"].comparisons


def test_report_is_json_without_nan() -> None:
    assert json.loads(json.dumps(plain(REPORT), allow_nan=False))["format"] == 1


def test_labels_are_shown_in_the_second_view_only() -> None:
    report = evaluate({"seer": TaskSeer(DEV)}, TRAIN, DEV, INPUTS, seed=0)
    assert report.text_only is not None and report.with_labels is not None
    blind, seeing = report.text_only.standings["seer"].scores, report.with_labels.standings["seer"].scores
    assert seeing.quality > blind.quality + 0.1
    assert report.text_only.standings[TABLE].scores == report.with_labels.standings[TABLE].scores
    assert report.main_view is report.text_only
    assert replace(report, headline="with_labels").main_view is report.with_labels


def test_data_without_labels_or_costs_is_judged_all_the_same() -> None:
    train, dev, inputs = split(small_dataset(with_tasks=False, with_costs=False))
    report = evaluate({"good": Written(dev, noise=0.5)}, train, dev, inputs, seed=0)
    assert report.with_labels is None and report.text_only is not None
    good = report.text_only.standings["good"]
    assert good.scores.cost_share is None
    assert good.scores.utility_area == pytest.approx(good.scores.quality)
    assert good.gate is not None and "knn was not judged beside it" in good.gate.reason
    assert json.dumps(plain(report), allow_nan=False)


def test_one_query_and_one_candidate_are_enough() -> None:
    train, dev = dataset(np.array([[0.5]]), split="train"), dataset(np.array([[1.0]]))
    report = evaluate({"only": Written(dev)}, train, dev, inputs_of(dev), seed=0)
    assert report.text_only is not None
    assert report.text_only.standings["only"].scores.quality == 1.0


def test_forecast_without_numbers_is_a_failure_and_keeps_nobody_away() -> None:
    report = evaluate({"broken": Broken(DEV), "good": Written(DEV)}, TRAIN, DEV, INPUTS, seed=0)
    assert set(report.failures) == {"broken"}
    assert "cells that are no numbers" in report.failures["broken"]
    assert report.text_only is not None and "good" in report.text_only.standings


def test_router_of_other_candidates_is_refused_by_name() -> None:
    fewer = DEV.of_candidates(["model-a", "model-b"])
    with pytest.raises(
        ArtifactRefused, match="'small' knows other candidates than the data: it lacks 'model-c', 'model-d'"
    ):
        evaluate({"small": Written(fewer)}, TRAIN, DEV, INPUTS, seed=0)


def test_name_of_a_reference_is_taken() -> None:
    with pytest.raises(InvalidInput, match="'oracle' is a reference's name"):
        evaluate({"oracle": Written(DEV)}, TRAIN, DEV, INPUTS, seed=0)
    report = evaluate({"cheapest": Written(DEV, kind="cheapest")}, TRAIN, DEV, INPUTS, seed=0)
    assert report.notes == ("cheapest: the reference of this name stands for it.",)


def test_lead_is_the_best_of_those_asked_about() -> None:
    assert REPORT.lead == "good"
    assert replace(REPORT, asked=("knn",)).lead == "knn"
    assert replace(REPORT, asked=("nobody",)).lead is None


def from_log(data: Dataset, seed: int = 0) -> Dataset:
    """As if one candidate a query had been picked by lot, and the others' outcomes never seen."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(data.candidates), size=len(data))
    is_picked = np.arange(len(data.candidates)) == picked[:, None]
    return replace(
        data,
        quality=np.where(is_picked, data.quality, np.nan),
        cost_usd=np.where(is_picked, data.cost_usd, np.nan),
        propensity=np.where(is_picked, 1 / len(data.candidates), np.nan),
    )


def test_log_gets_off_policy_estimates_that_cover_the_truth() -> None:
    whole = small_dataset(queries=4000)
    train, dev, inputs = split(whole)
    router = Written(dev, noise=0.8)
    report = evaluate({"good": router}, train, from_log(dev), inputs, seed=0)
    assert report.log is not None and report.text_only is None
    truth = evaluate({"good": router}, train, dev, inputs, seed=0).text_only
    assert truth is not None
    good = report.log.routers["good"]
    assert not isinstance(good.quality, Refusal) and good.quality.dr is not None
    for found in (good.quality.snips, good.quality.dr):
        assert found.normal.low <= truth.standings["good"].scores.quality <= found.normal.high
    assert isinstance(good.cost_usd, OffPolicy)
    cost = good.cost_usd.snips
    assert cost.normal.low <= truth.standings["good"].scores.cost_usd <= cost.normal.high
    for point, verdict in zip(truth.standings["good"].scores.points, good.utilities, strict=True):
        assert isinstance(verdict, OffPolicy)
        assert verdict.snips.value == pytest.approx(point.utility, abs=0.12)
    assert set(report.log.routers) == {"good", *REFERENCES} - {ORACLE}
    assert "gate" not in metrics(report, "good")


def test_log_that_never_picked_a_candidate_refuses_policies_that_would() -> None:
    train, dev, inputs = split(small_dataset(queries=800))
    log = from_log(dev)
    dearest = np.arange(len(dev.candidates)) == len(dev.candidates) - 1
    log = replace(log, quality=np.where(dearest, np.nan, log.quality))
    report = evaluate({}, train, log, inputs, seed=0)
    assert report.log is not None
    by_lot = report.log.routers[RANDOM].quality
    assert isinstance(by_lot, Refusal)
    assert by_lot.support.unsupported_share == pytest.approx(1 / 6)
    assert isinstance(report.log.routers[CHEAPEST].quality, OffPolicy)
    assert report.log.decisions + report.data.excluded_queries == len(dev)


def test_log_whose_queries_have_several_decisions_is_refused() -> None:
    train, dev, inputs = split(small_dataset(queries=100))
    log = replace(dev, propensity=np.full(dev.quality.shape, 0.5))
    with pytest.raises(InvalidInput, match="exactly one decision"):
        evaluate({}, train, log, inputs, seed=0)


def test_judging_loads_no_heavy_library() -> None:
    heavy = ["jinja2", "lightgbm", "matplotlib", "scipy", "sklearn", "torch"]
    imports = "import sys, routing.evaluation.evaluate, routing.evaluation.report"
    code = f"{imports}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
