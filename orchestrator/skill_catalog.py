"""The catalogue of skills: reads sources into it, scans, allows, removes, and keeps the index in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from orchestrator.found_skills import SkillIndex
from orchestrator.known_names import known_names
from orchestrator.near_copies import NearCopies, near_copies
from orchestrator.skill_forms import skill_of, version_of
from skills.base import Skill
from skills.libraries.source import Refused, SkillSource
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput, RecordNotFound
from storage.skill_records import Finding, SkillVersion
from storage.stores import SkillChange, SkillFilter, SkillStore

if TYPE_CHECKING:
    from skills.safety.impersonation import KnownNames

PAGE = 500  # skills that are read, scanned or written at once
OPERATOR = "local"  # who moves a skill by hand, until there are principals
SCAN = "scan"
SHOWN_RULES = 3  # in a reason
FOREIGN = "Another library has a skill of this id; give it another one."

T = TypeVar("T")
Scan = Callable[[Skill, "KnownNames"], Sequence[Finding]]


class IndexKeeper(Protocol):
    """Whoever builds the index."""

    async def follow(self, store: SkillStore, *, on_progress: Progress) -> str:
        """Brings the index up to what the catalogue holds; says in words what it did. Raises a ServiceError."""
        ...


@dataclass(frozen=True, kw_only=True)
class CatalogChange:
    """What reading a source did. Ids, in the source's order."""

    library: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()  # in the catalogue, and in the source no more
    quarantined: tuple[str, ...] = ()  # of all that were read
    refused: tuple[Refused, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()  # ids with one and the same text
    near: NearCopies = NearCopies()  # of what is new, among all that is there
    index: str = ""  # what became of it


@dataclass(frozen=True, kw_only=True)
class ScanChange:
    """What scanning catalogued texts anew found."""

    scanned: int
    id_to_findings: dict[str, tuple[Finding, ...]]
    quarantined: tuple[str, ...]  # that were active before


class SkillCatalog:
    """What operators do with skills. After each change the index follows; a problem there undoes nothing."""

    def __init__(self, store: SkillStore, *, scan: Scan, keeper: IndexKeeper, index: SkillIndex) -> None:
        """`index`: what is added is compared with what is found there."""
        self.store = store
        self._index = index
        self._scan = scan
        self._keeper = keeper

    async def add(self, source: SkillSource, *, on_progress: Progress = no_progress) -> CatalogChange:
        """New ids and new texts of the source. Raises SkillError where the source cannot be read, StorageUnavailable.

        An id that belongs to another library is refused: nobody takes over a skill by giving his own its id.
        """
        return await self._followed(await self._read(source, on_progress), on_progress)

    async def update(self, source: SkillSource, *, on_progress: Progress = no_progress) -> CatalogChange:
        """As `add`, and removes what the source holds no more: nothing, where it could not be read to its end."""
        change = await self._read(source, on_progress)
        kept = {*change.added, *change.updated, *change.restored, *change.unchanged}
        is_whole = not any(refused.ends for refused in change.refused)
        own = self._all(library=source.name)
        gone = [skill.skill_id async for skill in own if is_whole and _is_gone(skill, kept)]
        for page in batches(gone):
            await self.store.move(page, "removed", reason="The source holds it no more.", by=OPERATOR)
        return await self._followed(replace(change, removed=tuple(gone)), on_progress)

    async def remove(self, skill_id: str, *, reason: str, by: str = OPERATOR) -> SkillVersion:
        """Raises RecordNotFound."""
        [moved] = await self.store.move([skill_id], "removed", reason=reason, by=by)
        await self.follow()
        return moved

    async def remove_library(self, library: str, *, reason: str, by: str = OPERATOR) -> Sequence[SkillVersion]:
        """All its skills. Raises RecordNotFound where it has none."""
        ids = [skill.skill_id async for skill in self._all(library=library) if skill.state != "removed"]
        if not ids:
            raise RecordNotFound(f"No skills of a library {library!r}.", hint="antroute skills list shows all.")
        moved = [each for page in batches(ids) for each in await self.store.move(page, "removed", reason=reason, by=by)]
        await self.follow()
        return moved

    async def allow(self, skill_id: str, *, reason: str, by: str = OPERATOR, sha256: str = "") -> SkillVersion:
        """An operator's word for a quarantined text. `sha256`: the beginning of the digest of the text that was read.

        Raises RecordNotFound, and InvalidInput where it is not quarantined, or is another text by now.
        """
        latest = await self.store.get(skill_id)
        if not latest.sha256.startswith(sha256):
            raise InvalidInput(
                f"Skill {skill_id!r} is another text by now, {latest.sha256[:12]}, not {sha256[:12]!r}; read it first.",
                field="sha256",
            )
        if latest.state != "quarantined":
            raise InvalidInput(f"Skill {skill_id!r} is {latest.state}, not quarantined.", field="skill_id")
        [moved] = await self.store.move([skill_id], "active", reason=reason, by=by)
        await self.follow()
        return moved

    async def list(self, wanted: SkillFilter) -> Sequence[SkillVersion]:
        """Latest versions, by id."""
        return await self.store.find(wanted)

    async def scan(self, *, library: str | None = None, on_progress: Progress = no_progress) -> ScanChange:
        """Every catalogued text by the rules of today; an active one that fails is quarantined, unless allowed."""
        findings: dict[str, tuple[Finding, ...]] = {}
        failed: list[str] = []
        scanned = 0
        names = await self.store.names()
        known = await self._known_names(list(names.values()))
        async for page in self._pages(library=library):
            pairs = [(skill_of(each), each) for each in page]
            for version in await asyncio.to_thread(self._scanned, pairs, known, {each.skill_id for each in page}):
                if version.findings:
                    findings[version.skill_id] = version.findings
                if version.state == "active" and _reasons(version) and not await self._is_allowed(version):
                    failed.append(version.skill_id)
                    await self.store.move([version.skill_id], "quarantined", reason=_reasons(version), by=SCAN)
            scanned += len(page)
            on_progress(scanned, 0, "scanning skills")
        if failed:
            await self.follow(on_progress=on_progress)
        return ScanChange(scanned=scanned, id_to_findings=findings, quarantined=tuple(failed))

    async def follow(self, *, on_progress: Progress = no_progress) -> str:
        """Brings the index up to date."""
        return await self._keeper.follow(self.store, on_progress=on_progress)

    async def _followed(self, change: CatalogChange, on_progress: Progress) -> CatalogChange:
        told = await self.follow(on_progress=on_progress)
        near = await near_copies(self._index, self.store, [*change.added, *change.updated])
        return replace(change, index=told, near=near)

    async def _read(self, source: SkillSource, on_progress: Progress) -> CatalogChange:
        reading = await source.read()
        standing = await self._standing([skill.skill_id for skill in reading.skills])
        foreign = {each.skill_id for each in standing.values() if each.library != source.name}
        own = [skill for skill in reading.skills if skill.skill_id not in foreign]
        versions = [version_of(skill, library=source.name) for skill in own]
        fresh = {each.skill_id for each in versions if _is_fresh(each, standing.get(each.skill_id))}
        known = await self._known_names([skill.name for skill in own if skill.skill_id in fresh])
        changes: list[SkillChange] = []
        for page in batches(list(zip(own, versions, strict=True))):
            scanned = await asyncio.to_thread(self._scanned, page, known, fresh)
            changes += await self.store.put(scanned)
            on_progress(len(changes), len(own), "adding skills")
        return CatalogChange(
            library=source.name,
            added=_ids(changes, "added"),
            updated=_ids(changes, "updated"),
            restored=_ids(changes, "restored"),
            unchanged=_ids(changes, "unchanged"),
            quarantined=tuple(each.skill.skill_id for each in changes if each.skill.state == "quarantined"),
            refused=(*reading.refused, *(Refused(where=skill_id, reason=FOREIGN) for skill_id in sorted(foreign))),
            copies=_copies(change.skill for change in changes),
        )

    async def _standing(self, skill_ids: Sequence[str]) -> dict[str, SkillVersion]:
        """What is catalogued of these, removed ones too; without the texts."""
        found: dict[str, SkillVersion] = {}
        for page in batches(skill_ids):
            latest = await self.store.get_many(page)
            found.update((skill_id, replace(version, body="")) for skill_id, version in latest.items())
        return found

    async def _known_names(self, newcomers: Sequence[str]) -> KnownNames:
        names = await self.store.names() if newcomers else {}
        return await asyncio.to_thread(known_names, names.values(), newcomers)

    def _scanned(
        self, page: Sequence[tuple[Skill, SkillVersion]], known: KnownNames, fresh: Collection[str]
    ) -> Sequence[SkillVersion]:
        """With findings, where the text is a new one. A name that is not quarantined is known from then on."""
        scanned = []
        for skill, version in page:
            if skill.skill_id in fresh:
                version = replace(version, findings=tuple(self._scan(skill, known)))
                if not _reasons(version):
                    known.add(skill.name)
            scanned.append(version)
        return scanned

    async def _is_allowed(self, version: SkillVersion) -> bool:
        """Whether an operator has allowed this very text before."""
        moves = await self.store.moves_of(version.skill_id)
        return any(m.to_state == "active" and m.by != SCAN and m.sha256 == version.sha256 for m in moves)

    async def _all(self, *, library: str | None = None) -> AsyncIterator[SkillVersion]:
        async for page in self._pages(library=library):
            for skill in page:
                yield skill

    async def _pages(self, *, library: str | None) -> AsyncIterator[Sequence[SkillVersion]]:
        async for page in pages_of(self.store, SkillFilter(library=library, limit=PAGE)):
            yield page


async def pages_of(store: SkillStore, wanted: SkillFilter) -> AsyncIterator[list[SkillVersion]]:
    """All that fit the filter, page by page."""
    while page := await store.find(wanted):
        yield page
        wanted = replace(wanted, after_id=page[-1].skill_id)


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]


def _is_gone(skill: SkillVersion, kept: set[str]) -> bool:
    return skill.skill_id not in kept and skill.state != "removed"


def _is_fresh(given: SkillVersion, standing: SkillVersion | None) -> bool:
    """Whether the text is to be scanned: a new one, or one that comes back."""
    return standing is None or standing.sha256 != given.sha256 or standing.state == "removed"


def _ids(changes: Iterable[SkillChange], what: str) -> tuple[str, ...]:
    return tuple(change.skill.skill_id for change in changes if change.what == what)


def _copies(skills: Iterable[SkillVersion]) -> tuple[tuple[str, ...], ...]:
    sha256_to_ids: dict[str, list[str]] = {}
    for skill in skills:
        sha256_to_ids.setdefault(skill.sha256, []).append(skill.skill_id)
    return tuple(tuple(ids) for ids in sha256_to_ids.values() if len(ids) > 1)


def _reasons(version: SkillVersion) -> str:
    """The rules that quarantine it, in words; empty where none does."""
    rules = list(dict.fromkeys(each.rule for each in version.findings if each.severity == "quarantine"))
    more = ", …" if len(rules) > SHOWN_RULES else ""
    return ", ".join(rules[:SHOWN_RULES]) + more
