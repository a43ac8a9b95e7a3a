"""What does a search cost among tens of thousands of skills, and what does it take to build and to serve the index?

    OMP_NUM_THREADS=1 python benchmarks/skills_latency.py --skills 80000 --ranker DIR --json skills_latency.json

The real pool is padded with recombined skills (`benchmarks/skills_padding.py`), whose vectors are those of real texts.
A fresh process opens the index and answers short queries, some of 128 tokens, some of 1,000 words and some of 100 kB,
one after the other on one thread; then many at once on two. The build is timed with vectors from the cache, and the
encoding on a sample, in the same way as the build does it. `--check` exits with 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from benchmarks.machine import machine_facts
from benchmarks.skills_bench import ROOT, Workbench, told
from benchmarks.skills_padding import padded, padding
from benchmarks.skills_sets import SkillSet, read_set
from skills.base import Provenance, Skill
from skills.embedding import embed
from skills.index.building import update_index
from skills.index.dense import slot_texts
from skills.index.manifest import IndexManifest
from skills.index.settings import IndexSettings

TOKENS_WORDS = 100  # some 128 tokens
LONG_WORDS = 1_000
HUGE_BYTES = 100_000
SAMPLE_SKILLS = 150  # encoded to learn the rate
ADDED = 3
BUILD_MINUTES_AT = 20_000  # skills that the bound of the build is for
BOUNDS = {  # what a search among 80,000 is held to: figure, most
    "retrieve and rerank, CPU ms p50": 60.0,
    "retrieve and rerank, CPU ms p99": 150.0,
    "add one skill, s": 1.0,
    "resident, MB": 2_000.0,
    "build of 20,000 full skills, minutes": 45.0,
}
LEAST_PER_SECOND = 100.0
BOUND_QUERIES = ("short", "1,000 words")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    bench = Workbench(
        work=options.work,
        cache_dir=options.cache / "embeddings",
        encoder_name=options.encoder,
        encoder_dir=options.cache / "encoders",
    )
    one = read_set(options.data / options.set)
    report: dict[str, Any] = {"machine": machine_facts(), "rows": []}
    missed: list[str] = []
    for skills in options.skills:
        row = measured(bench, one, skills, options)
        report["rows"].append(row)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(table(row), flush=True)
        missed += bounds_missed(row)
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed and options.check else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "skills", metavar="DIR")
    parser.add_argument("--set", default="store")
    parser.add_argument("--skills", nargs="+", type=int, default=[20_000, 80_000], metavar="N")
    parser.add_argument(
        "--ranker", type=Path, metavar="DIR", help="made by `antroute skills train`; none: retrieval alone"
    )
    parser.add_argument(
        "--queries", type=int, default=200, help="short ones; a half, a quarter and a twentieth of longer"
    )
    parser.add_argument("--batched", type=int, default=1_000, help="queries asked at once")
    parser.add_argument("--threads", type=int, default=2, help="of the queries asked at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--work", type=Path, default=user_cache_path("antroute") / "benchmark-skills", metavar="DIR")
    parser.add_argument("--cache", type=Path, default=user_cache_path("antroute"), metavar="DIR", help="of vectors")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "skills_latency.json")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bound is missed")
    return parser.parse_args(arguments)


def measured(bench: Workbench, one: SkillSet, count: int, options: argparse.Namespace) -> dict[str, Any]:
    filling = padding(one.pool, (), size=count, settings=IndexSettings(), seed=options.seed)
    pool = padded(one.pool, (), filling, count)
    encoder = bench.encoder(options.ranker).encoder
    print(f"{len(pool)} skills: encoding what is not known yet", file=sys.stderr, flush=True)
    texts = [text for skill in pool for text in slot_texts(skill, IndexSettings()) if text]
    embed(texts, encoder, cache_dir=bench.cache_dir, on_progress=told("vectors"))
    began, cpu_began = time.monotonic(), time.process_time()
    folder = bench.index_folder(pool, ranker=options.ranker, what=f"{count} skills")
    build = {"seconds": round(time.monotonic() - began, 1), "cpu_seconds": round(time.process_time() - cpu_began, 1)}
    manifest = bench.opened(folder, ranker=options.ranker).manifest
    rate, cpu_rate = encoding_rates(bench, one.pool, options)
    rest = manifest.seconds.get("in all", build["seconds"])
    return {
        "skills": len(pool),
        "recombined": max(0, len(pool) - len(one.pool)),
        "ranker": None if options.ranker is None else str(options.ranker),
        "load": [round(each, 2) for each in os.getloadavg()],
        "build": build
        | {
            "steps": dict(manifest.seconds),
            "texts": len(texts),
            "texts_per_second": round(rate, 1),
            "texts_per_cpu_second": round(cpu_rate, 1),
            "minutes_with_encoding": round((len(texts) / rate + rest) / 60, 1),
            "cpu_minutes_with_encoding": round((len(texts) / cpu_rate + build["cpu_seconds"]) / 60, 1),
            "vectors": search_of(manifest),
            "megabytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20,
        },
        "served": served(bench, folder, queries(one, options), options, use_gpu=False),
        "gpu": on_gpu(bench, folder, one, options),
        "add_one": add_one(bench, folder, options),
    }


def encoding_rates(bench: Workbench, pool: Sequence[Skill], options: argparse.Namespace) -> tuple[float, float]:
    """Texts a second, by as many threads as a build takes, and a second of CPU; of skills drawn from the real pool."""
    places = np.random.default_rng(options.seed).permutation(len(pool))[:SAMPLE_SKILLS].tolist()
    texts = [text for place in places for text in slot_texts(pool[place], IndexSettings()) if text]
    encoder = bench.encoder(options.ranker).encoder
    began, cpu_began = time.monotonic(), time.process_time()
    embed(texts, encoder, cache_dir=None)
    return len(texts) / (time.monotonic() - began), len(texts) / (time.process_time() - cpu_began)


def queries(one: SkillSet, options: argparse.Namespace) -> dict[str, list[str]]:
    """Real short ones; longer ones are short ones joined."""
    rng = np.random.default_rng(options.seed)
    texts = [one.dev[place].text for place in rng.permutation(len(one.dev)).tolist()]

    def joined(words: int) -> str:
        parts: list[str] = []
        while len(parts) < words:
            parts += texts[int(rng.integers(len(texts)))].split()
        return " ".join(parts[:words])

    count: int = options.queries
    return {
        "short": texts[:count],
        "128 tokens": [joined(TOKENS_WORDS) for _ in range(max(1, count // 2))],
        "1,000 words": [joined(LONG_WORDS) for _ in range(max(1, count // 4))],
        "100 kB": [joined(HUGE_BYTES // 5)[:HUGE_BYTES] for _ in range(max(1, count // 20))],
    }


def served(
    bench: Workbench, folder: Path, asked: dict[str, list[str]], options: argparse.Namespace, *, use_gpu: bool
) -> dict[str, Any]:
    """By a fresh process whose libraries use one thread each."""
    short = asked["short"]
    job = {
        "index": str(folder.resolve()),
        "ranker": None if options.ranker is None else str(options.ranker.resolve()),
        "encoder": bench.encoder_name,
        "encoder_dir": None if bench.encoder_dir is None else str(bench.encoder_dir.resolve()),
        "use_gpu": use_gpu,
        "queries": asked,
        "batched": [short[place % len(short)] for place in range(options.batched)],
        "threads": options.threads,
        "exact": not use_gpu,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.skills_serving"],
        input=json.dumps(job), capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"The serving process failed:\n{done.stderr[-3_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def on_gpu(bench: Workbench, folder: Path, one: SkillSet, options: argparse.Namespace) -> dict[str, Any]:
    """The same with the vectors on a GPU, where faiss sees one."""
    import faiss

    seen = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if not seen:
        return {"note": "faiss sees no GPU here: not measured"}
    return served(bench, folder, queries(one, options), options, use_gpu=True)


def add_one(bench: Workbench, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Into the index that is there, then out again: the slowest of some, with encoding and the swap."""
    encoder = bench.encoder(options.ranker).encoder
    wall, cpu = [], []
    ids = [f"added-{place}-{time.time_ns()}" for place in range(ADDED)]
    for skill_id in ids:
        skill = Skill(
            id=skill_id,
            name="count-frogs",
            description="Counts the frogs of a pond.",
            body=f"# Frogs\n{skill_id}\n" + "Walk round the pond at night and count.\n" * 60,
            provenance=Provenance(source="made", sha256=""),
        )
        began, cpu_began = time.perf_counter(), time.process_time()
        update_index(folder, put=[skill], encoder=encoder)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    update_index(folder, removed=ids, encoder=encoder)
    return {"wall_seconds": round(max(wall), 2), "cpu_seconds": round(max(cpu), 2)}


