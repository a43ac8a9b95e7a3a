"""How many right first places are taken by skills that repeat a query's words: nothing scanned, and scanned.

    python -m benchmarks.skill_attack --data FOLDER --json

FOLDER is a set's (pool and dev queries). Each of `--queries` drawn dev queries gets a hostile skill: a real, wrong one
whose description, body or both repeat the query's first words. The shipped ranker ranks.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.skills_sets import SkillSet, read_set
from orchestrator.index_files import default_ranker
from orchestrator.settings import load_settings
from routing.registry import TUNED_PREFIX, choose_encoder
from skills.base import Skill
from skills.encoder import Encoder
from skills.index.building import build_index
from skills.index.index import SkillIndex
from skills.ranking.ranker import load_ranker
from skills.safety.scanning import is_quarantined, scan

PLACES = ("body", "description", "both")
WORDS = 14  # of the query
TIMES_IN_DESCRIPTION = 6
TIMES_IN_BODY = 60


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of a set")
    parser.add_argument("--queries", type=int, default=60, help="dev queries, each with a hostile skill")
    parser.add_argument("--skills", type=int, default=2000, help="real ones beside them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    given = read_set(chosen.data, limit=chosen.queries, seed=chosen.seed)
    print(json.dumps(report(given, chosen.skills, chosen.seed), indent=None if chosen.json else 2))
    return 0


def report(given: SkillSet, count: int, seed: int) -> dict[str, object]:
    honest, victims = _drawn(given, count, seed)
    before = _firsts(honest, given)
    right = [first in query.gold_ids for first, query in zip(before, given.dev, strict=True)]
    rows: dict[str, object] = {}
    for place in PLACES:
        hostile = [stuffed(victim, query.text, place) for victim, query in zip(victims, given.dev, strict=True)]
        ids = {skill.skill_id for skill in hostile}
        after = _firsts([*honest, *hostile], given)
        caught = sum(is_quarantined(scan(skill)) for skill in hostile)
        taken = sum(ok and first in ids for ok, first in zip(right, after, strict=True))
        rows[place] = {"taken_unscanned": taken, "quarantined_by_the_scan": caught, "hostile": len(hostile)}
    return {"queries": len(given.dev), "skills": len(honest), "right_before": sum(right), "stuffed": rows}


def stuffed(victim: Skill, query: str, place: str) -> Skill:
    words = " ".join(query.split()[:WORDS])
    return replace(
        victim,
        id=f"hostile-{victim.skill_id}",
        description=victim.description if place == "body" else f"{words}. " * TIMES_IN_DESCRIPTION,
        body=victim.body if place == "description" else f"{words}\n" * TIMES_IN_BODY,
    )


def _drawn(given: SkillSet, count: int, seed: int) -> tuple[list[Skill], list[Skill]]:
    """Those that are asked for and some more; and wrong ones, which are made hostile."""
    wrong = [skill for skill in given.pool if skill.skill_id not in given.gold]
    order = np.random.default_rng(seed).permutation(len(wrong))
    asked = [skill for skill in given.pool if skill.skill_id in given.gold]
    more = [wrong[place] for place in order[: max(count - len(asked), len(given.dev))]]
    return [*asked, *more], more[: len(given.dev)]


def _firsts(skills: Sequence[Skill], given: SkillSet) -> list[str]:
    ranker = default_ranker()
    encoder = _encoder(ranker)
    with tempfile.TemporaryDirectory() as folder:
        cache_dir = load_settings().cache_dir / "embeddings"
        build_index(skills, Path(folder), encoder=encoder, ranker=ranker, cache_dir=cache_dir)
        index = SkillIndex.open(
            Path(folder), encoder=encoder, load_ranker=lambda path: load_ranker(path, encoder=encoder.name)
        )
        return [found.hits[0].skill_id for found in index.search([query.text for query in given.dev], top=1)]


def _encoder(ranker: Path | None) -> Encoder:
    if ranker is None:
        raise SystemExit("No ranker is shipped with this copy.")
    return choose_encoder(f"{TUNED_PREFIX}{ranker}", cache_dir=load_settings().encoder_dir).encoder


if __name__ == "__main__":
    sys.exit(main())
