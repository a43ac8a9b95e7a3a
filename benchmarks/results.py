"""The routing benchmark's results on disk: rows say of which data and code they are; older ones are made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from benchmarks.figures import Row

FORMAT = 1


class Job(Protocol):
    """What `Unit` is; a protocol, so that results do not know who makes them."""

    @property
    def part(self) -> str: ...
    @property
    def set(self) -> str: ...
    @property
    def router(self) -> str: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...


class Results:
    """Rows of one JSON file, written after each new one."""

    def __init__(self, path: Path, *, code_sha256: str) -> None:
        self.path = path
        self.code_sha256 = code_sha256
        self.about: dict[str, Any] = {}
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if body and body["format"] != FORMAT:
            raise SystemExit(f"{path} is of format {body['format']!r}, not {FORMAT}; move it away.")
        self.rows: list[Row] = body.get("rows", [])
        self.done: list[str] = body.get("done", [])
        self._set_to_digest: dict[str, str] = {}

    def missing(self, job: Job) -> tuple[int, ...] | None:
        """The seeds that are still to be run (none for jobs without seeds); None: nothing is to be done."""
        if job.part == "set":  # the data may have changed
            return ()
        rows = self.of(job.part, job.set, job.router)
        if job.part == "fit":
            sound = [row for row in rows if "problem" not in row]
            left = tuple(seed for seed in job.seeds if seed not in {row["seed"] for row in sound})
            return None if not left or is_deterministic(sound) else left
        return None if self._key(job) in self.done else job.seeds

    def finish(self, job: Job) -> None:
        """All of the job's rows are there and none tells of a problem."""
        self.done = sorted({*self.done, self._key(job)})

    def _key(self, job: Job) -> str:
        digest = self._set_to_digest.get(job.set, "")
        return "/".join([job.part, job.set, job.router, str(len(job.seeds)), digest[:16], self.code_sha256[:16]])

    def of(self, part: str, set: str, router: str) -> list[Row]:
        """Those of this code and, as far as it is known, this data."""
        digest = self._set_to_digest.get(set)
        return [
            row
            for row in self.rows
            if (row["part"], row["set"], row["router"]) == (part, set, router)
            and row["code_sha256"] == self.code_sha256
            and (digest is None or row["digest"] == digest)
        ]

    def add(self, job: Job, row: Row) -> None:
        """Replaces rows of the same job and seed, and of other data or code."""
        if job.part == "set" and "digest" in row:
            self._set_to_digest[job.set] = row["digest"]
        whole = {
            "part": job.part, "set": job.set, "router": job.router, "code_sha256": self.code_sha256,
            "digest": self._set_to_digest.get(job.set, ""), **row,
        }  # fmt: skip
        self.rows = [each for each in self.rows if not _is_replaced(each, whole)]
        self.rows.append(whole)
        self.save()

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        body = {"format": FORMAT, "about": self.about, "done": self.done, "rows": self.rows}
        unfinished.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(self.path)


def is_deterministic(rows: list[Row]) -> bool:
    """Two seeds gave the same weights: the router draws no random numbers."""
    digests = [row["weights_sha256"] for row in rows if "weights_sha256" in row]
    return len(digests) > 1 and len(set(digests)) == 1


def _is_replaced(old: Row, new: Row) -> bool:
    if (old["part"], old["set"], old["router"]) != (new["part"], new["set"], new["router"]):
        return False
    keys = ("seed", "order", "share", "hold_out", "candidates")
    is_same_run = all(old.get(key) == new.get(key) for key in keys)
    is_stale = (old["code_sha256"], old["digest"]) != (new["code_sha256"], new["digest"])
    return is_stale or is_same_run or ("problem" in old and "seed" not in old)
