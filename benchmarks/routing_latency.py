"""What does a decision cost once the text is embedded? Every kind of trained router, fitted on generated data.

    OMP_NUM_THREADS=1 python benchmarks/routing_latency.py --out routing_latency.json

Per kind: CPU of one forecast alone, decisions a second where forecasts and choices are made in batches, the whole
`PolicyRouter.route()` (context, forecast, probabilities, draw) on a text whose vector is remembered, and the same
on one whose forecast is remembered, too. What is read of the text beside its vector is part of the forecast. All is
CPU time of all threads, so that a busy machine changes little, and a second of it is a second of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from routing.artifacts import Artifact, Manifest, load, save
from routing.base import Option
from routing.cards import CandidateCard
from routing.dataset import Dataset
from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.features import TaskFeaturizer, excerpt
from routing.forecasts import Inputs, Weights, choose, utility
from routing.learned import ForecastingFeaturizer
from routing.registry import make_policy
from routing.router import PolicyRouter
from routing.training.registry import TRAINERS, trainer
from skills.progress import no_progress
from storage.errors import ServiceError
from storage.records import Candidate, ModelCard, Query

DIMENSION = 384  # as the sentence encoder's
BATCH = 1024  # queries
WARM_UPS = 20
WORDS = (
    "the", "sum", "of", "two", "river", "prices", "write", "python", "code", "that", "returns", "a", "quiet", "king",
    "who", "ruled", "an", "empire",
)  # fmt: skip
FORMATS = ("8.1f", "8.0f", "9.3f", "10,.0f", "9.3f", "7.3f", "9.3f")  # of a row's numbers


@dataclass(frozen=True, kw_only=True)
class Row:
    """One router; None: it was not measured."""

    router: str
    fit_seconds: float | None = None
    weights_kb: float | None = None
    forecast_cpu_ms: float | None = None  # of one query alone
    batched_per_second: float | None = None  # forecast, utility and choice, in batches of BATCH
    route_cpu_ms: float | None = None  # PolicyRouter.route() of a text whose vector is remembered
    route_cpu_ms_p99: float | None = None
    again_cpu_ms: float | None = None  # the same of a text whose forecast is remembered, too
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class RouteCost:
    """CPU of one decision by the whole router."""

    mean_ms: float
    p99_ms: float
    again_ms: float  # mean, the second time


@dataclass(frozen=True, kw_only=True)
class Served:
    """A version as the service would load it."""

    version_id: str
    artifact: Artifact


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--queries", type=int, default=1500, help="of the generated training data")
    parser.add_argument("--decisions", type=int, default=500, help="measured, each alone")
    parser.add_argument("--routers", default=",".join(sorted(TRAINERS)), help="names, with commas between")
    parser.add_argument("--peers", type=Path, help="environment made by benchmarks/peers/llmrouter_peer.py --setup DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("routing_latency.json"))
    chosen = parser.parse_args()
    data = generated(chosen.queries, chosen.candidates, seed=chosen.seed)
    rows = [measured(name, data, chosen.decisions, seed=chosen.seed) for name in chosen.routers.split(",")]
    table = route_cost(None, data, chosen.decisions)
    rows.append(Row(router="policy table, untrained", route_cpu_ms=table.mean_ms, route_cpu_ms_p99=table.p99_ms,
                    again_cpu_ms=table.again_ms))  # fmt: skip
    rows += peer_rows(chosen.peers, data)
    print(
        f"{'router':<24} {'fit s':>8} {'kB':>8} {'ms alone':>9} {'batched/s':>10} {'route ms':>9} {'p99':>7}"
        f" {'again':>9}"
    )
    for row in rows:
        _, *numbers, note = asdict(row).values()
        cells = [_cell(number, spec) for number, spec in zip(numbers, FORMATS, strict=True)]
        print(f"{row.router:<24} {' '.join(cells)}  {note}")
    report = {
        "candidates": chosen.candidates, "queries": chosen.queries, "decisions": chosen.decisions, "batch": BATCH,
        "dimension": DIMENSION, "seed": chosen.seed, "load": [round(each, 2) for each in os.getloadavg()],
        "cores": os.cpu_count(), "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    chosen.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _cell(number: float | None, spec: str) -> str:
    width = int(spec.partition(".")[0].rstrip(","))
    return "-".rjust(width) if number is None else format(number, spec)


def generated(queries: int, candidates: int, *, seed: int) -> Dataset:
    """Texts of random words; each candidate is good at some words, and the dearer ones at more."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(24, np.full(len(WORDS), 1 / len(WORDS)), size=queries)
    texts = [" ".join(word for word, n in zip(WORDS, row, strict=True) for _ in range(n)) for row in counts]
    skill = rng.normal(size=(len(WORDS), candidates)) * 0.3
    chance = 1 / (1 + np.exp(-(counts @ skill) - np.linspace(-0.5, 0.5, candidates)))
    prices = 0.1 * 1.1 ** np.arange(candidates)  # USD for a million tokens
    lengths = np.array([[len(text) / 4] for text in texts])
    output = np.round(60 + 40 * rng.random(chance.shape))
    tasks = [WORDS[place % 8] for place in counts.argmax(axis=1)]
    return Dataset.canonical(
        cards=[
            CandidateCard(
                id=f"model-{place:03}",
                description=f"Model {place}.",
                price_input_usd_per_mtok=float(price),
                price_output_usd_per_mtok=float(3 * price),
                context_window=8192,
                size_b=float(place + 1),
            )
            for place, price in enumerate(prices)
        ],
        query_ids=[f"query-{place:06}" for place in range(queries)],
        texts=[f"{text} {place}" for place, text in enumerate(texts)],
        tasks=tasks,
        splits=["train"] * queries,
        measures={
            "quality": (rng.random(chance.shape) < chance).astype(np.float64),
            "cost_usd": (lengths + 3 * output) * prices / 1e6,
            "input_tokens": np.repeat(lengths, candidates, axis=1),
            "output_tokens": output,
            "latency_seconds": 0.2 + 0.01 * output,
        },
    )


