"""Checkpoints and signing keys as JSON, what of them is signed, and which may follow which; does no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from storage.canonical import canonical_json, checked_id, moment_of, parsed
from storage.checkpoint_records import AuditCheckpoint, Head, SigningKey
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound, VersionConflict
from storage.merkle import TILE

CHECKPOINT_KIND = "audit_checkpoint"
KEY_KIND = "signing_key"
UNSIGNED = ("signature", "endorsement", "retired_at")
LOOK_AGAIN = "The next checkpoint will tell it again."


def signed_text(checkpoint: AuditCheckpoint) -> str:
    """What the signature of a checkpoint is over."""
    return canonical_json(_values(checkpoint, CHECKPOINT_KIND, UNSIGNED))


def endorsed_text(key: SigningKey) -> str:
    """What the key before it signs of a key."""
    return canonical_json(_values(key, KEY_KIND, UNSIGNED))


def checkpoint_text(checkpoint: AuditCheckpoint) -> str:
    """As it is stored, here and outside."""
    return canonical_json(_values(checkpoint, CHECKPOINT_KIND, ()))


def key_text(key: SigningKey) -> str:
    return canonical_json(_values(key, KEY_KIND, ("retired_at",)))


def digest_of(checkpoint: AuditCheckpoint) -> str:
    """What the next one quotes."""
    return sha256(checkpoint_text(checkpoint).encode()).hexdigest()


def checkpoint_from(text: str) -> AuditCheckpoint:
    """Raises LogCorrupt for a text that `checkpoint_text` did not write."""
    plain = _plain(text, CHECKPOINT_KIND)
    try:
        heads = tuple(Head(**each) for each in plain.pop("heads"))
        found = AuditCheckpoint(**plain | {"heads": heads, "signed_at": moment_of(plain["signed_at"])})
        is_same = checkpoint_text(found) == text
    except (AttributeError, InvalidInput, KeyError, TypeError, ValueError) as exc:
        raise LogCorrupt(f"A stored checkpoint is none: {exc!r}.") from exc
    if not is_same:
        raise LogCorrupt(f"The stored checkpoint {found.number!r} is not in canonical form.")
    return found


def key_from(text: str) -> SigningKey:
    """Raises LogCorrupt for a text that `key_text` did not write."""
    plain = _plain(text, KEY_KIND)
    try:
        found = SigningKey(**plain | {"created_at": moment_of(plain["created_at"])})
        is_same = key_text(found) == text
    except (AttributeError, InvalidInput, KeyError, TypeError, ValueError) as exc:
        raise LogCorrupt(f"A stored signing key is none: {exc!r}.") from exc
    if not is_same:
        raise LogCorrupt(f"The stored signing key {found.key_id!r} is not in canonical form.")
    return found


def kind_in(text: str) -> str:
    """Which of the two the text is. Raises LogCorrupt."""
    kind = parsed(text).get("kind")
    if kind not in (CHECKPOINT_KIND, KEY_KIND):
        raise LogCorrupt(f"kind {kind!r} is neither {CHECKPOINT_KIND!r} nor {KEY_KIND!r}.")
    return str(kind)


def in_turn(keys: Sequence[SigningKey]) -> list[SigningKey]:
    """The keys, each retired when the next one was made."""
    ends = [key.created_at for key in keys[1:]]
    return [replace(key, retired_at=end) for key, end in zip(keys, [*ends, None], strict=False)]


def ensure_follows(
    checkpoint: AuditCheckpoint, latest: AuditCheckpoint | None, newest_key: SigningKey | None, *, tiles: int
) -> None:
    """`tiles`: how many there would be with it. Raises VersionConflict, InvalidInput."""
    number = 0 if latest is None else latest.number
    if checkpoint.number <= number:
        raise VersionConflict(f"Checkpoint {checkpoint.number} was signed by another process.", hint=LOOK_AGAIN)
    if newest_key is None or checkpoint.key_id != newest_key.key_id:
        known = "none" if newest_key is None else repr(newest_key.key_id)
        raise VersionConflict(f"Key {checkpoint.key_id!r} is not the one that signs now: {known}.", hint=LOOK_AGAIN)
    before = "" if latest is None else digest_of(latest)
    size = 0 if latest is None else latest.tree_size
    if checkpoint.number != number + 1 or checkpoint.previous_sha256 != before or checkpoint.tree_size <= size:
        raise InvalidInput(
            f"Checkpoint {checkpoint.number} over {checkpoint.tree_size} events does not follow from "
            f"checkpoint {number} over {size}.",
            field="checkpoint",
        )
    if tiles != checkpoint.tree_size // TILE:
        raise InvalidInput(f"{checkpoint.tree_size} events have not {tiles} whole tiles.", field="tiles")


def checked_key(key: SigningKey, known: Sequence[SigningKey]) -> SigningKey | None:
    """The known key of this id, None for one to be added. Raises VersionConflict, InvalidInput."""
    checked_id(key.key_id, "key_id")
    for each in known:
        if each.key_id == key.key_id:
            if key_text(replace(each, created_at=key.created_at)) != key_text(key):  # two may add it at one time
                raise InvalidInput(f"Signing key {key.key_id!r} is there already, and another one.", field="key_id")
            return each
    newest = known[-1].key_id if known else None
    if key.previous_key_id != newest:
        raise VersionConflict(
            f"Signing key {key.key_id!r} would take over from {key.previous_key_id!r}, but {newest!r} signs now.",
            hint="Give this service the file of the key that signs, or rotate it: antroute audit rotate-key",
        )
    return None


def no_checkpoint(number: int) -> RecordNotFound:
    return RecordNotFound(f"No checkpoint {number!r}.", hint="`antroute audit checkpoints` shows them.")


def _values(record: AuditCheckpoint | SigningKey, kind: str, left_out: Sequence[str]) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in left_out}
    return {"kind": kind, **values}


def _plain(text: str, kind: str) -> dict[str, Any]:
    plain = parsed(text)
    if plain.pop("kind", None) != kind:
        raise LogCorrupt(f"The stored text is no {kind!r}.")
    return plain
