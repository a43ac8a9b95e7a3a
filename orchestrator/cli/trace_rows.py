"""Rows of decisions for a command: caught up with the log first, and as lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.explain_layout import BAD, BOLD, FAINT, GOOD, NOTED, cell, cells_of, line
from orchestrator.terminal import progress_bar
from storage.money import dollars

if TYPE_CHECKING:
    from rich.text import Text

    from storage.stores import SummaryStore
    from storage.summary_records import DecisionSummary, SummaryProgress

SILENT_SECONDS = 1.0  # of catching up; what takes longer is shown
SLICE_SECONDS = 0.5
LONG_TIMES = 120  # columns from which on a time has its year
NARROWEST_NAME = 10


@dataclass(frozen=True, kw_only=True)
class Column:
    """`place`: among those that are left out where the terminal is narrow, the highest first; 0: never."""

    title: str
    text: Callable[[DecisionSummary], str]
    place: int = 0
    is_right: bool = False
    may_be_cut: bool = False


def _local(summary: DecisionSummary) -> str:
    return f"{summary.decided_at.astimezone():%Y-%m-%d %H:%M:%S}"


COLUMNS = (
    Column(title="decided", text=_local),
    Column(title="decision", text=lambda s: s.decision_id),
    Column(title="run", text=lambda s: s.run_id, place=7),
    Column(title="candidate", text=lambda s: s.candidate_id or "nobody", may_be_cut=True),
    Column(title="p", text=lambda s: f"{s.propensity:.3f}", place=6),
    Column(title="margin", text=lambda s: "-" if s.margin is None else f"{s.margin:+.3f}", place=5, is_right=True),
    Column(title="policy", text=lambda s: s.policy, place=4, may_be_cut=True),
    Column(title="task", text=lambda s: s.task, place=3, may_be_cut=True),
    Column(title="outcome", text=lambda s: s.status),
    Column(title="quality", text=lambda s: "-" if s.quality is None else f"{s.quality:.2f}", place=1, is_right=True),
    Column(title="seconds", text=lambda s: f"{s.latency_seconds:.2f}", place=2, is_right=True),
    Column(title="cost", text=lambda s: dollars(s.cost_usd), is_right=True),
)
SHORT_TIME = Column(title="decided", text=lambda s: f"{s.decided_at.astimezone():%m-%d %H:%M}")


class Table:
    """The columns that fit; made from some rows, it takes others later that look alike."""

    def __init__(self, summaries: Sequence[DecisionSummary], *, width: int) -> None:
        shown = [SHORT_TIME if each.title == "decided" and width < LONG_TIMES else each for each in COLUMNS]
        widths = {each.title: _width(each, summaries) for each in shown}
        while (over := _total(shown, widths) - width) > 0:
            wide = max((each for each in shown if each.may_be_cut), key=lambda each: widths[each.title])
            if widths[wide.title] - over >= NARROWEST_NAME:
                widths[wide.title] -= over
                continue
            last = max(shown, key=lambda each: each.place)
            if not last.place:
                widths[wide.title] = max(widths[wide.title] - over, NARROWEST_NAME)
                break
            shown.remove(last)
        self.columns, self.widths = shown, widths

    def head(self) -> Text:
        return line((self._joined([each.title for each in self.columns]), BOLD))

    def row(self, summary: DecisionSummary) -> Text:
        style = {"succeeded": GOOD, "running": NOTED}.get(summary.status, BAD)
        pieces = []
        for each, text in zip(self.columns, self._cells([c.text(summary) for c in self.columns]), strict=True):
            is_close = each.title == "margin" and summary.is_close
            pieces.append((text, style if each.title == "outcome" else NOTED if is_close else ""))
            pieces.append(("  ", ""))
        return line(*pieces[:-1])

    def _joined(self, texts: Sequence[str]) -> str:
        return "  ".join(self._cells(texts))

    def _cells(self, texts: Sequence[str]) -> list[str]:
        return [
            cell(text, self.widths[column.title], is_right=column.is_right)
            for column, text in zip(self.columns, texts, strict=True)
        ]


def ended_line(summary: DecisionSummary) -> Text:
    """What became of a decision that was told while it ran."""
    style = GOOD if summary.status == "succeeded" else BAD
    words = f" after {summary.latency_seconds:.2f} s for {dollars(summary.cost_usd)}"
    return line((f"… {summary.decision_id} ", FAINT), (summary.status, style), words)


async def caught_up(summaries: SummaryStore) -> SummaryProgress:
    """Rows of all that is in the log by now; with a bar on stderr where that takes longer than a moment."""
    progress = await summaries.catch_up(seconds=SILENT_SECONDS)
    first, goal = progress.position, progress.last_position
    if first >= goal:
        return progress
    with progress_bar() as told:
        while progress.position < goal:
            told(progress.position - first, goal - first, "reading the log")
            progress = await summaries.catch_up(seconds=SLICE_SECONDS)
        told(goal - first, goal - first, "reading the log")
    return progress


def _width(column: Column, summaries: Sequence[DecisionSummary]) -> int:
    return cells_of([column.title, *(column.text(each) for each in summaries)], most=64)


def _total(shown: Sequence[Column], widths: dict[str, int]) -> int:
    return sum(widths[each.title] + 2 for each in shown) - 2
