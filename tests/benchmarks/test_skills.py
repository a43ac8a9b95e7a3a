"""The skill benchmark on a tiny set: every part gives figures, and measures are what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skills_abstention import error_rates
from benchmarks.skills_measures import by_kind, difference, judged
from benchmarks.skills_padding import padded, padding
from benchmarks.skills_runs import PARTS, main
from skills.index.settings import IndexSettings
from skills.training.queries import LabelledQuery
from tests.skills.index.pools import skill, skills

KINDS = ("use_case", "example_input")


def make_set(folder: Path, *, count: int = 60, queries: int = 60) -> None:
    """Queries that name verb, noun and place of the skill they need."""
    folder.mkdir(parents=True)
    pool = skills(count)
    rows = [
        {"skill_id": one.id, "name": one.name, "description": one.description, "body": one.body, "source": "made"}
        for one in pool
    ]
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split, first in (("train", 0), ("dev", 1)):
        asked = [
            {
                "query_id": f"{split}-{number}",
                "text": f"How do I {pool[place].name.replace('-', ' my ')}? {pool[place].description[-20:]} {number}",
                "gold": [[pool[place].id]],
                "kind": KINDS[number % 2],
            }
            for number in range(queries)
            for place in [(2 * number + first) % count]
        ]
        (folder / f"queries_{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))


def query(*gold: str, kind: str = "all") -> LabelledQuery:
    return LabelledQuery(query_id="q", text="?", gold=tuple((one,) for one in gold), kind=kind)


def test_every_part_gives_figures_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_set(tmp_path / "data" / "store")
    make_set(tmp_path / "data" / "metatool", count=20)
    rows = []
    for name, parts in (("store", [*{*PARTS} - {"transfer"}]), ("metatool", ["transfer"])):
        out = tmp_path / f"{name}.json"
        assert main([
            "--data", str(tmp_path / "data"), "--sets", name, "--limit", "20", "--json", str(out), "--parts", *parts,
            "--encoder", "hashing", "--experts", "hashing", "--work", str(tmp_path / "work"), "--pilots", "20",
            "--cache", str(tmp_path / "cache"), "--sizes", "80", "--ablation-queries", "40",
            "--ablation-groups", "dense",
        ]) == 0  # fmt: skip
        rows += json.loads(out.read_text())["rows"]
    assert {row["part"] for row in rows} == set(PARTS)
    assert {row["part"] for row in rows if "problem" in row} <= {"abstention"}  # too little to learn a fit from
    ranked = next(row for row in rows if row["part"] == "stages" and row["stage"] == "ranked" and row["bodies"])
    assert ranked["by_kind"].keys() == {*KINDS, "all"}
    assert ranked["by_kind"]["all"]["recall@50"] > 0.5
    assert [row["without"] for row in rows if row.get("sort") == "features"] == ["nothing", "dense"]
    assert "## ablation" in capsys.readouterr().out


def test_copies_are_as_good_and_count_once() -> None:
    both = LabelledQuery(query_id="q", text="?", gold=(("a", "copy"), ("b",)))
    found = judged([both], [["copy", "a", "x", "b"]])
    assert {name: values[0] for name, values in found.name_to_values.items()} == pytest.approx(
        {
            "hit@1": 1, "hit@10": 1, "recall@50": 1, "complete@10": 1, "mrr": 1,
            "ndcg@10": (1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3)),
        }
    )  # fmt: skip


def test_what_is_not_found_counts_nothing() -> None:
    found = judged([query("a"), query("a", "b")], [[], ["x"] * 10 + ["a"]])
    assert found.mean("hit@1") == found.mean("complete@10") == found.mean("ndcg@10") == 0
    assert found.mean("recall@50") == 0.25
    assert by_kind([query("a", kind="one"), query("a", "b", kind="two")], found)["two"]["recall@50"] == 0.5


def test_interval_draws_queries_of_one_skill_together() -> None:
    rng = np.random.default_rng(0)
    gains = np.repeat(rng.integers(0, 2, 40), 25).astype(np.float64)  # 40 skills, whose 25 queries all agree
    together = difference(gains, np.zeros(1000), np.repeat(np.arange(40), 25), seed=0)
    alone = difference(gains, np.zeros(1000), np.arange(1000), seed=0)
    assert together["mean"] == alone["mean"]
    assert together["high"] - together["low"] > 3 * (alone["high"] - alone["low"])


def test_padding_takes_neither_what_is_sought_nor_its_copies() -> None:
    pool = skills(40)
    twin = skill(3, skill_id="twin")
    filling = padding([*pool, twin], {"skill-0003"}, size=100, settings=IndexSettings(), seed=0)
    assert filling.excluded >= 1
    assert {"twin", "skill-0003"}.isdisjoint(one.id for one in filling.rest)
    assert not any("m3x" in one.body for one in filling.recombined)
    small, large = (padded(pool, {"skill-0003"}, filling, size) for size in (20, 100))
    assert (len(small), len(large)) == (20, 100)
    assert {one.id for one in small} <= {one.id for one in large}
    assert len({one.id for one in large}) == 100


def test_recombined_bodies_consist_of_windows_that_are_known() -> None:
    pool = [skill(number, body="".join(f"{number:03}{place:04}." for place in range(300))) for number in range(5)]
    settings = IndexSettings(windows=3, window_characters=400)
    made = padding(pool, set(), size=9, settings=settings, seed=0).recombined
    known = {one.body[first : first + 400] for one in pool for first in (0, 400, 800)}
    assert len(made) == 4
    assert all(one.body[first : first + 400] in known for one in made for first in (0, 400, 800))


def test_error_rates_of_abstaining() -> None:
    rates = error_rates(np.array([0.9, 0.6, 0.2]), np.array([True, True, False]), np.array([0.1, 0.55]))
    at_half = next(at for at in rates["at"] if at["threshold"] == 0.5)
    assert at_half == {
        "threshold": 0.5, "false_abstentions": 0, "answers_where_removed": 0.5, "answered": 0.6667,
        "hit@1_of_answered": 1,
    }  # fmt: skip
    assert rates["auc_right"] == 1
