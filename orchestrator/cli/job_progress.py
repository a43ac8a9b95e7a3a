"""A job's events on a terminal: one line that changes while the job goes on, or one line an event."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from orchestrator.terminal import note
from orchestrator.texts import printable
from storage.job_records import JobEvent


@contextmanager
def progress_line() -> Iterator[Callable[[JobEvent], None]]:
    """On stderr: spinner, time and what is being done; where that is no terminal, a line for each event."""
    if not sys.stderr.isatty():
        yield lambda event: note(line_of(event))
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task, standing = shown.add_task("queued", total=None), Standing()
        yield lambda event: shown.update(task, description=standing.after(event))


class Standing:
    """Where a job stands, from its events."""

    def __init__(self) -> None:
        self.steps_done = 0
        self.cost_usd = Decimal(0)
        self.step = ""

    def after(self, event: JobEvent) -> str:
        """The line once this has happened."""
        if event.kind == "step_started":
            self.step = printable(event.data.get("step", ""))
        elif event.kind == "step_finished":
            self.steps_done += 1
            self.cost_usd += Decimal(event.data.get("cost_usd", "0"))
            self.step = ""
        doing = f"step {self.step}" if self.step else event.kind.replace("_", " ")
        return f"{doing}; {self.steps_done} done, ${self.cost_usd:.6f}"


def line_of(event: JobEvent) -> str:
    """An event in words."""
    more = " ".join(f"{name}={printable(value)}" for name, value in sorted(event.data.items()))
    return f"{event.at.astimezone():%H:%M:%S} {event.seq:>3} {event.kind.replace('_', ' ')}  {more}".rstrip()
