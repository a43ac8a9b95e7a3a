"""The latency benchmark on a tiny pool: what it measures, and what it says of bounds that are missed."""

from __future__ import annotations

import copy
import json

import pytest

from benchmarks.skills_costs import bounds_missed, main
from tests.benchmarks.test_skills import make_set


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("latency")
    make_set(folder / "data" / "store", queries=40)
    out = folder / "latency.json"
    assert main([
        "--data", str(folder / "data"), "--skills", "80", "--queries", "8", "--batched", "70", "--encoder", "hashing",
        "--work", str(folder / "work"), "--cache", str(folder / "cache"), "--json", str(out),
    ]) == 0  # fmt: skip
    found: dict[str, object] = json.loads(out.read_text())
    return found


def test_every_sort_of_query_has_its_milliseconds(report: dict) -> None:
    row = report["rows"][0]
    assert (row["skills"], row["recombined"], row["served"]["skills"]) == (80, 20, 80)
    assert row["served"]["latency"].keys() == {"short", "128 tokens", "1,000 words", "100 kB"}
    for stages in row["served"]["latency"].values():
        assert stages["both"]["wall_p99_ms"] >= stages["both"]["wall_p50_ms"] > 0
    assert row["served"]["exact"]["recall_at_50"] == pytest.approx(1, abs=0.02)  # float16 against float32
    assert row["served"]["batched"]["queries"] == 70
    assert row["served"]["rss_mb"]["all"] > 20
    assert row["build"]["texts_per_second"] > 0


def test_index_is_as_it_was_after_one_was_added(report: dict) -> None:
    row = report["rows"][0]
    assert 0 < row["add_one"]["cpu_seconds"] < 60
    assert row["served"]["skills"] == row["skills"]


def test_missed_bounds_are_told_in_words(report: dict) -> None:
    row = copy.deepcopy(report["rows"][0])
    row["served"]["rss_mb"]["all"] = 2_345
    row["served"]["batched"]["per_second"] = 12.5
    told = bounds_missed(row)
    assert "80 skills: resident, MB is 2345; 2000 is the most" in told
    assert any("12.5 queries a second" in line for line in told)
