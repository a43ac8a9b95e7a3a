"""What every store of router versions owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from storage.audit import verify
from storage.errors import InvalidInput, RecordNotFound, ServiceError, VersionConflict
from storage.stores import Stores
from storage.version_records import PolicyVersion, ServingVersions
from storage.versions import MOST_ARTIFACT_BYTES

WEIGHTS = b"\x00\xff" * 5000


def some_files(name: str) -> dict[str, bytes]:
    return {"manifest.json": name.encode(), "weights.safetensors": WEIGHTS}


def a_version(name: str = "first", **changes: object) -> PolicyVersion:
    digest = sha256(name.encode()).hexdigest()
    version = PolicyVersion(
        id=f"router_{digest[:16]}",
        name=name,
        predictor="knn",
        artifact_sha256=digest,
        encoder="hashing-1",
        candidates=("large", "small"),
        metrics={"utility_area": 0.61, "gate": {"is_passed": True, "rivals": {"knn": {"low": 1e-9, "high": 0.5}}}},
        parent_id="router_of_old",
    )
    return replace(version, **changes)  # type: ignore[arg-type]  # fields by name, checked by use


async def registered(stores: Stores, *names: str) -> list[PolicyVersion]:
    return [await stores.policy_versions.register(a_version(name), some_files(name)) for name in names]


async def states_of(stores: Stores) -> list[str]:
    return [version.state for version in await stores.policy_versions.versions()]


async def kinds_of(stores: Stores) -> list[str]:
    return [event.kind for event in await stores.audit.events()]


class PolicyVersionConformance:
    """Who serves is one answer for all, and the log tells how it came to be."""

    async def test_a_registered_version_is_read_back_with_its_files(self, stores: Stores) -> None:
        wanted = a_version()
        version = await stores.policy_versions.register(wanted, some_files("first"))
        assert version.state == "candidate"
        assert replace(version, file_to_sha256={}, changed_at=wanted.changed_at) == wanted
        assert version.file_to_sha256["weights.safetensors"] == sha256(WEIGHTS).hexdigest()
        assert await stores.policy_versions.get(version.id) == version
        assert await stores.policy_versions.versions() == [version]
        assert await stores.policy_versions.artifact(version.id) == some_files("first")
        assert await stores.policy_versions.serving() == ServingVersions()
        assert (await stores.policy_versions.active(), await stores.policy_versions.shadow()) == (None, None)

    async def test_the_same_artefact_again_is_the_same_version(self, stores: Stores) -> None:
        [first] = await registered(stores, "first")
        await stores.policy_versions.move(first.id, "active", reason="good")
        again = await stores.policy_versions.register(a_version(id="router_other"), some_files("first"))
        assert (again.id, again.state) == (first.id, "active")
        assert (await kinds_of(stores)).count("router_registered") == 1

    async def test_what_no_version_can_be_is_refused(self, stores: Stores) -> None:
        [first] = await registered(stores, "first")
        refused = [
            (a_version("second", id=first.id), some_files("second"), "another artefact"),
            (a_version("second", artifact_sha256=""), some_files("second"), "artifact_sha256"),
            (a_version("second"), {}, "at least one"),
            (a_version("second"), {"weights": bytes(MOST_ARTIFACT_BYTES + 1)}, "at most"),
            (a_version("second", metrics={"area": float("nan")}), some_files("second"), "finite"),
        ]
        for version, files, said in refused:
            with pytest.raises(InvalidInput, match=said):
                await stores.policy_versions.register(version, files)
        assert await stores.policy_versions.versions() == [first]
        [second] = await registered(stores, "second")  # nothing of it was left behind
        assert await stores.policy_versions.artifact(second.id) == some_files("second")

    async def test_a_version_is_found_by_the_beginning_of_its_id(self, stores: Stores) -> None:
        await registered(stores, "first")
        a, b = [
            await stores.policy_versions.register(a_version(name, id=f"router_77{name}"), some_files(name))
            for name in ("aa", "ab")
        ]
        assert await stores.policy_versions.get("router_77aa") == a
        assert await stores.policy_versions.get("77ab") == b
        with pytest.raises(InvalidInput, match="router_77aa, router_77ab"):
            await stores.policy_versions.get("77")
        for nobody in ("zz", "", "router_77aaa"):
            with pytest.raises(RecordNotFound):
                await stores.policy_versions.get(nobody)

    async def test_one_is_active_and_one_is_shadow_at_most(self, stores: Stores) -> None:
        first, second, third = await registered(stores, "first", "second", "third")
        await stores.policy_versions.move(first.id, "active", reason="the first")
        await stores.policy_versions.move(second.id, "shadow", reason="looks good")
        assert await states_of(stores) == ["active", "shadow", "candidate"]
        await stores.policy_versions.move(third.id, "shadow", reason="looks better")
        assert await states_of(stores) == ["active", "candidate", "shadow"]
        promoted = await stores.policy_versions.move(third.id, "active", reason="is better", is_forced=True)
        assert (promoted.state, promoted.reason) == ("active", "is better")
        assert await stores.policy_versions.active() == promoted
        assert await stores.policy_versions.shadow() is None
        assert await states_of(stores) == ["retired", "candidate", "active"]
        [to_shadow, to_active] = await stores.policy_versions.moves_of(third.id)
        assert (to_shadow.from_state, to_shadow.to_state, to_shadow.is_forced) == ("candidate", "shadow", False)
        assert (to_active.from_state, to_active.to_state, to_active.is_forced) == ("shadow", "active", True)
        assert (await stores.policy_versions.moves_of(first.id))[-1].reason == f"replaced by {third.id}"
        serving = await stores.policy_versions.serving()
        assert serving == ServingVersions(active_id=third.id, shadow_id=None, last_move_id=to_active.id)

    async def test_a_move_that_is_none_is_refused(self, stores: Stores) -> None:
        [first] = await registered(stores, "first")
        await stores.policy_versions.move(first.id, "active", reason="good")
        with pytest.raises(VersionConflict, match="active already"):
            await stores.policy_versions.move(first.id, "active", reason="again")
        with pytest.raises(VersionConflict, match="can become: retired"):
            await stores.policy_versions.move(first.id, "shadow", reason="back")
        with pytest.raises(RecordNotFound):
            await stores.policy_versions.move("nobody", "active", reason="good")
        assert (await kinds_of(stores)).count("router_moved") == 1

    async def test_of_two_promoters_at_once_one_wins_and_the_other_is_told(self, stores: Stores) -> None:
        versions = await registered(stores, "first", "second")
        seen = await stores.policy_versions.serving()
        results = await asyncio.gather(
            *(stores.policy_versions.move(each.id, "active", reason="mine", expected=seen) for each in versions),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in results) == ["PolicyVersion", "VersionConflict"]
        [lost] = [each for each in results if isinstance(each, ServiceError)]
        active = await stores.policy_versions.active()
        assert active is not None
        assert f"Somebody was faster: {active.id!r} has become active (mine)" in str(lost)
        assert sorted(await states_of(stores)) == ["active", "candidate"]

    async def test_rollback_goes_back_one_by_one(self, stores: Stores) -> None:
        first, second, third = await registered(stores, "first", "second", "third")
        with pytest.raises(VersionConflict, match="nothing to go back to"):
            await stores.policy_versions.rollback(reason="why not")
        for version in (first, second, third):
            await stores.policy_versions.move(version.id, "active", reason="newer")
        for expected in (second, first):
            back = await stores.policy_versions.rollback(reason="worse in service")
            assert (back.id, back.state, back.reason) == (expected.id, "active", "worse in service")
        assert await states_of(stores) == ["active", "retired", "retired"]
        assert (await stores.policy_versions.moves_of(first.id))[-1].is_rollback
        with pytest.raises(VersionConflict, match="nothing to go back to"):
            await stores.policy_versions.rollback(reason="further")

    async def test_rollback_brings_back_a_retired_active_and_heeds_what_was_seen(self, stores: Stores) -> None:
        [first] = await registered(stores, "first")
        seen = await stores.policy_versions.serving()
        await stores.policy_versions.move(first.id, "active", reason="good")
        await stores.policy_versions.move(first.id, "retired", reason="off for a while")
        assert await stores.policy_versions.active() is None
        with pytest.raises(VersionConflict, match="faster"):
            await stores.policy_versions.rollback(reason="late", expected=seen)
        assert (await stores.policy_versions.rollback(reason="on again")).id == first.id
        assert (await stores.policy_versions.serving()).active_id == first.id

    async def test_every_change_is_an_event_and_the_log_stays_whole(self, stores: Stores) -> None:
        first, second = await registered(stores, "first", "second")
        await stores.policy_versions.move(first.id, "active", reason="π \x00 \ud800")
        await stores.policy_versions.move(second.id, "active", reason="better")
        assert await kinds_of(stores) == ["writer_opened", *["router_registered"] * 2, *["router_moved"] * 3]
        verification = await verify(stores)
        assert (verification.is_whole, verification.events_checked) == (True, 6)
