"""Rows of the routing benchmark, made from a small set on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adaptation import adapt_rows, recovered
from benchmarks.figures import Row
from benchmarks.fits import fit_rows, renamed_row
from benchmarks.learning_curve import curve_rows, limit_of
from benchmarks.peers.judged import FixedChoices
from benchmarks.results import Results, is_deterministic
from benchmarks.routing_runs import Unit
from benchmarks.sets import LoadedSet, is_same_reversed, load_set
from benchmarks.summary import summary
from routing.evaluation.evaluate import evaluate
from skills.progress import no_progress
from tests.routing.small_data import small_dataset, write_dataset

LATER = float("inf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sets") / "small"
    write_dataset(small_dataset(), made)
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> LoadedSet:
    return load_set(folder, encoder="hashing", cache=folder.parent / "cache")


def fits(found: LoadedSet, router: str, seeds: Sequence[int], *, deadline: float = LATER) -> list[Row]:
    return list(fit_rows(found, router, seeds, deadline=deadline, on_progress=no_progress))


def test_a_router_without_chance_is_fitted_twice_and_no_more(found: LoadedSet) -> None:
    rows = fits(found, "ridge", range(5))
    assert [row["seed"] for row in rows] == [0, 1]
    assert is_deterministic(rows)


def test_rows_hold_both_views_and_the_references_once(found: LoadedSet) -> None:
    rows = fits(found, "linucb", range(2))
    assert rows[0]["text_only"]["utility_area"] < rows[0]["references"]["oracle"]["utility_area"]
    assert {"knn", "best_single"} <= set(rows[0]["text_only"]["against"])
    assert "references" not in rows[1]
    assert len(rows[0]["text_only"]["points"]) == 7


def test_nothing_is_begun_after_the_deadline(found: LoadedSet) -> None:
    assert fits(found, "ridge", range(2), deadline=time.monotonic() - 1) == []


def test_names_that_sort_the_other_way_round_change_no_choice(found: LoadedSet) -> None:
    assert renamed_row(found, "ridge")["share_of_choices_changed"] == 0


def test_a_reversed_list_of_candidates_is_the_same_data(folder: Path) -> None:
    assert is_same_reversed(folder)


def test_curve_reaches_the_area_of_the_whole_set(found: LoadedSet) -> None:
    rows = list(curve_rows(found, "ridge", [0]))
    assert [row["share"] for row in rows] == [0.125, 0.25, 0.5, 1.0]
    assert rows[-1]["text_only"] == pytest.approx(fits(found, "ridge", [0])[0]["text_only"]["utility_area"])


@pytest.mark.parametrize(
    ("areas", "limit"), [([0.0, 0.5, 0.75], 1.0), ([0.0, 0.5, 1.1], None), ([0.0, 0.5, 0.4], None)]
)
def test_limit_is_that_of_a_geometric_series(areas: list[float], limit: float | None) -> None:
    assert limit_of(areas) == (None if limit is None else pytest.approx(limit))


def test_adaptation_is_judged_against_retraining_on_held_out_candidates(found: LoadedSet) -> None:
    rows = list(adapt_rows(found, "ridge", [0]))
    assert {row["hold_out"] for row in rows} == {"2 at random", "much chosen"}
    assert all(row["without"] <= row["adapted"] + 0.2 for row in rows)
    assert recovered([{"without": 0.1, "adapted": 0.4, "retrained": 0.5}]) == pytest.approx(0.75)
    assert recovered([{"without": 0.5, "adapted": 0.4, "retrained": 0.5}]) is None


def test_fixed_choices_are_played_as_they_are_at_every_weight(found: LoadedSet) -> None:
    dev = found.dev.data
    chosen = {text: dev.candidates[int(row.argmax())] for text, row in zip(dev.texts, dev.quality, strict=True)}
    peer = FixedChoices(dev.candidates, chosen, np.zeros(len(dev.candidates)))
    report = evaluate({"peer": peer}, found.train.data, dev, found.dev.inputs.without_tasks(), seed=0)
    assert report.text_only is not None
    points = report.text_only.standings["peer"].scores.points
    assert {point.quality for point in points} == {dev.quality.max(axis=1).mean()}


class TestResults:
    unit = Unit(part="fit", set="small", router="mlp", seeds=(0, 1, 2))

    def results(self, path: Path, *, code: str = "a", digest: str = "d") -> Results:
        results = Results(path / "results.json", code_sha256=code)
        results.add(Unit(part="set", set="small"), {"digest": digest})
        return results

    def test_finished_seeds_are_not_run_again(self, tmp_path: Path) -> None:
        self.results(tmp_path).add(self.unit, {"seed": 0, "weights_sha256": "x"})
        assert self.results(tmp_path).missing(self.unit) == (1, 2)

    def test_seeds_that_cannot_differ_are_not_run(self, tmp_path: Path) -> None:
        results = self.results(tmp_path)
        for seed in (0, 1):
            results.add(self.unit, {"seed": seed, "weights_sha256": "x"})
        assert results.missing(self.unit) is None

    @pytest.mark.parametrize("changed", [{"code": "b"}, {"digest": "e"}])
    def test_rows_of_other_code_or_data_are_made_again(self, tmp_path: Path, changed: dict[str, str]) -> None:
        self.results(tmp_path).add(self.unit, {"seed": 0, "weights_sha256": "x"})
        assert self.results(tmp_path, **changed).missing(self.unit) == (0, 1, 2)

    def test_a_problem_is_tried_again_and_then_forgotten(self, tmp_path: Path) -> None:
        results = self.results(tmp_path)
        results.add(self.unit, {"problem": "ended with code 1"})
        assert results.missing(self.unit) == (0, 1, 2)
        results.add(self.unit, {"seed": 0, "weights_sha256": "x"})
        assert not [row for row in results.rows if "problem" in row]

    def test_jobs_of_several_kinds_of_rows_count_once_they_are_finished(self, tmp_path: Path) -> None:
        results, unit = self.results(tmp_path), Unit(part="curve", set="small", router="table", seeds=(0,))
        results.add(unit, {"seed": 0, "share": 1.0})
        assert results.missing(unit) == (0,)
        results.finish(unit)
        assert results.missing(unit) is None

    def test_summary_tells_what_was_measured_and_what_went_wrong(self, tmp_path: Path, found: LoadedSet) -> None:
        results = self.results(tmp_path)
        ridge = Unit(part="fit", set="small", router="ridge", seeds=(0,))
        results.add(ridge, fits(found, "ridge", [0])[0])
        results.add(Unit(part="peer", set="small", router="svmrouter"), {"problem": "not done within 3 s"})
        told = summary(results)
        assert "peer svmrouter: not done within 3 s" in told
        assert "[table (labels)]" in told
        assert "1 of 5 sets" in told
