"""Parquet tables as columns of plain values; the home of pyarrow."""

from __future__ import annotations

from pathlib import Path

from routing.training.problems import Findings
from routing.training.sources import Table


def read_parquet(path: Path, findings: Findings) -> Table | None:
    """None, and told, where the file is no Parquet. Its lines are row numbers, from 1."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    try:
        table = read_table(path)
        columns = {
            str(name): column.to_pylist() for name, column in zip(table.column_names, table.columns, strict=True)
        }
    except (ArrowException, OSError, ValueError) as exc:
        findings.error(path.name, None, "", f"cannot be read as Parquet: {str(exc).splitlines()[0]}")
        return None
    return Table(file=path.name, columns=columns, lines=range(1, table.num_rows + 1))