def search_of(manifest: IndexManifest) -> dict[str, Any]:
    """How vectors are searched, and how near to exact search that comes."""
    found = manifest.segments[0].search
    return {"kind": found.kind, "vectors": found.vectors, "probes": found.probes, "recall_at_50": found.recall_at_50}


def bounds_missed(row: dict[str, Any]) -> list[str]:
    """What is over its bound, in words."""
    latency = row["served"]["latency"]
    found = {
        f"retrieve and rerank, CPU ms {share}": max(latency[name]["both"][f"cpu_{share}_ms"] for name in BOUND_QUERIES)
        for share in ("p50", "p99")
    }
    found["add one skill, s"] = row["add_one"]["wall_seconds"]
    found["resident, MB"] = row["served"]["rss_mb"]["all"]
    if row["skills"] <= BUILD_MINUTES_AT:
        found["build of 20,000 full skills, minutes"] = row["build"]["minutes_with_encoding"]
    missed = [
        f"{row['skills']} skills: {name} is {value:.4g}; {BOUNDS[name]:g} is the most"
        for name, value in found.items()
        if value > BOUNDS[name]
    ]
    rate = row["served"]["batched"]["per_second"]
    if rate < LEAST_PER_SECOND:
        missed.append(f"{row['skills']} skills: {rate:g} queries a second at once; {LEAST_PER_SECOND:g} is the least")
    return missed


