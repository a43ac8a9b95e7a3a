"""Checks a whole folder of training data: each file alone, and what only shows when they are read together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from routing.dataset import Dataset, Split
from routing.forecasts import Matrix
from routing.training.listings import QueryRows, read_cards, read_queries, settle_splits
from routing.training.outcomes import read_outcomes
from routing.training.problems import Findings, Problem
from skills.progress import Progress, no_progress

CANDIDATES_FILES = ("candidates.json",)
QUERIES_FILES = ("queries.jsonl", "queries.jsonl.gz")
OUTCOMES_FILES = ("outcomes.csv", "outcomes.csv.gz", "outcomes.parquet")


@dataclass(frozen=True, kw_only=True)
class DataFiles:
    """Where the three files are."""

    candidates: Path
    queries: Path
    outcomes: Path


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What the reader needs of the data beyond its form."""

    needs_train: bool = True  # whether a set without training queries is an error
    dev_share: float | None = None  # of queries without a split, which then get a stable one; None: they are an error
    seed: int = 0  # of that split


FOR_TRAINING = Expectations()


@dataclass(frozen=True, kw_only=True)
class CheckedData:
    """All that was found; `data` is None where there is an error."""

    findings: Findings
    data: Dataset | None


def problems(folder: Path) -> list[Problem]:
    """What is wrong with the folder, errors first, at most 100."""
    return check(folder).findings.shown()


def check(folder: Path, expected: Expectations = FOR_TRAINING, *, on_progress: Progress = no_progress) -> CheckedData:
    """Reads the folder and never stops at the first problem."""
    findings = Findings()
    files = find_files(folder, findings)
    if files is None:
        return CheckedData(findings=findings, data=None)
    return check_files(files, expected, findings=findings, on_progress=on_progress)


def check_files(
    files: DataFiles,
    expected: Expectations = FOR_TRAINING,
    *,
    findings: Findings | None = None,
    on_progress: Progress = no_progress,
) -> CheckedData:
    """As `check`, of three files wherever they are."""
    findings = Findings() if findings is None else findings
    on_progress(0, 3, "reading data")
    cards = read_cards(files.candidates, findings)
    on_progress(1, 3, "reading data")
    rows = read_queries(files.queries, findings)
    on_progress(2, 3, "reading data")
    measures = None
    if rows is not None:
        settle_splits(rows, files.queries.name, findings, dev_share=expected.dev_share, seed=expected.seed)
        _tell_empty_splits(rows, files.queries.name, expected, findings)
    if cards is not None and rows is not None:
        candidates = [card.id for card in cards]
        measures = read_outcomes(files.outcomes, findings, query_ids=rows.ids, candidates=candidates)
        if measures is not None:
            _tell_barren(measures, rows, candidates, files.outcomes.name, findings)
    on_progress(3, 3, "reading data")
    if findings.error_count or cards is None or rows is None or measures is None:
        return CheckedData(findings=findings, data=None)
    data = Dataset.canonical(
        cards=cards,
        query_ids=rows.ids,
        texts=rows.texts,
        tasks=rows.tasks,
        splits=cast(list[Split], rows.splits),
        measures=measures,
    )
    return CheckedData(findings=findings, data=data)


def find_files(folder: Path, findings: Findings) -> DataFiles | None:
    """None, and told: one is missing, or there in two forms."""
    if not folder.is_dir():
        findings.error(str(folder), None, "", "no such folder; name one with candidates.json, queries and outcomes.")
        return None
    found = [_one_of(folder, names, findings) for names in (CANDIDATES_FILES, QUERIES_FILES, OUTCOMES_FILES)]
    if None in found:
        return None
    candidates, queries, outcomes = cast(list[Path], found)
    return DataFiles(candidates=candidates, queries=queries, outcomes=outcomes)


def _one_of(folder: Path, names: tuple[str, ...], findings: Findings) -> Path | None:
    here = [name for name in names if (folder / name).exists()]
    if not here:
        others = f" (or {' or '.join(names[1:])})" if len(names) > 1 else ""
        findings.error(names[0], None, "", f"there is no such file{others} in {str(folder)!r}.")
    if len(here) > 1:
        findings.error(here[0], None, "", f"{here[1]} is there as well; keep one of them.")
    return folder / here[0] if len(here) == 1 else None


def _tell_empty_splits(rows: QueryRows, file: str, expected: Expectations, findings: Findings) -> None:
    there = set(rows.splits) - {None}
    if there and "train" not in there and expected.needs_train:
        findings.error(file, None, "split", "no query is in train: there is nothing to learn from.")
    if there and "dev" not in there:
        message = "no query is in dev: nothing can be picked, stopped early, calibrated, promoted or evaluated on it."
        findings.warning(file, None, "split", message)


def _tell_barren(
    measures: dict[str, Matrix], rows: QueryRows, candidates: list[str], file: str, findings: Findings
) -> None:
    """Data that is in order and yet teaches little."""
    is_known = ~np.isnan(measures["quality"])
    for column in np.flatnonzero(~is_known.any(axis=0)).tolist():
        findings.warning(
            file, None, "candidate", f"{candidates[column]!r} has no outcome: it will be judged by its card."
        )
    if silent := int((~is_known.any(axis=1)).sum()):
        message = f"queries without an outcome, which teach nothing and are not evaluated: {silent}."
        findings.warning(file, None, "query_id", message)
    is_train = np.array([split == "train" for split in rows.splits])
    if is_train.any() and not is_known[is_train].any() and not findings.error_count:  # else that is why
        findings.error(file, None, "query_id", "no query of the train split has an outcome.")
    known = measures["quality"][is_known]
    if len(known) > 1 and (known == known[0]).all():
        findings.warning(file, None, "quality", f"every outcome is {known[0]:g}: only costs can tell candidates apart.")
    costs = measures.get("cost_usd")
    if costs is None or np.isnan(costs).all():
        findings.warning(file, None, "cost_usd", "no cost is known: a weight on cost will change nothing.")
