"""Checks one decision's event of the audit log on its own: its leaf, its chain, the text it quotes, its signature."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import count

import orjson

from orchestrator.audit_proofs import proof_of
from storage.chain import GENESIS_HASH, LEAF_PREFIX
from storage.checkpoint_proof import check_proof
from storage.errors import LogCorrupt, RecordNotFound
from storage.records import AuditEvent, Payload, payload_digest
from storage.stores import AuditLog, Stores

LINKS_AT_ONCE = 2000
MOST_LOOKS = 10  # back into the log, for the event before it in its chain


@dataclass(frozen=True, kw_only=True)
class Check:
    """`is_good`: None where it could not be told."""

    name: str
    is_good: bool | None
    words: str


async def checks_of(stores: Stores, event: AuditEvent, payload: Payload | None) -> list[Check]:
    """Each on its own, in words."""
    return [_leaf(event), await _link(stores.audit, event), _payload(payload), await _signed(stores, event)]


def _leaf(event: AuditEvent) -> Check:
    found = leaf_of(event)
    if found.hex() == event.leaf_hash:
        return Check(name="Leaf", is_good=True, words="The stored record hashes to its leaf.")
    return Check(name="Leaf", is_good=False, words=f"The stored record hashes to {found.hex()}, not to its leaf.")


async def _link(audit: AuditLog, event: AuditEvent) -> Check:
    before = await _chain_hash_before(audit, event)
    if before is None:
        words = (
            f"The event before it in its chain is not among the {LINKS_AT_ONCE * MOST_LOOKS:,} before it in the log."
        )
        return Check(name="Chain", is_good=None, words=words)
    linked = sha256(bytes.fromhex(before) + leaf_of(event)).hexdigest()
    if linked == event.chain_hash:
        return Check(name="Chain", is_good=True, words="It follows from the event before it in its chain.")
    return Check(name="Chain", is_good=False, words="It does not follow from the event before it in its chain.")


def _payload(payload: Payload | None) -> Check:
    if payload is None:
        return Check(name="Question", is_good=False, words="The text that it quotes is missing.")
    if payload.text is None or payload.salt is None:
        return Check(name="Question", is_good=None, words="The text was erased; its digest stays in the log.")
    is_good = payload_digest(payload.salt, payload.text) == payload.digest
    words = "The text hashes to the digest that was logged." if is_good else "The text is not the one that was logged."
    return Check(name="Question", is_good=is_good, words=words)


async def _signed(stores: Stores, event: AuditEvent) -> Check:
    """Whether the first checkpoint that holds it leads from its leaf to a root that was signed."""
    name = "Checkpoint"
    try:
        proof = await proof_of(stores, event.subject_id)
    except RecordNotFound as error:
        return Check(name=name, is_good=None, words=f"{error} {error.hint}")
    except LogCorrupt as error:
        return Check(name=name, is_good=False, words=str(error))
    found = check_proof(orjson.dumps(proof).decode())
    return Check(name=name, is_good=found.is_proven, words=" ".join(found.said))


def leaf_of(event: AuditEvent) -> bytes:
    return sha256(LEAF_PREFIX + event.canonical.encode("utf-8", "surrogatepass")).digest()


async def _chain_hash_before(audit: AuditLog, event: AuditEvent) -> str | None:
    """Of the same writer; None: it stands too far back."""
    if event.seq == 0:
        return GENESIS_HASH
    last = event.position
    for _ in count():
        first = max(0, last - 1 - LINKS_AT_ONCE)
        links = await audit.links(after_position=first, limit=last - 1 - first)
        for link in reversed(links):
            if link.writer == event.writer and link.seq == event.seq - 1:
                return link.chain_hash
        if first == 0 or event.position - first > LINKS_AT_ONCE * MOST_LOOKS:
            return None
        last = first + 1
    return None
