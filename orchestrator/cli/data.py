"""`antroute data`: check data for offline training, and make it from tables or from one's own traces."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from orchestrator.terminal import AsJson, opened_stores, progress_bar, run, say, say_json

if TYPE_CHECKING:
    from routing.dataset import Dataset
    from routing.training.assembly import Imported, SplitRule
    from routing.training.problems import Findings

app = typer.Typer(help="Data for offline training: check it, make it.", no_args_is_help=True)

WRONG_DATA = 2


@app.callback()
def group() -> None:
    """Data for offline training: check it, make it."""


@app.command()
def validate(
    folder: Annotated[
        Path, typer.Argument(help="Folder with candidates.json and queries and outcomes, or tasks and episodes.")
    ],
    as_json: AsJson = False,
) -> None:
    """Names every problem by file, line and field. Exit code 0: no errors (warnings may be); 2: errors."""
    from routing.steps.episodes import holds_trajectories
    from routing.training.checks import check

    if holds_trajectories(folder):
        _validate_trajectories(folder, as_json=as_json)
    with progress_bar() as on_progress:
        checked = check(folder, on_progress=on_progress)
    if as_json:
        say_json({**_findings_view(checked.findings), "data": _data_view(checked.data) if checked.data else None})
    else:
        _say_findings(checked.findings)
        if checked.data is not None:
            _say_data(checked.data)
    raise typer.Exit(0 if checked.data is not None else WRONG_DATA)


def _validate_trajectories(folder: Path, *, as_json: bool) -> NoReturn:
    from orchestrator.cli.steps import trajectories_view, validate_steps

    with progress_bar() as on_progress:
        checked = validate_steps(folder, on_progress)
    view = None if checked.data is None else trajectories_view(checked.data)
    if as_json:
        say_json({**_findings_view(checked.findings), "data": view})
    else:
        _say_findings(checked.findings)
    if view is not None and not as_json:
        splits = ", ".join(f"{count} {split}" for split, count in view["splits"].items())
        say(f"Usable: {view['tasks']} tasks ({splits}), {_count(view['episodes'], 'episode')},")
        say(f"  {view['candidates']} candidates, {len(view['priced_candidates'])} of them with prices.")
    raise typer.Exit(0 if view is not None else WRONG_DATA)


@app.command("import")
def import_(
    out: Annotated[Path, typer.Option("--out", help="The new data folder.")],
    source: Annotated[
        Path | None,
        typer.Argument(help="A .csv, .jsonl (or .gz of them) or .parquet table, or a folder that lacks splits."),
    ] = None,
    store: Annotated[str | None, typer.Option("--store", help="URL of a store whose traces to take instead.")] = None,
    since: Annotated[datetime | None, typer.Option("--since", help="Of traces: only from this moment (UTC).")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="FIELD=COLUMN, as text=prompt; quality='{candidate}' where each has its own."),
    ] = None,
    candidates: Annotated[Path | None, typer.Option("--candidates", help="A candidates.json with prices.")] = None,
    dev_share: Annotated[float, typer.Option("--dev-share", min=0, max=0.9, help="Of queries without a split.")] = 0.2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of that split.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Makes a data folder from a table of outcomes, or from one's own traces (--store)."""
    from routing.training.assembly import SplitRule
    from routing.training.files import write_dataset
    from routing.training.imports import TableSource, import_data, parse_columns
    from storage.errors import InvalidInput

    if (source is None) == (store is None):
        raise InvalidInput(
            "Name either a table (SOURCE) or a store (--store URL), not both.",
            field="source",
            hint="antroute data import outcomes.csv --column text=prompt --column candidate=model --out DIR",
        )
    rule = SplitRule(dev_share=dev_share, seed=seed)
    if source is None:
        imported = run(_of_traces(store, since, rule))
    else:
        named = parse_columns(columns or [])
        imported = import_data(TableSource(path=source, field_to_column=named, candidates=candidates, rule=rule))
    write_dataset(imported.data, out)
    if as_json:
        say_json(_imported_view(imported, out))
    else:
        _say_imported(imported, out)


async def _of_traces(store: str | None, since: datetime | None, rule: SplitRule) -> Imported:
    from orchestrator.settings import load_settings
    from orchestrator.training_data import import_traces

    when = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    async with opened_stores(store) as stores:
        with progress_bar() as on_progress:
            return await import_traces(stores, load_settings(), since=when, rule=rule, on_progress=on_progress)


def _imported_view(imported: Imported, out: Path) -> dict[str, object]:
    left_out = imported.left_out
    return {
        "folder": str(out),
        "taken": imported.taken,
        "merged": imported.merged,
        "left_out": [
            {"reason": reason, "count": count, "first": left_out.reason_to_first[reason]}
            for reason, count in left_out.reason_to_count.most_common()
        ],
        "data": _data_view(imported.data),
    }


def _say_imported(imported: Imported, out: Path) -> None:
    say(f"Taken: {_count(imported.taken, 'outcome')}.")
    if imported.merged:
        say(f"  {imported.merged} repeated a pair of query and candidate; such a pair got the mean.")
    for reason, count in imported.left_out.reason_to_count.most_common():
        say(f"Left out: {count}: {reason} (first: {imported.left_out.reason_to_first[reason]})")
    _say_data(imported.data)
    say(f"Written to {out}. Next: antroute data validate {out}")


def _findings_view(findings: Findings) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "is_valid": findings.error_count == 0,
        "error_count": findings.error_count,
        "warning_count": findings.warning_count,
        "problems": [asdict(problem) for problem in findings.shown()],
    }


def _data_view(data: Dataset) -> dict[str, object]:
    import numpy as np

    known = int((~np.isnan(data.quality)).sum())
    return {
        "queries": len(data),
        "splits": {split: data.splits.count(split) for split in ("train", "dev", "test")},
        "tasks": len(set(data.tasks) - {None}),
        "candidates": len(data.candidates),
        "outcomes": known,
        "missing_share": round(1 - known / data.quality.size, 4),
        "digest": data.digest,
    }


def _say_findings(findings: Findings) -> None:
    shown = findings.shown()
    for problem in shown:
        say(f"{problem.severity}: {problem}")
    if hidden := findings.error_count + findings.warning_count - len(shown):
        say(f"… and {hidden} more of the same kinds")
    if findings.error_count:
        say(f"Not usable: {_count(findings.error_count, 'error')}, {_count(findings.warning_count, 'warning')}.")


def _say_data(data: Dataset) -> None:
    view = _data_view(data)
    splits = ", ".join(f"{data.splits.count(split)} {split}" for split in ("train", "dev", "test"))
    say(f"Usable: {view['queries']} queries ({splits}), {view['tasks']} tasks, {view['candidates']} candidates,")
    say(f"  {view['outcomes']} outcomes; {float(str(view['missing_share'])):.1%} of the cells are missing.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
