"""Tables of the log's signed checkpoints. All are append-only by trigger."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from storage.sql.tables import RowId, metadata

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=False),
    Column("tree_size", BigInteger, nullable=False, unique=True),
    Column("record", Text, nullable=False),
)

# Public keys, in the order in which they took over from each other.
audit_keys = Table(
    "audit_keys",
    metadata,
    Column("position", RowId, primary_key=True, autoincrement=False),
    Column("key_id", Text, nullable=False, unique=True),
    Column("record", Text, nullable=False),
)

# Roots of the log's tiles of 256 leaves: made of the log, and kept so that a proof need not read all of it.
audit_tiles = Table(
    "audit_tiles",
    metadata,
    Column("number", RowId, primary_key=True, autoincrement=False),
    Column("root_hash", Text, nullable=False),
)