def inputs_of(texts: Sequence[str], tasks: Sequence[str | None]) -> Inputs:
    vectors = HashingEncoder(dimension=DIMENSION).encode([excerpt(text) for text in texts])
    return Inputs(texts=tuple(texts), embeddings=vectors, tasks=tuple(tasks))


def measured(name: str, data: Dataset, decisions: int, *, seed: int) -> Row:
    """Fits, saves, loads and measures one kind; a kind that cannot be had says why."""
    print(f"{name} …", file=sys.stderr)
    inputs = inputs_of(data.texts, data.tasks)
    started = time.perf_counter()
    try:
        predictor = trainer(name)(data, inputs, seed=seed, on_progress=no_progress)
    except (ImportError, ServiceError) as error:
        return Row(router=name, note=f"not measured: {error}")
    fit_seconds = time.perf_counter() - started
    encoder = HashingEncoder(dimension=DIMENSION)
    manifest = Manifest(
        kind=predictor.kind, cards=data.cards, encoder=encoder.name, dimension=DIMENSION, reference=data.reference,
        seed=seed, data_digest=data.digest, query_counts={"train": len(data)}, settings=predictor.settings(),
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        save(Path(folder) / name, predictor, manifest)
        size = sum(path.stat().st_size for path in (Path(folder) / name).iterdir())
        artifact = load(Path(folder) / name, encoder=encoder.name)
    alone = [inputs.take([place % len(data)]) for place in range(decisions)]
    route = route_cost(artifact, data, decisions)
    cpu = each_cpu_ms(lambda place: artifact.predictor.predict(alone[place]), decisions)
    return Row(
        router=name,
        fit_seconds=fit_seconds,
        weights_kb=size / 1e3,
        forecast_cpu_ms=float(np.mean(cpu)),
        batched_per_second=batched_per_second(artifact, inputs),
        route_cpu_ms=route.mean_ms,
        route_cpu_ms_p99=route.p99_ms,
        again_cpu_ms=route.again_ms,
    )


def peer_rows(environment: Path | None, data: Dataset) -> list[Row]:
    """The peer's own way of choosing for one query, its text encoder left out; or why it was not measured."""
    from benchmarks.peers.llmrouter_peer import peer_latency_rows

    inputs = Inputs(
        texts=data.texts,
        embeddings=HashingEncoder(dimension=DIMENSION).encode([excerpt(text) for text in data.texts]),
        tasks=data.tasks,
    )
    return [
        Row(router=found["router"], route_cpu_ms=found.get("cpu_ms_each"), note=found.get("problem", ""))
        for found in peer_latency_rows(environment, data, inputs)
    ]


def batched_per_second(artifact: Artifact, inputs: Inputs) -> float:
    """Text only, as the service asks: forecast, utility and choice for whole batches; per second of CPU."""
    places = np.arange(BATCH) % len(inputs)
    batch = inputs.take(places).without_tasks()
    rounds, used = 0, 0.0
    while used < 1.0 and rounds < 50:
        began = time.process_time()
        forecast = artifact.predictor.predict(batch)
        utilities = utility(forecast, Weights(quality=1.0, cost=0.1), artifact.manifest.reference)
        choose(utilities, forecast.cost_usd)
        used += time.process_time() - began
        rounds += 1
    return rounds * BATCH / used


def route_cost(artifact: Artifact | None, data: Dataset, decisions: int) -> RouteCost:
    """CPU of `PolicyRouter.route()` for texts whose vectors are remembered."""
    cached = CachedEncoder(HashingEncoder(dimension=DIMENSION))
    featurizer = ForecastingFeaturizer(TaskFeaturizer(cached), cached)
    if artifact is not None:
        featurizer.use(Served(version_id="measured", artifact=artifact))
    policies = {name: make_policy(name) for name in ("graph", "table")}
    router = PolicyRouter(policies, featurizer, default="auto", seed=0)
    options = [
        Option(
            candidate=Candidate(id=id, agent="single_turn", model=id, card=ModelCard(model=id)),
            worst_case_usd=Decimal("0.01"),
        )
        for id in data.candidates
    ]
    queries = [Query(text=data.texts[place % len(data)]) for place in range(min(decisions, len(data)))]

    cached.encode([excerpt(query.text) for query in queries])

    async def costs() -> list[float]:
        spent = []
        for query in queries:
            began = time.process_time()
            choice = await router.route(query, options)
            spent.append(1000 * (time.process_time() - began))
            if (choice.policy == "graph") is (artifact is None):
                raise SystemExit(f"The wrong policy chose: {choice.policy}.")
        return spent

    async def both() -> tuple[list[float], list[float]]:
        await router.route(Query(text="The first one encodes the examples of the tasks."), options)
        return await costs(), await costs()

    new, again = asyncio.run(both())
    return RouteCost(mean_ms=float(np.mean(new)), p99_ms=float(np.percentile(new, 99)), again_ms=float(np.mean(again)))


def each_cpu_ms(work: Callable[[int], object], count: int) -> list[float]:
    for place in range(min(WARM_UPS, count)):
        work(place)
    spent = []
    for place in range(count):
        began = time.process_time()
        work(place)
        spent.append(1000 * (time.process_time() - began))
    return spent


if __name__ == "__main__":
    sys.exit(main())
