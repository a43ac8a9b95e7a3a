"""Runs inside the environment of `llmrouter-lib`: trains one of its routers on data handed over, and asks it.

    python llmrouter_inside.py JOB.json

It imports numpy and the peer, nothing of ours. The peer is used as it is: its own training, its own `route_batch` and
`route_single`. Two functions are replaced: the text encoder (it gets the vectors that our routers get) and the call to
a model's API (answers are not needed). `benchmarks/peers/llmrouter_peer.py` writes the job and says what is in it.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

TRAINERS = {
    "knnrouter": "KNNRouterTrainer",
    "svmrouter": "SVMRouterTrainer",
    "mlprouter": "MLPTrainer",
    "mfrouter": "MFRouterTrainer",
    "graphrouter": "GraphTrainer",
}
ROUTERS = {
    "knnrouter": "KNNRouter",
    "svmrouter": "SVMRouter",
    "mlprouter": "MLPRouter",
    "mfrouter": "MFRouter",
    "graphrouter": "GraphRouter",
}
WARM_UP = 3  # decisions before the clock starts


def main() -> int:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import torch

    torch.set_num_threads(1)
    with Path(job["out"]).open("w", encoding="utf-8") as out:
        for number, run in enumerate(job["runs"]):
            out.write(json.dumps(run_once(job, run, Path(job["work"]) / str(number))) + "\n")
            out.flush()  # what is done counts even if time runs out
    return 0


def run_once(job: Mapping[str, Any], run: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """Fits one router with the run's seed and order of candidates, and asks it."""
    handover = Path(job["handover"])
    data = json.loads((handover / "data.json").read_text(encoding="utf-8"))
    train, dev = (np.load(handover / f"{split}.npy") for split in ("train", "dev"))
    config = written_config(job, run["order"], data, train, work)
    package = import_module(f"llmrouter.models.{job['router']}")
    vectors = dict(zip(data["dev"], dev, strict=True))
    replace_encoder_and_calls(import_module(f"{package.__name__}.router"), vectors)
    seed_all(int(run["seed"]))
    started, cpu_started = time.perf_counter(), time.process_time()
    router = getattr(package, ROUTERS[job["router"]])(str(config))
    getattr(package, TRAINERS[job["router"]])(router, device="cpu").train()
    found: dict[str, Any] = {
        "fit_seconds": time.perf_counter() - started,
        "fit_cpu_seconds": time.process_time() - cpu_started,
        "versions": {name: version(name) for name in ("llmrouter-lib", "torch", "scikit-learn", "numpy")},
    }
    if job["asks_all"]:
        started, cpu_started = time.perf_counter(), time.process_time()
        rows = router.route_batch([{"query": query} for query in data["dev"]])
        found["choices"] = [str(row["model_name"]) for row in rows]
        found["batch_seconds"] = time.perf_counter() - started
        found["batch_cpu_seconds"] = time.process_time() - cpu_started
    if job["decisions"]:
        found["latency"] = latency(router, data["dev"], int(job["decisions"]))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def written_config(job: Mapping[str, Any], order: str, data: Mapping[str, Any], train: np.ndarray, work: Path) -> Path:
    """The peer's own files: one line for each measured pair, a tensor of embeddings, and a YAML that names them."""
    import torch
    import yaml

    work.mkdir(parents=True, exist_ok=True)
    candidates: Sequence[str] = data["candidates"]
    columns = range(len(candidates)) if order == "given" else range(len(candidates) - 1, -1, -1)
    with (work / "routing_train.jsonl").open("w", encoding="utf-8") as out:
        for place, (query, row) in enumerate(zip(data["train"], data["quality"], strict=True)):
            for column in columns:
                if row[column] is not None:
                    pair = {"query": query, "model_name": candidates[column], "performance": row[column]}
                    out.write(json.dumps({**pair, "embedding_id": place}) + "\n")
    torch.save(torch.from_numpy(train.astype(np.float32)), work / "embeddings.pt")
    (work / "candidates.json").write_text(json.dumps({id: {"model": id} for id in candidates}), encoding="utf-8")
    suffix = ".pt" if job["router"] == "graphrouter" else ".pkl"
    saved = str((work / f"model{suffix}").resolve())
    config = {
        "data_path": {
            "query_embedding_data": str((work / "embeddings.pt").resolve()),
            "routing_data_train": str((work / "routing_train.jsonl").resolve()),
            "llm_data": str((work / "candidates.json").resolve()),
        },
        "model_path": {"ini_model_path": "", "save_model_path": saved, "load_model_path": saved},
        "metric": {"weights": {"performance": 1, "cost": 0, "llm_judge": 0}},
        "hparam": job["settings"],
        "api_endpoint": "http://127.0.0.1:9/never-called",
    }
    path = work / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def seed_all(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed)  # the peer draws from the global generator
    torch.manual_seed(seed)


def replace_encoder_and_calls(module: Any, vectors: Mapping[str, np.ndarray]) -> None:
    """`query` texts are ids here, which have one vector each."""
    import torch

    query_to_tensor = {query: torch.from_numpy(np.array(vector, dtype=np.float32)) for query, vector in vectors.items()}
    module.get_longformer_embedding = query_to_tensor.__getitem__
    module.call_api = lambda request, **_: {"response": "", "prompt_tokens": 0, "completion_tokens": 0}


def latency(router: Any, queries: Sequence[str], decisions: int) -> dict[str, Any]:
    """Milliseconds of one `route_single` each, without the embedding."""
    wall, cpu = [], []
    for number in range(WARM_UP + decisions):
        query = {"query": queries[number % len(queries)]}
        started, cpu_started = time.perf_counter(), time.process_time()
        router.route_single(query)
        wall.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.process_time() - cpu_started))
    timed = np.array(wall[WARM_UP:])
    return {
        "decisions": decisions,
        "cpu_ms_each": float(np.mean(cpu[WARM_UP:])),
        "wall_ms_p50": float(np.median(timed)),
        "wall_ms_p95": float(np.quantile(timed, 0.95)),
    }


if __name__ == "__main__":
    sys.exit(main())
