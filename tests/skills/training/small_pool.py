"""A small pool of made-up skills, and people who ask for them in words of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from skills.base import Provenance, Skill
from skills.training.boosting import BoostingSettings
from skills.training.queries import QueryFile, read_queries
from skills.training.train import TrainingSettings
from skills.training.words_fitting import WordsSettings

VERB_TO_SLANG = {
    "convert": "morph", "summarise": "shorten", "deploy": "launch", "translate": "interpret", "plot": "draw",
    "schedule": "book", "encrypt": "scramble", "review": "inspect",
}  # fmt: skip
NOUN_TO_SLANG = {"invoice": "bill", "cluster": "servers", "poem": "verses", "calendar": "agenda", "genome": "dna"}
FRAMES = ("please {verb} this {noun}", "can somebody {verb} my {noun} today", "{noun}: {verb} it", "{verb} {noun} now")
QUICK = TrainingSettings(
    queries=400,
    queries_beside_memory=200,
    memory_queries=200,
    words=WordsSettings(dimension=16, epochs=2),
    trees=BoostingSettings(trees=15, least_in_leaf=20),
)


def pool() -> list[Skill]:
    """Forty, one for each verb and noun."""
    return [_skill(verb, noun) for verb in VERB_TO_SLANG for noun in NOUN_TO_SLANG]


def lines(*, asked_for: Sequence[Skill]) -> list[dict[str, object]]:
    """Four queries of each skill, in slang; two kinds."""
    found: list[dict[str, object]] = []
    for skill in asked_for:
        verb, noun = skill.name.split("-")
        for number, frame in enumerate(FRAMES):
            text = frame.format(verb=VERB_TO_SLANG[verb], noun=NOUN_TO_SLANG[noun] if number % 2 else noun)
            kind = "short" if number > 1 else "long"
            found.append({"query_id": f"{skill.id}/{number}", "text": text, "gold": [[skill.id]], "kind": kind})
    return found


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_pool(path: Path, skills: Sequence[Skill]) -> Path:
    return write_lines(
        path,
        [{"skill_id": s.id, "name": s.name, "description": s.description, "body": s.body} for s in skills],
    )


def queries(folder: Path, *, asked_for: Sequence[Skill] | None = None) -> QueryFile:
    """Of all skills, or of some."""
    path = write_lines(folder / "queries.jsonl", lines(asked_for=pool() if asked_for is None else asked_for))
    return read_queries(path, known={skill.id for skill in pool()})


def _skill(verb: str, noun: str) -> Skill:
    return Skill(
        id=f"{verb}-{noun}",
        name=f"{verb}-{noun}",
        description=f"Use it to {verb} any {noun}.",
        body=f"# How to {verb} a {noun}\nOpen the {noun}, then {verb} every page of it in turn.",
        provenance=Provenance(source="made up", sha256=""),
    )
