"""A small signed log of two writers, and what somebody who may write to the whole database could do to a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from orchestrator.audit_keys import KeyFile, public_key_of
from orchestrator.audit_outside import FileOutside, copy_in
from orchestrator.checkpointer import Checkpointer
from storage.audit import Trust, Verification, verify
from storage.chain import GENESIS_HASH, chain_hash, leaf_hash
from storage.checkpoint_forms import checkpoint_from, checkpoint_text, digest_of, key_text, signed_text
from storage.checkpoint_records import AuditCheckpoint, Head
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.merkle import root_of
from storage.registry import open_stores
from storage.signing import Signer
from storage.stores import Stores
from tests.postgres_server import PostgresServer

SIZES = (10, 14, 18)  # of the three checkpoints; the third is signed with the second key
TABLES = ("audit_events", "audit_checkpoints", "audit_keys", "audit_tiles", "payloads")
FORGER = Signer(b"f" * 32)


@dataclass(frozen=True)
class SignedLog:
    """Closed; `url` is never changed, only copies are."""

    url: str
    folder: Path
    first_key: Signer
    server: PostgresServer | None = None

    @property
    def key_file(self) -> Path:
        return self.folder / "audit.key"

    @property
    def outside(self) -> Path:
        return self.folder / "outside.jsonl"

    @contextmanager
    def copy(self, folder: Path) -> Iterator[str]:
        """URL of a copy of the database."""
        if self.server is None:
            path = folder / "attacked.db"
            shutil.copy(self.url.removeprefix("sqlite:///"), path)
            yield f"sqlite:///{path}"
            return
        name = f"copy_{uuid4().hex[:12]}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {make_url(self.url).database}")
        try:
            yield self.server.url(name)
        finally:
            self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def signed_log(url: str, folder: Path, server: PostgresServer | None = None) -> SignedLog:
    """1 opening of `first`, 2-3 its decision and outcome, 4 opening of `second`, 5-6; then two of each in turn."""
    first, second = await open_stores(url, writer="first"), await open_stores(url, writer="second")
    key_file, outside = KeyFile(folder / "audit.key"), FileOutside(folder / "outside.jsonl")
    checkpointer = Checkpointer(first, key_file, outside, now=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    first_key = key_file.signer()
    for turn in range(4):
        for stores in (first, second):
            await _answered(stores, f"question {turn}")
        if turn == 3:
            await key_file.rotate(first.checkpoints)
        if turn:
            assert await checkpointer.look(is_last=True) is not None
    assert tuple(each.tree_size for each in await first.checkpoints.checkpoints()) == SIZES
    for stores in (first, second):
        await stores.close()
    return SignedLog(url, folder, first_key, server)


async def _answered(stores: Stores, question: str) -> None:
    payload = a_payload(question)
    decision = a_decision(payload)
    await stores.journal.write(payload, decision, an_outcome(decision))


@contextmanager
def attacking(url: str) -> Iterator[Connection]:
    """A connection of somebody who has switched the triggers off."""
    driver = url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(driver, poolclass=NullPool)
    with engine.begin() as connection:
        if url.startswith("sqlite"):
            for name in (
                connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            ):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in TABLES:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        yield connection


def attack(url: str, *statements: str) -> None:
    with attacking(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


async def verified(
    url: str, log: SignedLog, *, with_outside: bool = False, with_key: bool = False, **trust: Any
) -> Verification:
    """As seen from inside alone, or with the place outside, or with the service's own key at hand."""
    outside = copy_in(FileOutside(log.outside)) if with_outside else None
    if with_key:
        trust["own_key"] = KeyFile(log.key_file).signer().public_key
    stores = await open_stores(url, writer="looker")
    try:
        return await verify(stores, outside=outside, trust=Trust(**trust))
    finally:
        await stores.close()


