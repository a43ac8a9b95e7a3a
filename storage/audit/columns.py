"""What the columns of an event must say: the few fields of its record that a walk needs, read without all the others.

msgspec passes over the rest of a record some ten times as fast as a parser that builds it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from storage.audit.findings import Broken
from storage.audit_records import LoggedRow
from storage.canonical import COLUMNS

EMPTY = "empty_"  # the name of a column that is empty: no field of a record is called so
COLUMN_NAMES = ("subject_id", "decision_id", "run_id", "tenant", "candidate_id", "policy", "at")
MORE = ("kind", "id", "payload_id", "payload_digest", "digest", "heads", "body_sha256")

Record = Any  # a Struct with the fields of its kind; one that the record lacks is UNSET


def _struct(kind: str) -> type[msgspec.Struct]:
    names = sorted({*MORE, *(name for name in COLUMNS[kind] if name)})
    optional = [(name, Any, msgspec.UNSET) for name in names]
    return msgspec.defstruct(kind, [*optional, (EMPTY, None, None)], gc=False)


KIND_TO_DECODER: dict[str, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(_struct(kind)) for kind in COLUMNS}
KIND_TO_COLUMNS = {kind: attrgetter(*(name or EMPTY for name in names)) for kind, names in COLUMNS.items()}


def record_of(row: LoggedRow, text: bytes) -> Record:
    """The record in the text, with which the row's columns agree. Raises Broken."""
    decoder = KIND_TO_DECODER.get(row.kind) if isinstance(row.kind, str) else None
    if decoder is None:
        raise Broken(f"kind {row.kind!r} is unknown to this version")
    try:
        record = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Broken(f"The stored text is no record: {exc}.") from exc
    if record.kind != row.kind:
        raise Broken(f"column kind is {row.kind!r}, the record says {_said(record.kind)}")
    stored, said = row[4:11], KIND_TO_COLUMNS[row.kind](record)
    if stored != said:
        name, column, value = next(each for each in zip(COLUMN_NAMES, stored, said, strict=True) if each[1] != each[2])
        raise Broken(f"column {name} is {column!r}, the record says {_said(value)}")
    return record


def field_of(record: Record, name: str) -> Any:
    """Raises Broken where the record has no such field."""
    value = getattr(record, name)
    if value is msgspec.UNSET:
        raise Broken(f"the record lacks the field {name!r} that a {record.kind!r} must have")
    return value


def _said(value: object) -> str:
    return "nothing" if value is msgspec.UNSET else repr(value)
