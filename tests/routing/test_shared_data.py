"""Policies judged online on public measurements of real models; skipped where the research data is not there."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from routing.encoders.cached import CachedEncoder
from routing.features import TaskCatalog, TaskFeaturizer
from routing.registry import make_encoder, make_policy
from tests.routing.simulation import Round, play

DATA = Path(__file__).parents[3] / "shared" / "data" / "routing"
COST_WEIGHT = 0.3
EXAMPLES = 6  # a task
CANDIDATES = 8
SEEDS = range(5)
TOLERANCE = 0.02  # of mean utility; what a policy must be better than random by

pytestmark = pytest.mark.shared_data


def measured_rounds(folder: Path, *, count: int, encoder: str, encoder_dir: Path) -> list[Round]:
    """Utility = quality - 0.3 cost / cost of the best single, within [0, 1]; tasks known by a few train queries."""
    utility, ids = utilities(folder)
    with gzip.open(folder / "queries.jsonl.gz", "rt", encoding="utf-8") as lines:
        queries = [query for query in map(json.loads, lines) if query["query_id"] in utility]
    np.random.default_rng(0).shuffle(queries)
    task_to_examples: dict[str, list[str]] = {}
    rest = []
    for query in queries:
        examples = task_to_examples.setdefault(query["task"], [])
        if len(examples) < EXAMPLES and query["split"] == "train":
            examples.append(query["text"])
        else:
            rest.append(query)
    featurizer = TaskFeaturizer(
        CachedEncoder(make_encoder(encoder, cache_dir=encoder_dir)),
        TaskCatalog(task_to_examples={t: e for t, e in task_to_examples.items() if e}),
    )
    contexts = featurizer.contexts([query["text"] for query in rest[:count]])
    rewards = [np.array([utility[query["query_id"]][id] for id in ids]) for query in rest[:count]]
    return [Round(context=c, rewards=r, means=r) for c, r in zip(contexts, rewards, strict=True)]


def utilities(folder: Path) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Of the queries that every picked candidate answered, query to candidate to utility; and the candidates."""
    cells: dict[str, dict[str, tuple[float, float]]] = {}
    with gzip.open(folder / "outcomes.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            cell = (float(row["quality"]), float(row["cost_usd"] or 0))
            cells.setdefault(row["candidate"], {})[row["query_id"]] = cell
    full = max(map(len, cells.values()))
    by_quality = sorted(
        (id for id in cells if len(cells[id]) >= 0.9 * full),
        key=lambda id: float(np.mean([quality for quality, _ in cells[id].values()])),
    )
    ids = [by_quality[int(place)] for place in np.linspace(0, len(by_quality) - 1, CANDIDATES)]
    c_ref = float(np.mean([cost for _, cost in cells[by_quality[-1]].values()]))
    common = set.intersection(*(set(cells[id]) for id in ids))
    return {
        query: {id: float(np.clip(cells[id][query][0] - COST_WEIGHT * cells[id][query][1] / c_ref, 0, 1)) for id in ids}
        for query in common
    }, ids


def mean_utility(policy: str, rounds: Sequence[Round]) -> float:
    """Mean over the seeds, each with an order of its own."""
    results = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(rounds))
        results.append(play(make_policy(policy), [rounds[int(place)] for place in order], seed=seed))
    return float(np.mean(results))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the research data is not at {DATA}")
@pytest.mark.parametrize(("name", "encoder", "count"), [("bfcl", "minilm", 100), ("zeroeval", "hashing", 600)])
def test_learned_policies_beat_random_on_measured_outcomes(
    name: str, encoder: str, count: int, encoder_dir: Path
) -> None:
    rounds = measured_rounds(DATA / name, count=count, encoder=encoder, encoder_dir=encoder_dir)
    rewards = np.stack([round.rewards for round in rounds])
    line = {"random": rewards.mean(), "static": rewards.mean(axis=0).max(), "oracle": rewards.max(axis=1).mean()}
    line |= {
        policy: mean_utility(policy, rounds) for policy in ("uniform", "best_single", "table", "thompson", "linucb")
    }
    for policy in ("best_single", "table", "thompson", "linucb"):
        assert line[policy] > line["uniform"] + TOLERANCE, line
