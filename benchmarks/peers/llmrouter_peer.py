"""The routers of `llmrouter-lib` (LLMRouter, MIT) beside ours: same training queries, same vectors, own environment.

    python benchmarks/peers/llmrouter_peer.py --setup DIR

makes a virtual environment in DIR and installs the peer there: a CPU build of torch first, then only what its knn, svm,
mlp, mf and graph routers import, then the peer itself without its other requirements (`--no-deps`: gradio, vllm, peft,
litellm, datasets and more are for serving and for routers that are not run here). About 1.2 GB and one to three
minutes; DIR may be thrown away afterwards.

What the peer gets is what it expects: one line for each measured pair of query and candidate with the quality, in the
order of `candidates.json`. It makes its usual labels of them (the best candidate of each query; among equals the
first), so a second run with the order reversed shows how much of its choices is that order. It never sees costs,
because its training does not use any. Settings are those of its own published configurations.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from routing.dataset import Dataset
from routing.forecasts import Inputs

Order = Literal["given", "reversed"]

PEER = "llmrouter-lib==0.4.0"
TORCH = "torch==2.13.0"
NEEDED = ("transformers", "torch-geometric", "scikit-learn", "pandas", "pillow", "pydantic", "pyyaml", "tqdm", "numpy")
INSIDE = Path(__file__).with_name("llmrouter_inside.py")
SETUP_SECONDS = 1800
LIMIT_SECONDS = 900  # for one fit and all its decisions


@dataclass(frozen=True, kw_only=True)
class PeerRouter:
    """`is_seeded`: its fit draws random numbers, so that seeds differ.

    `is_slow`: a fit takes minutes, so each is a process of its own, whose choices are kept at once.
    """

    settings: Mapping[str, object]
    is_seeded: bool
    is_slow: bool = False


ROUTERS = {
    "knnrouter": PeerRouter(
        settings={
            "n_neighbors": 5, "weights": "uniform", "algorithm": "auto", "leaf_size": 30, "p": 2,
            "metric": "minkowski", "n_jobs": 1,
        },
        is_seeded=False,
    ),
    "svmrouter": PeerRouter(
        settings={"kernel": "rbf", "C": 1.0, "gamma": "scale", "probability": True}, is_seeded=False
    ),
    "mlprouter": PeerRouter(
        settings={
            "hidden_layer_sizes": [128, 64], "activation": "relu", "lr": 0.001, "epochs": 100, "batch_size": 32,
            "alpha": 0.0001,
        },
        is_seeded=True,
    ),
    "mfrouter": PeerRouter(settings={"latent_dim": 128, "lr": 0.001, "epochs": 5, "noise_alpha": 0.0}, is_seeded=True),
    "graphrouter": PeerRouter(
        settings={
            "hidden_dim": 64, "learning_rate": 0.001, "weight_decay": 0.0001, "train_epoch": 100, "batch_size": 4,
            "train_mask_rate": 0.3, "val_split_ratio": 0.2,
        },
        is_seeded=True,
        is_slow=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Handover:
    """A folder with one set as the peer's side reads it."""

    folder: Path
    dimension: int
    dev_query_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PeerRun:
    """`facts`: seconds, versions, latency. `problem`: why there are no choices; empty where there are."""

    router: str
    seed: int
    order: Order
    choices: tuple[str, ...] = ()  # a candidate's id for each dev query
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def set_up(environment: Path) -> None:
    """Makes the environment. Raises CalledProcessError or TimeoutExpired where packages cannot be had."""
    commands = [
        [sys.executable, "-m", "venv", str(environment)],
        [str(python_of(environment)), "-m", "pip", "install", TORCH],
        [str(python_of(environment)), "-m", "pip", "install", *NEEDED],
        [str(python_of(environment)), "-m", "pip", "install", "--no-deps", PEER],
    ]
    for command in commands:
        print("$", " ".join(command), flush=True)
        subprocess.run(command, check=True, timeout=SETUP_SECONDS)


def why_not(environment: Path | None) -> str:
    """Why the peer cannot be run from this environment; empty where it can."""
    if environment is None:
        return "no environment named; make one: python benchmarks/peers/llmrouter_peer.py --setup DIR, then --peers DIR"
    if not python_of(environment).is_file():
        return f"{str(environment)!r} is no virtual environment; make it with --setup"
    code = "from importlib.metadata import version; print(version('llmrouter-lib'))"
    found = subprocess.run([python_of(environment), "-c", code], capture_output=True, text=True, timeout=60)
    return "" if found.returncode == 0 else f"llmrouter-lib is not installed in {str(environment)!r}"


