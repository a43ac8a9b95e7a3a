"""The signing key: one file, its owner's alone; and a new one that the old one endorses."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from orchestrator.audit_keys import KeyFile
from orchestrator.checkpointer import Checkpointer
from orchestrator.errors import SettingsInvalid
from storage.audit import Trust, verify
from storage.checkpoint_records import SigningKey
from storage.errors import VersionConflict
from storage.memory_checkpoints import MemoryCheckpointStore
from storage.memory_log import MemoryLog
from storage.registry import open_stores
from storage.signing import Signer, is_signed, key_id_of
from tests.conftest import scripted_settings
from tests.orchestrator.audit_doubles import answered


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.key"
    assert not KeyFile(path).is_there
    signer = KeyFile(path).signer()
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFile(path).signer().public_key == signer.public_key
    assert os.listdir(path.parent) == ["audit.key"]
    assert path.read_text().strip() not in repr(signer)


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "\udcff"])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.key"
    path.touch(mode=0o600)
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(SettingsInvalid, match="holds no private key"):
        KeyFile(path).signer()


def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    KeyFile(path).signer()
    path.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="Everybody may read the signing key"):
        KeyFile(path).signer()


def test_the_settings_may_give_the_key_itself() -> None:
    key_file = KeyFile.of(scripted_settings(audit={"signing_key": "ab" * 32}))
    assert key_file.signer().public_key == Signer(b"\xab" * 32).public_key
    with pytest.raises(SettingsInvalid, match="holds no private key of Ed25519"):
        KeyFile.of(scripted_settings(audit={"signing_key": "short"}))


def test_a_signature_is_one_of_this_key_over_this_text() -> None:
    signer, other = Signer(b"a" * 32), Signer(b"b" * 32)
    signature = signer.sign("π")
    assert is_signed("π", signature=signature, public_key=signer.public_key)
    assert not is_signed("π ", signature=signature, public_key=signer.public_key)
    assert not is_signed("π", signature=signature, public_key=other.public_key)
    for wrong in ("", "zz", signature[:-2], signature + "00"):
        assert not is_signed("π", signature=wrong, public_key=signer.public_key)
    assert not is_signed("π", signature=signature, public_key="ab")
    assert signer.key_id == key_id_of(signer.public_key) != other.key_id


def test_the_vector_of_rfc_8032_is_signed_as_it_says() -> None:
    signer = Signer(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert signer.public_key == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign("") == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


async def test_after_a_rotation_checkpoints_of_both_keys_hold(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    key_file = KeyFile(tmp_path / "audit.key")
    old = key_file.signer()
    checkpointer = Checkpointer(stores, KeyFile(tmp_path / "audit.key"), None)
    await answered(stores)
    assert (await checkpointer.look(is_last=True)) is not None
    made = await key_file.rotate(stores.checkpoints)
    await answered(stores)
    second = await checkpointer.look(is_last=True)
    assert second is not None
    assert (second.key_id, made.previous_key_id) == (made.key_id, old.key_id)
    found = await verify(stores, trust=Trust(own_key=KeyFile(tmp_path / "audit.key").signer().public_key))
    assert (found.is_whole, found.checkpoints) == (True, 2)
    assert not (await verify(stores, trust=Trust(own_key=old.public_key))).is_whole
    await stores.close()


async def test_a_rotation_that_stopped_halfway_is_finished_by_whoever_signs_next(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    path = tmp_path / "audit.key"
    key_file = KeyFile(path)
    await answered(stores)
    await Checkpointer(stores, key_file, None).look(is_last=True)
    old = path.read_text()
    made = await key_file.rotate(stores.checkpoints)
    path.with_name("audit.key.ours.next").touch(mode=0o600)
    path.with_name("audit.key.ours.next").write_text(path.read_text())
    path.write_text(old)  # as if it had stopped before the new file was put in place
    await answered(stores)
    checkpoint = await Checkpointer(stores, KeyFile(path), None).look(is_last=True)
    assert checkpoint is not None
    assert checkpoint.key_id == made.key_id
    assert os.listdir(tmp_path).count("audit.key.ours.next") == 0
    await stores.close()


async def test_of_two_rotations_at_once_one_is_refused_and_the_other_ones_key_is_kept(tmp_path: Path) -> None:
    path, meeting = tmp_path / "audit.key", asyncio.Barrier(2)

    class Met(MemoryCheckpointStore):
        """Both have written their files before one of them is told to the store."""

        async def put_key(self, key: SigningKey) -> SigningKey:
            await meeting.wait()
            return await super().put_key(key)

    store = Met(MemoryLog("writer"))
    made = await asyncio.gather(*(KeyFile(path).rotate(store) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(each, VersionConflict) for each in made) == [False, True]
    [newest] = [key.key_id for key in await store.keys()]
    assert KeyFile(path).signer(newest).key_id == newest
    assert os.listdir(tmp_path) == ["audit.key"]


async def test_a_lost_key_is_replaced_by_one_that_must_be_trusted_by_name(tmp_path: Path) -> None:
    stores = await open_stores(f"sqlite:///{tmp_path}/antroute.db")
    await answered(stores)
    await Checkpointer(stores, KeyFile(tmp_path / "lost.key"), None).look(is_last=True)
    key_file = KeyFile(tmp_path / "audit.key")
    key_file.signer()
    with pytest.raises(VersionConflict, match="signs now"):
        await key_file.rotate(stores.checkpoints)
    made = await key_file.rotate(stores.checkpoints, is_lost=True)
    await answered(stores)
    assert (await Checkpointer(stores, key_file, None).look(is_last=True)) is not None
    assert not (await verify(stores)).is_whole
    found = await verify(stores, trust=Trust(keys=(made.public_key,)))
    assert (found.is_whole, found.checkpoints) == (True, 2)
    await stores.close()
