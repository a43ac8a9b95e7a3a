"""Rows of the audit log as a walk through all of it reads them: tuples, for there are millions."""

from __future__ import annotations

from typing import NamedTuple


class LoggedRow(NamedTuple):
    """An event exactly as its row stands; after tampering a column may hold another type."""

    position: int
    writer: str
    seq: int
    kind: str
    subject_id: str
    decision_id: str | None
    run_id: str | None
    tenant: str | None
    candidate_id: str | None
    policy: str | None
    at: str
    canonical: str | bytes  # whichever is quicker to read
    leaf_hash: str
    chain_hash: str


class Link(NamedTuple):
    """Of an event, what a tree and a chain are made of."""

    position: int
    writer: str
    seq: int
    leaf_hash: str  # hex
    chain_hash: str  # hex


class TextRow(NamedTuple):
    """A payload exactly as its row stands: bytes, and the time as text."""

    id: str
    text: bytes | None
    salt: str | None
    digest: str
    erased_at: str | None
