"""Parquet with typed columns, written a row group at a time; a home of pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrator.exports.records import ExportWish, Row, What

if TYPE_CHECKING:
    import pyarrow

ROWS_A_GROUP = 10_000
MONEY = (38, 9)  # digits in all, and behind the point: whole nano-dollars

# Columns and their types, by the names of `_types`.
DECISIONS = {
    "position": "count", "decision_id": "text", "run_id": "text", "step": "text", "attempt": "count", "plan": "text",
    "tenant": "text", "principal": "text", "account_id": "text", "task": "text", "candidate_id": "text",
    "policy": "text", "policy_version": "text", "propensity": "number", "margin": "number", "allowed": "count",
    "masked": "count", "reserved_usd": "money", "decided_at": "time", "status": "text", "cost_usd": "money",
    "latency_seconds": "number", "quality": "number", "judged_by": "text", "reward": "number", "error_code": "text",
    "input_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count", "output_tokens": "count",
}  # fmt: skip
TEXTS = {"query": "text", "answer": "text"}
EVENTS = {
    "position": "count", "writer": "text", "seq": "count", "kind": "text", "subject_id": "text", "decision_id": "text",
    "run_id": "text", "tenant": "text", "candidate_id": "text", "policy": "text", "at": "time", "canonical": "text",
    "leaf_hash": "text", "chain_hash": "text",
}  # fmt: skip
SPANS = {
    "run_id": "text", "name": "text", "started_at": "time", "seconds": "number", "id": "text", "parent_id": "text",
    "is_failed": "flag", "attributes": "pairs",
}  # fmt: skip
COLUMNS: dict[What, dict[str, str]] = {"decisions": DECISIONS, "events": EVENTS, "spans": SPANS}


class ParquetSheet:
    """See `Sheet`. A lone surrogate is written as `?`."""

    def __init__(self, file: BinaryIO, wish: ExportWish) -> None:
        import pyarrow
        from pyarrow.parquet import ParquetWriter

        columns = COLUMNS[wish.what] | (TEXTS if wish.with_texts and wish.what == "decisions" else {})
        types = _types()
        self._columns = columns
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
        self._writer = ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        self._waiting += rows
        while len(self._waiting) >= ROWS_A_GROUP:
            self._write(self._waiting[:ROWS_A_GROUP])
            del self._waiting[:ROWS_A_GROUP]

    def close(self) -> None:
        if self._waiting:
            self._write(self._waiting)
        self._writer.close()

    def _write(self, rows: Sequence[Row]) -> None:
        import pyarrow

        columns = [[_value(row[name], kind) for row in rows] for name, kind in self._columns.items()]
        arrays = [pyarrow.array(values, type=each.type) for values, each in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROWS_A_GROUP)


def _types() -> dict[str, pyarrow.DataType]:
    import pyarrow

    return {
        "text": pyarrow.string(),
        "count": pyarrow.int64(),
        "number": pyarrow.float64(),
        "flag": pyarrow.bool_(),
        "money": pyarrow.decimal128(*MONEY),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "pairs": pyarrow.map_(pyarrow.string(), pyarrow.string()),
    }


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "text":
        return value.encode("utf-8", "replace").decode()
    if kind == "time" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return list(value.items()) if kind == "pairs" else value
