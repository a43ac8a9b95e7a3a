"""`antroute memory`: what was learned of each candidate, at each kind of task, now or at any moment before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.trail_tables import TrailTable
    from routing.pheromone.base import TrailMemory
    from storage.stores import Stores

    Makers = Mapping[str, Callable[[], TrailMemory]]

app = typer.Typer(help="What was learned: trails by task type, stage and candidate.", no_args_is_help=True)

TIME = "%Y-%m-%d %H:%M:%S"
PAGE = 1000

Name = Annotated[str | None, typer.Option("--memory", help="Which memory; default: all, or the only one.")]
Stage = Annotated[str | None, typer.Option("--stage", help="Only the cells of this stage.")]
CandidateId = Annotated[str | None, typer.Option("--candidate", help="Only the cells of this candidate.")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="As it was then, e.g. 2026-11-02T14:30; without a zone: local time."),
]


@app.command()
def show(
    memory: Name = None,
    stage: Stage = None,
    candidate: CandidateId = None,
    at: At = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Also draws a heat map; one a memory.")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Each cell: its trail, how often it was used, the mean utility and its deviation, and when it was used last."""
    if picture is not None:
        _ensure_svg(picture)
    tables = run(_tables(store, memory, moment_of(at), stage, candidate))
    if as_json:
        from orchestrator.trail_tables import tables_view

        say_json(tables_view(tables))
    else:
        for table in tables:
            _say(table)
    if picture is not None:
        _draw(picture, tables)


@app.command()
def reset(
    memory: Name = None,
    stage: Stage = None,
    candidate: CandidateId = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking first.")] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Forgets cells. What was learned until now stays in the log, and can be shown with --at."""
    run(_reset(store, memory, stage, candidate, is_sure=yes, as_json=as_json))


@app.command()
def tasks(
    memory: Name = None,
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="How many kinds of work to tell apart.")] = 8,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Finds kinds of work among the remembered queries and goes on by them; known kinds keep their names."""
    run(_tasks(store, memory, count, as_json))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Ends with .jsonl, .csv or .json.")],
    events: Annotated[bool, typer.Option("--events", help="Everything that was learned, event by event.")] = False,
    memory: Name = None,
    at: At = None,
    store: StoreUrl = None,
) -> None:
    """Writes the cells, or the events they came from, to a file."""
    from orchestrator.trail_tables import checked_target, rows_of, written

    checked_target(out)
    moment = moment_of(at)
    if events:
        rows = run(_event_rows(store, memory, moment))
    else:
        rows = rows_of(run(_tables(store, memory, moment, None, None)))
    out.write_text(written(rows, out.suffix), encoding="utf-8")
    say(f"{len(rows)} {'events' if events else 'cells'} written to {out}")


def moment_of(text: str | None) -> datetime | None:
    """The time that somebody typed. Raises InvalidInput."""
    from storage.errors import InvalidInput

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(f"{text!r} is no time; write it as 2026-11-02T14:30.", field="at") from exc
    return moment if moment.tzinfo is not None else moment.astimezone()


@asynccontextmanager
async def _opened(store: str | None, memory: str | None) -> AsyncGenerator[tuple[Stores, Makers], None]:
    """The stores, and an empty one of each memory to be filled. Raises InvalidInput for an unknown memory."""
    from orchestrator.candidates import candidates_in
    from orchestrator.policies import made_policies, trail_memories
    from orchestrator.settings import load_settings
    from routing.registry import unknown
    from storage.errors import InvalidInput

    settings = load_settings()
    candidates = tuple(candidates_in(settings).values())
    found = trail_memories(made_policies(settings, candidates), settings, candidates)
    makers = {each.name: fresh for each, fresh in found}
    if memory is not None and memory not in makers:
        raise InvalidInput(unknown("memory", memory, makers), field="memory")
    async with opened_stores(store) as stores:
        yield stores, {name: fresh for name, fresh in makers.items() if memory in (None, name)}


async def _tables(
    store: str | None, memory: str | None, at: datetime | None, stage: str | None, candidate: str | None
) -> list[TrailTable]:
    async with _opened(store, memory) as (stores, makers):
        return [await _table(stores, name, fresh, at, stage, candidate) for name, fresh in makers.items()]


async def _table(
    stores: Stores,
    name: str,
    fresh: Callable[[], TrailMemory],
    at: datetime | None,
    stage: str | None,
    candidate: str | None,
) -> TrailTable:
    from orchestrator.trail_keeper import rebuilt
    from orchestrator.trail_tables import of_these, table_of
    from storage.records import utc_now

    found = await rebuilt(stores.trails, fresh, name, until=at)
    return of_these(table_of(name, found.memory, at or utc_now()), stage=stage, candidate_id=candidate)


def _say(table: TrailTable) -> None:
    from orchestrator.texts import printable

    shown = printable(table.memory)
    if not table.cells:
        say(f"Memory {shown}: nothing was learned by {table.at.astimezone().strftime(TIME)}.")
        return
    columns = ["task", "stage", "candidate", "trail", "n", "mean", "deviation", "last use"]
    say_table(columns, [_row(cell) for cell in table.cells], title=f"Memory {shown}")


def _row(cell: Any) -> list[str]:
    from orchestrator.texts import printable
    from orchestrator.trail_tables import deviation_of

    return [
        *map(printable, (cell.task, cell.stage, cell.candidate_id)),
        f"{cell.tau:.4f}",
        f"{cell.n:.2f}",
        f"{cell.mean:.4f}",
        f"{deviation_of(cell):.4f}",
        cell.used_at.astimezone().strftime(TIME) if cell.used_at is not None else "-",
    ]


def _ensure_svg(path: Path) -> None:
    from storage.errors import InvalidInput

    if path.suffix != ".svg":
        raise InvalidInput(f"{str(path)!r} is drawn as SVG; end it with .svg.", field="picture")


def _draw(path: Path, tables: list[TrailTable]) -> None:
    """One file a memory; where there are several, each has its name in the file's."""
    from orchestrator.trail_picture import heat_map

    for number, table in enumerate(tables):
        target = path if len(tables) == 1 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
        target.write_text(heat_map(table), encoding="utf-8")
        note(f"Heat map of memory {table.memory} written to {target}")


