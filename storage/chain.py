"""The hash chain of one writer: turns entries into linked events; does no I/O.

leaf = SHA256(0x00 ‖ canonical), chain = SHA256(previous chain ‖ leaf), the first previous being 32 zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from storage.budget_records import Amount, Forfeit
from storage.canonical import Entry, entry_from, moment_of, parsed
from storage.checkpoint_records import Head as Head
from storage.errors import LogCorrupt
from storage.records import AuditEvent, Hold

GENESIS_HASH = "00" * 32
LEAF_PREFIX = b"\x00"  # RFC 6962: leaves and nodes of a tree are hashed apart


def leaf_hash(canonical: str) -> str:
    """Hex SHA-256 of the leaf; a lone surrogate is hashed as its three bytes, so that any text has a hash."""
    return sha256(LEAF_PREFIX + canonical.encode("utf-8", "surrogatepass")).hexdigest()


def chain_hash(previous: str, leaf: str) -> str:
    return sha256(bytes.fromhex(previous) + bytes.fromhex(leaf)).hexdigest()


def linked(entry: Entry, *, writer: str, head: Head | None, position: int) -> AuditEvent:
    """The entry as the event after `head` at this place in the log; None: the writer's first event."""
    leaf = leaf_hash(entry.canonical)
    return AuditEvent(
        writer=writer,
        seq=0 if head is None else head.seq + 1,
        kind=entry.kind,
        subject_id=entry.subject_id,
        decision_id=entry.decision_id,
        run_id=entry.run_id,
        tenant=entry.tenant,
        candidate_id=entry.candidate_id,
        policy=entry.policy,
        at=entry.at,
        canonical=entry.canonical,
        leaf_hash=leaf,
        chain_hash=chain_hash(GENESIS_HASH if head is None else head.chain_hash, leaf),
        position=position,
    )


def head_of(event: AuditEvent) -> Head:
    return Head(writer=event.writer, seq=event.seq, chain_hash=event.chain_hash)


def opening(writer: str, heads: Iterable[Head], *, at: datetime) -> Entry:
    """The first event of a chain.

    It quotes the heads of all other chains that grew since the last opening, so that this chain proves them:
    older heads were quoted by that opening, which lies in one of the chains quoted here.
    """
    quoted = [{"writer": each.writer, "seq": each.seq, "chain_hash": each.chain_hash} for each in heads]
    quoted.sort(key=lambda each: str(each["writer"]))
    return entry_from("writer_opened", {"id": writer, "opened_at": at, "heads": quoted})


def forfeiture(hold: Hold, *, at: datetime) -> Entry:
    """The event that a hold ran out and was charged in full."""
    values = {
        "id": hold.id,
        "account_id": hold.account_id,
        "amount_usd": hold.amount.usd,
        "amount_tokens": hold.amount.tokens,
        "amount_seconds": hold.amount.seconds,
        "amount_joules": hold.amount.joules,
        "expires_at": hold.expires_at,
        "forfeited_at": at,
    }
    return entry_from("hold_forfeited", values)


def forfeit_from(canonical: str) -> Forfeit:
    """What `forfeiture` wrote. Raises LogCorrupt."""
    plain = parsed(canonical)
    try:
        amount = Amount(
            usd=Decimal(plain["amount_usd"]),
            tokens=int(plain["amount_tokens"]),
            seconds=float(plain["amount_seconds"]),
            joules=float(plain["amount_joules"]),
        )
        at = moment_of(plain["forfeited_at"])
        return Forfeit(hold_id=plain["id"], account_id=plain["account_id"], amount=amount, forfeited_at=at)
    except (KeyError, TypeError, ValueError, ArithmeticError) as exc:
        raise LogCorrupt(f"An event of a forfeited hold does not add up: {exc!s}.") from exc


def erasure(payload_id: str, *, digest: str, at: datetime) -> Entry:
    """The event that a payload's text and salt are gone."""
    return entry_from("payload_erased", {"id": payload_id, "digest": digest, "erased_at": at})
