"""`antroute replay` and `antroute routers compare`: the past again, and the past through another router."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, progress_bar, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.replay.records import TrafficFilter
    from orchestrator.replay.tables import Table
    from orchestrator.replay.traffic import TrafficOptions
    from skills.progress import Progress

DIFFERENT = 1  # exit code
LARGEST_SEED = 2**31 - 1

Since = Annotated[str | None, typer.Option("--since", help="From 24h, 7d, 2w ago, or from 2026-03-01T12:00 (UTC).")]
Until = Annotated[str | None, typer.Option("--until", help="Up to then, as --since; not included.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Of the newest that fit, at most so many.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")]
Candidate = Annotated[str | None, typer.Option("--candidate", help="Only where this one was picked.")]
Policy = Annotated[str | None, typer.Option("--policy", help="Only this policy's.")]
Html = Annotated[Path | None, typer.Option("--html", help="Also write the report to this file.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Of the intervals' resampling.")]
Changes = Annotated[int, typer.Option("--changes", min=0, max=10_000, help="How many of the largest changes to tell.")]
Keep = Annotated[
    bool,
    typer.Option("--keep-vectors", help="Keep the texts' vectors on disk for the next time: past an erasure, too."),
]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Which traffic, and what to make of it."""

    wanted: TrafficFilter
    html: Path | None
    changes: int
    seed: int
    keeps_vectors: bool
    store: str | None
    as_json: bool


def replay(
    id: Annotated[str | None, typer.Argument(metavar="DECISION_ID|RUN_ID", help="What to make again.")] = None,
    router: Annotated[
        str | None, typer.Option("--router", help="Send stored traffic through it: a folder, a version, a policy.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 10_000,
    tenant: Tenant = None,
    candidate: Candidate = None,
    policy: Policy = None,
    html: Html = None,
    changes: Changes = 50,
    seed: Seed = 0,
    keep_vectors: Keep = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a stored decision again (exit code 0: the same), or with --router, sends a time's traffic through it."""
    from orchestrator.replay.records import TrafficFilter
    from storage.errors import InvalidInput

    if (id is None) == (router is None):
        raise InvalidInput(
            "Name either a decision or run, or --router.",
            field="id",
            hint="antroute replay DECISION_ID, or antroute replay --router ROUTER --since 7d",
        )
    if id is not None:
        run(_again(id, store, as_json))
        return
    wanted = TrafficFilter(tenant=tenant, candidate_id=candidate, policy=policy, limit=limit, **_times(since, until))
    asked = _Asked(
        wanted=wanted, html=html, changes=changes, seed=seed, keeps_vectors=keep_vectors, store=store, as_json=as_json
    )
    run(_traffic(router or "", asked))


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A folder, a version's id, or a policy's name.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The one to set beside it.")],
    since: Since = None,
    until: Until = None,
    limit: Limit = 10_000,
    tenant: Tenant = None,
    candidate: Candidate = None,
    policy: Policy = None,
    html: Html = None,
    changes: Changes = 50,
    seed: Seed = 0,
    keep_vectors: Keep = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Two routers on the same stored traffic, side by side."""
    from orchestrator.replay.records import TrafficFilter

    wanted = TrafficFilter(tenant=tenant, candidate_id=candidate, policy=policy, limit=limit, **_times(since, until))
    asked = _Asked(
        wanted=wanted, html=html, changes=changes, seed=seed, keeps_vectors=keep_vectors, store=store, as_json=as_json
    )
    run(_compare(first, second, asked))


async def _again(id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.replay.decisions import replay_decisions
    from orchestrator.replay.parts import parts_of
    from orchestrator.replay.tables import replay_lines
    from orchestrator.replay.views import replays_view
    from orchestrator.settings import load_settings

    async with opened_stores(store) as stores:
        found = await replay_decisions(parts_of(load_settings(), stores), [id])
    if as_json:
        say_json(replays_view(found))
    else:
        say("\n".join(replay_lines(found)))
    if not found.is_same:
        raise typer.Exit(DIFFERENT)


async def _traffic(router: str, asked: _Asked) -> None:
    from orchestrator.replay.page import traffic_page
    from orchestrator.replay.parts import parts_of
    from orchestrator.replay.tables import traffic_lines, traffic_tables
    from orchestrator.replay.traffic import replay_traffic
    from orchestrator.replay.views import traffic_view
    from orchestrator.settings import load_settings

    _check_file(asked.html)
    async with opened_stores(asked.store) as stores:
        parts = parts_of(load_settings(), stores, keeps_vectors=asked.keeps_vectors)
        with progress_bar() as on_progress:
            found = await replay_traffic(parts, router, asked.wanted, _options(asked, on_progress))
    if asked.as_json:
        say_json(traffic_view(found))
    else:
        _tell(traffic_lines(found), traffic_tables(found))
    if asked.html is not None:
        _write(asked.html, traffic_page(found), as_json=asked.as_json)


async def _compare(first: str, second: str, asked: _Asked) -> None:
    from orchestrator.replay.page import comparison_page
    from orchestrator.replay.parts import parts_of
    from orchestrator.replay.tables import comparison_lines, comparison_tables
    from orchestrator.replay.traffic import compare as compared
    from orchestrator.replay.views import comparison_view
    from orchestrator.settings import load_settings

    _check_file(asked.html)
    async with opened_stores(asked.store) as stores:
        parts = parts_of(load_settings(), stores, keeps_vectors=asked.keeps_vectors)
        with progress_bar() as on_progress:
            found = await compared(parts, first, second, asked.wanted, _options(asked, on_progress))
    if asked.as_json:
        say_json(comparison_view(found))
    else:
        _tell(comparison_lines(found), comparison_tables(found))
    if asked.html is not None:
        _write(asked.html, comparison_page(found), as_json=asked.as_json)


def _times(since: str | None, until: str | None) -> dict[str, datetime | None]:
    """Raises InvalidInput for a time that cannot be read, or is still to come."""
    from orchestrator.replay.periods import moment_in
    from storage.records import utc_now

    now = utc_now()
    return {
        "since": None if since is None else moment_in(since, now=now, field="since"),
        "until": None if until is None else moment_in(until, now=now, field="until"),
    }


def _options(asked: _Asked, on_progress: Progress) -> TrafficOptions:
    from orchestrator.replay.traffic import TrafficOptions

    return TrafficOptions(seed=asked.seed, changes=asked.changes, may_read_folders=True, on_progress=on_progress)


def _tell(lines: Iterable[str], tables: Iterable[Table]) -> None:
    say("\n".join(lines))
    for table in tables:
        say()
        say_table(table.columns, table.rows, title=table.title)


def _check_file(file: Path | None) -> None:
    """Before the work: the report can be put there. Raises InvalidInput."""
    from storage.errors import InvalidInput

    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise InvalidInput(f"The report cannot be written to {str(file)!r}: name a file in a folder.", field="html")


def _write(file: Path, page: str, *, as_json: bool) -> None:
    """Raises InvalidInput."""
    from storage.errors import InvalidInput

    try:
        file.write_bytes(page.encode("utf-8", "xmlcharrefreplace"))
    except OSError as exc:
        raise InvalidInput(f"The report cannot be written to {str(file)!r}: {exc}.", field="html") from exc
    if not as_json:
        say(f"Report: {file}")
