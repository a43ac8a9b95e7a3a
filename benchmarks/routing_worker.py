"""Does one job of the routing benchmark in a process of its own: `python -m benchmarks.routing_worker JOB`.

JOB is JSON. Each result is told at once as a line on stdout that begins with `ROW `, so that a job that is stopped
loses only what was under way.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Row
from benchmarks.fits import fit_rows, renamed_row
from benchmarks.sets import LoadedSet, is_same_reversed, load_set
from skills.progress import no_progress

MARK = "ROW "
Job = dict[str, Any]


def main() -> int:
    job: Job = json.loads(sys.argv[1])
    found = load_set(Path(job["folder"]), encoder=job["encoder"], cache=Path(job["cache"]) / "embeddings")
    for row in PARTS[job["part"]](found, job):
        print(MARK + json.dumps(row), flush=True)
    return 0


def set_facts(found: LoadedSet, job: Job) -> Iterator[Row]:
    data = {"train": found.train.data, "dev": found.dev.data}
    yield {
        "digest": found.digest,
        "encoder": found.encoder,
        "queries": {split: len(part) for split, part in data.items()},
        "candidates": len(found.train.data.candidates),
        "tasks": len({task for task in found.train.data.tasks if task}),
        "is_same_with_candidates_reversed": is_same_reversed(Path(job["folder"])),
    }


def fits(found: LoadedSet, job: Job) -> Iterator[Row]:
    deadline = time.monotonic() + job["seconds_left"]
    return fit_rows(found, job["router"], job["seeds"], deadline=deadline, on_progress=no_progress)


def renamings(found: LoadedSet, job: Job) -> Iterator[Row]:
    yield renamed_row(found, job["router"])


def peers(found: LoadedSet, job: Job) -> Iterable[Row]:
    from benchmarks.peers.judged import peer_rows

    return peer_rows(
        found,
        job["router"],
        job["seeds"],
        environment=Path(job["environment"]),
        cache=Path(job["cache"]) / "peers",
        limit_seconds=job["peer_limit_seconds"],
    )


def curves(found: LoadedSet, job: Job) -> Iterable[Row]:
    from benchmarks.learning_curve import curve_rows

    return curve_rows(found, job["router"], job["seeds"])


def adaptations(found: LoadedSet, job: Job) -> Iterable[Row]:
    from benchmarks.adaptation import adapt_rows

    return adapt_rows(found, job["router"], job["seeds"])


PARTS: dict[str, Callable[[LoadedSet, Job], Iterable[Row]]] = {
    "set": set_facts,
    "fit": fits,
    "renamed": renamings,
    "peer": peers,
    "curve": curves,
    "adapt": adaptations,
}

if __name__ == "__main__":
    sys.exit(main())