def hand_over(
    train: Dataset, train_inputs: Inputs, dev: Dataset, dev_inputs: Inputs, folder: Path, *, candidates: Sequence[str]
) -> Handover:
    """Writes embeddings and measured qualities; `candidates` is the order in which the peer is to see them."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [train.candidates.index(id) for id in candidates]
    quality = train.quality[:, columns]
    cells = [[None if np.isnan(value) else float(value) for value in row] for row in quality]
    has_any = [place for place, row in enumerate(cells) if any(cell is not None for cell in row)]
    body = {
        "candidates": list(candidates),
        "train": [train.query_ids[place] for place in has_any],
        "quality": [cells[place] for place in has_any],
        "dev": list(dev.query_ids),
    }
    (folder / "data.json").write_text(json.dumps(body), encoding="utf-8")
    np.save(folder / "train.npy", train_inputs.embeddings[has_any])
    np.save(folder / "dev.npy", dev_inputs.embeddings)
    dimension = int(train_inputs.embeddings.shape[1])
    return Handover(folder=folder, dimension=dimension, dev_query_ids=dev.query_ids)


def run_peer(
    environment: Path,
    handover: Handover,
    router: str,
    *,
    runs: Sequence[tuple[int, Order]] = ((0, "given"),),
    asks_all: bool = True,
    decisions: int = 0,
    limit_seconds: float = LIMIT_SECONDS,
) -> list[PeerRun]:
    """For each (seed, order): fits one of `ROUTERS` and takes its choices for the dev queries (`asks_all`).

    All in one process of its own. `decisions`: time so many single ones, too. What goes wrong there is told in
    `problem` of each run that is not done, and so is the time limit (for a run, on average).
    """
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "found.jsonl"
        job = {
            "router": router,
            "settings": {
                **ROUTERS[router].settings,
                **({"text_dim": handover.dimension} if router == "mfrouter" else {}),
            },
            "handover": str(handover.folder.resolve()),
            "work": work,
            "runs": [{"seed": seed, "order": order} for seed, order in runs],
            "asks_all": asks_all,
            "decisions": decisions,
            "out": str(out),
        }
        (Path(work) / "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [str(python_of(environment)), str(INSIDE), f"{work}/job.json"]
        problem = _problem_of(command, work, limit_seconds * len(runs))
        lines = out.read_text(encoding="utf-8").splitlines() if out.is_file() else []
    found = []
    for place, (seed, order) in enumerate(runs):
        facts = json.loads(lines[place]) if place < len(lines) else {}
        choices = tuple(facts.pop("choices", ()))
        its_problem = "" if facts else problem
        found.append(PeerRun(router=router, seed=seed, order=order, choices=choices, facts=facts, problem=its_problem))
    return found


def peer_latency_rows(
    environment: Path | None,
    train: Dataset,
    inputs: Inputs,
    *,
    decisions: int = 100,
    limit_seconds: float = LIMIT_SECONDS,
) -> list[dict[str, Any]]:
    """One row a router: `router`, and either `cpu_ms_each`, `wall_ms_p50`, `wall_ms_p95`, `decisions`, or `problem`.

    Fitted on `train` (which `inputs` show), asked about some of the same queries one by one by the peer's own
    `route_single`, one thread, without the text encoder. That path reads the fitted model from disk each time.
    """
    if reason := why_not(environment):
        return [{"router": f"llmrouter-lib {router}", "problem": reason} for router in ROUTERS]
    assert environment is not None
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        asked = list(range(min(len(train), decisions)))
        handover = hand_over(
            train, inputs, train.rows(asked), inputs.take(asked), Path(folder), candidates=train.candidates
        )
        for router in ROUTERS:
            (run,) = run_peer(
                environment, handover, router, asks_all=False, decisions=decisions, limit_seconds=limit_seconds
            )
            found = {"problem": run.problem} if run.problem else {**run.facts["latency"]}
            rows.append({"router": f"llmrouter-lib {router}", **found})
    return rows


def _problem_of(command: Sequence[str], work: str, limit_seconds: float) -> str:
    """Runs it on one thread; empty where it went well."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    try:
        done = subprocess.run(
            command, cwd=work, env={**os.environ, **threads}, capture_output=True, text=True, timeout=limit_seconds
        )
    except subprocess.TimeoutExpired:
        return f"not done within {limit_seconds:.0f} s"
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"ended with code {done.returncode}: {last[:300]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", type=Path, required=True, metavar="DIR", help="where the environment is made")
    environment: Path = parser.parse_args().setup
    try:
        set_up(environment)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as exc:
        print(f"The peer could not be installed (no network?): {exc}. Benchmarks go on without it.", file=sys.stderr)
        return 1
    reason = why_not(environment)
    print(reason or f"Ready: --peers {environment}")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
