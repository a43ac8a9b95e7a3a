"""`antroute payloads`: texts, and their erasure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, progress_bar, run, say, say_json

if TYPE_CHECKING:
    from orchestrator.erasure import ErasureWish, Tally
    from storage.stores import Stores

app = typer.Typer(help="Texts: questions, answers, jobs' requests and results.", no_args_is_help=True)

OfRun = Annotated[str | None, typer.Option("--run", help="Of this run, and of the job that it was.")]
OfDecision = Annotated[str | None, typer.Option("--decision", help="Of this decision.")]
OfPrincipal = Annotated[str | None, typer.Option("--principal", help="Of what this principal asked.")]
OfTenant = Annotated[str | None, typer.Option("--tenant", help="Of this tenant.")]
Before = Annotated[str | None, typer.Option("--before", help="Older than that: 90d, or 2026-03-01T12:00.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many there are; erase none.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.callback()
def group() -> None:
    """Texts: questions, answers, jobs' requests and results."""


@app.command()
def erase(
    run_id: OfRun = None,
    decision: OfDecision = None,
    principal: OfPrincipal = None,
    tenant: OfTenant = None,
    before: Before = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Erases texts for good; decisions, outcomes, costs and the log stay, and the log stays provable.

    What is given must all fit: `--tenant a --before 90d` is what tenant a asked more than 90 days ago.
    """
    from orchestrator.ages import moment_of
    from orchestrator.erasure import ErasureWish
    from storage.errors import InvalidInput
    from storage.records import utc_now

    moment = None if before is None else moment_of(before, now=utc_now(), field="before")
    wish = ErasureWish(decision_id=decision, run_id=run_id, principal=principal, tenant=tenant, before=moment)
    wish.check()
    if as_json and not (yes or dry_run):
        raise InvalidInput("With --json nobody is asked; add --yes or --dry-run.", field="yes")
    raise typer.Exit(run(_erase(wish, dry_run, yes, store, as_json)))


async def _erase(wish: ErasureWish, is_dry: bool, yes: bool, store: str | None, as_json: bool) -> int:
    is_done = yes and not is_dry
    async with opened_stores(store) as stores:
        found = await _walked(stores, wish, erases=is_done)
        if found.texts and not is_done and not is_dry:
            if not typer.confirm(f"Erase {_words(found)}? They cannot be had back.", err=True):
                say("Nothing was erased.")
                return 1
            found, is_done = await _walked(stores, wish, erases=True), True
    if as_json:
        say_json(_view(found, is_done))
        return 0
    if not found.texts:
        say("No such texts are here; those of old are erased already.")
    else:
        say(f"{_words(found)} {'erased' if is_done else 'would be erased'}.")
    for job in found.unfinished_jobs:
        say(f"Job {job} has not ended and keeps its texts; cancel it first: antroute jobs cancel {job}")
    return 0


async def _walked(stores: Stores, wish: ErasureWish, *, erases: bool) -> Tally:
    from orchestrator.erasure import Tally, erase, slices

    tally, goal = Tally(), await stores.audit.last_position()
    with progress_bar() as told:
        async for piece in slices(stores, wish):
            if erases:
                await erase(stores, piece.payload_ids)
            tally.add(piece)
            if sys.stderr.isatty():
                told(min(piece.position, goal), goal, "erasing" if erases else "looking")
            if piece.position >= goal:  # what is logged from here on is our own erasures
                break
    return tally


def _words(found: Tally) -> str:
    parts = [_counted(found.decisions, "decision"), *([_counted(found.jobs, "job")] if found.jobs else [])]
    return f"{_counted(found.texts, 'text')} of {' and '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _view(found: Tally, is_done: bool) -> dict[str, Any]:
    return {
        "erased": is_done,
        "texts": found.texts,
        "decisions": found.decisions,
        "jobs": found.jobs,
        "unfinished_jobs": found.unfinished_jobs,
    }
