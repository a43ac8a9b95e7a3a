"""The skills that a decision considered, in words and bars: both stages' scores, and which were shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.explain_layout import EMPTY, FAINT, GOOD, bar, cell, cells_of, labelled, line
from storage.records import Decision
from storage.skill_records import ConsideredSkill, SkillSelection

if TYPE_CHECKING:
    from rich.text import Text

LISTED = 10  # of those considered; every shown one is listed
BAR_WIDTH = 10
DIGEST_CHARACTERS = 12
FIGURES = 2 + 3 + 1 + 2 + 2 * 9 + 2  # columns beside the name, at the least
ROOM_FOR_BARS = FIGURES + 16 + 2 * (BAR_WIDTH + 1)
ROOM_FOR_DIGEST = ROOM_FOR_BARS + DIGEST_CHARACTERS + 8
NAME_WIDTH = 36


def skill_lines(decision: Decision, *, width: int) -> Iterator[Text]:
    """Nothing where nobody wanted skills to be searched for. What the width leaves no room for is left out."""
    selection = decision.skills
    if selection is None:
        return
    yield from labelled("Skills", _summary(selection), width=width)
    listed = [skill for skill in selection.considered if skill.is_shown or skill.rank <= LISTED]
    if not listed:
        return
    table = _Table(listed, width)
    yield table.head()
    for skill in listed:
        yield table.row(skill)
    if left := len(selection.considered) - len(listed):
        yield line((f"    … and {left} more", FAINT))


class _Scale:
    """Scores of one stage as bars: the least of them is empty, the greatest is full."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.least = min(scores, default=0.0)
        self.width = max(scores, default=0.0) - self.least

    def bar(self, score: float) -> str:
        return bar((score - self.least) / self.width if self.width > 0 else 1.0, BAR_WIDTH, empty=EMPTY)


class _Table:
    """Columns that fit the width."""

    def __init__(self, listed: Sequence[ConsideredSkill], width: int) -> None:
        self.has_bars, self.has_digest = width >= ROOM_FOR_BARS, width >= ROOM_FOR_DIGEST
        taken = ROOM_FOR_DIGEST if self.has_digest else ROOM_FOR_BARS if self.has_bars else FIGURES + 16
        self.name_width = cells_of([s.name for s in listed], most=min(NAME_WIDTH, max(width - taken + 16, 16)), least=8)
        self.retrieval = _Scale([skill.retrieval for skill in listed])
        self.rerank = _Scale([skill.rerank for skill in listed if skill.rerank is not None])

    def head(self) -> Text:
        stage = f"{{:<{9 + (BAR_WIDTH + 1) * self.has_bars}}}"
        return line((f"{'':{self.name_width + 8}}{stage.format('retrieval')}  {stage.format('rerank')}", FAINT))

    def row(self, skill: ConsideredSkill) -> Text:
        style = GOOD if skill.is_shown else ""
        row = line(
            (f"{'→' if skill.is_shown else ' '} {skill.rank:>3} {cell(skill.name, self.name_width)}", style),
            f"  {self._score(skill.retrieval, self.retrieval)}  {self._score(skill.rerank, self.rerank)}",
        )
        if self.has_digest:
            row.append(f"  v{skill.version} {skill.sha256[:DIGEST_CHARACTERS]}", FAINT)
        return row

    def _score(self, score: float | None, scale: _Scale) -> str:
        text = f"{'-':>9}" if score is None else f"{score:9.4f}"
        if not self.has_bars:
            return text
        return f"{text} {' ' * BAR_WIDTH if score is None else scale.bar(score)}"


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
