"""Measures searching in a process of its own, as a service would: `python -m benchmarks.skills_serving JOB`.

JOB is JSON; the answer is one line of JSON on stdout. What the process holds is an index, its encoder and its ranker.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from routing.encoders.tuned import encoder_of
from routing.registry import choose_encoder
from skills.encoder import Encoder
from skills.index.index import SkillIndex
from skills.ranking.base import Ranker
from skills.ranking.ranker import load_ranker
from storage.vectors.faiss_index import exact_search

TOP = 50
WARM_UPS = 5
BATCH = 32
RECALL_QUERIES = 100
Job = dict[str, Any]
Figures = dict[str, float]


def main() -> int:
    job: Job = json.loads(sys.stdin.read())
    print(json.dumps(served(job)))
    return 0


def served(job: Job) -> dict[str, Any]:
    before = resident_mb()
    began = time.perf_counter()
    encoder = encoder_for(job)
    opening = time.perf_counter()
    rankers: list[Ranker] = []

    def loaded(folder: Path) -> Ranker:
        rankers.append(load_ranker(folder, encoder=encoder.name))
        return rankers[0]

    index = SkillIndex.open(Path(job["index"]), encoder=encoder, load_ranker=loaded, use_gpu=job["use_gpu"])
    answer: dict[str, Any] = {
        "encoder_seconds": round(opening - began, 3),
        "open_seconds": round(time.perf_counter() - opening, 3),
        "skills": index.arrays.count,
        "has_ranker": bool(rankers),
        "rss_mb_opened": resident_mb(),
    }
    ranker = rankers[0] if rankers else None
    answer["latency"] = {name: stages(index, encoder, ranker, texts) for name, texts in job["queries"].items()}
    answer["rss_mb"] = resident_mb()  # after all of it, so that what is mapped has been read
    answer["rss_mb_before"] = before
    answer["batched"] = batched(index, job["batched"], threads=job["threads"])
    answer["batches_of_32"] = batches(index, job["batched"])
    if job["exact"]:
        answer["exact"] = exact(index, encoder, job["batched"][:RECALL_QUERIES])
    return answer


def encoder_for(job: Job) -> Encoder:
    cache_dir = None if job["encoder_dir"] is None else Path(job["encoder_dir"])
    own = None if job["ranker"] is None else encoder_of(Path(job["ranker"]), cache_dir=cache_dir)
    return own or choose_encoder(job["encoder"], cache_dir=cache_dir).encoder


def stages(
    index: SkillIndex, encoder: Encoder, ranker: Ranker | None, texts: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Each alone and both together; every text is asked once for each. Retrieving encodes the text, too."""
    found = [index.retrieve([text]) for text in texts]
    measured = {
        "encode": timed(lambda place: encoder.encode([texts[place]]), len(texts)),
        "retrieve": timed(lambda place: index.retrieve([texts[place]]), len(texts)),
        "both": timed(lambda place: index.search([texts[place]], top=TOP), len(texts)),
    }
    if ranker is not None:
        measured["rerank"] = timed(lambda place: ranker.rerank(found[place]), len(texts))
    return measured


def timed(work: Callable[[int], object], count: int) -> Figures:
    """Milliseconds of the CPU (all threads) and of the clock."""
    for place in range(min(WARM_UPS, count)):
        work(place)
    gc.collect()
    cpu, wall = [], []
    for place in range(count):
        cpu_began, began = time.process_time(), time.perf_counter()
        work(place)
        cpu.append(1000 * (time.process_time() - cpu_began))
        wall.append(1000 * (time.perf_counter() - began))
    return {
        f"{name}_{share}_ms": round(float(np.percentile(values, share_of)), 2)
        for name, values in (("cpu", cpu), ("wall", wall))
        for share, share_of in (("p50", 50), ("p99", 99))
    } | {"queries": count}


def batched(index: SkillIndex, texts: Sequence[str], *, threads: int) -> Figures:
    """Queries a second, handed over in as many parts as there are threads."""
    parts = [list(texts[first::threads]) for first in range(threads)]
    index.search(texts[:BATCH], top=TOP)
    cpu_began, began = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(lambda part: index.search(part, top=TOP), parts))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return {
        "queries": len(texts),
        "threads": threads,
        "per_second": round(len(texts) / wall, 1),
        "per_cpu_second": round(len(texts) / cpu, 1),
    }


def batches(index: SkillIndex, texts: Sequence[str]) -> Figures:
    """Milliseconds of a whole batch of 32, and of each of its queries in the median."""
    several = [list(texts[first : first + BATCH]) for first in range(0, len(texts) - BATCH + 1, BATCH)]
    found = timed(lambda place: index.search(several[place], top=TOP), len(several))
    return found | {"each_wall_p50_ms": round(found["wall_p50_ms"] / BATCH, 2)} if several else {}


def exact(index: SkillIndex, encoder: Encoder, texts: Sequence[str]) -> dict[str, Any]:
    """All heads' inner products beside the index's own search among vectors: time, and the share that both find."""
    arrays = index.arrays
    segment = arrays.segments[0]
    rows = np.setdiff1d(np.arange(segment.rows), segment.removed)
    heads = segment.vectors.statistics.centred(arrays.vectors.of(rows)[:, 0])
    queries = encoder.encode(list(texts))
    _, places = exact_search(heads, queries, TOP)
    own = [segment.vectors.nearest(queries[place : place + 1], TOP, segment.removed)[0] for place in range(len(texts))]
    shares = [len(np.intersect1d(rows[right], found)) / len(right) for right, found in zip(places, own, strict=True)]
    return {
        "kind": arrays.manifest.segments[0].search.kind,
        "vectors": len(heads),
        "recall_at_50": round(float(np.mean(shares)), 4),
        "index": timed(lambda at: segment.vectors.nearest(queries[at : at + 1], TOP, segment.removed), len(texts)),
        "exact": timed(lambda at: exact_search(heads, queries[at : at + 1], TOP), len(texts)),
    }


def resident_mb() -> dict[str, int]:
    """Of this process; `file` is what is mapped from files, which the system may take back."""
    lines = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    return {
        name: int(lines[key].split()[0]) // 1024
        for name, key in (("all", "VmRSS"), ("own", "RssAnon"), ("file", "RssFile"))
    }


if __name__ == "__main__":
    sys.exit(main())
