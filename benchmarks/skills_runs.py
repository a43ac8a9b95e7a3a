"""The skill benchmark's runs: which parts for which sets, written as they come, told in tables at the end.

    OMP_NUM_THREADS=1 python benchmarks/skills.py --json benchmarks/results/skills.json

Indexes and rankers are made by the functions that `antroute skills train`, `index` and `search` call, and are kept in
`--work` between runs, by digests of data, settings and code.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from benchmarks.machine import machine_facts
from benchmarks.skills_ablation import ablation
from benchmarks.skills_abstention import abstention
from benchmarks.skills_bench import ROOT, Workbench, code_sha256
from benchmarks.skills_experts import EXPERTS, experts
from benchmarks.skills_parts import Row, joined, pool_sizes, stages, transfer
from benchmarks.skills_sets import SETS, SkillSet, read_set
from benchmarks.skills_tables import tables

PARTS = ("stages", "pool-size", "abstention", "transfer", "long", "ablation", "experts")
STORE = "store"
STORE_ONLY = ("pool-size", "abstention", "long", "ablation", "experts")  # unless --everywhere
NEED_A_RANKER = ("abstention", "transfer", "ablation")
SIZES = (1_000, 2_000, 5_000, 10_000, 18_000, 40_000, 80_000)


@dataclass(frozen=True, kw_only=True)
class Job:
    part: str
    set: str
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    bench = Workbench(
        work=options.work,
        cache_dir=options.cache / "embeddings",
        encoder_name=options.encoder,
        encoder_dir=options.cache / "encoders",
        given_rankers=options.rankers,
        untrained=options.untrained,
    )
    about = {"machine": machine_facts(), "code_sha256": code_sha256(), "limit": options.limit, "parts": options.parts}
    rows: list[Row] = []
    jobs = planned(options)
    for number, job in enumerate(jobs, start=1):
        began = time.monotonic()
        print(f"[{number}/{len(jobs)}] {job.part} of {job.set}, seed {job.seed}", file=sys.stderr, flush=True)
        for row in run(job, bench, options):
            rows.append({**row, "minutes": round((time.monotonic() - began) / 60, 2)})
            written(options.json, {"about": about, "rows": rows})
            print(f"    {headline(row)}", file=sys.stderr, flush=True)
    print(tables(rows))
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "skills", metavar="DIR")
    parser.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, metavar="PART")
    parser.add_argument("--everywhere", action="store_true", help="parts that are run for `store` alone, for all sets")
    parser.add_argument("--seeds", type=int, default=1, help="a ranker is trained with each; draws are by it too")
    parser.add_argument("--limit", type=int, default=0, help="dev queries a set, drawn by the seed; 0: all")
    parser.add_argument("--rankers", type=Path, metavar="DIR", help="trained before: a folder a set; else trained here")
    parser.add_argument("--untrained", action="store_true", help="only stages that need no ranker: minutes, not hours")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="N", help="of pools")
    parser.add_argument("--ablation-queries", type=int, default=3_000, help="that its rankers are trained on")
    parser.add_argument("--ablation-groups", nargs="*", metavar="GROUP", help="of features; default: all, one by one")
    parser.add_argument("--pilots", type=int, default=1_500)
    parser.add_argument("--experts", nargs="+", default=list(EXPERTS), metavar="ENCODER")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--work", type=Path, default=user_cache_path("antroute") / "benchmark-skills", metavar="DIR")
    parser.add_argument("--cache", type=Path, default=user_cache_path("antroute"), metavar="DIR", help="of vectors")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "skills.json", metavar="FILE")
    return parser.parse_args(arguments)


def planned(options: argparse.Namespace) -> list[Job]:
    """Cheap parts first, so that a run that is stopped has most of them."""
    return [
        Job(part=part, set=name, seed=seed)
        for part in PARTS
        if part in options.parts and not (options.untrained and part in NEED_A_RANKER)
        for seed in range(options.seeds)
        for name in options.sets
        if not (part == "transfer" and name == STORE)
        and (options.everywhere or name == STORE or part not in STORE_ONLY)
    ]


def run(job: Job, bench: Workbench, options: argparse.Namespace) -> Iterator[Row]:
    def read(name: str) -> SkillSet:
        return read_set(options.data / name, limit=options.limit, seed=job.seed)

    one, seed = read(job.set), job.seed
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "stages": lambda: stages(bench, one, seed=seed),
        "pool-size": lambda: pool_sizes(bench, one, seed=seed, sizes=options.sizes),
        "abstention": lambda: abstention(bench, one, seed=seed),
        "transfer": lambda: transfer(bench, one, read(STORE), seed=seed),
        "long": lambda: joined(bench, one, seed=seed),
        "ablation": lambda: ablation(
            bench, one, seed=seed, queries=options.ablation_queries, groups=options.ablation_groups
        ),
        "experts": lambda: experts(bench, one, seed=seed, pilots=options.pilots, names=options.experts),
    }
    return parts[job.part]()


def written(path: Path, body: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def headline(row: Row) -> str:
    names = ("stage", "bodies", "size", "sort", "without", "search", "way", "problem")
    said = ", ".join(f"{name} {row[name]}" for name in names if name in row)
    every = row.get("by_kind", {}).get("all", {})
    figures = " ".join(f"{name} {every[name]:.3f}" for name in ("hit@1", "recall@50", "ndcg@10") if name in every)
    return f"{said}: {figures}" if figures else said
