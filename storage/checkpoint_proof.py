"""The proof that a decision stands in a signed log, as one JSON file, and its check, which needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from storage.errors import InvalidInput
from storage.merkle import root_from_inclusion
from storage.signing import is_signed, key_id_of

KIND = "antroute_proof"
VERSION = 1
HOW_TO_CHECK = (
    "leaf = SHA-256(byte 00, then event.canonical in UTF-8).",
    "Go up with each hash of path (RFC 6962, 2.1.1; RFC 9162, 2.1.3.2): node = SHA-256(byte 01, left, right). "
    "leaf_index is event.position less one, tree_size that of the checkpoint. What comes out is its root_hash.",
    "checkpoint.signature is Ed25519 over checkpoint.signed in UTF-8, by the key of keys that it names in key_id.",
    "Each key but the first is endorsed: endorsement is Ed25519 over signed, by the key before it.",
    "Compare the public key with one that the operator gave you before, by another way than this file.",
)


@dataclass(frozen=True, kw_only=True)
class ProofCheck:
    """What a proof file comes to."""

    is_proven: bool
    decision_id: str
    said: tuple[str, ...]  # what is proven, in words; or the first thing that does not hold
    not_proven: tuple[str, ...]
    public_keys: tuple[str, ...]  # of the first key to the one that signed


class _Refused(Exception):
    """The file proves nothing, for this reason."""


def check_proof(text: str, *, public_key: str | None = None) -> ProofCheck:
    """`public_key` (hex): one that the reader knows as the operator's. Raises InvalidInput for what is no proof."""
    plain = _plain(text)
    decision_id = str(plain.get("decision_id", ""))
    try:
        said, keys = _proven(plain, decision_id, None if public_key is None else public_key.strip().lower())
    except _Refused as exc:
        return ProofCheck(is_proven=False, decision_id=decision_id, said=(str(exc),), not_proven=(), public_keys=())
    except (AttributeError, KeyError, TypeError, ValueError, InvalidInput) as exc:
        reason = f"the file lacks what a proof must have ({exc!r})"
        return ProofCheck(is_proven=False, decision_id=decision_id, said=(reason,), not_proven=(), public_keys=())
    return ProofCheck(
        is_proven=True,
        decision_id=decision_id,
        said=said,
        not_proven=_not_proven(is_key_known=public_key is not None),
        public_keys=keys,
    )


def _proven(
    plain: Mapping[str, Any], decision_id: str, public_key: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    event, checkpoint = plain["event"], plain["checkpoint"]
    record, signed = json.loads(event["canonical"]), json.loads(checkpoint["signed"])
    if record.get("kind") != "decision" or record.get("id") != decision_id:
        raise _Refused(f"the event is not the decision {decision_id!r}")
    if signed.get("kind") != "audit_checkpoint":
        raise _Refused("what was signed is no checkpoint")
    keys = _chain(plain["keys"])
    if keys[-1]["key_id"] != signed["key_id"]:
        raise _Refused(f"the last key is not {signed['key_id']!r}, which the checkpoint names")
    trusted = _from_known(keys, public_key)
    if not is_signed(checkpoint["signed"], signature=checkpoint["signature"], public_key=keys[-1]["public_key"]):
        raise _Refused("the checkpoint's signature is not one of its key over what it says")
    position, size = int(event["position"]), int(signed["tree_size"])
    leaf = sha256(b"\x00" + event["canonical"].encode("utf-8", "surrogatepass")).digest()
    root = root_from_inclusion(leaf, position - 1, size, [bytes.fromhex(each) for each in plain["path"]])
    if root is None or root.hex() != signed["root_hash"]:
        raise _Refused("the path does not lead from the event to the root that was signed")
    said = (
        f"Decision {decision_id} stands at place {position} of the log, in exactly these words.",
        f"Checkpoint {signed['number']} over the log's first {size} events holds it, signed at {signed['signed_at']}.",
        f"Signed with key {signed['key_id']}{trusted}.",
    )
    return said, tuple(key["public_key"] for key in keys)


def _chain(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The keys, of which each has endorsed the one after it."""
    keys: list[dict[str, Any]] = []
    for each in given:
        key = json.loads(each["signed"])
        if key.get("kind") != "signing_key" or key["key_id"] != key_id_of(key["public_key"]):
            raise _Refused(f"{key.get('key_id')!r} is not the name of its public key")
        if keys:
            before = keys[-1]
            is_endorsed = is_signed(each["signed"], signature=each["endorsement"], public_key=before["public_key"])
            if key["previous_key_id"] != before["key_id"] or not is_endorsed:
                raise _Refused(f"key {key['key_id']!r} was not endorsed by the key before it, {before['key_id']!r}")
        keys.append(key)
    if not keys:
        raise _Refused("there is no public key in the file")
    return keys


def _from_known(keys: Sequence[Mapping[str, Any]], public_key: str | None) -> str:
    if public_key is None:
        return ""
    if public_key not in [key["public_key"] for key in keys]:
        raise _Refused(f"none of the file's keys is the one that you gave, {public_key!r}")
    return ", which is the one that you gave, or was endorsed by it"


def _not_proven(*, is_key_known: bool) -> tuple[str, ...]:
    whose = () if is_key_known else ("Whose key it is: give the operator's as --public-key, got by another way.",)
    return (
        *whose,
        "That what the record says is true: it is what the service wrote down.",
        "That the time of signing is right: it is the service's own clock.",
        "That the log holds every decision that was made, or what it holds after this checkpoint.",
    )


def _plain(text: str) -> Mapping[str, Any]:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"The file is no JSON: {exc}", field="file") from exc
    if not isinstance(plain, dict) or plain.get("kind") != KIND:
        raise InvalidInput(f"The file is no proof: its `kind` is not {KIND!r}.", field="file")
    if plain.get("version") != VERSION:
        raise InvalidInput(f"The proof is of version {plain.get('version')!r}; this one knows {VERSION}.", field="file")
    return plain
