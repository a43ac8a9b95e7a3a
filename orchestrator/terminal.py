"""Output of the commands: JSON, tables, progress bars; and stores or a whole service opened for one command."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from orchestrator.texts import printable

if TYPE_CHECKING:
    from rich.text import Text

    from orchestrator.sdk import Orchestrator
    from skills.progress import Progress
    from storage.stores import Stores

SQLITE = "sqlite:///"
PIPED_COLUMNS = 120  # where the output is no terminal, and COLUMNS does not say
FEWEST_COLUMNS = 20

T = TypeVar("T")
OnFetch = Callable[[int, int, str], None]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
StoreUrl = Annotated[str | None, typer.Option("--store", help="The store's URL; default: the settings' one.")]


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")


def say_answer(text: str) -> None:
    """A model's words: as they are for a file or a pipe, harmless for a terminal."""
    say(_harmless(text) if sys.stdout.isatty() else text)


def note(text: str) -> None:
    """For people, beside the output: goes to stderr."""
    sys.stderr.write(f"{text}\n")


def columns() -> int:
    """How wide the terminal is; one narrower than anything fits is written over its edge."""
    return max(FEWEST_COLUMNS, shutil.get_terminal_size((PIPED_COLUMNS, 24)).columns)


def say_lines(lines: Sequence[Text]) -> None:
    """Lines that fit the terminal already; in colours where it is one that shows them and NO_COLOR is not set."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    for each in lines:
        if console.is_terminal:
            console.print(each)
        else:
            say(each.plain.rstrip())


def say_json(value: object) -> None:
    say(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Columns keep their width when the output is piped, so that nothing is cut off."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_harmless(cell)) for cell in row))  # Text: a model's words must not be read as markup
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    console.print(table)


def _harmless(text: str) -> str:
    """Names, metadata and answers are strangers': of their control characters only line ends and tabs are kept."""
    return "".join(char if char in "\n\t" else printable(char) for char in text)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@contextmanager
def fetch_progress() -> Iterator[OnFetch]:
    """A bar with speed and ETA for model files; nothing is drawn or loaded until something is fetched."""
    with ExitStack() as shown:
        update: list[OnFetch] = []

        def on_fetch(done_bytes: int, total_bytes: int, what: str) -> None:
            if not update:
                update.append(shown.enter_context(_fetch_bar()))
            update[0](done_bytes, total_bytes, what)

        yield on_fetch


@contextmanager
def _fetch_bar() -> Iterator[OnFetch]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=20), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, what: progress.update(task, description=what, completed=done, total=total)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """On stderr, a bar for each kind of work: what, how many of how many, elapsed, ETA; drawn once work is told.

    A total of 0 means that nobody knows how much there is: the bar then only moves.
    """
    with ExitStack() as shown:
        update: list[Progress] = []

        def on_progress(done: int, total: int, what: str) -> None:
            if not update:
                update.append(shown.enter_context(_work_bars()))
            update[0](done, total, what)

        yield on_progress


@contextmanager
def _work_bars() -> Iterator[Progress]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}", markup=False), bars.BarColumn(bar_width=20), bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(), bars.TextColumn("ETA"), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=Console(stderr=True)) as shown:
        what_to_bar: dict[str, bars.TaskID] = {}

        def on_progress(done: int, total: int, what: str) -> None:
            if what not in what_to_bar:
                what_to_bar[what] = shown.add_task(what, total=None)
            shown.update(what_to_bar[what], completed=done, total=total or None)

        yield on_progress


@asynccontextmanager
async def opened(**overrides: Any) -> AsyncGenerator[Orchestrator, None]:
    """The embedded orchestrator; tells on stderr what is missing."""
    from orchestrator.sdk import Orchestrator

    given = {name: value for name, value in overrides.items() if value is not None}
    with fetch_progress() as on_fetch:
        antroute = await Orchestrator(on_fetch=on_fetch, **given).open()
    try:
        for notice in antroute.service.notices:
            note(f"note: {notice}")
        yield antroute
    finally:
        await antroute.close()


@asynccontextmanager
async def opened_stores(url: str | None, *, may_be_new: bool = False) -> AsyncGenerator[Stores, None]:
    """The stores alone. Raises InvalidInput where there is no database file yet, unless it `may_be_new`."""
    from orchestrator.settings import load_settings
    from storage.registry import open_stores

    url = url or load_settings().store_url
    stores = await open_stores(url if may_be_new else existing(url))
    try:
        yield stores
    finally:
        await stores.close()


def existing(url: str) -> str:
    """The URL, unless its file is missing: whoever only looks must not take a fresh, empty log for a whole one."""
    from storage.errors import InvalidInput

    file = Path(url.removeprefix(SQLITE))
    if url.startswith(SQLITE) and not file.is_file():
        raise InvalidInput(
            f"No database {str(file)!r}.",
            field="store",
            hint="Correct --store, or make one: antroute ask TEXT, or antroute skills add SOURCE",
        )
    return url
