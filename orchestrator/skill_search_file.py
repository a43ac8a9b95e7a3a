"""Searches skills for a file of queries: one JSON line in, one JSON line out, in the same order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from routing.offline import read_queries, written_whole
from skills.base import SkillSearch, SkillSearcher
from skills.progress import Progress, no_progress

BATCH = 64


def search_file(
    searcher: SkillSearcher, source: Path, target: Path, *, top: int, on_progress: Progress = no_progress
) -> int:
    """How many queries there were. The target appears once it is whole; both may end in `.gz`.

    Raises InvalidInput, which names the line, and leaves a target that was there before as it was.
    """
    total = sum(1 for _ in read_queries(source))
    done = 0
    with written_whole(target) as out:
        lines = read_queries(source)
        while batch := list(islice(lines, BATCH)):
            for line, found in zip(batch, searcher.search([line.text for line in batch], top=top), strict=True):
                out.write(json.dumps(search_line(line.query_id, found), ensure_ascii=False) + "\n")
            done += len(batch)
            on_progress(done, total, "queries searched")
    return done


def search_line(query_id: str, found: SkillSearch) -> Mapping[str, object]:
    """As it is written: hits with both stages' scores, and how likely the first one fits."""
    hits = [
        {"skill_id": hit.skill_id, "rank": hit.rank, "retrieval": hit.retrieval, "rerank": hit.rerank}
        for hit in found.hits
    ]
    return {"query_id": query_id, "hits": hits, "fit_probability": found.fit_probability}
