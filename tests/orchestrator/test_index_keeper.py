"""The index follows the catalogue by digests: only what differs is brought in, all of it only where it must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.index_keeper import CatalogIndexKeeper
from orchestrator.skill_forms import version_of
from skills.base import Skill
from skills.errors import IndexRefused
from skills.progress import Progress, no_progress
from storage.registry import open_stores
from storage.stores import Stores
from tests.orchestrator.skill_doubles import text_skill


@dataclass(kw_only=True)
class ListingWriter:
    """Keeps ids and digests, and says what it was asked to write."""

    id_to_sha256: dict[str, str] | None = None
    asked: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    error: IndexRefused | None = None

    def held(self, folder: Path) -> dict[str, str] | None:
        if self.error is not None:
            raise self.error
        return self.id_to_sha256

    def build(self, folder: Path, skills: Iterable[Skill], on_progress: Progress) -> str:
        self.id_to_sha256 = {}
        return self._written("build", skills, ())

    def update(self, folder: Path, put: Iterable[Skill], removed: Collection[str], on_progress: Progress) -> str:
        return self._written("update", put, removed)

    def _written(self, what: str, put: Iterable[Skill], removed: Collection[str]) -> str:
        assert self.id_to_sha256 is not None
        fresh = {skill.skill_id: skill.provenance.sha256 for skill in put}
        self.asked.append((what, list(fresh), sorted(removed)))
        self.id_to_sha256 = {
            skill_id: sha256 for skill_id, sha256 in (self.id_to_sha256 | fresh).items() if skill_id not in removed
        }
        return what


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    opened = await open_stores("memory:")
    yield opened
    await opened.close()


async def put(stores: Stores, *skills: Skill) -> None:
    await stores.skills.put([version_of(skill, library="office") for skill in skills])


A, B = text_skill("a"), text_skill("b")


async def test_the_first_time_it_is_built_from_all_and_later_only_what_differs_is_brought_in(stores: Stores) -> None:
    writer = ListingWriter()
    keeper = CatalogIndexKeeper(Path("nowhere"), writer)
    await put(stores, A, B)
    assert await keeper.follow(stores.skills, on_progress=no_progress) == "build"
    assert await keeper.follow(stores.skills, on_progress=no_progress) == "nothing to do, 2 unchanged"
    await put(stores, replace(A, body="Another text."), text_skill("c"))
    await stores.skills.move([B.skill_id], "removed", reason="", by="alice")
    assert await keeper.follow(stores.skills, on_progress=no_progress) == "update"
    assert writer.asked == [("build", ["pool/a", "pool/b"], []), ("update", ["pool/a", "pool/c"], ["pool/b"])]
    assert await keeper.follow(stores.skills, on_progress=no_progress) == "nothing to do, 2 unchanged"


async def test_two_changes_at_once_are_brought_in_once(stores: Stores) -> None:
    writer = ListingWriter(id_to_sha256={})
    keeper = CatalogIndexKeeper(Path("nowhere"), writer)
    await put(stores, A)
    told = await asyncio.gather(*(keeper.follow(stores.skills, on_progress=no_progress) for _ in range(3)))
    assert sorted(told) == ["nothing to do, 1 unchanged"] * 2 + ["update"]


async def test_what_cannot_be_written_is_told_and_not_raised(stores: Stores) -> None:
    keeper = CatalogIndexKeeper(Path("nowhere"), ListingWriter(error=IndexRefused("It is half written.")))
    told = await keeper.follow(stores.skills, on_progress=no_progress)
    assert told == "The index could not follow: It is half written."


async def test_a_text_that_its_digest_does_not_name_is_never_indexed(stores: Stores) -> None:
    writer = ListingWriter()
    await stores.skills.put([replace(version_of(A, library="office"), sha256="0" * 64)])
    told = await CatalogIndexKeeper(Path("nowhere"), writer).follow(stores.skills, on_progress=no_progress)
    assert "'pool/a' is not the one that its digest names" in told
    assert writer.asked == []


async def test_an_index_made_of_a_pool_is_not_emptied(stores: Stores) -> None:
    writer = ListingWriter(id_to_sha256={"from a pool": "0" * 64})
    await put(stores, A)
    told = await CatalogIndexKeeper(Path("nowhere"), writer).follow(stores.skills, on_progress=no_progress)
    assert "'from a pool' for one: it was made of a pool" in told
    assert writer.asked == []
