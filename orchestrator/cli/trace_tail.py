"""`antroute traces tail`: new decisions as they are made, by this or any other process over the store."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cli.trace_filters import TraceWish, with_filters
from orchestrator.terminal import AsJson, StoreUrl, columns, note, opened_stores, run, say, say_lines

if TYPE_CHECKING:
    from orchestrator.cli.trace_rows import Table
    from storage.stores import Stores, SummaryStore
    from storage.summary_records import DecisionSummary, SummaryFilter

POLL_SECONDS = 0.4
PAGE = 500
ALIKE = 50  # decisions
MOST_RUNNING = 200  # decisions without an outcome that are looked at again


@with_filters
def tail_command(wish: TraceWish, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Follows: each new decision within a second, and what became of it; Ctrl-C ends it.

    As JSON one a line; a decision that was told while it ran is told again when it has ended.
    """
    try:
        run(_tail(wish, store, as_json))
    except KeyboardInterrupt:
        return


async def _tail(wish: TraceWish, store: str | None, as_json: bool) -> None:
    from orchestrator.cli.trace_rows import caught_up

    async with opened_stores(store, may_be_new=True) as stores:
        wanted = await wish.filter(stores)
        progress = await caught_up(stores.summaries)
        if sys.stderr.isatty():
            note("Waiting for decisions; Ctrl-C ends it.")
        alike = await stores.summaries.find(replace(wanted, limit=ALIKE))
        await _follow(stores, wanted, Told(as_json, alike), progress.position)


async def _follow(stores: Stores, wanted: SummaryFilter, told: Told, position: int) -> None:
    while True:
        progress = await stores.summaries.catch_up(seconds=POLL_SECONDS)
        for summary in await new_ones(stores.summaries, wanted, position):
            told.new(summary)
        position = max(position, progress.position)
        for id in told.running():
            told.again(await stores.summaries.get(id))
        await asyncio.sleep(POLL_SECONDS)


async def new_ones(summaries: SummaryStore, wanted: SummaryFilter, position: int) -> list[DecisionSummary]:
    """Those made after this place in the log, oldest first."""
    found: list[DecisionSummary] = []
    before = None
    while True:
        page = await summaries.find(replace(wanted, after_position=position, before_position=before, limit=PAGE))
        found += page
        if len(page) < PAGE:
            return found[::-1]
        before = page[-1].position


class Told:
    """What was printed already. `alike`: earlier decisions, whose words the columns must hold too."""

    def __init__(self, as_json: bool, alike: Sequence[DecisionSummary] = ()) -> None:
        self._alike = alike
        self._as_json = as_json
        self._table: Table | None = None
        self._running: dict[str, None] = {}

    def new(self, summary: DecisionSummary) -> None:
        if summary.status == "running" and len(self._running) < MOST_RUNNING:
            self._running[summary.decision_id] = None
        if self._as_json:
            self._json(summary)
            return
        from orchestrator.cli.trace_rows import Table

        if self._table is None:
            self._table = Table([*self._alike, summary], width=columns())
            say_lines([self._table.head()])
        say_lines([self._table.row(summary)])
        sys.stdout.flush()

    def running(self) -> list[str]:
        return list(self._running)

    def again(self, summary: DecisionSummary) -> None:
        """Tells of it only once it has ended."""
        if summary.status == "running":
            return
        del self._running[summary.decision_id]
        if self._as_json:
            self._json(summary)
            return
        from orchestrator.cli.trace_rows import ended_line

        say_lines([ended_line(summary)])
        sys.stdout.flush()

    def _json(self, summary: DecisionSummary) -> None:
        from orchestrator.views import record_view

        say(json.dumps(record_view(summary), ensure_ascii=False))
        sys.stdout.flush()
