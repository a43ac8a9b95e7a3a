"""Training data on disk: a folder in the form of the data contract, read into a Dataset and written from one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

from routing.dataset import MEASURES, Dataset
from storage.errors import InvalidInput

CANDIDATES_FILE = "candidates.json"
QUERIES_FILES = ("queries.jsonl", "queries.jsonl.gz")
OUTCOMES_FILES = ("outcomes.csv", "outcomes.csv.gz", "outcomes.parquet")
OWN_FILES = (CANDIDATES_FILE, *QUERIES_FILES, *OUTCOMES_FILES)


def write_dataset(data: Dataset, folder: Path) -> None:
    """Writes candidates.json, queries.jsonl.gz and outcomes.csv.gz; the folder appears whole or not at all.

    The same data gives the same bytes. Raises InvalidInput where the folder holds anything already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{str(folder)!r} is there already and not empty; name a new folder.", field="out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    cards = json.dumps([card.to_json() for card in data.cards], indent=1, ensure_ascii=False)
    (made / CANDIDATES_FILE).write_text(f"{cards}\n", encoding="utf-8")
    _write_gzip(made / QUERIES_FILES[1], "".join(_query_lines(data)))
    _write_gzip(made / OUTCOMES_FILES[1], _outcome_table(data))
    made.chmod(0o755)
    os.replace(made, folder)


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


def _write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
