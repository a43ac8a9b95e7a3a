"""Every decision that a checkpoint holds can be proven, and every two checkpoints shown to be of one log."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from orchestrator.audit_keys import KeyFile
from orchestrator.audit_proofs import consistency_of, proof_of
from orchestrator.audit_service import AuditDesk
from orchestrator.checkpointer import Checkpointer
from storage.checkpoint_proof import check_proof
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound
from storage.registry import open_stores
from storage.signing import Signer
from storage.stores import DecisionFilter, Stores
from tests.orchestrator.audit_doubles import answered

KEY = Signer(b"k" * 32)


@pytest.fixture(scope="module")
def stores() -> Stores:
    return asyncio.run(signed_stores())


async def signed_stores() -> Stores:
    """551 events, checkpoints over 3, 7, 257, 511 and 551 of them, and two events more."""
    stores = await open_stores("memory:")
    checkpointer = Checkpointer(stores, KeyFile(None, given=KEY), None)
    for count in (1, 2, 125, 127, 20):
        await answered(stores, count)
        assert (await checkpointer.look(is_last=True)) is not None
    await answered(stores)
    return stores


async def test_every_decision_that_a_checkpoint_holds_is_proven(stores: Stores) -> None:
    found = await stores.decisions.find(DecisionFilter(limit=1000))
    assert len(found) == 276
    for stored in found[1:]:
        proof = await proof_of(stores, stored.decision.id)
        checked = check_proof(json.dumps(proof), public_key=KEY.public_key)
        assert checked.is_proven, checked.said
        assert len(proof["path"]) <= 10


async def test_a_decision_that_no_checkpoint_holds_yet_is_not_proven(stores: Stores) -> None:
    [newest] = await stores.decisions.find(DecisionFilter(limit=1))
    with pytest.raises(RecordNotFound, match="in no signed checkpoint yet"):
        await proof_of(stores, newest.decision.id)
    with pytest.raises(RecordNotFound, match="No decision 'decision_x'"):
        await proof_of(stores, "decision_x")


async def test_an_erased_text_leaves_old_proofs_good() -> None:
    stores = await open_stores("memory:")
    decision = await answered(stores)
    checkpointer = Checkpointer(stores, KeyFile(None, given=KEY), None)
    await checkpointer.look(is_last=True)
    before = json.dumps(await proof_of(stores, decision.id))
    await stores.payloads.erase(decision.payload_id)
    await checkpointer.look(is_last=True)
    assert json.dumps(await proof_of(stores, decision.id)) == before
    assert check_proof(before).is_proven
    await stores.close()


async def test_any_two_checkpoints_are_of_one_log(stores: Stores) -> None:
    for first in range(1, 6):
        for second in range(first, 6):
            found = await consistency_of(stores, first, second)
            assert found.is_consistent, (first, second)
    assert (await consistency_of(stores, 3, 3)).path == ()
    with pytest.raises(InvalidInput, match="name the earlier one first"):
        await consistency_of(stores, 2, 1)
    with pytest.raises(RecordNotFound, match="No checkpoint 9"):
        await consistency_of(stores, 1, 9)


async def damaged(tmp_path: Path, *statements: str) -> AuditDesk:
    """One signed decision in a file, in which somebody then did this."""
    stores, key_file = await open_stores(f"sqlite:///{tmp_path}/antroute.db"), KeyFile(tmp_path / "audit.key")
    await answered(stores)
    await Checkpointer(stores, key_file, None).look(is_last=True)
    with sqlite3.connect(tmp_path / "antroute.db") as connection:
        for [trigger] in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        for each in statements:
            connection.execute(each)
    connection.close()
    return AuditDesk(stores=stores, key_file=key_file, outside=None)


async def test_a_root_of_events_that_are_not_there_is_found_and_proves_nothing(tmp_path: Path) -> None:
    desk = await damaged(tmp_path, "INSERT INTO audit_tiles VALUES (1, 'zz')")
    found = await desk.verify()
    assert found.first_bad_checkpoint is not None
    assert found.first_bad_checkpoint.reason == "roots of 1 tiles are kept, but the log has 0 whole ones"
    [stored] = await desk.stores.decisions.find(DecisionFilter(limit=1))
    with pytest.raises(LogCorrupt, match="A stored hash of the log is none"):
        await desk.proof(stored.decision.id)
    await desk.stores.close()


async def test_a_damaged_key_of_the_database_is_a_finding_and_no_error(tmp_path: Path) -> None:
    desk = await damaged(tmp_path, "UPDATE audit_keys SET record = replace(record, 'created_at', 'made_at')")
    found = await desk.verify()
    assert not found.is_whole
    assert found.first_bad_checkpoint is not None
    assert "A stored signing key is none" in found.first_bad_checkpoint.reason
    await desk.stores.close()
