"""Routing a file of queries with a trained router."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from routing.artifacts import Artifact
from routing.encoders.hashing import HashingEncoder
from routing.errors import ArtifactRefused
from routing.forecasts import Weights
from routing.offline import Exploration, OfflineRouter, parse_weights, route_file
from routing.training.fitting import train
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset, small_inputs
from tests.routing.trained import FixedPredictor

ENCODER = HashingEncoder(dimension=128)
DATA = small_dataset()


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    trained = train("knn", DATA, small_inputs(DATA), ENCODER)
    return Artifact(predictor=trained.predictor, manifest=trained.manifest, sha256="0" * 64)


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def queries(path: Path, count: int = 30) -> Path:
    rows = zip(DATA.query_ids, DATA.texts, strict=True)
    return written(path, [{"query_id": id, "text": text} for id, text in list(rows)[:count]])


def routed(router: OfflineRouter, source: Path, target: Path) -> list[dict[str, object]]:
    route_file(router, source, target)
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_each_line_gets_a_line_in_the_same_order(artifact: Artifact, tmp_path: Path) -> None:
    source = queries(tmp_path / "in.jsonl", count=30)
    lines = routed(OfflineRouter(artifact, ENCODER, weights=Weights(cost=0.1)), source, tmp_path / "out.jsonl")
    assert [line["query_id"] for line in lines] == list(DATA.query_ids[:30])
    for line in lines:
        assert set(line) == {"query_id", "candidate", "probabilities", "expected_quality", "expected_cost_usd"}
        assert line["probabilities"] == {id: float(id == line["candidate"]) for id in DATA.candidates}


def test_more_weight_on_cost_spends_less(artifact: Artifact, tmp_path: Path) -> None:
    source = queries(tmp_path / "in.jsonl", count=60)
    spent = [
        sum(float(str(line["expected_cost_usd"])) for line in routed(router, source, tmp_path / f"{cost}.jsonl"))
        for cost in (0.0, 0.5, 5.0)
        for router in [OfflineRouter(artifact, ENCODER, weights=Weights(cost=cost))]
    ]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] > spent[-1]


def test_only_the_named_candidates_are_chosen_whatever_their_order(artifact: Artifact, tmp_path: Path) -> None:
    source, some = queries(tmp_path / "in.jsonl"), list(DATA.candidates[1:4])
    choices = [
        routed(OfflineRouter(artifact, ENCODER, candidates=ids, weights=Weights()), source, tmp_path / "out.jsonl")
        for ids in (some, some[::-1])
    ]
    assert choices[0] == choices[1]
    assert {line["candidate"] for line in choices[0]} <= set(some)


def test_unknown_candidate_is_refused_with_the_way_to_teach_it(artifact: Artifact) -> None:
    with pytest.raises(InvalidInput, match="does not know the candidates 'newcomer'") as refused:
        OfflineRouter(artifact, ENCODER, candidates=["newcomer"], weights=Weights())
    assert "routers adapt" in str(refused.value.hint)


def test_exploration_draws_from_the_probabilities_it_writes(artifact: Artifact, tmp_path: Path) -> None:
    source = queries(tmp_path / "in.jsonl", count=200)
    router = OfflineRouter(artifact, ENCODER, weights=Weights(), exploration=Exploration(share=1.0, seed=3))
    lines = routed(router, source, tmp_path / "out.jsonl")
    assert lines == routed(router, source, tmp_path / "again.jsonl")
    counts = Counter(str(line["candidate"]) for line in lines)
    assert set(counts) == set(DATA.candidates)  # 200 draws of 6: a miss has a chance below 1e-15
    assert all(sum(line["probabilities"].values()) == pytest.approx(1) for line in lines)  # type: ignore[attr-defined]  # JSON


def test_packed_files_are_read_and_written(artifact: Artifact, tmp_path: Path) -> None:
    plain = queries(tmp_path / "in.jsonl")
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    router = OfflineRouter(artifact, ENCODER, weights=Weights())
    route_file(router, plain, tmp_path / "out.jsonl")
    route_file(router, packed, tmp_path / "out.jsonl.gz")
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == (tmp_path / "out.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"in.jsonl:2: not a line of JSON"),
        ("[]", r"in.jsonl:2: must be an object"),
        ('{"query_id": "q"}', r"in.jsonl:2: `text` is None"),
        ('{"query_id": 3, "text": "hello"}', r"in.jsonl:2: `query_id` is 3"),
        ('{"query_id": "q", "text": "hello", "task": 1}', r"in.jsonl:2: `task` is 1"),
        ('{"query_id": "\\ud800", "text": "hello"}', r"in.jsonl:2: `query_id` is"),
        ('{"query_id": "", "text": "hello"}', r"in.jsonl:2: `query_id` is"),
        ("[" * 100_000, r"in.jsonl:2: not a line of JSON"),
    ],
)
def test_bad_line_is_named_and_an_older_output_stays(
    artifact: Artifact, tmp_path: Path, line: str, message: str
) -> None:
    source, target = queries(tmp_path / "in.jsonl", count=1), tmp_path / "out.jsonl"
    source.write_text(source.read_text() + line + "\n")
    target.write_text("older")
    with pytest.raises(InvalidInput, match=message):
        route_file(OfflineRouter(artifact, ENCODER, weights=Weights()), source, target)
    assert target.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_text_that_says_nothing_is_routed_like_any_other(artifact: Artifact, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", [{"query_id": "q", "text": ""}, {"query_id": "r", "text": " \n"}])
    lines = routed(OfflineRouter(artifact, ENCODER, weights=Weights()), source, tmp_path / "out.jsonl")
    assert [line["query_id"] for line in lines] == ["q", "r"]


def test_packed_file_with_damage_is_told(artifact: Artifact, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(queries(tmp_path / "in.jsonl").read_bytes()))
    packed[40:60] = b"\xff" * 20
    (tmp_path / "in.jsonl.gz").write_bytes(packed)
    with pytest.raises(InvalidInput, match="cannot be read"):
        route_file(OfflineRouter(artifact, ENCODER, weights=Weights()), tmp_path / "in.jsonl.gz", tmp_path / "out")


def test_pipe_is_refused_because_it_is_empty_the_second_time(artifact: Artifact, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="is no file"):
        route_file(OfflineRouter(artifact, ENCODER, weights=Weights()), tmp_path / "pipe", tmp_path / "out.jsonl")


def test_output_that_cannot_be_written_is_told(artifact: Artifact, tmp_path: Path) -> None:
    source = queries(tmp_path / "in.jsonl", count=2)
    for target in (tmp_path, source / "out.jsonl"):
        with pytest.raises(InvalidInput, match="cannot be written"):
            route_file(OfflineRouter(artifact, ENCODER, weights=Weights()), source, target)


def test_forecast_that_is_no_number_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    broken = replace(artifact, predictor=FixedPredictor([math.nan] * 6, [1.0] * 6, ids=DATA.candidates))
    source = queries(tmp_path / "in.jsonl", count=2)
    with pytest.raises(ArtifactRefused, match=f"no number for query {DATA.query_ids[0]!r}"):
        route_file(OfflineRouter(broken, ENCODER, weights=Weights()), source, tmp_path / "out.jsonl")


def test_forecast_that_fails_is_told(artifact: Artifact, tmp_path: Path) -> None:
    error = ValueError("shapes differ")
    broken = replace(artifact, predictor=FixedPredictor([0.5] * 6, [1.0] * 6, ids=DATA.candidates, error=error))
    source = queries(tmp_path / "in.jsonl", count=2)
    with pytest.raises(ArtifactRefused, match="cannot forecast: ValueError"):
        route_file(OfflineRouter(broken, ENCODER, weights=Weights()), source, tmp_path / "out.jsonl")


def test_missing_input_is_told(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        route_file(OfflineRouter(artifact, ENCODER, weights=Weights()), tmp_path / "none", tmp_path / "out.jsonl")


def test_weights_are_up_to_four_numbers() -> None:
    assert parse_weights("1,0.2") == Weights(quality=1, cost=0.2)
    assert parse_weights("0,0,1") == Weights(quality=0, latency=1)
    for wrong in ("", "a", "1,-1", "1,nan", "1,inf", "0,0", "1,2,3,4,5"):
        with pytest.raises(InvalidInput, match="quality,cost"):
            parse_weights(wrong)


def test_order_of_candidates_in_the_training_data_changes_no_choice(tmp_path: Path) -> None:
    backwards = replace(
        DATA, cards=DATA.cards[::-1], quality=DATA.quality[:, ::-1], cost_usd=DATA.cost_usd[:, ::-1],
        latency_seconds=DATA.latency_seconds[:, ::-1], input_tokens=DATA.input_tokens[:, ::-1],
        output_tokens=DATA.output_tokens[:, ::-1], energy_joules=DATA.energy_joules[:, ::-1],
        propensity=DATA.propensity[:, ::-1],
    )  # fmt: skip
    again = type(DATA).canonical(
        cards=backwards.cards, query_ids=DATA.query_ids, texts=DATA.texts, tasks=DATA.tasks, splits=DATA.splits,
        measures={"quality": backwards.quality, "cost_usd": backwards.cost_usd,
                  "input_tokens": backwards.input_tokens, "output_tokens": backwards.output_tokens,
                  "latency_seconds": backwards.latency_seconds},
    )  # fmt: skip
    assert again.digest == DATA.digest
