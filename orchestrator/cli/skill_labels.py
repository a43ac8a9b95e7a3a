"""`antroute skills labels`: one's own outcomes as weak labels for the ranker of skills."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, progress_bar, run, say, say_json


def labels(
    out: Annotated[Path, typer.Option("--out", help="The queries.jsonl to be written.")],
    since: Annotated[
        datetime | None, typer.Option("--since", help="Only decisions from this day or time on (UTC).")
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Writes which found skills were called for which query, and how that ended, for `antroute skills train`."""
    run(_labels(out, since, store, as_json))


async def _labels(out: Path, since: datetime | None, store: str | None, as_json: bool) -> None:
    from orchestrator.skill_labels import write_labels

    moment = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
    async with opened_stores(store) as stores:
        with progress_bar() as on_progress:
            count = await write_labels(stores, out, since=moment, on_progress=on_progress)
    if as_json:
        say_json({"labels": count, "file": str(out)})
    else:
        say(f"{count} weak labels in {out}")