async def _reset(
    store: str | None,
    memory: str | None,
    stage: str | None,
    candidate: str | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    from orchestrator.trail_keeper import rebuilt
    from orchestrator.trail_tables import event_row

    async with _opened(store, memory) as (stores, makers):
        tables = [await _table(stores, name, fresh, None, stage, candidate) for name, fresh in makers.items()]
        count = sum(len(table.cells) for table in tables)
        if count and not is_sure:
            typer.confirm(f"Forget {count} cells of {', '.join(makers)}?", abort=True, err=True)
        events = []
        for name, fresh in makers.items() if count else ():
            found = await rebuilt(stores.trails, fresh, name)
            events.append(found.memory.reset(stage=stage, candidate_id=candidate))
        stored = await stores.trails.append(events)
    if as_json:
        say_json([event_row(event) for event in stored])
    elif not count:
        say("There is nothing to forget: no such cells.")
    else:
        say(f"{count} cells are forgotten; a service that runs follows within seconds.")


async def _tasks(store: str | None, memory: str | None, count: int, as_json: bool) -> None:
    from orchestrator.task_finding import find_types
    from orchestrator.trail_keeper import rebuilt
    from orchestrator.trail_tables import event_row
    from routing.policies.pheromone import TrailPolicy
    from storage.errors import InvalidInput

    name = memory or "pheromone"
    async with _opened(store, name) as (stores, makers):
        kept = (await rebuilt(stores.trails, makers[name], name)).memory
        if not isinstance(kept, TrailPolicy):
            raise InvalidInput(f"Memory {name!r} remembers no queries.", field="memory")
        found, event = await find_types(stores, kept.memory, count=count)
    if as_json:
        say_json(event_row(event))
        return
    types = zip(found.types.names, found.types.terms, strict=True)
    say_table(["task", "told by"], [[task, ", ".join(terms)] for task, terms in types])
    for former, task in found.former_to_task.items():
        if former != task:
            say(f"What was learned of {former} goes on under {task}")
    say("A service that runs follows within seconds.")


async def _event_rows(store: str | None, memory: str | None, at: datetime | None) -> list[dict[str, Any]]:
    from orchestrator.trail_tables import event_row

    async with _opened(store, memory) as (stores, makers):
        return [event_row(event) for name in makers for event in await _events(stores, name, at)]


async def _events(stores: Stores, name: str, at: datetime | None) -> list[Any]:
    events: list[Any] = []
    while page := await stores.trails.events(
        name, after_position=events[-1].position if events else 0, until=at, limit=PAGE
    ):
        events += page
    return events