def table(row: dict[str, Any]) -> str:
    """Markdown."""
    found, build = row["served"], row["build"]
    lines = [
        f"\n## {row['skills']} skills, {row['recombined']} of them recombined\n",
        "| queries | stage | CPU ms p50 | p99 | wall ms p50 | p99 |",
        "|---|---|---|---|---|---|",
    ]
    for name, stages in found["latency"].items():
        for stage, at in stages.items():
            lines.append(
                f"| {name} | {stage} | {at['cpu_p50_ms']} | {at['cpu_p99_ms']} | {at['wall_p50_ms']} |"
                f" {at['wall_p99_ms']} |"
            )
    exact = found["exact"]
    lines += [
        "",
        f"vectors: {exact['kind']}, recall@50 {exact['recall_at_50']}; p50 CPU ms {exact['index']['cpu_p50_ms']},"
        f" exact {exact['exact']['cpu_p50_ms']}",
        f"at once: {found['batched']['per_second']} queries/s on {found['batched']['threads']} threads"
        f" ({found['batched']['per_cpu_second']} a second of CPU)",
        f"resident: {found['rss_mb']} MB (opened {found['rss_mb_opened']}); open {found['open_seconds']} s",
        f"add one: {row['add_one']}",
        f"build: {build['seconds']} s with vectors known; {build['texts']} texts at {build['texts_per_second']}/s:"
        f" {build['minutes_with_encoding']} minutes in all ({build['cpu_minutes_with_encoding']} of CPU);"
        f" {build['megabytes']} MB",
        f"GPU: {row['gpu'].get('note', row['gpu'].get('batches_of_32'))}",
    ]
    return "\n".join(lines)
