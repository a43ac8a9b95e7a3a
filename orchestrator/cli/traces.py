"""`antroute traces`: what was decided, why, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.trace_export import export_command
from orchestrator.cli.trace_filters import TraceWish, with_filters
from orchestrator.cli.trace_tail import tail_command
from orchestrator.terminal import AsJson, StoreUrl, columns, opened_stores, run, say, say_json, say_lines

if TYPE_CHECKING:
    from orchestrator.reading import Attempt, Trace
    from storage.stores import Stores
    from storage.summary_records import Grouping, SummaryFilter

app = typer.Typer(help="What was decided, why, and what came of it.", no_args_is_help=True)
app.command("tail")(tail_command)
app.command("export")(export_command)

LAST = "last"
MAKE_ONE = 'antroute ask "What is 17% of 2340?"'
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="How many, newest first.")]
Cursor = Annotated[
    int | None, typer.Option("--cursor", min=0, max=2**63 - 1, help="Where the page before ended: `next_cursor`.")
]
AnyId = Annotated[str, typer.Argument(help="A run's id, or a decision's; or `last`.")]


@app.command("list")
@with_filters
def list_decisions(
    wish: TraceWish, limit: Limit = 20, cursor: Cursor = None, store: StoreUrl = None, as_json: AsJson = False
) -> None:
    """The newest decisions, one a line."""
    run(_list(wish, limit, cursor, store, as_json))


@app.command()
def last(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """The newest run: its steps, decisions and costs."""
    run(_show(LAST, store, as_json))


@app.command()
def show(id: AnyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """A run: its steps, decisions and costs."""
    run(_show(id, store, as_json))


@app.command()
def explain(id: AnyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Why: who was masked, what counted, how close it was, what would flip it, and the money."""
    run(_explain(id, store, as_json))


async def _list(wish: TraceWish, limit: int, cursor: int | None, store: str | None, as_json: bool) -> None:
    from dataclasses import replace

    from orchestrator.cli.trace_rows import Table, caught_up
    from orchestrator.views import record_view

    async with opened_stores(store) as stores:
        wanted = replace(await wish.filter(stores), before_position=cursor, limit=limit)
        await caught_up(stores.summaries)
        found = await stores.summaries.find(wanted)
        empty = "" if found or as_json else await _why_empty(stores, wish, wanted)
    next_cursor = found[-1].position if len(found) == limit else None
    if as_json:
        say_json({"decisions": [record_view(each) for each in found], "next_cursor": next_cursor})
        return
    if empty:
        say(empty)
        return
    table = Table(found, width=columns())
    say_lines([table.head(), *(table.row(each) for each in found)])


async def _why_empty(stores: Stores, wish: TraceWish, wanted: SummaryFilter) -> str:
    """Whether there is nothing at all, or the options left nothing, and which command shows some."""
    from storage.summary_records import SummaryFilter, TotalsFilter

    if not await stores.summaries.find(SummaryFilter(limit=1)):
        return f"No decisions yet. Make one: {MAKE_ONE}"
    if not wish.words:
        return "No decisions before this cursor. From the newest on: antroute traces list"
    words = f"No decision fits {wish.words}. Without filters there are some: antroute traces list"
    named: tuple[tuple[Grouping, str | None], ...] = (
        ("candidate", wanted.candidate_id),
        ("policy", wanted.policy),
        ("task", wanted.task),
    )
    for by, name in named:
        known = [] if name is None else [each.key for each in await stores.summaries.totals(TotalsFilter(by=by))]
        if known and name not in known:
            words += f"\nNo decision has the {by} {name!r}; those that have: {', '.join(filter(None, known[:20]))}."
    return words


async def _show(id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.explain_trace import trace_texts
    from orchestrator.views import trace_view

    async with opened_stores(store) as stores:
        trace = await _trace(stores, id)
    if as_json:
        say_json(trace_view(trace))
    else:
        say_lines(trace_texts(trace, width=columns()))


async def _explain(id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.explain import explanation_lines
    from orchestrator.explain_layout import line
    from orchestrator.explained import explained, explanation_view
    from orchestrator.reading import attempt_of

    async with opened_stores(store) as stores:
        attempts: tuple[Attempt, ...]
        is_run = id == LAST or id.startswith("run_")
        attempts = (await _trace(stores, id)).attempts if is_run else (await attempt_of(stores, id),)
        explanations = [await explained(stores, attempt) for attempt in attempts]
    if as_json:
        say_json([explanation_view(each) for each in explanations])
        return
    for place, each in enumerate(explanations):
        say_lines([line()] * bool(place) + explanation_lines(each, width=columns()))


async def _trace(stores: Stores, id: str) -> Trace:
    from orchestrator.reading import trace_of
    from storage.errors import RecordNotFound
    from storage.stores import DecisionFilter

    if id.startswith("decision_"):
        id = (await stores.decisions.get(id)).run_id
    if id == LAST:
        newest = await stores.decisions.find(DecisionFilter(limit=1))
        if not newest:
            raise RecordNotFound("No run yet.", hint=f"Make one: {MAKE_ONE}")
        id = newest[0].decision.run_id
    return await trace_of(stores, id)
