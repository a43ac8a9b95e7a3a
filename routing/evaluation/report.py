"""Writes an evaluation for people and programs: report.html (one file, nothing fetched), report.json, PNG pictures.

The home of jinja2, which escapes everything: names of candidates, tasks and routers are strangers' words.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from routing.evaluation.headline import headline
from routing.evaluation.log_report import Verdict
from routing.evaluation.measures import QUALITY_TOLERANCE
from routing.evaluation.off_policy import Estimate, Refusal
from routing.evaluation.plots import pictures
from routing.evaluation.references import BEST_SINGLE, ORACLE, TABLE
from routing.evaluation.results import Report, plain
from storage.errors import InvalidInput

TEMPLATE = "report.html.j2"
PAGE_FILE, JSON_FILE = "report.html", "report.json"
PICTURE_TO_WORDS = {
    "frontier.png": "Quality against cost. Up and to the left is better; the dotted line is best single's quality.",
    "calibration.png": "Calibration. On the dotted line, what is forecast comes true; the error is the mean distance.",
    "shares.png": "Who is chosen at which weight of cost, by the leading router and by the task table.",
    "tasks.png": "Quality by task.",
}


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    page: Path
    json: Path
    pictures: tuple[Path, ...]


def write_report(report: Report, folder: Path) -> ReportFiles:
    """Makes the folder; replaces the files of an earlier report. Raises InvalidInput where it cannot be written."""
    drawn = _drawn(report)
    found = ReportFiles(
        page=folder / PAGE_FILE, json=folder / JSON_FILE, pictures=tuple(folder / name for name in drawn)
    )
    text = json.dumps(plain(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in PICTURE_TO_WORDS:
            (folder / name).unlink(missing_ok=True)
        for name, png in drawn.items():
            (folder / name).write_bytes(png)
        found.json.write_bytes(text.encode("utf-8", "backslashreplace"))
        found.page.write_bytes(page(report, drawn).encode("utf-8", "xmlcharrefreplace"))
    except OSError as exc:
        raise InvalidInput(f"The report cannot be written to {str(folder)!r}: {exc}.", field="report") from exc
    return found


def page(report: Report, drawn: Mapping[str, bytes]) -> str:
    """The HTML; `drawn`: file name to PNG, as from `pictures`."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, share=_share, signed=_signed)
    environment.tests["refused"] = lambda found: isinstance(found, Refusal)
    template = environment.from_string(files("routing.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        report=report,
        sentences=headline(report),
        views=[view for view in (report.text_only, report.with_labels) if view is not None],
        task_columns=_task_columns(report),
        images=[(PICTURE_TO_WORDS[name], b64encode(png).decode()) for name, png in drawn.items()],
        table=TABLE,
        tolerance=100 * QUALITY_TOLERANCE,
        best_estimate=_best_estimate,
    )


def _drawn(report: Report) -> dict[str, bytes]:
    view = report.main_view
    return {} if view is None else pictures(view, report.lead or TABLE)


def _task_columns(report: Report) -> list[str]:
    return list(dict.fromkeys([*([report.lead] if report.lead else []), TABLE, BEST_SINGLE, ORACLE]))


def _best_estimate(found: Verdict) -> Estimate | None:
    """Doubly robust where there is a model, else self-normalised; None: refused."""
    if isinstance(found, Refusal):
        return None
    return found.dr or found.snips


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _signed(value: float, digits: int = 4) -> str:
    return f"{value:+.{digits}f}"
