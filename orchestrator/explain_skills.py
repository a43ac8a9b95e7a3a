"""The skills that a decision considered, in words and bars: both stages' scores, and which were shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.texts import printable
from storage.records import Decision
from storage.skill_records import ConsideredSkill, SkillSelection

LISTED = 10  # of those considered; every shown one is listed
NAME_WIDTH = 36
BAR_WIDTH = 10
DIGEST_CHARACTERS = 12


def skill_lines(decision: Decision) -> Iterator[str]:
    """Nothing where nobody wanted skills to be searched for."""
    selection = decision.skills
    if selection is None:
        return
    yield f"Skills    {_summary(selection)}"
    listed = [skill for skill in selection.considered if skill.is_shown or skill.rank <= LISTED]
    retrieval = _Scale([skill.retrieval for skill in listed])
    rerank = _Scale([skill.rerank for skill in listed if skill.rerank is not None])
    for skill in listed:
        yield _line(skill, retrieval, rerank)
    if left := len(selection.considered) - len(listed):
        yield f"    … and {left} more"


class _Scale:
    """Scores of one stage as bars: the least of them is empty, the greatest is full."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.least = min(scores, default=0.0)
        self.width = max(scores, default=0.0) - self.least

    def bar(self, score: float) -> str:
        share = (score - self.least) / self.width if self.width > 0 else 1.0
        return ("█" * round(share * BAR_WIDTH)).ljust(BAR_WIDTH, "·")


def _summary(selection: SkillSelection) -> str:
    if not selection.considered:
        return selection.reason or "none was found"
    ranker = f"ranker {selection.ranker_sha256[:DIGEST_CHARACTERS]}" if selection.ranker_sha256 else "no ranker"
    fit = "" if selection.fit_probability is None else f"; fits with probability {selection.fit_probability:.2f}"
    shown = f"none shown: {selection.reason}" if selection.is_abstained else f"{len(selection.shown)} shown"
    return (
        f"{len(selection.considered)} considered, {shown}{fit}   (index {selection.index_sha256[:DIGEST_CHARACTERS]}, "
        f"{ranker}, encoder {selection.encoder}, {selection.seconds * 1000:.1f} ms)"
    )


def _line(skill: ConsideredSkill, retrieval: _Scale, rerank: _Scale) -> str:
    name = printable(skill.name)
    name = name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"
    second = f"{'-':>9} {'':<{BAR_WIDTH}}"
    if skill.rerank is not None:
        second = f"{skill.rerank:9.4f} {rerank.bar(skill.rerank)}"
    return (
        f"  {'→' if skill.is_shown else ' '} {skill.rank:>3} {name:<{NAME_WIDTH}} "
        f"retrieval {skill.retrieval:9.4f} {retrieval.bar(skill.retrieval)}  rerank {second}  "
        f"v{skill.version} {skill.sha256[:DIGEST_CHARACTERS]}"
    )
