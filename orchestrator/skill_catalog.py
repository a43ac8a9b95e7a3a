"""The catalogue of skills: reads sources into it, scans, allows, removes, and keeps the index in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from skills.base import Provenance, Skill, content_sha256
from skills.libraries.source import Refused, SkillSource
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput, RecordNotFound
from storage.skill_records import Finding, SkillState, SkillVersion
from storage.stores import SkillChange, SkillFilter, SkillStore

PAGE = 500  # skills that are read, scanned or written at once
OPERATOR = "local"  # who moves a skill by hand, until there are principals
SCAN = "scan"
SHOWN_RULES = 3  # in a reason

T = TypeVar("T")
Scan = Callable[[Skill], Sequence[Finding]]


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
    index: str = ""  # what became of it


@dataclass(frozen=True, kw_only=True)
class ScanChange:
    """What scanning catalogued texts anew found."""

    scanned: int
    id_to_findings: dict[str, tuple[Finding, ...]]
    quarantined: tuple[str, ...]  # that were active before


class SkillCatalog:
    """What operators do with skills. After each change the index follows; a problem there undoes nothing."""

    def __init__(self, store: SkillStore, *, scan: Scan, keeper: IndexKeeper) -> None:
        self.store = store
        self._scan = scan
        self._keeper = keeper

    async def add(self, source: SkillSource, *, on_progress: Progress = no_progress) -> CatalogChange:
        """New ids and new texts of the source. Raises SkillError where the source cannot be read, StorageUnavailable.

        An id that belongs to another library is refused: nobody takes over a skill by giving his own its id.
        """
        change = await self._read(source, on_progress)
        return replace(change, index=await self.follow(on_progress=on_progress))

    async def update(self, source: SkillSource, *, on_progress: Progress = no_progress) -> CatalogChange:
        """As `add`, and removes what the source holds no more."""
        change = await self._read(source, on_progress)
        kept = {*change.added, *change.updated, *change.restored, *change.unchanged}
        gone = [skill.skill_id async for skill in self._all(library=source.name) if _is_gone(skill, kept)]
        for page in _batches(gone):
            await self.store.move(page, "removed", reason="The source holds it no more.", by=OPERATOR)
        return replace(change, removed=tuple(gone), index=await self.follow(on_progress=on_progress))

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
        moved = [
            each for page in _batches(ids) for each in await self.store.move(page, "removed", reason=reason, by=by)
        ]
        await self.follow()
        return moved

    async def allow(self, skill_id: str, *, reason: str, by: str = OPERATOR) -> SkillVersion:
        """An operator's word for a quarantined text. Raises RecordNotFound, and InvalidInput where it is not one."""
        latest = await self.store.get(skill_id)
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
        async for page in self._pages(library=library):
            for version in await asyncio.to_thread(self._scanned, [skill_of(each) for each in page], page):
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

    async def _read(self, source: SkillSource, on_progress: Progress) -> CatalogChange:
        reading = await source.read()
        foreign = await self._foreign(source.name)
        refused = [*reading.refused]
        refused += [
            Refused(where=skill.skill_id, reason="Another library has a skill of this id; give it another one.")
            for skill in reading.skills
            if skill.skill_id in foreign
        ]
        own = [skill for skill in reading.skills if skill.skill_id not in foreign]
        changes: list[SkillChange] = []
        for page in _batches(own):
            versions = [version_of(skill, library=source.name) for skill in page]
            changes += await self.store.put(await asyncio.to_thread(self._scanned, page, versions))
            on_progress(len(changes), len(own), "adding skills")
        return CatalogChange(
            library=source.name,
            added=_ids(changes, "added"),
            updated=_ids(changes, "updated"),
            restored=_ids(changes, "restored"),
            unchanged=_ids(changes, "unchanged"),
            quarantined=tuple(each.skill.skill_id for each in changes if each.skill.state == "quarantined"),
            refused=tuple(refused),
            copies=_copies(change.skill for change in changes),
        )

    def _scanned(self, skills: Sequence[Skill], versions: Sequence[SkillVersion]) -> Sequence[SkillVersion]:
        pairs = zip(skills, versions, strict=True)
        return [replace(version, findings=tuple(self._scan(skill))) for skill, version in pairs]

    async def _foreign(self, library: str) -> set[str]:
        """The ids of all other libraries, removed ones too: their history is theirs."""
        states: tuple[SkillState, ...] = ("active", "quarantined", "removed")
        known = {skill_id for state in states for skill_id in await self.store.digests(state=state)}
        if not known:
            return known
        return known - {skill.skill_id async for skill in self._all(library=library)}

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


def version_of(skill: Skill, *, library: str) -> SkillVersion:
    """The skill as the catalogue keeps it."""
    return SkillVersion(
        skill_id=skill.skill_id,
        name=skill.name,
        description=skill.description,
        sha256=content_sha256(skill),
        source=skill.provenance.source,
        library=library,
        kind=skill.kind,
        body=skill.body,
        parameters=skill.parameters,
        license=skill.provenance.license,
        resources=skill.resources,
    )


def skill_of(version: SkillVersion) -> Skill:
    """The catalogued text as an index and a scan read it."""
    return Skill(
        id=version.skill_id,
        name=version.name,
        description=version.description,
        provenance=Provenance(source=version.source, sha256=version.sha256, license=version.license),
        kind=version.kind,
        body=version.body,
        parameters=version.parameters,
        resources=version.resources,
    )


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), PAGE):
        yield items[start : start + PAGE]


def _is_gone(skill: SkillVersion, kept: set[str]) -> bool:
    return skill.skill_id not in kept and skill.state != "removed"


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
