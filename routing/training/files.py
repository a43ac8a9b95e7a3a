"""Training data on disk: a folder in the form of the data contract, read into a Dataset and written from one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

from routing.dataset import MEASURES, Dataset
from routing.training.checks import FOR_TRAINING, Expectations, check
from routing.training.problems import Problem
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

CANDIDATES_FILE = "candidates.json"
QUERIES_FILE = "queries.jsonl.gz"
OUTCOMES_FILE = "outcomes.csv.gz"


def ignore(problem: Problem) -> None:
    """For callers who do not ask for warnings."""


def read_dataset(
    folder: Path,
    *,
    expected: Expectations = FOR_TRAINING,
    on_progress: Progress = no_progress,
    on_warning: Callable[[Problem], None] = ignore,
) -> Dataset:
    """The folder's data in canonical order. Raises InvalidInput, which tells the first ten errors by file and line."""
    checked = check(folder, expected, on_progress=on_progress)
    checked.findings.refuse_errors(str(folder))
    for problem in checked.findings.shown():
        on_warning(problem)
    if checked.data is None:
        raise InvalidInput(f"No data could be read from {str(folder)!r}.", field="data")
    return checked.data


def write_dataset(data: Dataset, folder: Path) -> None:
    """Writes candidates.json, queries.jsonl.gz and outcomes.csv.gz; the folder appears whole or not at all.

    The same data gives the same bytes, and writing them again changes nothing. Raises InvalidInput where the folder
    holds anything else or cannot be written, and overwrites nothing.
    """
    cards = json.dumps([card.to_json() for card in data.cards], indent=1, ensure_ascii=False)
    name_to_bytes = {
        CANDIDATES_FILE: f"{cards}\n".encode(),
        QUERIES_FILE: _packed("".join(_query_lines(data))),
        OUTCOMES_FILE: _packed(_outcome_table(data)),
    }
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if _holds(folder, name_to_bytes):
            return
        message = f"{str(folder)!r} is there already and holds something else; name a new folder."
        raise InvalidInput(message, field="out")
    try:
        _write(folder, name_to_bytes)
    except OSError as exc:
        raise InvalidInput(f"{str(folder)!r} cannot be written: {exc}; name another folder.", field="out") from exc


def _write(folder: Path, name_to_bytes: dict[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{token_hex(4)}.unfinished")
    unfinished.mkdir()
    try:
        for name, content in name_to_bytes.items():
            (unfinished / name).write_bytes(content)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _holds(folder: Path, name_to_bytes: dict[str, bytes]) -> bool:
    """Whether the folder has exactly these files with exactly this content."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(name_to_bytes):
        return False
    return all((folder / name).read_bytes() == content for name, content in name_to_bytes.items())


def _query_lines(data: Dataset) -> Iterator[str]:
    for id, text, task, split in zip(data.query_ids, data.texts, data.tasks, data.splits, strict=True):
        row = {"query_id": id, "text": text, "task": task, "split": split}
        yield json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False) + "\n"


def _outcome_table(data: Dataset) -> str:
    """A line for each cell with a known quality, and the columns that hold anything."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    name_to_rows = {name: getattr(data, name).tolist() for name in MEASURES}
    columns = [name for name in MEASURES if name == "quality" or any(map(_has_any, name_to_rows[name]))]
    writer.writerow(["query_id", "candidate", *columns])
    for row, query_id in enumerate(data.query_ids):
        for column, candidate in enumerate(data.candidates):
            values = [name_to_rows[name][row][column] for name in columns]
            if not math.isnan(values[0]):
                writer.writerow(
                    [query_id, candidate, *("" if math.isnan(value) else f"{value:.12g}" for value in values)]
                )
    return out.getvalue()


def _has_any(row: list[float]) -> bool:
    return not all(map(math.isnan, row))


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode("utf-8"), mtime=0)
