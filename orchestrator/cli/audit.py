"""`antroute audit`: prove that the log was not touched."""

from __future__ import annotations

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, run, say, say_json

app = typer.Typer(help="Prove that the log was not touched.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Prove that the log was not touched."""


@app.command()
def verify(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Recomputes every link of the audit log. Exit code 0: whole; 1: broken, and the first bad event is named."""
    raise typer.Exit(run(_verify(store, as_json)))


async def _verify(store: str | None, as_json: bool) -> int:
    from orchestrator.views import plain
    from storage.audit import verify as verify_log

    async with opened_stores(store) as stores:
        found = await verify_log(stores)
    bad = found.first_bad_event
    if as_json:
        say_json(plain(found))
    elif bad is None:
        say(f"Whole: {found.events_checked} events, {found.writers} writers, {found.erased_payloads} texts erased.")
    else:
        say(f"BROKEN at event {bad.position} (writer {bad.writer}, seq {bad.seq}): {bad.kind} {bad.subject_id}")
        say(f"  {bad.reason}")
    return 0 if found.is_whole else 1
