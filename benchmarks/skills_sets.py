"""The sets of the skill benchmark: pools, labelled queries, and queries made longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skills.base import Skill
from skills.libraries.pool import read_pool
from skills.training.queries import LabelledQuery, read_queries

SETS = ("store", "toollens", "metatool")
JOINED = 4  # queries of one skill in a long one
BOILERPLATE = (
    "You are given a task by a colleague who is away this week. Read everything before you begin, keep notes of what"
    " you decide, and write the result so that somebody who has not read this can use it.",
    "Work in the folder that you find. Do not delete files that you did not make. Where something is unclear, choose"
    " what a careful person would choose, and say so in one line.",
    "When you are done, list what you changed, what you checked and what is left to do. Keep the answer short; no"
    " greetings.",
)


@dataclass(frozen=True, kw_only=True)
class SkillSet:
    name: str
    folder: Path
    pool: Sequence[Skill]
    dev: Sequence[LabelledQuery]

    @property
    def pool_file(self) -> Path:
        return pool_file(self.folder)

    @property
    def train_file(self) -> Path:
        return _first(self.folder, "queries_train")

    @property
    def gold(self) -> frozenset[str]:
        """All that dev asks for, copies included."""
        return frozenset().union(*(query.gold_ids for query in self.dev))


def read_set(folder: Path, *, limit: int = 0, seed: int = 0) -> SkillSet:
    """`limit`: dev queries, drawn by `seed`; 0: all. Raises SkillError, InvalidInput."""
    pool = [skill for skill in read_pool(pool_file(folder)) if isinstance(skill, Skill)]
    known = {skill.skill_id for skill in pool}
    dev = read_queries(_first(folder, "queries_dev"), known=known).queries
    if 0 < limit < len(dev):
        places = np.sort(np.random.default_rng(seed).permutation(len(dev))[:limit])
        dev = tuple(dev[place] for place in places.tolist())
    return SkillSet(name=folder.name, folder=folder, pool=pool, dev=dev)


def pool_file(folder: Path) -> Path:
    return _first(folder, "pool")


def without_bodies(pool: Sequence[Skill]) -> list[Skill]:
    return [replace(skill, body="") for skill in pool]


def long_queries(dev: Sequence[LabelledQuery], *, seed: int) -> list[LabelledQuery]:
    """Several queries of one skill in one text of some paragraphs, between sentences that every task could have."""
    rng = np.random.default_rng(seed)
    gold_to_queries: dict[tuple[tuple[str, ...], ...], list[LabelledQuery]] = {}
    for query in dev:
        gold_to_queries.setdefault(query.gold, []).append(query)
    made = []
    for number, (gold, queries) in enumerate(sorted(gold_to_queries.items())):
        if len(queries) < 2:
            continue
        drawn = [queries[place].text for place in rng.permutation(len(queries))[:JOINED]]
        order = rng.permutation(len(BOILERPLATE)).tolist()
        paragraphs = [BOILERPLATE[order[0]], *drawn, BOILERPLATE[order[1]], BOILERPLATE[order[2]]]
        made.append(LabelledQuery(query_id=f"long-{number}", text="\n\n".join(paragraphs), gold=gold, kind="long"))
    return made


def _first(folder: Path, stem: str) -> Path:
    """Gzipped or not."""
    packed, plain = folder / f"{stem}.jsonl.gz", folder / f"{stem}.jsonl"
    return plain if plain.exists() and not packed.exists() else packed
