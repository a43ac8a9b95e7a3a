"""The demo's live view: what is being answered, by whom, how well so far, and how long it will take."""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from orchestrator.demo.contest import Answered


class ContestProgress:
    """Two bars on stderr: exploring, then comparing."""

    def __init__(self, explore_count: int, compare_count: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=10)),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[latest]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            console=Console(stderr=True),
            expand=True,
        )
        self._explore = self._progress.add_task("exploring", total=explore_count, latest="")
        self._compare = self._progress.add_task("comparing", total=compare_count, latest="", start=False)
        self._right: defaultdict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def explored(self, answered: Answered) -> None:
        self._progress.update(self._explore, advance=1, latest=_latest(answered))

    def compared(self, answered: Answered) -> None:
        if not self._right:
            self._progress.start_task(self._compare)
        self._right[answered.contender].append(answered.quality)
        so_far = "  ".join(f"{name} {sum(qs) / len(qs):.0%}" for name, qs in self._right.items())
        self._progress.update(self._compare, advance=1, latest=so_far)


def _latest(answered: Answered) -> str:
    mark = "right" if answered.quality >= 1 else "wrong"
    return f"{answered.question.kind} → {answered.candidate_id}: {mark}"
