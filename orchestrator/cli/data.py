"""`antroute data`: check data for offline training, and make it from tables or from one's own traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, progress_bar, say, say_json

if TYPE_CHECKING:
    from routing.dataset import Dataset
    from routing.training.problems import Findings

app = typer.Typer(help="Data for offline training: check it, make it.", no_args_is_help=True)

WRONG_DATA = 2


@app.callback()
def group() -> None:
    """Data for offline training: check it, make it."""


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(help="Folder with candidates.json, queries and outcomes.")],
    as_json: AsJson = False,
) -> None:
    """Names every problem by file, line and field. Exit code 0: no errors (warnings may be); 2: errors."""
    from routing.training.checks import check

    with progress_bar() as on_progress:
        checked = check(folder, on_progress=on_progress)
    if as_json:
        say_json({**_findings_view(checked.findings), "data": _data_view(checked.data) if checked.data else None})
    else:
        _say_findings(checked.findings)
        if checked.data is not None:
            _say_data(checked.data)
    raise typer.Exit(0 if checked.data is not None else WRONG_DATA)


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
