"""A proof file says that a decision stands in a signed log, and says it only where that is so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from storage.checkpoint_forms import endorsed_text, signed_text
from storage.checkpoint_proof import check_proof
from storage.conformance_checkpoints import FIRST, SECOND, a_checkpoint, a_signing_key
from storage.errors import InvalidInput
from storage.merkle import Tree, root_of
from storage.signing import Signer

STRANGER = Signer(b"s" * 32)
ROOT = Path(__file__).parents[2]


def a_proof(signer: Signer = SECOND) -> dict[str, Any]:
    """Of the sixth of eleven events."""
    canonical = json.dumps({"id": "decision_x", "kind": "decision"})
    leaves = [sha256(bytes([number])).digest() for number in range(11)]
    leaves[5] = sha256(b"\x00" + canonical.encode()).digest()
    keys = [a_signing_key(FIRST), a_signing_key(SECOND, after=FIRST)]
    unsigned = replace(a_checkpoint(None, grown=11, signer=signer), root_hash=root_of(leaves).hex())
    return {
        "kind": "antroute_proof",
        "version": 1,
        "decision_id": "decision_x",
        "event": {"position": 6, "canonical": canonical},
        "path": [each.hex() for each in Tree((), {0: leaves}).inclusion(5, 11)],
        "checkpoint": {"signed": signed_text(unsigned), "signature": signer.sign(signed_text(unsigned))},
        "keys": [{"signed": endorsed_text(key), "endorsement": key.endorsement} for key in keys],
    }


def test_a_good_proof_says_what_it_proves_and_what_not() -> None:
    found = check_proof(json.dumps(a_proof()))
    assert found.is_proven
    assert "Decision decision_x stands at place 6 of the log, in exactly these words." in found.said
    assert found.public_keys == (FIRST.public_key, SECOND.public_key)
    assert "Whose key it is" in found.not_proven[0]


@pytest.mark.parametrize("known", [FIRST, SECOND])
def test_a_key_that_the_reader_knows_vouches_for_the_signature(known: Signer) -> None:
    found = check_proof(json.dumps(a_proof()), public_key=f" {known.public_key.upper()}\n")
    assert found.is_proven
    assert "is the one that you gave, or was endorsed by it" in found.said[2]
    assert not any("Whose key" in each for each in found.not_proven)


def test_a_key_that_the_reader_does_not_know_proves_nothing() -> None:
    found = check_proof(json.dumps(a_proof()), public_key=STRANGER.public_key)
    assert (found.is_proven, "none of the file's keys" in found.said[0]) == (False, True)


def _set(*place: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(proof: dict[str, Any]) -> None:
        target: Any = proof
        for each in place[:-1]:
            target = target[each]
        target[place[-1]] = to(target[place[-1]]) if callable(to) else to

    return change


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another decision": _set("decision_id", to="decision_y"),
    "a changed record": _set("event", "canonical", to=lambda text: text.replace("}", ', "more": 1}')),
    "another place": _set("event", "position", to=7),
    "a place that is none": _set("event", "position", to=99),
    "a shorter path": _set("path", to=lambda path: path[1:]),
    "a changed path": _set("path", 0, to="00" * 32),
    "a path of no hashes": _set("path", 0, to="zz"),
    "another root": _set("checkpoint", "signed", to=lambda text: text.replace('"root_hash":"', '"root_hash":"0')),
    "another size": _set("checkpoint", "signed", to=lambda text: text.replace('"tree_size":11', '"tree_size":12')),
    "another signature": _set("checkpoint", "signature", to="00" * 64),
    "no keys": _set("keys", to=[]),
    "one key too few": _set("keys", to=lambda keys: keys[:1]),
    "another endorsement": _set("keys", 1, "endorsement", to="00" * 64),
    "no record": _set("event", to=None),
    "a record that is no decision": _set("event", "canonical", to='{"id":"decision_x","kind":"outcome"}'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_proves_nothing(change: str) -> None:
    proof = a_proof()
    CHANGES[change](proof)
    found = check_proof(json.dumps(proof))
    assert not found.is_proven
    assert (found.public_keys, found.not_proven) == ((), ())


def test_a_stranger_s_key_that_nobody_endorsed_proves_nothing() -> None:
    proof = a_proof(STRANGER)
    key = replace(a_signing_key(STRANGER, after=SECOND), endorsement=STRANGER.sign("anything"))
    proof["keys"].append({"signed": endorsed_text(key), "endorsement": key.endorsement})
    assert "was not endorsed by the key before it" in check_proof(json.dumps(proof)).said[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "antroute_proof", "version": 2}', "[" * 100_000])
def test_what_is_no_proof_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"The file is no|The proof is of version 2"):
        check_proof(text)


def test_the_check_needs_no_store_and_little_else() -> None:
    code = "import sys, storage.checkpoint_proof; print({m.split('.')[0] for m in sys.modules} & set(sys.argv[1:]))"
    heavy = ["sqlalchemy", "orchestrator", "pydantic", "orjson", "numpy", "aiohttp", "msgspec", "cryptography"]
    said = subprocess.run([sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
