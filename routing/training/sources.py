"""Bytes, lines and tables of files that may be packed, broken or not text at all; what is wrong is told, not raised."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.training.problems import Findings

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
LONGEST_CELL = 64_000_000  # characters; Python's own limit of 131,072 is less than a long prompt


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns of equal length; cells are texts (CSV) or plain values (Parquet), empty ones "" or None."""

    file: str
    columns: dict[str, Sequence[object]]
    lines: Sequence[int]  # where each row stands in the file


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A column as numbers: NaN where a cell is empty or wrong."""

    values: NDArray[np.float64]
    wrong: list[int]  # rows with a cell that is no finite number


def contents(path: Path, findings: Findings) -> bytes | None:
    """The file's bytes, unpacked if they are gzip's, without a byte order mark. None, and told: it cannot be read."""
    try:
        raw = path.read_bytes()
        if raw.startswith(GZIP_MAGIC):
            raw = gzip.decompress(raw)
    except EOFError:
        findings.error(path.name, None, "", "the gzip stream breaks off before its end; copy or pack the file again.")
        return None
    except (OSError, zlib.error) as exc:
        findings.error(path.name, None, "", f"cannot be read: {exc}; give a file, plain or packed by gzip.")
        return None
    if not raw.strip():
        findings.error(path.name, None, "", "the file is empty.")
        return None
    return raw.removeprefix(BOM)


def utf8(raw: bytes, file: str, findings: Findings) -> str:
    """The text; each line that is not UTF-8 is told, and what it means is guessed so that reading can go on."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        for number, line in enumerate(raw.split(b"\n"), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as exc:
                message = f"not UTF-8 (byte {line[exc.start]:#04x} at {exc.start + 1}); save the file as UTF-8."
                findings.error(file, number, "", message)
        return raw.decode("utf-8", "replace")


def read_csv(path: Path, findings: Findings, *, needed: Sequence[str] = ()) -> Table | None:
    """A CSV with a header. Rows that do not fit it are told and left out; None where nothing can be made of it."""
    raw = contents(path, findings)
    if raw is None:
        return None
    rows = _csv_rows(utf8(raw, path.name, findings), path.name, findings)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    if not _is_header(header, path.name, findings, needed):
        return None
    kept, lines = [], []
    for line, row in rows:
        if len(row) == len(header):
            kept.append(row)
            lines.append(line)
        elif row:  # a blank line is none
            findings.error(path.name, line, "", f"{len(row)} cells; the header has {len(header)}.")
    columns: list[Sequence[object]] = list(zip(*kept, strict=True)) if kept else [()] * len(header)
    return Table(file=path.name, columns=dict(zip(header, columns, strict=True)), lines=lines)


def lacks_columns(table: Table, needed: Sequence[str], findings: Findings) -> bool:
    """Whether the table lacks one of these columns, which is told."""
    return not _is_header(list(table.columns), table.file, findings, needed)


def numbers(cells: Sequence[object]) -> Numbers:
    """Reads a column of numbers; true and false are none."""
    try:
        values = np.array([np.nan if cell is None or cell == "" else float(cell) for cell in cells])  # type: ignore[arg-type]  # what float does not take is caught
    except (ValueError, TypeError, OverflowError):
        values = np.array([_number(cell) for cell in cells])
    suspects = np.flatnonzero(~np.isfinite(values)).tolist()
    wrong = [place for place in suspects if cells[place] is not None and cells[place] != ""]
    wrong += [place for place, cell in enumerate(cells) if cell is True or cell is False]
    values[wrong] = np.nan
    return Numbers(values=values.astype(np.float64), wrong=sorted(wrong))


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]  # what float does not take is caught
    except (ValueError, TypeError, OverflowError):
        return np.nan


def _csv_rows(text: str, file: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins in; a row that is no CSV is told and left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    default = csv.field_size_limit(LONGEST_CELL)
    try:
        while True:
            first = reader.line_num + 1
            try:
                yield first, next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                findings.error(file, first, "", f"not CSV: {exc}; quotes inside a quoted cell are doubled.")
    finally:
        csv.field_size_limit(default)


def _is_header(header: Sequence[str], file: str, findings: Findings, needed: Sequence[str]) -> bool:
    found = ", ".join(map(repr, header))[:300] or "nothing"
    if twice := sorted({name for name in header if header.count(name) > 1}):
        findings.error(file, 1, twice[0], f"the header names this column more than once; found: {found}.")
        return False
    missing = [name for name in needed if name not in header]
    others = [mark for mark in ";\t|" if len(header) == 1 and mark in header[0]]
    for name in missing:
        hint = f" The cells seem to be parted by {others[0]!r}; commas are expected." if others else ""
        findings.error(file, 1, name, f"the column is missing; found: {found}.{hint}")
    return not missing
