"""Reads checkpoints and keys, ours and those outside, and looks at them alone: signatures, order, endorsements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from storage.audit.seals import Faults, Seals
from storage.checkpoint_forms import checkpoint_text, digest_of, endorsed_text, key_text, signed_text
from storage.checkpoint_records import AuditCheckpoint, CheckpointStore, SigningKey
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.signing import is_signed, key_id_of

PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class OutsideCopy:
    """What stands in the place outside the database."""

    place: str
    checkpoints: Mapping[int, AuditCheckpoint] = field(default_factory=dict)  # by number
    keys: Sequence[SigningKey] = ()  # oldest first
    fault: str = ""  # where it contradicts itself


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whom a verification believes, beside the first key, whose word alone nobody can check."""

    own_key: str | None = None  # public key (hex) of this service's file: the newest one must be that
    keys: tuple[str, ...] = ()  # public keys (hex) that need no endorsement


async def read_seals(store: CheckpointStore, outside: OutsideCopy | None, trust: Trust) -> Seals:
    """The checkpoints up to the first that is not rightly signed; the faults say what is wrong.

    Raises StorageUnavailable.
    """
    faults = Faults()
    keys = await _good_keys(store, outside, trust, faults)
    ours, tiles = await _ours(store, faults)
    chosen = list(ours.values()) if outside is None else _with_outside(ours, outside, faults)
    checkpoints = _in_order(chosen, keys, faults)
    compared = None if outside is None else len(outside.checkpoints.keys() & ours.keys())
    return Seals(checkpoints=checkpoints, tiles=tiles, faults=faults, compared=compared)


async def _ours(store: CheckpointStore, faults: Faults) -> tuple[dict[int, AuditCheckpoint], Sequence[str]]:
    """By number; those after a gap too."""
    found: dict[int, AuditCheckpoint] = {}
    after = 0
    while True:
        try:
            page = await store.checkpoints(after_number=after, limit=PAGE)
        except LogCorrupt:
            page = await _up_to_damage(store, after, faults)
            found |= {each.number: each for each in page}
            break
        found |= {each.number: each for each in page}
        if len(page) < PAGE:
            break
        after = page[-1].number
    for expected, number in enumerate(sorted(found), 1):
        if number != expected:
            faults.note(expected, "it is missing")
            break
    return found, await store.tiles()


async def _up_to_damage(store: CheckpointStore, after: int, faults: Faults) -> list[AuditCheckpoint]:
    page: list[AuditCheckpoint] = []
    while True:
        number = after + len(page) + 1
        try:
            page.append(await store.get(number))
        except RecordNotFound:
            faults.note(number, "it is missing")
            return page
        except LogCorrupt as exc:
            faults.note(number, str(exc))
            return page


def _with_outside(ours: Mapping[int, AuditCheckpoint], outside: OutsideCopy, faults: Faults) -> list[AuditCheckpoint]:
    """Of a number that stands in both the one outside: it is out of reach of whoever can write to the database."""
    theirs = outside.checkpoints
    if outside.fault:
        faults.note(0, f"{outside.place}: {outside.fault}")
    for number in sorted(theirs):
        if number not in ours:
            faults.note(number, f"it stands in {outside.place!r} and is missing here")
        elif checkpoint_text(ours[number]) != checkpoint_text(theirs[number]):
            faults.note(number, f"it is another one in {outside.place!r}")
    gap = next((number for number in range(1, max(theirs, default=0)) if number not in theirs), None)
    if gap is not None:
        faults.note(gap, f"it is missing in {outside.place!r}")
    return [(theirs.get(number) or ours[number]) for number in sorted(ours.keys() | theirs.keys())]


def _in_order(
    chosen: Sequence[AuditCheckpoint], keys: Mapping[str, tuple[int, SigningKey]], faults: Faults
) -> list[AuditCheckpoint]:
    good: list[AuditCheckpoint] = []
    place = 0
    for checkpoint in chosen:
        before = good[-1] if good else None
        key_place, key = keys.get(checkpoint.key_id, (0, None))
        reason = _fault_of(checkpoint, before, key)
        if not reason and key_place < place:
            reason = f"key {checkpoint.key_id!r} signed it after another key had taken over"
        if reason:
            faults.note(checkpoint.number, reason)
            break
        place = key_place
        good.append(checkpoint)
    return good


def _fault_of(checkpoint: AuditCheckpoint, before: AuditCheckpoint | None, key: SigningKey | None) -> str:
    number, size = (0, 0) if before is None else (before.number, before.tree_size)
    if checkpoint.number != number + 1:
        return f"checkpoint {number + 1} is missing before it"
    if key is None:
        return f"it is signed with the key {checkpoint.key_id!r}, which is unknown or foreign"
    if not is_signed(signed_text(checkpoint), signature=checkpoint.signature, public_key=key.public_key):
        return f"its signature is not one of key {key.key_id!r} over what it says"
    if checkpoint.previous_sha256 != ("" if before is None else digest_of(before)):
        return "it does not quote the checkpoint before it"
    return "" if checkpoint.tree_size > size else f"it holds {checkpoint.tree_size} events, the one before it {size}"


async def _good_keys(
    store: CheckpointStore, outside: OutsideCopy | None, trust: Trust, faults: Faults
) -> dict[str, tuple[int, SigningKey]]:
    """Key id to place and key, of those that the first one vouches for, over others or itself."""
    theirs = [replace(key, retired_at=None) for key in outside.keys] if outside is not None else []
    try:
        ours = [replace(key, retired_at=None) for key in await store.keys()]
    except LogCorrupt as exc:
        faults.note(0, str(exc))
        ours = []
    texts = {key_text(key) for key in ours}
    for key in theirs:
        if key_text(key) not in texts:
            place = "" if outside is None else outside.place
            faults.note(0, f"signing key {key.key_id!r} stands in {place!r} and is missing or another one here")
    known = {key.key_id for key in theirs}
    good: dict[str, tuple[int, SigningKey]] = {}
    newest: SigningKey | None = None
    for place_of_key, key in enumerate([*theirs, *(key for key in ours if key.key_id not in known)]):
        if _is_vouched_for(key, newest, trust):
            good[key.key_id], newest = (place_of_key, key), key
        else:
            faults.note(0, f"signing key {key.key_id!r} is foreign: the key before it has not endorsed it")
    if trust.own_key is not None and newest is not None and newest.public_key != trust.own_key:
        faults.note(0, f"key {newest.key_id!r} signs, which is not the one of this service's file")
    return good


def _is_vouched_for(key: SigningKey, newest: SigningKey | None, trust: Trust) -> bool:
    try:
        is_named = key.key_id == key_id_of(key.public_key)
    except InvalidInput:
        return False
    if not is_named or key.public_key in trust.keys:
        return is_named
    if newest is None:
        return key.previous_key_id is None
    return key.previous_key_id == newest.key_id and is_signed(
        endorsed_text(key), signature=key.endorsement, public_key=newest.public_key
    )
