"""`antroute skills add|update|list|show|allow|remove`: the catalogue of skills."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestrator.terminal import (
    AsJson,
    StoreUrl,
    existing,
    note,
    opened_stores,
    progress_bar,
    run,
    say,
    say_json,
    say_table,
)

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from orchestrator.skill_catalog import CatalogChange, SkillCatalog
    from orchestrator.skill_report import SkillReport
    from orchestrator.skill_sources import KnownSource
    from skills.libraries.source import Refused
    from storage.skill_records import Finding, SkillVersion

TOLD = 10  # of each kind; --json has all
TIME = "%Y-%m-%d %H:%M:%S"
NAME_CHARACTERS = 60

Library = Annotated[str | None, typer.Option("--library", help="Only this library's.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes into the log.")]
SkillId = Annotated[str, typer.Argument(metavar="ID", help="A skill's id, as `antroute skills list` shows it.")]
Kind = Literal["folder", "git", "pool", "openapi", "mcp"]


def add(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of SKILL.md folders, a repository's URL, a .jsonl pool, an OpenAPI document, or the name of "
            "an MCP server in the settings."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Of the library; default: the source's own.")] = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Default: what the source looks like.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Reads a source into the catalogue, scans each skill, and brings the index up to date."""
    run(_add(source, name, kind, store, as_json))


