"""Files, folders and object stores keep what was brought there, once, and give it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.audit_objects import ObjectsOutside
from orchestrator.audit_outside import FileOutside, FolderOutside, Outside, copy_in
from orchestrator.audit_places import opened_outside
from orchestrator.errors import SettingsInvalid
from storage.checkpoint_records import AuditCheckpoint
from storage.conformance_checkpoints import FIRST, SECOND, a_checkpoint, a_signing_key
from storage.errors import StorageUnavailable

Opened = Callable[[], Outside]


def some_checkpoints(count: int) -> list[AuditCheckpoint]:
    made: list[AuditCheckpoint] = []
    for _ in range(count):
        made.append(a_checkpoint(made[-1] if made else None))
    return made


@pytest.fixture(params=["file", "folder", "memory://", "file://"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the same place, again and again; RAM keeps its objects only while it is open."""
    if request.param == "file":
        return lambda: FileOutside(tmp_path / "new" / "outside.jsonl")
    if request.param == "folder":
        return lambda: FolderOutside(tmp_path / "new" / "outside")
    if request.param == "memory://":
        kept = ObjectsOutside("memory:///")
        return lambda: kept
    return lambda: ObjectsOutside(f"file://{tmp_path}/new")


def test_what_was_written_is_given_back(opened: Opened) -> None:
    made, keys = some_checkpoints(12), [a_signing_key(FIRST), a_signing_key(SECOND, after=FIRST)]
    assert (opened().last_number(), copy_in(opened()).checkpoints) == (0, {})
    opened().write(keys[:1], made[:10])
    assert opened().last_number() == 10
    opened().write(keys[1:], made[10:])
    opened().write(keys, made[8:])
    assert opened().last_number() == 12
    copy = copy_in(opened())
    assert copy.checkpoints == {each.number: each for each in made}
    assert (copy.keys, copy.fault, copy.place) == (keys, "", opened().place)


def test_what_is_there_is_never_written_over(opened: Opened) -> None:
    [made] = some_checkpoints(1)
    other = a_checkpoint(None, grown=6)
    opened().write([], [made])
    if isinstance(opened(), FileOutside):
        opened().write([], [other])
        assert "checkpoint 1 stands there twice, and not alike" in copy_in(opened()).fault
    else:
        with pytest.raises(StorageUnavailable, match=r"stands in .* already, and not as it was signed here"):
            opened().write([], [other])
    assert copy_in(opened()).checkpoints == {1: made}


def test_a_line_that_a_power_cut_left_half_written_spoils_no_other(tmp_path: Path) -> None:
    outside, made = FileOutside(tmp_path / "outside.jsonl"), some_checkpoints(2)
    outside.write([], made[:1])
    with outside.path.open("a") as file:
        file.write('{"half')
    assert outside.last_number() == 1
    outside.write([], made[1:])
    assert outside.last_number() == 2
    assert copy_in(outside).checkpoints == {each.number: each for each in made}


@pytest.mark.parametrize("kept", [0, 40])
def test_a_file_that_a_power_cut_or_a_full_disk_left_half_written_is_made_whole(tmp_path: Path, kept: int) -> None:
    made, keys = some_checkpoints(3), [a_signing_key(FIRST)]
    outside = FolderOutside(tmp_path)
    outside.write(keys, made[:2])
    torn = tmp_path / "checkpoint-000000000002.json"
    torn.write_text(torn.read_text()[:kept])
    assert outside.last_number() == 1
    outside.write(keys, made[1:])
    assert copy_in(outside).checkpoints == {each.number: each for each in made}
    assert len(list(tmp_path.iterdir())) == 4, "no draft is left"


def test_a_file_of_other_words_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    made = some_checkpoints(1)
    (tmp_path / "checkpoint-000000000001.json").write_bytes(b"\xff{}")
    with pytest.raises(StorageUnavailable, match="not as it was signed here"):
        FolderOutside(tmp_path).write([], made)


def test_the_last_number_is_found_behind_a_long_line(tmp_path: Path) -> None:
    outside = FileOutside(tmp_path / "outside.jsonl")
    outside.write([], some_checkpoints(1))
    with outside.path.open("a") as file:
        file.write("x" * 100_000 + "\n")
    assert outside.last_number() == 1


@pytest.mark.parametrize("place", [FileOutside, FolderOutside])
def test_a_place_that_cannot_be_used_says_why(tmp_path: Path, place: Callable[[Path], Outside]) -> None:
    (tmp_path / "file").touch()
    outside = place(tmp_path / "file" / "below")
    with pytest.raises(StorageUnavailable, match=r"cannot be used: (Not a directory|File exists)"):
        outside.write([], some_checkpoints(1))


def test_the_settings_name_a_file_a_folder_an_object_store_or_nothing(tmp_path: Path) -> None:
    beside = opened_outside("auto", store_url=f"sqlite:///{tmp_path}/antroute.db")
    assert beside is not None
    assert beside.place == f"{tmp_path}/antroute.db.checkpoints.jsonl"
    far = opened_outside("auto", store_url="postgresql://me:secret@host/db")
    assert isinstance(far, FileOutside)
    again = opened_outside("auto", store_url="postgresql://you:other@host/db")
    assert again is not None
    assert far.place == again.place, "a changed password is no other store"
    assert opened_outside("auto", store_url="memory:") is None
    assert opened_outside("", store_url="sqlite:///x.db") is None
    assert isinstance(opened_outside(f"{tmp_path}/new/", store_url="memory:"), FolderOutside)
    assert isinstance(opened_outside(str(tmp_path), store_url="memory:"), FolderOutside)
    assert isinstance(opened_outside("memory:///", store_url="memory:"), ObjectsOutside)
    with pytest.raises(SettingsInvalid, match="cannot be opened"):
        opened_outside("gopher://x/y", store_url="memory:")


def test_a_device_is_no_place_outside(tmp_path: Path) -> None:
    place = tmp_path / "outside.jsonl"
    place.symlink_to("/dev/zero")
    with pytest.raises(StorageUnavailable, match="is no file"):
        FileOutside(place).last_number()
