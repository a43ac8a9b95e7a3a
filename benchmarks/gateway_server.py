"""Servers as processes of their own for the gateway's benchmark: how they are set up, started, watched and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.gateway_load import Load

KEY = "benchmark-key-of-no-secret-whatsoever"
TICKS = os.sysconf("SC_CLK_TCK")
ROUTER_QUERIES = 600  # that the loaded router was trained on
START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of a process and all its children."""

    cpu_seconds: float
    rss_mb: float


@dataclass(frozen=True, kw_only=True)
class Started:
    """A server that answers."""

    process: subprocess.Popen[str]
    port: int
    ready_seconds: float

    def usage(self) -> Usage:
        pids = family(self.process.pid)
        return Usage(cpu_seconds=sum(map(cpu_seconds, pids)), rss_mb=sum(map(rss_mb, pids)))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **more}


@contextmanager
def running(command: list[str], **kwargs: Any) -> Iterator[subprocess.Popen[str]]:
    """The process, which is ended with the block: politely, then not."""
    process = subprocess.Popen(command, text=True, **kwargs)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def upstream(delay_ms: float) -> Iterator[int]:
    """The fake endpoint's port."""
    command = [sys.executable, "-m", "benchmarks.gateway_upstream", "--delay-ms", str(delay_ms)]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        if process.stdout is None:
            raise SystemExit("The upstream has no output.")
        yield int(process.stdout.readline())


@contextmanager
def gateway(settings: Path, port: int, log: Path) -> Iterator[Started]:
    """`antroute serve`, once it is ready."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "serve", "--port", str(port)]
    began = time.perf_counter()
    with (
        log.open("a") as out,
        running(command, stdout=out, stderr=out, env=environment(ANTROUTE_SETTINGS=str(settings))) as process,
    ):
        ready(port, "/readyz", process, log)
        yield Started(process=process, port=port, ready_seconds=time.perf_counter() - began)


@contextmanager
def litellm(binary: Path, folder: Path, upstream_port: int, port: int) -> Iterator[Started]:
    """The peer's proxy with a master key and three models at the same endpoint, its logging turned down."""
    models = [
        {
            "model_name": "fixed",
            "litellm_params": {
                "model": "openai/fixed", "api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "none",
            },
        }
        for _ in range(3)
    ]  # fmt: skip
    config, log = folder / "litellm.json", folder / "litellm.log"
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": KEY}}))
    command = [str(binary), "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    began = time.perf_counter()
    with (
        log.open("w") as out,
        running(command, stdout=out, stderr=out, env=environment(LITELLM_LOG="ERROR"), cwd=folder) as process,
    ):
        ready(port, "/health/liveliness", process, log)
        yield Started(process=process, port=port, ready_seconds=time.perf_counter() - began)


def ready(port: int, path: str, process: subprocess.Popen[str], log: Path) -> None:
    """Returns once the path answers 200."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as got:
            if got.status == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"The server did not come up; the end of {log}:\n{log.read_text()[-2000:]}")


def family(pid: int) -> list[int]:
    """The process and all that came of it; those that ended count in their parent's time."""
    children = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in family(child))]


def cpu_seconds(pid: int) -> float:
    """User and system time, of ended children too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def loaded(load: Load) -> dict[str, Any]:
    """What the load generator saw, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gateway_load"]
    done = subprocess.run(
        command, input=json.dumps(asdict(load)), capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        raise SystemExit(f"The load generator failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settings_file(folder: Path, upstream_port: int, *, encoder: str, mode: str, candidates: int) -> Path:
    """Settings with so many candidates at one endpoint, an account with a limit, and a key."""
    models = {
        f"model-{place:03}": {
            "provider": "openai",
            "base_url": f"http://127.0.0.1:{upstream_port}/v1",
            "upstream_model": "fixed",
            "price_input_usd_per_mtok": str(0.1 * (place + 1)),
            "price_output_usd_per_mtok": str(0.3 * (place + 1)),
        }
        for place in range(candidates)
    }
    settings = {
        "store_url": f"sqlite:///{folder / 'gateway.db'}",
        "write_mode": mode,
        "encoder": encoder,
        "models": models,
        "candidates": [{"id": name, "agent": "single_turn", "model": name} for name in models],
        "skills": {"index": str(folder / "skills")},
        "budget": {"account_limit_usd": "100000", "run_limit_usd": "0.10"},
        "server": {"admin_key": KEY, "secret_file": str(folder / "secret")},
    }
    path = folder / "antroute.yaml"
    path.write_text(json.dumps(settings))
    return path


def with_router(folder: Path, store_url: str, *, kind: str, encoder_name: str, candidates: int, seed: int) -> None:
    """Trains a router on generated outcomes of these candidates, and makes it the active one of the store."""
    from benchmarks.routing_latency import generated
    from orchestrator.routers import Routers
    from orchestrator.settings import load_settings
    from routing.artifacts import Manifest, save
    from routing.features import excerpt
    from routing.forecasts import Inputs
    from routing.registry import choose_encoder
    from routing.training.registry import trainer
    from skills.progress import no_progress
    from storage.registry import open_stores

    encoder = choose_encoder(encoder_name, cache_dir=load_settings().encoder_dir).encoder
    data = generated(ROUTER_QUERIES, candidates, seed=seed)
    vectors = encoder.encode([excerpt(text) for text in data.texts])
    predictor = trainer(kind)(
        data, Inputs(texts=data.texts, embeddings=vectors, tasks=data.tasks), seed=seed, on_progress=no_progress
    )
    manifest = Manifest(
        kind=predictor.kind, cards=data.cards, encoder=encoder.name, dimension=int(vectors.shape[1]),
        reference=data.reference, seed=seed, data_digest=data.digest, query_counts={"train": len(data)},
        settings=predictor.settings(),
    )  # fmt: skip
    save(folder / "router", predictor, manifest)

    async def promote() -> None:
        stores = await open_stores(store_url)
        routers = Routers(stores, candidates=data.candidates, encoder_name=encoder.name)
        version = (await routers.register(folder / "router")).version
        await routers.promote(version.id, force=True, reason="a benchmark's router")
        await stores.close()

    asyncio.run(promote())


def direct(load: Load, upstream_port: int) -> Load:
    """The same requests to the endpoint itself."""
    return replace(load, port=upstream_port, headers={})