def update(
    name: Annotated[str | None, typer.Argument(help="A library; default: all that were added.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Reads sources again: changed texts become new versions, what a source holds no more is removed."""
    run(_update(name, store, as_json))


def list_skills(
    library: Library = None,
    state: Annotated[
        Literal["active", "quarantined", "removed"] | None, typer.Option("--state", help="Only in this state.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Part of a name, without regard to case.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many, by id.")] = 50,
    after: Annotated[str | None, typer.Option("--after", metavar="ID", help="Only ids after this one.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Skills by id, without their bodies; the last line tells how to go on."""
    run(_list(library, state, name, limit, after, store, as_json))


def show(
    id: SkillId,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Default: the latest.")] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """One skill: where it comes from, what the scan found, its versions, groups, near-copies and text."""
    run(_show(id, version, store, as_json))


def allow(
    id: SkillId,
    reason: Reason,
    sha256: Annotated[str, typer.Option("--sha256", help="Digest of the text you read, or its beginning.")] = "",
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Lets a quarantined text be shown to agents: this very text, and no other version."""
    run(_allow(id, reason, sha256, store, as_json))


def remove(
    id: Annotated[str | None, typer.Argument(metavar="ID", help="A skill's id.")] = None,
    library: Annotated[str | None, typer.Option("--library", help="All skills of this library instead.")] = None,
    reason: Reason = "Removed by hand.",
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Takes a skill, or a whole library, out of catalogue and index; versions stay for those who ask."""
    from storage.errors import InvalidInput

    if (id is None) == (library is None):
        raise InvalidInput("Give either an ID or --library NAME.", field="id")
    run(_remove(id, library, reason, store, as_json))


@dataclass(frozen=True, kw_only=True)
class OpenedSkills:
    """The catalogue with its settings."""

    settings: Settings
    catalog: SkillCatalog


@asynccontextmanager
async def opened_skills(store: str | None, *, may_be_new: bool = False) -> AsyncGenerator[OpenedSkills, None]:
    """Without a service around it: no model is started. Raises InvalidInput where there is no database yet."""
    from orchestrator.settings import load_settings
    from orchestrator.skill_bootstrap import opened_catalog

    settings = load_settings(**({} if store is None else {"store_url": store}))
    if not may_be_new:
        existing(settings.store_url)
    async with opened_catalog(settings) as catalog:
        yield OpenedSkills(settings=settings, catalog=catalog)


async def _add(source: str, name: str, kind: Kind | None, store: str | None, as_json: bool) -> None:
    from orchestrator.skill_sources import KnownSources, known_source

    async with opened_skills(store, may_be_new=True) as skills:
        known = known_source(skills.settings, source, name=name, kind=kind)
        change = await _read(skills, known, is_update=False)
        KnownSources(skills.settings.skills.index_dir).keep(known)
        reasons = await _reasons(skills, change)
    _say_changes([change], reasons, as_json, is_list=False)


async def _update(name: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.skill_sources import KnownSources
    from storage.errors import InvalidInput, ServiceError

    changes, reasons = [], dict[str, str]()
    failed: list[ServiceError] = []  # one source that cannot be read keeps no other from being read
    async with opened_skills(store) as skills:
        sources = KnownSources(skills.settings.skills.index_dir)
        wanted = list(sources.read().values()) if name is None else [sources.one(name)]
        if not wanted:
            raise InvalidInput("No sources were added yet.", field="name", hint="antroute skills add SOURCE")
        for known in wanted:
            try:
                changes.append(await _read(skills, known, is_update=True))
            except ServiceError as error:
                failed.append(error)
                note(f"{line_of(known.library)} could not be read: {line_of(str(error))}")
                continue
            reasons |= await _reasons(skills, changes[-1])
    _say_changes(changes, reasons, as_json, is_list=True)
    if failed:
        raise failed[0]


async def _read(skills: OpenedSkills, known: KnownSource, *, is_update: bool) -> CatalogChange:
    from orchestrator.skill_libraries import Session
    from orchestrator.skill_sources import opened_source

    source = opened_source(skills.settings, known)
    try:
        with progress_bar() as on_progress:
            read = skills.catalog.update if is_update else skills.catalog.add
            return await read(source, on_progress=on_progress)
    finally:
        if isinstance(source, Session):
            await source.close()


async def _reasons(skills: OpenedSkills, change: CatalogChange) -> dict[str, str]:
    """Why each is quarantined, by id."""
    return {skill_id: (await skills.catalog.store.get(skill_id)).reason for skill_id in change.quarantined}


def _say_changes(changes: Sequence[CatalogChange], reasons: dict[str, str], as_json: bool, *, is_list: bool) -> None:
    if as_json:
        views = [_change_view(change, reasons) for change in changes]
        say_json(views if is_list else views[0])
        return
    for change in changes:
        say("\n".join(_change_lines(change, reasons)))


def _change_view(change: CatalogChange, reasons: dict[str, str]) -> dict[str, Any]:
    from orchestrator.views import record_view

    quarantined = [{"skill_id": skill_id, "reason": reasons[skill_id]} for skill_id in change.quarantined]
    return {**record_view(change), "quarantined": quarantined}


def _change_lines(change: CatalogChange, reasons: dict[str, str]) -> Iterator[str]:
    counts = {
        "added": change.added,
        "updated": change.updated,
        "restored": change.restored,
        "removed": change.removed,
        "unchanged": change.unchanged,
        "quarantined": change.quarantined,
        "refused": change.refused,
    }
    shown = [f"{len(ids)} {what}" for what, ids in counts.items() if ids or what in ("added", "unchanged")]
    yield f"{line_of(change.library)}: {', '.join(shown)}"
    yield from _told("quarantined", [f"{line_of(each)}: {reasons[each]}" for each in change.quarantined])
    yield from _told("refused", [_refusal(refused) for refused in change.refused])
    yield from _told("same text", [", ".join(map(line_of, ids)) for ids in change.copies])
    if change.quarantined:
        yield "  Look at one: antroute skills show ID. Let it through: antroute skills allow ID --reason WHY"
    yield f"  index: {line_of(change.index)}"


def _refusal(refused: Refused) -> str:
    return f"{line_of(refused.where)}: {line_of(refused.reason)}"


def _told(what: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {what}: {line}" for line in lines[:TOLD])
    if len(lines) > TOLD:
        yield f"  … and {len(lines) - TOLD} more {what} (--json has all)"


async def _list(
    library: str | None,
    state: Literal["active", "quarantined", "removed"] | None,
    name: str | None,
    limit: int,
    after: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    from storage.stores import SkillFilter

    wanted = SkillFilter(library=library, state=state, name_contains=name, after_id=after, limit=limit)
    async with opened_stores(store) as stores:
        found = await stores.skills.find(wanted)
    next_id = found[-1].skill_id if len(found) == limit else None
    if as_json:
        say_json({"skills": [without_body(skill) for skill in found], "next_cursor": next_id})
    elif not found:
        say("No such skills. Add some: antroute skills add SOURCE")
    else:
        say_table(["id", "name", "library", "kind", "version", "state", "findings", "licence"], [*map(_row, found)])
        if next_id is not None:
            say(f"More: --after {line_of(next_id)!r}")


def _row(skill: SkillVersion) -> list[str]:
    return [
        line_of(skill.skill_id),
        line_of(skill.name)[:NAME_CHARACTERS],
        line_of(skill.library),
        skill.kind,
        str(skill.version),
        skill.state,
        rules_of(skill.findings) or "-",
        line_of(skill.license) or "-",
    ]


async def _show(id: str, version: int | None, store: str | None, as_json: bool) -> None:
    from orchestrator.settings import load_settings
    from orchestrator.skill_report import open_index, skill_report
    from skills.errors import IndexRefused

    settings = load_settings(**({} if store is None else {"store_url": store}))
    async with opened_stores(store) as stores:
        await stores.skills.get(id, version=version)  # before the index is opened, which takes a second
        try:
            index = open_index(settings)
        except IndexRefused:
            index = None
        folder = settings.skills.index_dir
        report = await skill_report(stores.skills, id, version=version, index=index, folder=folder)
    if as_json:
        say_json(_report_view(report))
    else:
        say("\n".join(_report_lines(report)))


def _report_view(report: SkillReport) -> dict[str, Any]:
    from orchestrator.views import plain, record_view

    versions = [without_body(each) for each in report.versions]
    rest = {key: value for key, value in record_view(report).items() if key not in ("skill", "versions")}
    return {**plain(report.skill), "versions": versions, **rest}


def _report_lines(report: SkillReport) -> Iterator[str]:
    from skills.safety.visible import visible

    skill = report.skill
    yield f"skill        {line_of(skill.skill_id)}   version {skill.version} of {len(report.versions)}"
    yield f"name         {line_of(skill.name)}"
    yield f"description  {line_of(skill.description)}"
    yield f"state        {skill.state}{f': {line_of(skill.reason)}' if skill.reason else ''}"
    yield f"library      {line_of(skill.library)} ({skill.kind})"
    yield f"source       {line_of(skill.source)}"
    yield f"licence      {line_of(skill.license) or '-'}"
    yield f"sha256       {skill.sha256}"
    yield f"groups       {' > '.join(report.groups) or '-'}"
    copies = [f"{line_of(copy.skill_id)} ({copy.similarity:.2f})" for copy in report.near_copies]
    near = ", ".join(copies) or ("none among its neighbours" if report.is_indexed else "not looked for: not indexed")
    yield f"near-copies  {near}"
    if skill.resources:
        yield f"files        {', '.join(map(line_of, skill.resources[:TOLD]))} ({len(skill.resources)} in all)"
    for finding in skill.findings:
        yield f"finding      {finding_line(finding)}"
    for move in report.moves:
        reason = f": {line_of(move.reason)}" if move.reason else ""
        yield (
            f"{move.moved_at.astimezone():{TIME}}  version {move.version} {move.from_state} -> {move.to_state}"
            f" by {line_of(move.by)}{reason}"
        )
    for each in report.versions:
        yield f"{each.added_at.astimezone():{TIME}}  version {each.version} {each.sha256[:12]}"
    yield "text, as data (invisible characters written out):"
    yield from (f"  | {line}" for line in visible(skill.body).splitlines())


async def _allow(id: str, reason: str, sha256: str, store: str | None, as_json: bool) -> None:
    async with opened_skills(store) as skills:
        allowed = await skills.catalog.allow(id, reason=reason, sha256=sha256)
    _say_moved([allowed], as_json)


async def _remove(id: str | None, library: str | None, reason: str, store: str | None, as_json: bool) -> None:
    from orchestrator.skill_sources import KnownSources

    async with opened_skills(store) as skills:
        if id is not None:
            removed: Sequence[SkillVersion] = [await skills.catalog.remove(id, reason=reason)]
        else:
            removed = await skills.catalog.remove_library(library or "", reason=reason)
            KnownSources(skills.settings.skills.index_dir).forget(library or "")
    _say_moved(removed, as_json)


def _say_moved(skills: Sequence[SkillVersion], as_json: bool) -> None:
    if as_json:
        say_json({"skills": [without_body(skill) for skill in skills]})
        return
    for skill in skills[:TOLD]:
        say(f"{line_of(skill.skill_id)} version {skill.version} is {skill.state}")
    if len(skills) > TOLD:
        say(f"… and {len(skills) - TOLD} more")


def without_body(skill: SkillVersion) -> dict[str, Any]:
    from orchestrator.views import record_view

    view = record_view(skill)
    view["body_characters"] = len(view.pop("body"))
    return view


def line_of(text: str) -> str:
    """A stranger's text on one line, with what cannot be seen written out."""
    from skills.safety.visible import visible

    return " ".join(visible(text).split())


def finding_line(finding: Finding) -> str:
    return f"{finding.severity}: {finding.rule} in {finding.where} at {finding.offset}: {line_of(finding.excerpt)}"


def rules_of(findings: Iterable[Finding]) -> str:
    """The names of the rules, each once."""
    return ", ".join(dict.fromkeys(finding.rule for finding in findings))