def rewrite(url: str, old: str, new: str) -> None:
    """Makes the whole log say something else, with fresh leaf and chain hashes, openings included."""
    with attacking(url) as connection:
        heads: dict[str, Head] = {}
        rows = connection.execute(
            text("SELECT position, writer, seq, canonical FROM audit_events ORDER BY position")
        ).all()
        for position, writer, seq, canonical in rows:
            changed = canonical.replace(old, new)
            for head in heads.values():
                changed = _quoting(changed, head)
            leaf = leaf_hash(changed)
            before = heads[writer].chain_hash if writer in heads else GENESIS_HASH
            heads[writer] = Head(writer=writer, seq=seq, chain_hash=chain_hash(before, leaf))
            values = {"c": changed, "l": leaf, "h": heads[writer].chain_hash, "p": position}
            connection.execute(
                text("UPDATE audit_events SET canonical = :c, leaf_hash = :l, chain_hash = :h WHERE position = :p"),
                values,
            )


def _quoting(canonical: str, head: Head) -> str:
    """An opening that quotes this head as it is now."""
    if '"kind":"writer_opened"' not in canonical:
        return canonical
    start = canonical.find('{"chain_hash":"')
    end = canonical.find(f'","seq":{head.seq},"writer":"{head.writer}"')
    return canonical if end < 0 else canonical[: start + 15] + head.chain_hash + canonical[end:]


def sign_anew(url: str, signer: Signer) -> None:
    """All checkpoints again, over the log as it stands now, with another key in the place of ours."""
    key = replace(public_key_of(signer, after=None), created_at=datetime(2026, 1, 1, tzinfo=UTC))
    with attacking(url) as connection:
        old = [checkpoint_from(each) for each in _records(connection)]
        connection.execute(text("DELETE FROM audit_checkpoints"))
        connection.execute(text("DELETE FROM audit_keys"))
        values = {"id": key.key_id, "record": key_text(key)}
        connection.execute(text("INSERT INTO audit_keys (position, key_id, record) VALUES (1, :id, :record)"), values)
        before: AuditCheckpoint | None = None
        for each in old:
            before = _signed(connection, each, before, signer)


def add_checkpoint(url: str, signer: Signer) -> None:
    """One more, rightly made but for the key."""
    with attacking(url) as connection:
        latest = [checkpoint_from(each) for each in _records(connection)][-1]
        count = connection.execute(text("SELECT max(position) FROM audit_events")).scalar_one()
        _signed(connection, replace(latest, number=latest.number + 1, tree_size=count), latest, signer)


def put_key(url: str, signer: Signer, *, previous_key_id: str | None) -> None:
    key = replace(public_key_of(signer, after=None), previous_key_id=previous_key_id, endorsement="ab" * 64)
    with attacking(url) as connection:
        values = {"id": key.key_id, "record": key_text(key)}
        connection.execute(text("INSERT INTO audit_keys (position, key_id, record) VALUES (9, :id, :record)"), values)


def _signed(
    connection: Connection, template: AuditCheckpoint, before: AuditCheckpoint | None, signer: Signer
) -> AuditCheckpoint:
    query = text(
        "SELECT writer, seq, leaf_hash, chain_hash FROM audit_events WHERE position <= :size ORDER BY position"
    )
    rows = connection.execute(query, {"size": template.tree_size}).all()
    since = 0 if before is None else before.tree_size
    heads = {row.writer: Head(writer=row.writer, seq=row.seq, chain_hash=row.chain_hash) for row in rows[since:]}
    unsigned = replace(
        template,
        root_hash=root_of([bytes.fromhex(row.leaf_hash) for row in rows]).hex(),
        heads=tuple(heads[writer] for writer in sorted(heads)),
        previous_sha256="" if before is None else digest_of(before),
        key_id=signer.key_id,
    )
    made = replace(unsigned, signature=signer.sign(signed_text(unsigned)))
    values = {"number": made.number, "size": made.tree_size, "record": checkpoint_text(made)}
    connection.execute(
        text("INSERT INTO audit_checkpoints (number, tree_size, record) VALUES (:number, :size, :record)"), values
    )
    return made


def _records(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT record FROM audit_checkpoints ORDER BY number")).scalars())
